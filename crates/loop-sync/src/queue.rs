//! Queues between tasks.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use crate::ends::{Get, Put};
use crate::event::Event;
use crate::queue_error::{GetNowaitError, PutNowaitError, QueueShutDown, TooManyTaskDone};
use crate::store::Items;
use crate::waiters::Waiters;

/// A queue between tasks, first in, first out: `asyncio.Queue`.
///
/// A cheap reference: clones name the same queue, at either end. [`LifoQueue`](crate::LifoQueue) and
/// [`PriorityQueue`](crate::PriorityQueue) are queues too, by `Deref`, which give their items in another order.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_sync::Queue;
/// use loop_tasks::{LoopExt, create_task};
///
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let queue = Queue::new(2);
///     let worker = create_task({
///         let queue = queue.clone();
///         async move {
///             let mut sum = 0;
///             while let Ok(number) = queue.get().await {
///                 sum += number;
///                 queue.task_done().unwrap();
///             }
///             sum
///         }
///     });
///     for number in 1..=10 {
///         queue.put(number).await.unwrap();
///     }
///     queue.join().await;
///     queue.shutdown(false);
///     assert_eq!(worker.await.unwrap(), 55);
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue<T>(Rc<Inner<T>>);

struct Inner<T> {
    name: &'static str,
    store: RefCell<Items<T>>,
    /// 0: no limit.
    maxsize: usize,
    /// Nothing more is put in beside so many items; 0 once it is shut down.
    limit: Cell<usize>,
    getters: Waiters,
    putters: Waiters,
    /// Items that were put and of which nobody has said that they are done.
    unfinished: Cell<usize>,
    finished: Event,
}

impl<T: 'static> Queue<T> {
    /// Makes a queue that holds `maxsize` items; 0 is no limit.
    ///
    /// # asyncio
    /// `asyncio.Queue(maxsize)`.
    ///
    /// # Examples
    /// See [`Queue`].
    #[must_use]
    pub fn new(maxsize: usize) -> Queue<T> {
        Queue::with_items("Queue", Items::Fifo(VecDeque::new()), maxsize)
    }
}

impl<T> Queue<T> {
    pub(crate) fn with_items(name: &'static str, items: Items<T>, maxsize: usize) -> Queue<T> {
        let finished = Event::new();
        finished.set();
        Queue(Rc::new(Inner {
            name,
            store: RefCell::new(items),
            maxsize,
            limit: Cell::new(if maxsize > 0 { maxsize } else { usize::MAX }),
            getters: Waiters::default(),
            putters: Waiters::default(),
            unfinished: Cell::new(0),
            finished,
        }))
    }

    #[inline]
    pub(crate) fn getters(&self) -> &Waiters {
        &self.0.getters
    }

    #[inline]
    pub(crate) fn putters(&self) -> &Waiters {
        &self.0.putters
    }

    /// How many items it holds.
    ///
    /// # asyncio
    /// `Queue.qsize()`.
    ///
    /// # Examples
    /// ```
    /// let queue = loop_sync::Queue::new(2);
    /// assert!(queue.empty());
    /// queue.put_nowait('a').unwrap();
    /// queue.put_nowait('b').unwrap();
    /// assert!(queue.full());
    /// assert_eq!((queue.qsize(), queue.maxsize()), (2, 2));
    /// ```
    #[must_use]
    #[inline]
    pub fn qsize(&self) -> usize {
        self.0.store.borrow().len()
    }

    /// How many items it holds at most; 0 is no limit.
    ///
    /// # asyncio
    /// `Queue.maxsize`.
    ///
    /// # Examples
    /// See [`qsize`](Queue::qsize).
    #[must_use]
    pub fn maxsize(&self) -> usize {
        self.0.maxsize
    }

    /// Whether it holds nothing.
    ///
    /// # asyncio
    /// `Queue.empty()`.
    ///
    /// # Examples
    /// See [`qsize`](Queue::qsize).
    #[must_use]
    #[inline]
    pub fn empty(&self) -> bool {
        self.qsize() == 0
    }

