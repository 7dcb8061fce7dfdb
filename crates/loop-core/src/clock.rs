//! What time it is: the system's clock, or one that jumps.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A moment in nanoseconds on a loop's own scale; [`EPOCH`] is when the loop was made.
pub(crate) type Nanos = u64;

/// Well above zero, so that a deadline in the past keeps its order among others: a loop may be asked for a callback
/// a century before it was made.
pub(crate) const EPOCH: Nanos = 1 << 62;

/// The clock of one loop.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Instant,
    /// The virtual "now"; `None` with the system's clock.
    virtual_now: Option<Cell<Nanos>>,
}

impl Clock {
    pub(crate) fn system(epoch: Instant) -> Clock {
        Clock {
            epoch,
            virtual_now: None,
        }
    }

    pub(crate) fn virtual_from(epoch: Instant) -> Clock {
        Clock {
            epoch,
            virtual_now: Some(Cell::new(EPOCH)),
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.virtual_now.is_some()
    }

    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        match &self.virtual_now {
            None => EPOCH + nanos(system_now().saturating_duration_since(self.epoch)),
            Some(now) => now.get(),
        }
    }

    /// Moves virtual time on to `deadline`.
    pub(crate) fn jump(&self, deadline: Nanos) {
        if let Some(now) = &self.virtual_now {
            now.set(now.get().max(deadline));
        }
    }

    pub(crate) fn nanos_to_instant(&self, at: Nanos) -> Instant {
        if at >= EPOCH {
            far_add(self.epoch, Duration::from_nanos(at - EPOCH))
        } else {
            self.epoch
                .checked_sub(Duration::from_nanos(EPOCH - at))
                .unwrap_or(self.epoch)
        }
    }

    pub(crate) fn instant_to_nanos(&self, at: Instant) -> Nanos {
        match at.checked_duration_since(self.epoch) {
            Some(after) => EPOCH.saturating_add(nanos(after)),
            None => EPOCH.saturating_sub(nanos(self.epoch.duration_since(at))),
        }
    }
}

/// The system's monotonic clock: the one place where the library reads it.
#[inline]
pub(crate) fn system_now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else asks"
    )]
    Instant::now()
}

/// A duration in nanoseconds; one of more than 584 years counts as 584 years.
#[inline]
pub(crate) fn nanos(duration: Duration) -> Nanos {
    // `as_nanos` is a multiplication of 128 bits, which is not needed for any duration that ends.
    duration
        .as_secs()
        .checked_mul(1_000_000_000)
        .and_then(|ns| ns.checked_add(u64::from(duration.subsec_nanos())))
        .unwrap_or(Nanos::MAX)
}

/// `base + duration`, or the last moment that the system can name: never a panic.
fn far_add(base: Instant, duration: Duration) -> Instant {
    let mut step = duration;
    loop {
        match base.checked_add(step) {
            Some(at) => return at,
            None => step /= 2,
        }
    }
}

/// The error of [`seconds`]: the number is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidDelay;

impl std::fmt::Display for InvalidDelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("delay must be a number, got NaN: check the computation that it comes from")
    }
}

impl std::error::Error for InvalidDelay {}

/// Converts seconds as asyncio counts them into a [`Duration`]: negative ones are zero, infinity is
/// [`Duration::MAX`].
///
/// # Errors
/// [`InvalidDelay`] if `secs` is NaN, here and not when the loop runs.
///
/// # asyncio
/// Every delay there is a `float` of seconds. `sleep(nan)` raises; `call_later(nan, ...)` breaks the loop.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// assert_eq!(loop_core::seconds(1.5)?, Duration::from_millis(1500));
/// assert_eq!(loop_core::seconds(-3.0)?, Duration::ZERO);
/// assert_eq!(loop_core::seconds(f64::INFINITY)?, Duration::MAX);
/// assert!(loop_core::seconds(f64::NAN).is_err());
/// # Ok::<(), loop_core::InvalidDelay>(())
/// ```
pub fn seconds(secs: f64) -> Result<Duration, InvalidDelay> {
    if secs.is_nan() {
        return Err(InvalidDelay);
    }
    Ok(Duration::try_from_secs_f64(secs.max(0.0)).unwrap_or(Duration::MAX))
}
