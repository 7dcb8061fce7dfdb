//! Waiting, under a lock, for what others change under it.

use std::fmt;
use std::rc::Rc;

use loop_tasks::catch_cancel;

use crate::lock::{Lock, LockGuard, write_waiters};
use crate::waiters::Waiters;

/// Waits, under a [`Lock`], until a task that holds the lock notifies: `asyncio.Condition`.
///
/// A cheap reference: clones name the same condition. Several conditions may share a lock.
///
/// # Examples
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use loop_core::EventLoop;
/// use loop_sync::Condition;
/// use loop_tasks::{LoopExt, create_task};
///
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let condition = Condition::new();
///     let orders = Rc::new(RefCell::new(Vec::new()));
///     let cook = create_task({
///         let (condition, orders) = (condition.clone(), orders.clone());
///         async move {
///             let mut guard = condition.acquire().await;
///             condition.wait_for(&mut guard, || !orders.borrow().is_empty()).await;
///             orders.borrow_mut().pop()
///         }
///     });
///     let guard = condition.acquire().await;
///     orders.borrow_mut().push("soup");
///     condition.notify(&guard, 1);
///     drop(guard);
///     assert_eq!(cook.await.unwrap(), Some("soup"));
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Condition(Rc<Inner>);

#[derive(Default)]
struct Inner {
    lock: Lock,
    waiters: Waiters,
}

impl Condition {
    /// Makes a condition with a lock of its own.
    ///
    /// # asyncio
    /// `asyncio.Condition()`.
    ///
    /// # Examples
    /// See [`Condition`].
    #[must_use]
    pub fn new() -> Condition {
        Condition::default()
    }

    /// Makes a condition over a lock that others use too.
    ///
    /// # asyncio
    /// `asyncio.Condition(lock)`.
    ///
    /// # Examples
    /// ```
    /// use loop_sync::{Condition, Lock};
    /// let lock = Lock::new();
    /// let (not_full, not_empty) = (Condition::with_lock(&lock), Condition::with_lock(&lock));
    /// let guard = lock.try_acquire().unwrap();
    /// not_full.notify(&guard, 1);
    /// not_empty.notify(&guard, 1);
    /// ```
    #[must_use]
    pub fn with_lock(lock: &Lock) -> Condition {
        Condition(Rc::new(Inner {
            lock: lock.clone(),
            waiters: Waiters::default(),
        }))
    }