    /// Whether it holds as much as it can; never without a limit.
    ///
    /// # asyncio
    /// `Queue.full()`.
    ///
    /// # Examples
    /// See [`qsize`](Queue::qsize).
    #[must_use]
    #[inline]
    pub fn full(&self) -> bool {
        self.0.maxsize > 0 && self.qsize() >= self.0.maxsize
    }

    /// Puts an item in, when there is room for it.
    ///
    /// # Errors
    /// [`QueueShutDown`], with the item, if the queue is shut down, before or while it waits.
    ///
    /// # Panics
    /// When it has to wait where no loop is running, or while tasks of another loop wait for the same.
    ///
    /// # Ordering
    /// With room, it takes no hop. Otherwise each item that is taken out wakes the one that has waited longest, and
    /// if somebody else has filled the queue before its step, it waits again, behind the others.
    ///
    /// # Cancel safety
    /// Cancelled or dropped, it has put nothing, and the item goes with it. If it had been woken, the next is.
    ///
    /// # asyncio
    /// `await queue.put(item)`.
    ///
    /// # Examples
    /// See [`Queue`].
    #[inline]
    pub fn put(&self, item: T) -> impl Future<Output = Result<(), QueueShutDown<T>>> + use<T> {
        Put::new(self.clone(), item)
    }

    /// Puts an item in if there is room for it.
    ///
    /// # Errors
    /// [`PutNowaitError`], with the item, if there is none, or the queue is shut down.
    ///
    /// # asyncio
    /// `queue.put_nowait(item)`.
    ///
    /// # Examples
    /// ```
    /// use loop_sync::{PutNowaitError, Queue};
    /// let queue = Queue::new(1);
    /// assert_eq!(queue.put_nowait("first"), Ok(()));
    /// assert_eq!(queue.put_nowait("second"), Err(PutNowaitError::QueueFull("second")));
    /// ```
    #[inline]
    pub fn put_nowait(&self, item: T) -> Result<(), PutNowaitError<T>> {
        let mut store = self.0.store.borrow_mut();
        if store.len() >= self.0.limit.get() {
            return Err(if self.is_shut_down() {
                PutNowaitError::QueueShutDown(item)
            } else {
                PutNowaitError::QueueFull(item)
            });
        }
        store.put(item);
        drop(store);
        let unfinished = self.0.unfinished.get();
        self.0.unfinished.set(unfinished + 1);
        if unfinished == 0 {
            self.0.finished.clear();
        }
        self.0.getters.wake(1);
        Ok(())
    }

    #[inline]
    fn is_shut_down(&self) -> bool {
        self.0.limit.get() == 0
    }

    /// Takes an item out, when there is one.
    ///
    /// # Errors
    /// [`QueueShutDown`] if the queue is shut down and empty, before or while it waits.
    ///
    /// # Panics
    /// When it has to wait where no loop is running, or while tasks of another loop wait for the same.
    ///
    /// # Ordering
    /// If there is an item, it takes no hop. Otherwise each item that is put in wakes the one that has waited
    /// longest, and if somebody else has taken the item before its step, it waits again, behind the others.
    ///
    /// # Cancel safety
    /// Cancelled or dropped, it has taken nothing. If it had been woken, the next is.
    ///
    /// # asyncio
    /// `await queue.get()`.
    ///
    /// # Examples
    /// See [`Queue`].
    #[inline]
    pub fn get(&self) -> impl Future<Output = Result<T, QueueShutDown>> + use<T> {
        Get::new(self.clone())
    }

    /// Takes an item out if there is one.
    ///
    /// # Errors
    /// [`GetNowaitError`] if there is none: for now, or for good because the queue is shut down.
    ///
    /// # asyncio
    /// `queue.get_nowait()`.
    ///
    /// # Examples
    /// ```
    /// use loop_sync::{GetNowaitError, Queue};
    /// let queue = Queue::new(0);
    /// queue.put_nowait(1).unwrap();
    /// assert_eq!(queue.get_nowait(), Ok(1));
    /// assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueEmpty));
    /// ```
    #[inline]
    pub fn get_nowait(&self) -> Result<T, GetNowaitError> {
        let item = self.0.store.borrow_mut().get();
        match item {
            Some(item) => {
                self.0.putters.wake(1);
                Ok(item)
            }
            None if self.is_shut_down() => Err(GetNowaitError::QueueShutDown),
            None => Err(GetNowaitError::QueueEmpty),
        }
    }

