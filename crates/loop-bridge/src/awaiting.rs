//! Awaiting a concurrent future, in a task of any executor.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{ConcurrentError, ConcurrentFuture};

impl<T: Clone> Future for ConcurrentFuture<T> {
    type Output = Result<T, ConcurrentError>;

    /// Gives a clone of the outcome. It can be polled again after that, and gives it again.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = Pin::into_inner(self);
        if future.poll_done(context) {
            Poll::Ready(future.shared().clone_outcome(future.shared().lock()))
        } else {
            Poll::Pending
        }
    }
}

/// The future that [`ConcurrentFuture::take`] makes: it moves the value out.
///
/// # Cancel safety
/// Dropped before it is ready, it has taken nothing.
///
/// # Examples
/// ```
/// use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
///
/// let (promise, future) = loop_bridge::concurrent_future();
/// let mut take = pin!(future.take());
/// let mut context = Context::from_waker(Waker::noop());
/// assert!(take.as_mut().poll(&mut context).is_pending());
/// promise.set_result(1).unwrap();
/// assert!(matches!(take.poll(&mut context), Poll::Ready(Ok(1))));
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Take<T>(ConcurrentFuture<T>);

impl<T> Take<T> {
    pub(crate) fn new(future: ConcurrentFuture<T>) -> Self {
        Take(future)
    }
}

impl<T> Future for Take<T> {
    type Output = Result<T, ConcurrentError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = &mut Pin::into_inner(self).0;
        if future.poll_done(context) {
            Poll::Ready(future.shared().move_outcome(future.shared().lock()))
        } else {
            Poll::Pending
        }
    }
}

impl<T> ConcurrentFuture<T> {
    /// Whether the future is done; leaves the waker if it is not.
    fn poll_done(&mut self, context: &mut Context<'_>) -> bool {
        if self.done() {
            return true;
        }
        // Cloning a waker is the executor's code, which may panic or come back to this future.
        let waker = context.waker().clone();
        let mut key = self.waker;
        let done = self.shared().register(&mut key, waker);
        self.waker = key;
        done
    }
}
