//! A number of permits that never grows.

use std::error::Error;
use std::fmt;

use crate::semaphore::{Permit, Semaphore};

/// A [`Semaphore`] that never has more permits than it began with: `asyncio.BoundedSemaphore`.
///
/// A cheap reference: clones name the same semaphore.
///
/// # Examples
/// ```
/// use loop_sync::BoundedSemaphore;
/// let semaphore = BoundedSemaphore::new(1);
/// let permit = semaphore.try_acquire().unwrap();
/// assert!(semaphore.locked());
/// drop(permit);
/// assert_eq!(
///     semaphore.release().unwrap_err().to_string(),
///     "BoundedSemaphore released too many times"
/// );
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore(Semaphore);

impl BoundedSemaphore {
    /// Makes a semaphore with so many permits.
    ///
    /// # asyncio
    /// `asyncio.BoundedSemaphore(value)`.
    ///
    /// # Examples
    /// See [`BoundedSemaphore`].
    #[must_use]
    pub fn new(value: usize) -> BoundedSemaphore {
        BoundedSemaphore(Semaphore::with_bound(value, value))
    }

    /// As [`Semaphore::locked`].
    ///
    /// # Examples
    /// See [`BoundedSemaphore`].
    #[must_use]
    pub fn locked(&self) -> bool {
        self.0.locked()
    }

    /// As [`Semaphore::acquire`].
    ///
    /// # Panics
    /// As [`Semaphore::acquire`].
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_sync::BoundedSemaphore;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let semaphore = BoundedSemaphore::new(1);
    /// let permit = event_loop.run_until_complete(semaphore.acquire())?;
    /// assert!(semaphore.locked());
    /// drop(permit);
    /// assert!(!semaphore.locked());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire(&self) -> impl Future<Output = Permit> + use<> {
        self.0.acquire()
    }

    /// As [`Semaphore::try_acquire`].
    ///
    /// # Examples
    /// See [`BoundedSemaphore`].
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit> {
        self.0.try_acquire()
    }

    /// Gives back a permit that was [forgotten](Permit::forget), and wakes the first in the line.
    ///
    /// # Errors
    /// [`ReleasedTooOften`] if every permit is there. One that is out cannot be given back then.
    ///
    /// # asyncio
    /// `BoundedSemaphore.release()`.
    ///
    /// # Examples
    /// See [`Permit::forget`].
    pub fn release(&self) -> Result<(), ReleasedTooOften> {
        if self.0.give_back() {
            Ok(())
        } else {
            Err(ReleasedTooOften)
        }
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("BoundedSemaphore", f)
    }
}

/// Every permit is there already.
///
/// # asyncio
/// `ValueError: BoundedSemaphore released too many times`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReleasedTooOften;

impl fmt::Display for ReleasedTooOften {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundedSemaphore released too many times")
    }
}

impl Error for ReleasedTooOften {}
