//! A queue that gives the newest item first.

use std::fmt;
use std::ops::Deref;

use crate::queue::Queue;
use crate::store::Items;

/// A [`Queue`] that gives the newest item first: `asyncio.LifoQueue`.
///
/// # Examples
/// ```
/// let queue = loop_sync::LifoQueue::new(0);
/// queue.put_nowait('a').unwrap();
/// queue.put_nowait('b').unwrap();
/// assert_eq!(queue.get_nowait(), Ok('b'));
/// ```
pub struct LifoQueue<T>(Queue<T>);

impl<T: 'static> LifoQueue<T> {
    /// Makes a queue that holds `maxsize` items; 0 is no limit.
    ///
    /// # asyncio
    /// `asyncio.LifoQueue(maxsize)`.
    ///
    /// # Examples
    /// See [`LifoQueue`].
    #[must_use]
    pub fn new(maxsize: usize) -> LifoQueue<T> {
        LifoQueue(Queue::with_items(
            "LifoQueue",
            Items::Ordered(Box::new(Vec::new())),
            maxsize,
        ))
    }
}

impl<T> Deref for LifoQueue<T> {
    type Target = Queue<T>;

    fn deref(&self) -> &Queue<T> {
        &self.0
    }
}

/// The same queue, whose order is no longer seen in its type.
impl<T> From<LifoQueue<T>> for Queue<T> {
    fn from(queue: LifoQueue<T>) -> Queue<T> {
        queue.0
    }
}

impl<T> Clone for LifoQueue<T> {
    fn clone(&self) -> Self {
        LifoQueue(self.0.clone())
    }
}

impl<T> fmt::Debug for LifoQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