    /// The lock.
    ///
    /// # Examples
    /// ```
    /// let condition = loop_sync::Condition::new();
    /// let guard = condition.lock().try_acquire().unwrap();
    /// assert!(condition.locked());
    /// ```
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.0.lock
    }

    /// Whether somebody holds the lock.
    ///
    /// # asyncio
    /// `Condition.locked()`.
    ///
    /// # Examples
    /// See [`lock`](Condition::lock).
    #[must_use]
    pub fn locked(&self) -> bool {
        self.0.lock.locked()
    }

    /// Acquires the lock: see [`Lock::acquire`].
    ///
    /// # Panics
    /// As [`Lock::acquire`].
    ///
    /// # asyncio
    /// `await condition.acquire()`, `async with condition:`.
    ///
    /// # Examples
    /// See [`Condition`].
    pub fn acquire(&self) -> impl Future<Output = LockGuard> + use<> {
        self.0.lock.acquire()
    }

    /// Releases the lock, waits until it is notified, and acquires the lock again.
    ///
    /// It may return without a reason: look again, or use [`wait_for`](Condition::wait_for). A cancellation does not
    /// go on before the lock is acquired again; so under a [`timeout`](loop_tasks::timeout) the guard still holds
    /// the lock when the time is over.
    ///
    /// # Panics
    /// If `guard` does not hold this condition's lock ("cannot wait on un-acquired lock"); otherwise as
    /// [`Lock::acquire`].
    ///
    /// # Ordering
    /// The lock is released at once, in this step. A notified task acquires the lock one hop after the notification
    /// if it is free then; otherwise it stands in the lock's line from then on.
    ///
    /// # Cancel safety
    /// Cancelled, it acquires the lock, notifies another in its place, and passes the cancellation on. Dropped by
    /// something else (a `select!`, a foreign timeout), it notifies another as well, but cannot wait for the lock:
    /// the guard is without it until [`reacquire`](LockGuard::reacquire), and says so ([`held`](LockGuard::held)).
    ///
    /// # asyncio
    /// `await condition.wait()`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_core::EventLoop;
    /// use loop_sync::Condition;
    /// use loop_tasks::{LoopExt, timeout};
    /// let event_loop = EventLoop::builder().virtual_clock().build()?;
    /// event_loop.run_until_complete(async {
    ///     let condition = Condition::new();
    ///     let mut guard = condition.acquire().await;
    ///     assert!(timeout(Duration::from_secs(1), condition.wait(&mut guard)).await.is_err());
    ///     assert!(guard.held());
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait(&self, guard: &mut LockGuard) {
        assert!(
            guard.holds(&self.0.lock),
            "cannot wait on un-acquired lock: the guard must hold the lock of this condition"
        );
        let pass_on = PassOn(&self.0.waiters);
        guard.let_go();
        let mut cancelled = catch_cancel(self.0.waiters.wait(|_| {})).await.err();
        loop {
            match catch_cancel(self.0.lock.acquire()).await {
                Ok(again) => {
                    *guard = again;
                    break;
                }
                // However often it is asked to stop, it stops with the lock.
                Err(again) => cancelled = Some(again),
            }
        }
        if let Some(cancelled) = cancelled {
            cancelled.resume().await;
        }
        std::mem::forget(pass_on); // It has come to its end; nothing is held by this.
    }

    /// Waits until `predicate` is true: without a hop if it is. See [`wait`](Condition::wait).
    ///
    /// # Panics
    /// As [`wait`](Condition::wait).
    ///
    /// # Cancel safety
    /// As [`wait`](Condition::wait).
    ///
    /// # asyncio
    /// `await condition.wait_for(predicate)`.
    ///
    /// # Examples
    /// See [`Condition`].
    pub async fn wait_for(&self, guard: &mut LockGuard, mut predicate: impl FnMut() -> bool) {
        while !predicate() {
            self.wait(guard).await;
        }
    }

    /// Wakes `count` of those who wait, oldest first; all, if they are fewer.
    ///
    /// # Panics
    /// If `guard` does not hold this condition's lock ("cannot notify on un-acquired lock").
    ///
    /// # Ordering
    /// They go on when they have acquired the lock: not before `guard` is dropped.
    ///
    /// # asyncio
    /// `condition.notify(count)`. That is content if anybody holds the lock.
    ///
    /// # Examples
    /// See [`Condition`].
    #[track_caller]
    pub fn notify(&self, guard: &LockGuard, count: usize) {
        assert!(
            guard.holds(&self.0.lock),
            "cannot notify on un-acquired lock: the guard must hold the lock of this condition"
        );
        self.0.waiters.wake(count);
    }

    /// Wakes all who wait. Otherwise as [`notify`](Condition::notify).
    ///
    /// # Panics
    /// As [`notify`](Condition::notify).
    ///
    /// # asyncio
    /// `condition.notify_all()`.
    ///
    /// # Examples
    /// ```
    /// let condition = loop_sync::Condition::new();
    /// let guard = condition.lock().try_acquire().unwrap();
    /// condition.notify_all(&guard);
    /// ```
    #[track_caller]
    pub fn notify_all(&self, guard: &LockGuard) {
        self.notify(guard, self.0.waiters.len());
    }

    /// Wakes all who wait, whoever holds the lock: for a barrier that is left without it.
    pub(crate) fn wake_all(&self) {
        self.0.waiters.wake(self.0.waiters.len());
    }
}

/// Notifies another in the place of a wait that did not come to its end: it may have been notified.
struct PassOn<'a>(&'a Waiters);

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        self.0.wake(1);
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.locked() { "locked" } else { "unlocked" };
        write!(f, "<Condition [{state}")?;
        write_waiters(&self.0.waiters, f)?;
        f.write_str("]>")
    }
}
