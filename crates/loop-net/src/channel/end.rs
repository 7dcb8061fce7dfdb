//! The end of a connection, which comes once.

use std::io;

use super::waits::settle;
use super::{Channel, copy};

impl Channel {
    /// The connection is no more; what waited to be written is dropped.
    pub(crate) fn lose(&self, error: Option<io::Error>) {
        let Some(connection) = self.take() else {
            return;
        };
        let is_cut = error.is_some();
        if let Some(patience) = self.patience.take() {
            patience.cancel();
        }
        // What it waited for does not come any more.
        if let Some(flusher) = self.flusher.take() {
            flusher.stop();
        }
        self.flushing.set(false);
        let told = error.as_ref().map(copy);
        if let Some(error) = error {
            self.error.borrow_mut().get_or_insert(error);
        }
        self.closing.set(true);
        self.out.take();
        self.written.set(0);
        self.behind.take();
        self.wake_sender();
        settle(&self.draining);
        settle(&self.ending);
        self.wake_reader();
        let watchers = self.watchers.take();
        for watcher in watchers {
            watcher.lost(told.as_ref());
        }
        // Last, since it may be anybody's: if it panics, everybody has been told.
        if !is_cut {
            connection.discard();
        }
        drop(connection);
    }

    /// Lets go of everything without a word: the loop is closed.
    pub(crate) fn forget(&self) {
        let watchers = self.watchers.take();
        let connection = self.take();
        self.closing.set(true);
        drop((watchers, connection));
    }

    /// Why the connection is no more, if it was an error.
    pub(crate) fn error(&self) -> Option<io::Error> {
        self.error.borrow().as_ref().map(copy)
    }
}
