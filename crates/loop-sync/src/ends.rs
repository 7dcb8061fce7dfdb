//! The two ends of a queue: waiting for an item, and for room for one.
//!
//! Written by hand: nearly always there is nothing to wait for, and then all that they cost is a look. What waiting
//! takes stands apart, so that the look is small enough to become part of whoever awaits.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::queue::Queue;
use crate::queue_error::{GetNowaitError, PutNowaitError, QueueShutDown};
use crate::waiters::Standing;

/// The future of [`Queue::get`].
#[must_use = "futures do nothing unless they are awaited"]
pub(crate) struct Get<T> {
    queue: Queue<T>,
    /// Given up by `drop`, which leaves nothing in it.
    standing: ManuallyDrop<Standing>,
}

impl<T> Get<T> {
    #[inline]
    pub(crate) fn new(queue: Queue<T>) -> Get<T> {
        Get {
            queue,
            standing: ManuallyDrop::default(),
        }
    }

    #[cold]
    fn give_up(&mut self) {
        let woken = self.standing.give_up(self.queue.getters());
        if woken && !self.queue.empty() {
            self.queue.getters().wake(1);
        }
    }
}

impl<T> Future for Get<T> {
    type Output = Result<T, QueueShutDown>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Get { queue, standing } = self.get_mut();
        if standing.is_in_line() {
            ready!(standing.poll(queue.getters(), cx));
        }
        match queue.get_nowait() {
            Ok(item) => Poll::Ready(Ok(item)),
            Err(GetNowaitError::QueueShutDown) => Poll::Ready(Err(QueueShutDown(()))),
            Err(GetNowaitError::QueueEmpty) => {
                standing.begin(queue.getters(), cx);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Get<T> {
    #[inline]
    fn drop(&mut self) {
        if self.standing.is_in_line() {
            self.give_up();
        }
    }
}

/// The future of [`Queue::put`].
#[must_use = "futures do nothing unless they are awaited"]
pub(crate) struct Put<T> {
    queue: Queue<T>,
    /// Until it is in the queue.
    item: Option<T>,
    /// As in [`Get`].
    standing: ManuallyDrop<Standing>,
}

/// The item is never pinned.
impl<T> Unpin for Put<T> {}

impl<T> Put<T> {
    #[inline]
    pub(crate) fn new(queue: Queue<T>, item: T) -> Put<T> {
        Put {
            queue,
            item: Some(item),
            standing: ManuallyDrop::default(),
        }
    }

    #[cold]
    fn give_up(&mut self) {
        let woken = self.standing.give_up(self.queue.putters());
        if woken && !self.queue.full() {
            self.queue.putters().wake(1);
        }
    }
}

impl<T> Future for Put<T> {
    type Output = Result<(), QueueShutDown<T>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Put {
            queue,
            item,
            standing,
        } = self.get_mut();
        if standing.is_in_line() {
            ready!(standing.poll(queue.putters(), cx));
        }
        let next = item.take().expect("polled after it was ready");
        match queue.put_nowait(next) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(PutNowaitError::QueueShutDown(next)) => Poll::Ready(Err(QueueShutDown(next))),
            Err(PutNowaitError::QueueFull(next)) => {
                *item = Some(next);
                standing.begin(queue.putters(), cx);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Put<T> {
    #[inline]
    fn drop(&mut self) {
        if self.standing.is_in_line() {
            self.give_up();
        }
    }
}