    /// Says that an item that was taken out is done with: [`join`](Queue::join) waits for as many of these as there
    /// were items put in.
    ///
    /// # Errors
    /// [`TooManyTaskDone`] if it was said of every item already.
    ///
    /// # asyncio
    /// `queue.task_done()`.
    ///
    /// # Examples
    /// ```
    /// let queue = loop_sync::Queue::new(0);
    /// queue.put_nowait(1).unwrap();
    /// queue.get_nowait().unwrap();
    /// assert!(queue.task_done().is_ok());
    /// assert_eq!(queue.task_done().unwrap_err().to_string(), "task_done() called too many times");
    /// ```
    #[inline]
    pub fn task_done(&self) -> Result<(), TooManyTaskDone> {
        let left = self.0.unfinished.get().checked_sub(1);
        let left = left.ok_or(TooManyTaskDone)?;
        self.0.unfinished.set(left);
        if left == 0 {
            self.0.finished.set();
        }
        Ok(())
    }

    /// Waits until every item that was put in is [done with](Queue::task_done): without a hop if that is so.
    ///
    /// # Panics
    /// When it has to wait where no loop is running, or while tasks of another loop wait for the same.
    ///
    /// # Cancel safety
    /// Cancelled or dropped, it has changed nothing.
    ///
    /// # asyncio
    /// `await queue.join()`.
    ///
    /// # Examples
    /// See [`Queue`].
    pub fn join(&self) -> impl Future<Output = ()> + use<T> {
        // It is set whenever nothing is unfinished.
        self.0.finished.wait()
    }

    /// Shuts the queue down, for good: nothing can be put in any more. What it holds can still be taken out; if
    /// `immediate`, it is dropped instead and counts as done.
    ///
    /// # Ordering
    /// All who wait in `get` and `put` are woken, getters first.
    ///
    /// # asyncio
    /// `queue.shutdown(immediate)`, as in 3.13.
    ///
    /// # Examples
    /// ```
    /// use loop_sync::{GetNowaitError, PutNowaitError, Queue};
    /// let queue = Queue::new(0);
    /// queue.put_nowait(1).unwrap();
    /// queue.shutdown(false);
    /// assert_eq!(queue.put_nowait(2), Err(PutNowaitError::QueueShutDown(2)));
    /// assert_eq!(queue.get_nowait(), Ok(1));
    /// assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
    /// ```
    pub fn shutdown(&self, immediate: bool) {
        let inner = &*self.0;
        inner.limit.set(0);
        if immediate {
            loop {
                // Dropped when nothing is borrowed: its destructor may use the queue.
                let item = inner.store.borrow_mut().get();
                if item.is_none() {
                    break;
                }
                let left = inner.unfinished.get().saturating_sub(1);
                inner.unfinished.set(left);
            }
            if inner.unfinished.get() == 0 {
                inner.finished.set();
            }
        }
        inner.getters.wake(inner.getters.len());
        inner.putters.wake(inner.putters.len());
    }
}

impl<T> Clone for Queue<T> {
    #[inline]
    fn clone(&self) -> Self {
        Queue(Rc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "<{} maxsize={}", inner.name, inner.maxsize)?;
        // Not there while an item is being compared with others.
        if let Ok(store) = inner.store.try_borrow()
            && store.len() > 0
        {
            write!(f, " _queue[{}]", store.len())?;
        }
        let counts = [
            (inner.getters.len_asleep(), " _getters"),
            (inner.putters.len_asleep(), " _putters"),
        ];
        for (count, name) in counts {
            if count > 0 {
                write!(f, "{name}[{count}]")?;
            }
        }
        if inner.unfinished.get() > 0 {
            write!(f, " tasks={}", inner.unfinished.get())?;
        }
        f.write_str(if self.is_shut_down() {
            " shutdown>"
        } else {
            ">"
        })
    }
}
