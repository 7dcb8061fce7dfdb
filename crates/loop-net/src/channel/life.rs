//! What a connection has until it is lost: all of it goes at once.
//!
//! ```text
//! end:   No ─── write_eof, or a close of what has an end to tell ──▶ Wanted ─── poll_shutdown ──▶ Told
//! close: No ─── close ──▶ Wanted ─── everything is written, and the other side is waited for ──▶ Parting
//! ```
//! The end is told when everything is written. A connection that closes is lost after that, or after the other side's end.

use std::rc::Rc;

use loop_core::TimerHandle;

use super::outgoing::Outgoing;
use crate::Connection;
use crate::driver::DriverHandle;

pub(super) struct Life {
    pub(super) connection: Rc<dyn Connection>,
    pub(super) out: Outgoing,
    pub(super) end: End,
    pub(super) close: Close,
    pub(super) flusher: Flusher,
}

/// Whether the direction that is written to ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    No,
    /// The other side is to be told when everything is written.
    Wanted,
    Told,
}

/// Whether all of the connection closes.
pub(super) enum Close {
    No,
    /// When everything is written.
    Wanted,
    /// Everything is written, and the other side is to say that it closes too, before this timer: whatever else it says,
    /// nobody hears. A loop that is closed has no time to wait.
    Parting(Option<TimerHandle>),
}

/// Who writes what waits, and then tells the end.
pub(super) enum Flusher {
    Nobody,
    /// Whoever has called for the end, at this moment.
    Caller,
    Driver(DriverHandle),
}

/// What becomes of bytes that somebody writes.
pub(super) enum Write {
    /// The connection closes.
    Never,
    /// The other side was told that nothing more comes, or will be.
    AfterEnd,
    /// They wait behind others.
    Behind,
    /// The connection may have them at once; they have to be [taken back](Outgoing::take_back).
    Next(Rc<dyn Connection>),
}

/// What is to be done when everything is written.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Nothing,
    TellEnd,
    AwaitPeer,
    Lose,
}

impl Life {
    pub(super) fn new(connection: Rc<dyn Connection>) -> Life {
        Life {
            connection,
            out: Outgoing::new(),
            end: End::No,
            close: Close::No,
            flusher: Flusher::Nobody,
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        !matches!(self.close, Close::No)
    }

    /// The connection, as long as anybody hears what it says.
    pub(super) fn heard(&self) -> Option<Rc<dyn Connection>> {
        let is_parting = matches!(self.close, Close::Parting(_));
        (!is_parting).then(|| Rc::clone(&self.connection))
    }

    pub(super) fn is_flushing(&self) -> bool {
        !matches!(self.flusher, Flusher::Nobody)
    }

    /// Whether somebody may begin to flush. While there is a file, what comes before it is being flushed if it is not
    /// yet, and the rest has to wait.
    pub(super) fn can_flush(&self) -> bool {
        !self.is_flushing() && !self.out.has_file()
    }

    /// Whether the other side may be waited for, when everything is written: it was told of the end, or is next.
    pub(super) fn can_part(&self) -> bool {
        matches!(self.close, Close::Wanted) && self.end != End::No && !self.out.has_file()
    }

    /// Wants bytes to be written.
    pub(super) fn want_write(&mut self, bytes: &[u8]) -> Write {
        if self.is_closing() {
            Write::Never
        } else if self.end != End::No {
            Write::AfterEnd
        } else if self.out.lend_out(bytes) {
            Write::Next(Rc::clone(&self.connection))
        } else {
            self.out.push(bytes);
            Write::Behind
        }
    }

    /// Wants this direction to end. `false`: it does, or everything does.
    pub(super) fn want_end(&mut self) -> bool {
        let is_new = !self.is_closing() && self.end == End::No;
        if is_new {
            self.end = End::Wanted;
        }
        is_new
    }

    /// Wants everything to end. `false`: it does.
    pub(super) fn want_close(&mut self, has_end_to_tell: bool) -> bool {
        if self.is_closing() {
            return false;
        }
        self.close = Close::Wanted;
        if has_end_to_tell && self.end == End::No {
            self.end = End::Wanted;
        }
        true
    }

    pub(super) fn next(&self) -> Next {
        match (self.end, &self.close) {
            _ if self.out.has_file() => Next::Nothing, // the end comes behind it
            (End::Wanted, _) => Next::TellEnd,
            (_, Close::No) => Next::Nothing,
            (_, Close::Wanted) => Next::Lose,
            (_, Close::Parting(_)) => Next::AwaitPeer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::{Close, End, Life, Next};
    use crate::UnixStream;

    fn life() -> Life {
        let (near, _far) = UnixStream::pair().unwrap();
        Life::new(Rc::new(near))
    }

    #[test]
    fn the_end_is_told_first() {
        use {Close as C, End as E, Next as N};
        let rows = [
            (E::No, C::No, N::Nothing),
            (E::Wanted, C::No, N::TellEnd),
            (E::Told, C::No, N::Nothing),
            (E::No, C::Wanted, N::Lose),
            (E::Wanted, C::Wanted, N::TellEnd),
            (E::Told, C::Wanted, N::Lose),
            (E::Wanted, C::Parting(None), N::TellEnd),
            (E::Told, C::Parting(None), N::AwaitPeer),
        ];
        for (end, close, next) in rows {
            let mut life = life();
            (life.end, life.close) = (end, close);
            assert_eq!(life.next(), next);
            assert!(life.out.begin_file());
            assert_eq!(life.next(), Next::Nothing, "it comes behind the file");
        }
    }

    #[test]
    fn nothing_ends_twice() {
        let mut life = life();
        assert!(life.want_end() && !life.want_end());
        life.end = End::Told;
        assert!(!life.want_end());
        assert!(life.want_close(true) && !life.want_close(true));
        assert_eq!(life.end, End::Told);
        assert!(!life.want_end() && life.is_closing());
    }

    #[test]
    fn what_closes_has_an_end_to_tell_or_none() {
        for (has_end_to_tell, next) in [(false, Next::Lose), (true, Next::TellEnd)] {
            let mut life = life();
            assert!(life.want_close(has_end_to_tell));
            assert!(!life.want_end());
            assert_eq!(life.next(), next);
        }
    }

    #[test]
    fn whoever_parts_is_not_heard() {
        let mut life = life();
        assert!(!life.can_part() && life.heard().is_some());
        assert!(life.want_close(true));
        assert!(life.can_part() && life.heard().is_some());
        life.close = Close::Parting(None);
        assert!(!life.can_part() && life.heard().is_none());
        life.end = End::No;
        life.close = Close::Wanted;
        assert!(!life.can_part(), "it does not know of any end");
    }
}
