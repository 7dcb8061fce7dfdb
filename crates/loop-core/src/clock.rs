//! What time it is: the system's clock, or one that jumps.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::sys;

/// A moment in nanoseconds on a loop's own scale; [`EPOCH`] is when the loop was made.
pub(crate) type Nanos = u64;

/// Well above zero, so that a deadline in the past keeps its order among others: a loop may be asked for a callback
/// a century before it was made.
pub(crate) const EPOCH: Nanos = 1 << 62;

/// A moment on both scales: that of [`Instant`], which people hold, and that of [`sys::ticks`], which is quick to read
/// and to subtract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    instant: Instant,
    ticks: u64,
}

impl Epoch {
    pub(crate) fn now() -> Epoch {
        // One pair for the whole process: the times of two loops can be compared.
        static FIRST: OnceLock<Epoch> = OnceLock::new();
        let first = FIRST.get_or_init(Epoch::both);
        let ticks = sys::ticks();
        Epoch {
            instant: first.instant + Duration::from_nanos(ticks.saturating_sub(first.ticks)),
            ticks,
        }
    }

    /// Both clocks as close together as it gets, the ticks last: what they say is never ahead of the other clock, and
    /// behind it by some tens of nanoseconds, for ever the same.
    fn both() -> Epoch {
        let pairs = (0..16).map(|_| {
            let instant = system_now();
            let ticks = sys::ticks();
            let apart = system_now().saturating_duration_since(instant);
            (apart, Epoch { instant, ticks })
        });
        let closest = pairs.min_by_key(|(apart, _)| *apart);
        closest.expect("there are 16 of them").1
    }

    /// The system's time since then, whatever clock a loop has.
    #[inline]
    pub(crate) fn real_now(&self) -> Nanos {
        EPOCH + sys::ticks().saturating_sub(self.ticks)
    }
}

/// The clock of one loop.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Epoch,
    /// The virtual "now"; `None` with the system's clock.
    virtual_now: Option<Cell<Nanos>>,
}

impl Clock {
    pub(crate) fn system(epoch: Epoch) -> Clock {
        Clock {
            epoch,
            virtual_now: None,
        }
    }

    pub(crate) fn virtual_from(epoch: Epoch) -> Clock {
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
            None => self.epoch.real_now(),
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
        let epoch = self.epoch.instant;
        if at >= EPOCH {
            far_add(epoch, Duration::from_nanos(at - EPOCH))
        } else {
            epoch
                .checked_sub(Duration::from_nanos(EPOCH - at))
                .unwrap_or(epoch)
        }
    }

    pub(crate) fn instant_to_nanos(&self, at: Instant) -> Nanos {
        let epoch = self.epoch.instant;
        match at.checked_duration_since(epoch) {
            Some(after) => EPOCH.saturating_add(nanos(after)),
            None => EPOCH.saturating_sub(nanos(epoch.duration_since(at))),
        }
    }
}

/// The system's monotonic clock, as an [`Instant`].
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_scales_agree() {
        let clock = Clock::system(Epoch::now());
        let mut before = system_now();
        for _ in 0..1000 {
            let read = clock.nanos_to_instant(clock.now());
            let after = system_now();
            // Never ahead; behind by less than anybody could notice.
            assert!(read <= after);
            assert!(read + Duration::from_millis(1) > before);
            before = after;
        }
    }

    #[test]
    fn a_moment_is_the_same_for_every_loop() {
        let (one, other) = (Clock::system(Epoch::now()), Clock::system(Epoch::now()));
        let moment = one.nanos_to_instant(EPOCH + 12_345);
        let again = other.nanos_to_instant(other.instant_to_nanos(moment));
        assert_eq!(again, moment);
        assert_eq!(one.instant_to_nanos(again), EPOCH + 12_345);
    }
}
