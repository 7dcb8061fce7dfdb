//! Those who wait: to read, for room, for the end.

use std::io;
use std::task::{Context, Poll};

use loop_tasks::yield_now;

use super::{Channel, copy};

/// A writer that is never held back lets others run after so many writes.
const SPREE: u8 = 64;

impl Channel {
    /// Has whoever waits to read look again.
    pub(crate) fn wake_reader(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Waits until the connection is no more, or for [`wake_reader`](Self::wake_reader), in the place of a read.
    pub(crate) fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_lost() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let old = self.reader.replace(Some(waker));
        drop(old);
        Poll::Pending
    }

    /// Waits until the connection is no more, or nobody is left who would read what is written to it.
    pub(crate) fn poll_deserted(&self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(connection) = self.connection()
            && self.guard(|| connection.poll_parted(cx)).is_ready()
        {
            drop(connection);
            let unread = self.waiting() > 0;
            self.lose(unread.then(|| io::ErrorKind::BrokenPipe.into()));
        }
        self.poll_lost(cx)
    }

    /// Reads to the end of `buffer`.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let lost = |cx: &mut Context<'_>| {
            let lost = self.poll_lost(cx);
            lost.map(|()| self.error().map_or(Ok(0), Err))
        };
        let Some(connection) = self.alive(|life| life.heard()).flatten() else {
            return lost(cx);
        };
        match self.guard(|| connection.poll_read(cx, buffer)) {
            Poll::Pending => lost(cx),
            Poll::Ready(Err(error)) => {
                drop(connection);
                let told = copy(&error);
                self.lose(Some(error));
                Poll::Ready(Err(told))
            }
            ready => ready,
        }
    }

    /// Waits until writers may go on.
    pub(crate) async fn drain(&self) -> io::Result<()> {
        if let Some(error) = self.error() {
            return Err(error);
        }
        if self.is_closing() {
            // The end has to have a chance to come.
            yield_now().await;
        }
        if self.alive(|life| life.out.marks.is_paused()) == Some(true) {
            self.spree.set(0);
            self.draining.wait(&self.owner).await;
        } else if self.spree.get() >= SPREE {
            self.spree.set(0);
            yield_now().await;
        }
        self.spree.set(self.spree.get() + 1);
        if let Some(error) = self.error() {
            return Err(error);
        }
        if self.is_lost() {
            let text = "Connection lost";
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, text));
        }
        Ok(())
    }

    /// Waits until nothing waits to be written.
    #[cfg(feature = "tls")]
    pub(crate) async fn flushed(&self) -> io::Result<()> {
        /// Puts the marks back, also when the wait is cancelled.
        struct Marks<'a>(&'a Channel, usize, usize);
        impl Drop for Marks<'_> {
            fn drop(&mut self) {
                self.0.set_marks(self.1, self.2);
            }
        }
        let marks = self.alive(|life| life.out.marks.get());
        let _marks = marks.map(|(low, high)| Marks(self, low, high));
        self.set_marks(0, 0);
        self.drain().await
    }

    /// Waits until the connection is no more.
    pub(crate) async fn wait_closed(&self) -> io::Result<()> {
        if self.is_lost() {
            // Whoever was woken by the end goes first, as in asyncio, where the end is a callback.
            yield_now().await;
        } else {
            self.ending.wait(&self.owner).await;
        }
        self.error().map_or(Ok(()), Err)
    }
}
