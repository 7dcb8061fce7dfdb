//! Mutual exclusion.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use crate::waiters::Waiters;

/// Mutual exclusion between tasks, first come, first served: `asyncio.Lock`.
///
/// A cheap reference: clones name the same lock. It is held as long as its [`LockGuard`] lives, across awaits; for
/// what no await interrupts, the tasks of one loop need none. It guards a section of the program, not a value: the
/// value stands beside it, in a `RefCell`. Acquiring it twice in one task waits for ever.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_sync::Lock;
/// use loop_tasks::{LoopExt, create_task, yield_now};
///
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let lock = Lock::new();
///     let guard = lock.acquire().await;
///     let next = create_task(lock.acquire());
///     yield_now().await;
///     assert!(lock.locked() && !next.done());
///     drop(guard);
///     let _guard = next.await.unwrap();
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Lock(Rc<Inner>);

#[derive(Default)]
struct Inner {
    locked: Cell<bool>,
    waiters: Waiters,
}

impl Lock {
    /// Makes a lock that nobody holds.
    ///
    /// # asyncio
    /// `asyncio.Lock()`.
    ///
    /// # Examples
    /// See [`Lock`].
    #[must_use]
    pub fn new() -> Lock {
        Lock::default()
    }

    /// Whether somebody holds it.
    ///
    /// Between a release and the step of the one who is next, nobody does; it is not to be had all the same.
    ///
    /// # asyncio
    /// `Lock.locked()`.
    ///
    /// # Examples
    /// ```
    /// let lock = loop_sync::Lock::new();
    /// let guard = lock.try_acquire().unwrap();
    /// assert!(lock.locked());
    /// drop(guard);
    /// assert!(!lock.locked());
    /// ```
    #[must_use]
    pub fn locked(&self) -> bool {
        self.0.locked.get()
    }

    /// Waits until nobody holds it, and holds it.
    ///
    /// # Panics
    /// When it has to wait where no loop is running, or while tasks of another loop wait for it.
    ///
    /// # Ordering
    /// Free, it is taken without a hop. Otherwise the release wakes the first in the line, which holds it one hop
    /// later; whoever comes in between is behind it.
    ///
    /// # Cancel safety
    /// Cancelled or dropped, it leaves the line. If it had been woken already, it wakes the next.
    ///
    /// # asyncio
    /// `await lock.acquire()`; with the guard, `async with lock:`.
    ///
    /// # Examples
    /// See [`Lock`].
    pub fn acquire(&self) -> impl Future<Output = LockGuard> + use<> {
        let lock = self.clone();
        async move {
            if !lock.is_free() {
                let inner = &*lock.0;
                // Held, the lock wakes the first when it is released. Free, the wake may have been lost with this wait.
                let abandoned = |_| {
                    if !inner.locked.get() {
                        inner.waiters.wake_first();
                    }
                };
                inner.waiters.wait(abandoned).await;
            }
            lock.hold()
        }
    }

    /// Holds it if that takes no waiting: nobody does, and nobody is waiting.
    ///
    /// # asyncio
    /// None; `acquire()` begins with it.
    ///
    /// # Examples
    /// ```
    /// let lock = loop_sync::Lock::new();
    /// let guard = lock.try_acquire();
    /// assert!(guard.is_some() && lock.try_acquire().is_none());
    /// ```
    #[must_use]
    pub fn try_acquire(&self) -> Option<LockGuard> {
        self.is_free().then(|| self.clone().hold())
    }

    /// Whether it is to be had at once: nobody holds it, nobody is next.
    fn is_free(&self) -> bool {
        !self.0.locked.get() && !self.0.waiters.any()
    }

    fn hold(self) -> LockGuard {
        self.0.locked.set(true);
        LockGuard {
            lock: self,
            held: true,
        }
    }

    fn release(&self) {
        self.0.locked.set(false);
        self.0.waiters.wake_first();
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.locked() { "locked" } else { "unlocked" };
        write!(f, "<Lock [{state}")?;
        write_waiters(&self.0.waiters, f)?;
        f.write_str("]>")
    }
}

pub(crate) fn write_waiters(waiters: &Waiters, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match waiters.len() {
        0 => Ok(()),
        waiters => write!(f, ", waiters:{waiters}"),
    }
}

/// Holds a [`Lock`] until it is dropped, which wakes the next without a hop.
///
/// # asyncio
/// The body of `async with lock:`; `lock.release()` when it is dropped. "Lock is not acquired." cannot happen.
#[must_use = "the lock is released at once if nobody keeps the guard"]
pub struct LockGuard {
    lock: Lock,
    held: bool,
}

impl LockGuard {
    /// The lock that it is of.
    ///
    /// # Examples
    /// ```
    /// let guard = loop_sync::Lock::new().try_acquire().unwrap();
    /// assert!(guard.lock().locked());
    /// ```
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Whether it holds the lock: always, unless a [`Condition::wait`](crate::Condition::wait) that had released the
    /// lock was dropped midway.
    ///
    /// # Examples
    /// See [`reacquire`](LockGuard::reacquire).
    #[must_use]
    pub fn held(&self) -> bool {
        self.held
    }

    /// Holds the lock again after a [`Condition::wait`](crate::Condition::wait) was dropped midway. Returns at once
    /// if the lock is held.
    ///
    /// # Panics
    /// As [`Lock::acquire`].
    ///
    /// # Cancel safety
    /// As [`Lock::acquire`].
    ///
    /// # Examples
    /// ```
    /// use futures_util::future::{select, ready};
    /// use loop_core::EventLoop;
    /// use loop_sync::Condition;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let condition = Condition::new();
    ///     let mut guard = condition.acquire().await;
    ///     select(Box::pin(condition.wait(&mut guard)), ready(())).await;
    ///     assert!(!guard.held()); // it was dropped while it waited
    ///     guard.reacquire().await;
    ///     assert!(guard.held());
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn reacquire(&mut self) {
        if !self.held {
            let guard = self.lock.acquire().await;
            *self = guard;
        }
    }

    /// Whether it holds this very lock.
    pub(crate) fn holds(&self, lock: &Lock) -> bool {
        self.held && Rc::ptr_eq(&self.lock.0, &lock.0)
    }

    /// Releases the lock and stays, without it.
    pub(crate) fn let_go(&mut self) {
        if std::mem::replace(&mut self.held, false) {
            self.lock.release();
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("lock", &self.lock)
            .field("held", &self.held)
            .finish()
    }
}
