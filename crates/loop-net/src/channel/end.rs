//! The end of a connection, which comes once.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use loop_core::panic_message;

use super::life::{Close, Flusher};
use super::{Channel, copy};

impl Channel {
    /// The connection is no more; what waited to be written is dropped.
    pub(crate) fn lose(&self, error: Option<io::Error>) {
        let Some(mut life) = self.life.take() else {
            return;
        };
        if let Close::Parting(Some(patience)) = &life.close {
            patience.cancel();
        }
        // What it waited for does not come any more.
        if let Flusher::Driver(flusher) = &life.flusher {
            flusher.stop();
        }
        let is_cut = error.is_some();
        let told = error.as_ref().map(copy);
        if let Some(error) = error {
            self.error.borrow_mut().get_or_insert(error);
        }
        // In asyncio's order.
        self.wake_reader();
        self.ending.settle();
        self.draining.settle();
        if let Some(sender) = life.out.take_sender() {
            sender.wake();
        }
        let watchers = self.watchers.take();
        for watcher in watchers {
            watcher.lost(told.as_ref());
        }
        // Last, since it may be anybody's: if it panics, everybody has been told.
        if !is_cut {
            life.connection.discard();
        }
        drop(life);
    }

    /// Asks the connection for something. If it panics, it is lost: whoever waits for it is to hear why.
    pub(super) fn guard<T>(&self, ask: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|panic| {
            let text = format!("the connection panicked: {}", panic_message(&*panic));
            self.lose(Some(io::Error::other(text)));
            resume_unwind(panic)
        })
    }

    /// Lets go of everything without a word: the loop is closed.
    pub(crate) fn forget(&self) {
        let watchers = self.watchers.take();
        let life = self.life.take();
        drop((watchers, life));
    }

    /// Why the connection is no more, if it was an error.
    pub(crate) fn error(&self) -> Option<io::Error> {
        self.error.borrow().as_ref().map(copy)
    }
}
