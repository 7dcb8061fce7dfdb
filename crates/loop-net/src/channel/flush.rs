//! Writing in the background what waits, and what comes when nothing does: the end of this direction, or of all.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use loop_core::panic_message;

use super::{Channel, HIGH};
use crate::Connection;
use crate::driver::drive;

impl Channel {
    /// Does at once what needs no waiting.
    pub(super) fn flush_now(self: &Rc<Self>) {
        if self.file.get() {
            return; // the end comes behind the file
        }
        let at_once = self
            .connection()
            .is_some_and(|connection| connection.closes_at_once());
        let now = at_once && self.waiting() == 0 && !self.flushing.get();
        let mut nobody = Context::from_waker(Waker::noop());
        // A socket is done with it; what is not goes on where somebody can be woken.
        if !now || self.poll_flush(&mut nobody).is_pending() {
            self.flush();
        }
    }

    /// Has a driver write what waits.
    pub(super) fn flush(self: &Rc<Self>) {
        if !self.flushing.replace(true) {
            let channel = Rc::clone(self);
            let flusher = drive(&self.owner, poll_fn(move |cx| channel.poll_flush(cx)));
            self.flusher.replace(Some(flusher));
        }
    }

    fn poll_flush(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll_flush_unguarded(cx)));
        polled.unwrap_or_else(|panic| {
            // Nobody writes the rest: whoever waits for that is to hear why.
            let text = format!("the connection panicked: {}", panic_message(&*panic));
            self.lose(Some(io::Error::other(text)));
            resume_unwind(panic)
        })
    }

    fn poll_flush_unguarded(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(connection) = self.connection() else {
                break;
            };
            let result = if self.unsent() > 0 {
                let out = self.out.borrow();
                let polled = connection.poll_write(cx, &out[self.written.get()..]);
                drop(out);
                ready!(polled).and_then(|written| self.has_written(written))
            } else if !connection.is_flushed() {
                ready!(connection.poll_flush(cx))
            } else if self.file.get() {
                break;
            } else if self.has_end_to_tell(&*connection) {
                if self.closing.get() {
                    self.part(&*connection);
                }
                self.end_told.set(true);
                let polled = connection.poll_shutdown(cx);
                self.end_told.set(polled.is_ready());
                ready!(polled)
            } else if self.closing.get() {
                if self.parting.get() {
                    ready!(connection.poll_parted(cx));
                }
                self.lose(None);
                break;
            } else {
                break;
            };
            if let Err(error) = result {
                self.lose(Some(error));
            }
        }
        self.flushing.set(false);
        self.wake_sender();
        Poll::Ready(())
    }

    /// From now on the other side is waited for, but not for ever.
    fn part(self: &Rc<Self>, connection: &dyn Connection) {
        let most = connection.parting_timeout();
        if most.is_zero() || self.parting.replace(true) {
            return;
        }
        let channel = Rc::downgrade(self);
        let timer = self.owner.event_loop().call_later(most, move || {
            if let Some(channel) = channel.upgrade() {
                let text = "SSL shutdown timed out";
                channel.lose(Some(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
        });
        // A loop that is closed has no time to wait.
        let old = self.patience.replace(timer.ok());
        debug_assert!(old.is_none());
    }

    fn has_end_to_tell(&self, connection: &dyn Connection) -> bool {
        let wanted = self.end_wanted.get() || (self.closing.get() && !connection.closes_at_once());
        wanted && !self.end_told.get()
    }

    fn has_written(&self, written: usize) -> io::Result<()> {
        /// What is kept for the next time.
        const KEPT: usize = HIGH * 2;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let mut out = self.out.borrow_mut();
        self.written.set(self.written.get() + written);
        if self.written.get() == out.len() {
            out.clear();
            out.shrink_to(KEPT);
            self.written.set(0);
        } else if self.written.get() >= out.len() / 2 {
            out.drain(..self.written.replace(0));
        }
        drop(out);
        self.pause_or_resume();
        Ok(())
    }
}
