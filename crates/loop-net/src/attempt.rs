//! An operation that is tried until it does not block.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use loop_core::Direction;

use crate::AsyncFd;

/// The future of an operation on an [`AsyncFd`]. Dropped, it has done nothing that it did not tell of.
///
/// # Examples
/// See [`AsyncFd::read_with`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Attempt<'a, T: AsFd, F> {
    fd: &'a AsyncFd<T>,
    direction: Direction,
    operation: F,
    /// The name under which it waits, from its first wait on.
    waiter: Option<u32>,
}

impl<'a, T: AsFd, F> Attempt<'a, T, F> {
    #[inline]
    pub(crate) fn new(fd: &'a AsyncFd<T>, direction: Direction, operation: F) -> Self {
        Attempt {
            fd,
            direction,
            operation,
            waiter: None,
        }
    }
}

/// The operation is called and never pinned.
impl<T: AsFd, F> Unpin for Attempt<'_, T, F> {}

impl<T: AsFd, F, R> Future for Attempt<'_, T, F>
where
    F: FnMut(&T) -> io::Result<R>,
{
    type Output = io::Result<R>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let this = self.get_mut();
        let polled = this
            .fd
            .poll_with(this.direction, &mut this.waiter, cx, &mut this.operation);
        if polled.is_ready() {
            this.leave();
        }
        polled
    }
}

impl<T: AsFd, F> Attempt<'_, T, F> {
    fn leave(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.fd.forget(self.direction, waiter);
        }
    }
}

impl<T: AsFd, F> Drop for Attempt<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T: AsFd, F> fmt::Debug for Attempt<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Attempt {:?} {:?}>", self.direction, self.fd)
    }
}
