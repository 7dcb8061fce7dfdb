//! What a consumer or a producer is told when there is no value.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;

use loop_tasks::{Failure, TaskError};

use crate::{FutureState, JobPanicked};

/// Why a [`ConcurrentFuture`](crate::ConcurrentFuture) gave no value.
///
/// The first five are outcomes, the same for everybody who asks. The last three belong to the
/// one call that got them: the future itself is untouched.
///
/// With `?` it becomes an [`io::Error`] too, with this inside.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_bridge::{ConcurrentError, concurrent_future};
///
/// let (promise, future) = concurrent_future::<u32>();
/// let early = future.result(Some(Duration::ZERO));
/// assert!(matches!(early, Err(ConcurrentError::TimedOut)));
/// drop(promise);
/// assert!(matches!(future.result(None), Err(ConcurrentError::Abandoned)));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConcurrentError {
    /// The future was cancelled, by a consumer or by its producer.
    Cancelled,
    /// The work panicked.
    Panicked(JobPanicked),
    /// The loop that was to do the work closed before it was done.
    LoopGone,
    /// The producer went away without an outcome.
    Abandoned,
    /// The machinery around the work failed: a broken pool, a result that cannot be sent.
    Failed(Failure),
    /// The timeout of this call elapsed. The work goes on and its result can still be had.
    TimedOut,
    /// This call would have blocked the thread that the outcome has to come from.
    WouldDeadlock(WouldDeadlock),
    /// The value was moved out by another call.
    Taken,
}

impl ConcurrentError {
    /// Wraps an error of the machinery around the work.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::ConcurrentError;
    ///
    /// let error = ConcurrentError::failed(std::io::Error::other("the pipe broke"));
    /// assert_eq!(error.to_string(), "the pipe broke");
    /// ```
    #[must_use]
    pub fn failed(error: impl Error + Send + Sync + 'static) -> Self {
        ConcurrentError::Failed(Failure::new(error))
    }

    /// Whether this is a cancellation.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::ConcurrentError;
    ///
    /// assert!(ConcurrentError::Cancelled.is_cancelled());
    /// assert!(!ConcurrentError::TimedOut.is_cancelled());
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, ConcurrentError::Cancelled)
    }
}

impl fmt::Display for ConcurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConcurrentError::Cancelled => f.write_str("the future was cancelled"),
            ConcurrentError::Panicked(panic) => panic.fmt(f),
            ConcurrentError::LoopGone => {
                f.write_str("the event loop closed before the future was done")
            }
            ConcurrentError::Abandoned => {
                f.write_str("the producer of the future was dropped without a result")
            }
            ConcurrentError::Failed(error) => fmt::Display::fmt(error, f),
            ConcurrentError::TimedOut => {
                f.write_str("timed out waiting for the future, which goes on")
            }
            ConcurrentError::WouldDeadlock(error) => error.fmt(f),
            ConcurrentError::Taken => f.write_str("the value was already taken by another call"),
        }
    }
}

impl Error for ConcurrentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ConcurrentError::Failed(error) => error.source(),
            _ => None,
        }
    }
}

impl From<ConcurrentError> for io::Error {
    fn from(error: ConcurrentError) -> io::Error {
        let kind = match error {
            ConcurrentError::TimedOut => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

impl From<WouldDeadlock> for ConcurrentError {
    fn from(error: WouldDeadlock) -> Self {
        ConcurrentError::WouldDeadlock(error)
    }
}

/// What became of a task, as other threads see it.
impl From<TaskError> for ConcurrentError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Cancelled(_) => ConcurrentError::Cancelled,
            TaskError::Panicked(panic) => ConcurrentError::Panicked(panic.into()),
            TaskError::Failed(error) => ConcurrentError::Failed(error),
            TaskError::Taken => ConcurrentError::Taken,
            error => ConcurrentError::failed(error),
        }
    }
}

impl From<JobPanicked> for ConcurrentError {
    fn from(error: JobPanicked) -> Self {
        ConcurrentError::Panicked(error)
    }
}

/// A blocking wait was refused: the thread that called is the one that must do the work.
///
/// # Examples
/// ```
/// use loop_bridge::WouldDeadlock;
///
/// let error = WouldDeadlock::on_loop_thread();
/// assert_eq!(error.to_string(), "blocking wait on the loop thread: await the future instead");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WouldDeadlock {
    reason: Cow<'static, str>,
}

impl WouldDeadlock {
    /// Makes the error with a text of its own.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::WouldDeadlock;
    ///
    /// assert_eq!(WouldDeadlock::new("inside the printer").to_string(), "inside the printer");
    /// ```
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        WouldDeadlock {
            reason: reason.into(),
        }
    }

    /// The wait was on the thread of the loop that owes the outcome.
    ///
    /// # Examples
    /// ```
    /// # use loop_bridge::WouldDeadlock;
    /// assert!(WouldDeadlock::on_loop_thread().to_string().contains("loop thread"));
    /// ```
    #[must_use]
    pub fn on_loop_thread() -> Self {
        WouldDeadlock::new("blocking wait on the loop thread: await the future instead")
    }

    /// The wait was inside a worker of the pool that owes the outcome.
    ///
    /// # Examples
    /// ```
    /// # use loop_bridge::WouldDeadlock;
    /// assert!(WouldDeadlock::inside_worker().to_string().contains("inside a worker"));
    /// ```
    #[must_use]
    pub fn inside_worker() -> Self {
        WouldDeadlock::new("blocking wait inside a worker of the pool that runs the job")
    }
}

impl fmt::Display for WouldDeadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for WouldDeadlock {}

/// The future was done already; what was to be stored comes back.
///
/// # asyncio
/// `InvalidStateError`.
///
/// # Examples
/// ```
/// use loop_bridge::{FutureState, concurrent_future};
///
/// let (promise, future) = concurrent_future();
/// future.cancel();
/// let error = promise.set_result(String::from("too late")).unwrap_err();
/// assert_eq!(error.state(), FutureState::Cancelled);
/// assert_eq!(error.into_inner(), "too late");
/// ```
pub struct InvalidState<V> {
    value: V,
    state: FutureState,
}

impl<V> InvalidState<V> {
    pub(crate) fn new(value: V, state: FutureState) -> Self {
        InvalidState { value, state }
    }

    /// The state that the future was in.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::concurrent_future;
    ///
    /// let (promise, future) = concurrent_future();
    /// future.cancel();
    /// assert!(promise.set_result(1).unwrap_err().state().is_cancelled());
    /// ```
    #[must_use]
    pub fn state(&self) -> FutureState {
        self.state
    }

    /// Gives back what was refused.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::concurrent_future;
    ///
    /// let (promise, future) = concurrent_future();
    /// future.cancel();
    /// assert_eq!(promise.set_result(1).unwrap_err().into_inner(), 1);
    /// ```
    #[must_use]
    pub fn into_inner(self) -> V {
        self.value
    }
}

impl<V> fmt::Debug for InvalidState<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidState")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl<V> fmt::Display for InvalidState<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid state: the future is already {}", self.state)
    }
}

impl<V> Error for InvalidState<V> {}
