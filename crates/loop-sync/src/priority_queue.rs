//! A queue that gives the least item first.

use std::fmt;
use std::ops::Deref;

use crate::queue::Queue;
use crate::store::{Heap, Items};

/// A [`Queue`] that gives the least item first: `asyncio.PriorityQueue`.
///
/// Of items that compare equal it gives the oldest first, which asyncio leaves open. Items are compared while they
/// are put in and taken out: their `Ord` must not use the queue.
///
/// # Examples
/// ```
/// let queue = loop_sync::PriorityQueue::new(0);
/// queue.put_nowait((2, "tidy up")).unwrap();
/// queue.put_nowait((1, "put the fire out")).unwrap();
/// assert_eq!(queue.get_nowait(), Ok((1, "put the fire out")));
/// ```
pub struct PriorityQueue<T>(Queue<T>);

impl<T: Ord + 'static> PriorityQueue<T> {
    /// Makes a queue that holds `maxsize` items; 0 is no limit.
    ///
    /// # asyncio
    /// `asyncio.PriorityQueue(maxsize)`.
    ///
    /// # Examples
    /// See [`PriorityQueue`].
    #[must_use]
    pub fn new(maxsize: usize) -> PriorityQueue<T> {
        PriorityQueue(Queue::with_items(
            "PriorityQueue",
            Items::Ordered(Box::new(Heap::new())),
            maxsize,
        ))
    }
}

impl<T> Deref for PriorityQueue<T> {
    type Target = Queue<T>;

    fn deref(&self) -> &Queue<T> {
        &self.0
    }
}

/// The same queue, whose order is no longer seen in its type.
impl<T> From<PriorityQueue<T>> for Queue<T> {
    fn from(queue: PriorityQueue<T>) -> Queue<T> {
        queue.0
    }
}

impl<T> Clone for PriorityQueue<T> {
    fn clone(&self) -> Self {
        PriorityQueue(self.0.clone())
    }
}

impl<T> fmt::Debug for PriorityQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
