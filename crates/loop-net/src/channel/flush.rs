//! Writing in the background what waits, and what comes when nothing does: the end of this direction, or of all.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use super::Channel;
use super::life::{Close, End, Flusher, Next};
use super::outgoing::Lent;
use crate::Connection;
use crate::driver::drive;

impl Channel {
    /// Does at once what needs no waiting.
    pub(super) fn flush_now(self: &Rc<Self>) {
        let closes_at_once = self.connection().is_some_and(|it| it.closes_at_once());
        let here = self.alive(|life| {
            let here = closes_at_once && life.can_flush() && life.out.waiting() == 0;
            if here {
                life.flusher = Flusher::Caller;
            }
            here
        });
        if here != Some(true) {
            return self.flush();
        }
        let mut nobody = Context::from_waker(Waker::noop());
        // A socket is done with it; what is not goes on where somebody can be woken.
        if self.guard(|| self.poll_flush(&mut nobody)).is_pending() {
            self.start_flusher();
        }
    }

    /// Has a driver write what waits, unless somebody does.
    pub(super) fn flush(self: &Rc<Self>) {
        if self.alive(|life| life.can_flush()) == Some(true) {
            self.start_flusher();
        }
    }

    fn start_flusher(self: &Rc<Self>) {
        let channel = Rc::clone(self);
        let flusher = drive(
            &self.owner,
            poll_fn(move |cx| channel.guard(|| channel.poll_flush(cx))),
        );
        self.alive(|life| life.flusher = Flusher::Driver(flusher));
    }

    fn poll_flush(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(connection) = self.connection() {
            let result = if let Some(lent) = self.alive(|life| life.out.lend()).flatten() {
                ready!(self.poll_write(&*connection, cx, lent))
            } else if !connection.is_flushed() {
                ready!(connection.poll_flush(cx))
            } else {
                self.part(&*connection);
                match self.alive(|life| life.next()).unwrap_or(Next::Nothing) {
                    Next::Nothing => break,
                    Next::TellEnd => {
                        let told = ready!(connection.poll_shutdown(cx));
                        self.alive(|life| life.end = End::Told);
                        told
                    }
                    Next::AwaitPeer => {
                        ready!(connection.poll_parted(cx));
                        self.lose(None);
                        break;
                    }
                    Next::Lose => {
                        self.lose(None);
                        break;
                    }
                }
            };
            if let Err(error) = result {
                self.lose(Some(error));
            }
        }
        let sender = self.alive(|life| {
            life.flusher = Flusher::Nobody;
            life.out.take_sender()
        });
        if let Some(sender) = sender.flatten() {
            sender.wake(); // the file is next
        }
        Poll::Ready(())
    }

    fn poll_write(
        &self,
        connection: &dyn Connection,
        cx: &mut Context<'_>,
        lent: Lent,
    ) -> Poll<io::Result<()>> {
        let polled = connection.poll_write(cx, &lent);
        let written = match polled {
            Poll::Ready(Ok(written)) => written,
            _ => 0,
        };
        self.alive(|life| life.out.give_back(lent, written));
        if ready!(polled)? == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.pause_or_resume();
        Poll::Ready(Ok(()))
    }

    /// If all is written and the connection closes, the other side is waited for from now on, but not for ever.
    fn part(self: &Rc<Self>, connection: &dyn Connection) {
        let most = connection.parting_timeout();
        if most.is_zero() || self.alive(|life| life.can_part()) != Some(true) {
            return;
        }
        let channel = Rc::downgrade(self);
        let timer = self.owner.event_loop().call_later(most, move || {
            if let Some(channel) = channel.upgrade() {
                let text = "SSL shutdown timed out";
                channel.lose(Some(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
        });
        self.alive(|life| life.close = Close::Parting(timer.ok()));
    }
}
