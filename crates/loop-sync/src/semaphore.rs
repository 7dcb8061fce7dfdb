//! A number of permits.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use crate::lock::write_waiters;
use crate::waiters::Waiters;

/// A number of permits, handed out first come, first served: `asyncio.Semaphore`.
///
/// A cheap reference: clones name the same semaphore. A [`Permit`] gives itself back when it is dropped;
/// [`release`](Semaphore::release) adds one that nobody had. Where that would be a mistake, use
/// [`BoundedSemaphore`](crate::BoundedSemaphore).
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_sync::Semaphore;
/// use loop_tasks::{LoopExt, create_task, gather, sleep};
///
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// let start = event_loop.time();
/// event_loop.run_until_complete(async {
///     let two_at_a_time = Semaphore::new(2);
///     gather((0..6).map(|_| {
///         let semaphore = two_at_a_time.clone();
///         create_task(async move {
///             let _permit = semaphore.acquire().await;
///             sleep(Duration::from_secs(1)).await;
///         })
///     }))
///     .await
/// })??;
/// assert_eq!(event_loop.time() - start, Duration::from_secs(3));
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Semaphore(Rc<Inner>);

struct Inner {
    /// Permits that are neither out nor promised to one who was woken.
    value: Cell<usize>,
    /// The most that `value` may be.
    bound: usize,
    waiters: Waiters,
}

impl Inner {
    fn put_back(&self) {
        self.value.set(self.value.get() + 1);
        self.wake_next();
    }

    /// Promises a permit to the oldest that still sleeps. `false`: there is none.
    fn wake_next(&self) -> bool {
        let value = self.value.get();
        self.value.set(value - 1);
        let woken = self.waiters.wake_next();
        if !woken {
            self.value.set(value);
        }
        woken
    }

    /// Those who came while others had been woken had to wait even if there were permits: wakes as many as there are.
    fn wake_as_many_as_possible(&self) {
        while self.value.get() > 0 && self.wake_next() {}
    }
}

impl Semaphore {
    /// Makes a semaphore with so many permits.
    ///
    /// # asyncio
    /// `asyncio.Semaphore(value)`. A negative value, an error there, does not exist here.
    ///
    /// # Examples
    /// See [`Semaphore`].
    #[must_use]
    pub fn new(value: usize) -> Semaphore {
        Semaphore::with_bound(value, usize::MAX)
    }

    pub(crate) fn with_bound(value: usize, bound: usize) -> Semaphore {
        Semaphore(Rc::new(Inner {
            value: Cell::new(value),
            bound,
            waiters: Waiters::default(),
        }))
    }

    /// Whether a permit is not to be had at once: there is none, or others wait for theirs.
    ///
    /// # asyncio
    /// `Semaphore.locked()`.
    ///
    /// # Examples
    /// ```
    /// let semaphore = loop_sync::Semaphore::new(1);
    /// let permit = semaphore.try_acquire();
    /// assert!(semaphore.locked());
    /// drop(permit);
    /// assert!(!semaphore.locked());
    /// ```
    #[must_use]
    pub fn locked(&self) -> bool {
        self.0.value.get() == 0 || self.0.waiters.any()
    }

    /// Waits for a permit.
    ///
    /// # Panics
    /// When it has to wait where no loop is running, or while tasks of another loop wait for it.
    ///
    /// # Ordering
    /// If one is free and nobody waits, it is taken without a hop. Otherwise a release gives its permit to the first
    /// in the line, which has it one hop later; whoever comes in between waits, even if there are permits.
    ///
    /// # Cancel safety
    /// Cancelled or dropped, it leaves the line. If it had been given a permit, that goes to the next.
    ///
    /// # asyncio
    /// `await semaphore.acquire()`; with the permit, `async with semaphore:`.
    ///
    /// # Examples
    /// See [`Semaphore`].
    pub fn acquire(&self) -> impl Future<Output = Permit> + use<> {
        let semaphore = self.clone();
        async move {
            let inner = &*semaphore.0;
            if semaphore.locked() {
                let abandoned = |woken| {
                    if woken {
                        inner.value.set(inner.value.get() + 1);
                    }
                    inner.wake_as_many_as_possible();
                };
                inner.waiters.wait(abandoned).await;
                inner.wake_as_many_as_possible();
            } else {
                inner.value.set(inner.value.get() - 1);
            }
            Permit(Some(semaphore))
        }
    }

    /// Takes a permit if that takes no waiting: one is free, and nobody waits.
    ///
    /// # asyncio
    /// None; `acquire()` begins with it.
    ///
    /// # Examples
    /// See [`locked`](Semaphore::locked).
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit> {
        if self.locked() {
            return None;
        }
        self.0.value.set(self.0.value.get() - 1);
        Some(Permit(Some(self.clone())))
    }

    /// Adds a permit, and wakes the first in the line.
    ///
    /// # Panics
    /// With `usize::MAX` permits.
    ///
    /// # asyncio
    /// `Semaphore.release()`. A permit that was [forgotten](Permit::forget) is released so.
    ///
    /// # Examples
    /// ```
    /// let semaphore = loop_sync::Semaphore::new(0);
    /// semaphore.release();
    /// assert!(semaphore.try_acquire().is_some());
    /// ```
    pub fn release(&self) {
        assert!(self.0.value.get() < usize::MAX, "too many permits");
        self.0.put_back();
    }

    /// Gives a permit back, unless that would pass the bound. `false`: it would.
    pub(crate) fn give_back(&self) -> bool {
        let room = self.0.value.get() < self.0.bound;
        if room {
            self.0.put_back();
        }
        room
    }

    pub(crate) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.locked() {
            write!(f, "<{name} [locked")?;
        } else {
            write!(f, "<{name} [unlocked, value:{}", self.0.value.get())?;
        }
        write_waiters(&self.0.waiters, f)?;
        f.write_str("]>")
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("Semaphore", f)
    }
}

/// A permit of a [`Semaphore`] or a [`BoundedSemaphore`](crate::BoundedSemaphore), given back when it is dropped.
#[must_use = "the permit is given back at once if nobody keeps it"]
pub struct Permit(Option<Semaphore>);

impl Permit {
    /// Keeps the permit for good, without this guard: `release` on the semaphore makes up for it.
    ///
    /// # asyncio
    /// `await semaphore.acquire()` without `async with`.
    ///
    /// # Examples
    /// ```
    /// let semaphore = loop_sync::BoundedSemaphore::new(1);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert!(semaphore.locked());
    /// semaphore.release().unwrap();
    /// assert!(!semaphore.locked());
    /// ```
    pub fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(semaphore) = &self.0 {
            // Refused if somebody released more than there were: all permits are back already.
            semaphore.give_back();
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.0).finish()
    }
}
