//! The states of a concurrent future.
//!
//! ```text
//!                  set_running                    set_result, set_error,
//!                                                 promise dropped
//!   Pending ----------------------> Running ----------------------> Finished
//!      |  \_______________________________________________________/    ^
//!      |         set_result, set_error, promise dropped ---------------'
//!      | cancel
//!      v          set_running, promise dropped
//!   Cancelled ---------------------------------> CancelledAndNotified
//! ```
//! The producer may also end a pending or running future as cancelled; such a one has been
//! notified by definition.

use std::fmt;

/// Where a [`ConcurrentFuture`](crate::ConcurrentFuture) stands.
///
/// # asyncio
/// The five states of `concurrent.futures.Future`, with one difference: `wait` and `as_completed`
/// count a future as done from `Cancelled` on. `concurrent.futures` waits until a worker comes
/// across it, so a `wait` there can hang on a future whose `done()` is true.
///
/// # Examples
/// ```
/// use loop_bridge::{FutureState, concurrent_future};
///
/// let (promise, future) = concurrent_future::<u32>();
/// assert_eq!(future.state(), FutureState::Pending);
/// promise.set_running_or_notify_cancel();
/// assert_eq!(future.state(), FutureState::Running);
/// promise.set_result(1).unwrap();
/// assert_eq!(future.state(), FutureState::Finished);
/// assert!(future.state().is_done());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FutureState {
    /// Nobody has begun the work. It can be cancelled.
    Pending,
    /// The work has begun. It can be cancelled only if its producer said so.
    Running,
    /// A consumer cancelled it; the producer does not know yet.
    Cancelled,
    /// Cancelled, and the producer knows.
    CancelledAndNotified,
    /// There is a value, or an error other than a cancellation.
    Finished,
}

impl FutureState {
    /// Whether this state is final: nothing will change the outcome any more.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::FutureState;
    ///
    /// assert!(FutureState::Cancelled.is_done());
    /// assert!(!FutureState::Running.is_done());
    /// ```
    #[must_use]
    pub fn is_done(self) -> bool {
        self.is_cancelled() || self == FutureState::Finished
    }

    /// Whether this is one of the two cancelled states.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::FutureState;
    ///
    /// assert!(FutureState::CancelledAndNotified.is_cancelled());
    /// assert!(!FutureState::Finished.is_cancelled());
    /// ```
    #[must_use]
    pub fn is_cancelled(self) -> bool {
        matches!(
            self,
            FutureState::Cancelled | FutureState::CancelledAndNotified
        )
    }
}

impl fmt::Display for FutureState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FutureState::Pending => "pending",
            FutureState::Running => "running",
            FutureState::Cancelled | FutureState::CancelledAndNotified => "cancelled",
            FutureState::Finished => "finished",
        })
    }
}
