//! What waits to be written, in its order: bytes, perhaps a file, and bytes behind it.

use std::mem;
use std::ops::Deref;
use std::task::Waker;

use crate::marks::{Mark, Marks};

/// What is kept of an empty buffer for the next time.
const KEPT: usize = 128 * 1024;

/// The bytes that wait, and the marks that say when they are too many.
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// How much of `bytes` is written.
    written: usize,
    /// How many bytes more are with whoever writes them: they come before `bytes`.
    lent: usize,
    file: Option<FileAhead>,
    pub(super) marks: Marks,
}

/// A file is sent, or is next when `bytes` are written.
#[derive(Default)]
struct FileAhead {
    /// What was pushed since then.
    behind: Vec<u8>,
    /// Who sends it, while he waits.
    sender: Option<Waker>,
}

/// Bytes that are being written: the connection may do anything meanwhile, also push more.
pub(super) struct Lent {
    bytes: Vec<u8>,
    written: usize,
}

impl Outgoing {
    pub(super) fn new() -> Outgoing {
        Outgoing {
            bytes: Vec::new(),
            written: 0,
            lent: 0,
            file: None,
            marks: Marks::default(),
        }
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.unsent() + self.file.as_ref().map_or(0, |file| file.behind.len())
    }

    /// As [`waiting`](Self::waiting), without what comes behind a file.
    pub(super) fn unsent(&self) -> usize {
        self.lent + self.bytes.len() - self.written
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = match &mut self.file {
            Some(file) => &mut file.behind,
            None => &mut self.bytes,
        };
        end.extend_from_slice(bytes);
    }

    /// The bytes that are to be written next, if there are any before a file; they have to come [back](Self::give_back).
    pub(super) fn lend(&mut self) -> Option<Lent> {
        if self.bytes.len() == self.written {
            return None;
        }
        self.lent = self.bytes.len() - self.written;
        Some(Lent {
            bytes: mem::take(&mut self.bytes),
            written: mem::take(&mut self.written),
        })
    }

    /// Takes back what was lent, of which so much is written now.
    pub(super) fn give_back(&mut self, lent: Lent, written: usize) {
        self.lent = 0;
        let pushed = mem::replace(&mut self.bytes, lent.bytes);
        self.bytes.extend_from_slice(&pushed);
        self.written = lent.written + written;
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.written = 0;
        } else if self.written >= self.bytes.len() / 2 {
            self.bytes.drain(..mem::take(&mut self.written));
        }
    }

    /// Has bytes written that were not pushed, if nothing comes before them: they count, and what is pushed meanwhile comes
    /// behind them. They have to come [back](Self::take_back).
    pub(super) fn lend_out(&mut self, bytes: &[u8]) -> bool {
        let are_next = self.waiting() == 0 && self.file.is_none();
        if are_next {
            self.lent = bytes.len();
        }
        are_next
    }

    /// Takes back what is not written of bytes that were [lent out](Self::lend_out).
    pub(super) fn take_back(&mut self, rest: &[u8]) {
        self.lent = 0;
        if !rest.is_empty() {
            self.bytes.splice(..0, rest.iter().copied());
        }
    }

    /// The mark that was passed since this was last asked.
    pub(super) fn passed(&mut self) -> Option<Mark> {
        self.marks.passed(self.waiting())
    }

    pub(super) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Puts a file behind what waits. `false`: there is one.
    pub(super) fn begin_file(&mut self) -> bool {
        let is_first = self.file.is_none();
        self.file.get_or_insert_default();
        is_first
    }

    /// The file is sent, or given up: what is behind it is next.
    #[must_use = "dropping a waker may call anything"]
    pub(super) fn end_file(&mut self) -> Option<Waker> {
        let mut file = self.file.take()?;
        self.bytes.append(&mut file.behind);
        file.sender
    }

    /// Has whoever sends the file wait, and gives the waker of before.
    #[must_use = "dropping a waker may call anything"]
    pub(super) fn enter_sender(&mut self, sender: Waker) -> Option<Waker> {
        self.file.as_mut()?.sender.replace(sender)
    }

    /// Who sends the file, if he waits.
    pub(super) fn take_sender(&mut self) -> Option<Waker> {
        self.file.as_mut()?.sender.take()
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.written..]
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Outgoing};

    /// Writes so much of what is there, and says what was offered.
    fn write(outgoing: &mut Outgoing, most: usize) -> Vec<u8> {
        let lent = outgoing.lend().expect("something waits");
        let offered = lent.to_vec();
        outgoing.give_back(lent, most);
        offered
    }

    #[test]
    fn bytes_are_written_in_their_order_whatever_the_pieces() {
        for piece in 1..10 {
            let mut outgoing = Outgoing::new();
            let mut all = Vec::new();
            for number in 0..100_u8 {
                outgoing.push(&[number; 3]);
                let most = piece.min(outgoing.waiting());
                all.extend_from_slice(&write(&mut outgoing, most)[..most]);
            }
            while outgoing.waiting() > 0 {
                let most = piece.min(outgoing.waiting());
                all.extend_from_slice(&write(&mut outgoing, most)[..most]);
            }
            let expected: Vec<u8> = (0..100).flat_map(|number| [number; 3]).collect();
            assert_eq!(all, expected, "in pieces of {piece}");
            assert!(outgoing.lend().is_none());
        }
    }

    #[test]
    fn what_comes_while_bytes_are_written_comes_behind_them() {
        let mut outgoing = Outgoing::new();
        outgoing.push(b"abc");
        let lent = outgoing.lend().unwrap();
        outgoing.push(b"def");
        assert_eq!((&*lent, outgoing.waiting()), (&b"abc"[..], 6));
        outgoing.give_back(lent, 1);
        assert_eq!(outgoing.waiting(), 5);
        assert_eq!(write(&mut outgoing, 0), b"bcdef");
        assert_eq!(write(&mut outgoing, 5), b"bcdef");
        assert_eq!(outgoing.waiting(), 0);
    }

    #[test]
    fn what_comes_while_bytes_are_lent_out_comes_behind_them() {
        let mut outgoing = Outgoing::new();
        assert!(outgoing.lend_out(b"abc"));
        assert!(!outgoing.lend_out(b"def"));
        outgoing.push(b"def");
        assert_eq!(outgoing.waiting(), 6);
        outgoing.take_back(b"bc");
        assert_eq!(outgoing.waiting(), 5);
        assert_eq!(write(&mut outgoing, 5), b"bcdef");
        assert!(outgoing.lend_out(b"ghi") && outgoing.lend().is_none());
        outgoing.take_back(b"");
        assert_eq!(outgoing.waiting(), 0);
    }

    #[test]
    fn what_is_pushed_behind_a_file_waits_for_its_end() {
        let mut outgoing = Outgoing::new();
        outgoing.push(b"[");
        assert!(outgoing.begin_file());
        outgoing.push(b"]");
        assert!(!outgoing.begin_file());
        assert_eq!((outgoing.unsent(), outgoing.waiting()), (1, 2));
        assert_eq!(write(&mut outgoing, 1), b"[");
        assert!(outgoing.lend().is_none());
        assert!(outgoing.end_file().is_none() && !outgoing.has_file());
        assert_eq!(write(&mut outgoing, 1), b"]");
    }

    #[test]
    fn a_great_buffer_is_not_kept() {
        let mut outgoing = Outgoing::new();
        outgoing.push(&vec![0; KEPT * 4]);
        write(&mut outgoing, KEPT * 4);
        assert!(outgoing.bytes.capacity() <= KEPT * 2);
    }
}
