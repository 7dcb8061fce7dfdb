//! A panic, kept as an outcome.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use loop_core::{drop_quietly, panic_message};
use loop_tasks::Panicked;

/// What a piece of work panicked with.
///
/// The message can be read any number of times, by every holder of a clone; the payload itself
/// can be taken once.
///
/// # Examples
/// ```
/// use loop_bridge::{ConcurrentError, concurrent_future};
///
/// let (promise, future) = concurrent_future::<()>();
/// promise.run(|| panic!("no such page"));
/// match future.result(None) {
///     Err(ConcurrentError::Panicked(panic)) => assert_eq!(panic.message(), "no such page"),
///     other => unreachable!("{other:?}"),
/// }
/// ```
#[derive(Clone)]
pub struct JobPanicked(Panicked);

impl JobPanicked {
    /// Keeps what `catch_unwind` caught.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::JobPanicked;
    ///
    /// let caught = std::panic::catch_unwind(|| panic!("{} apples", 3)).unwrap_err();
    /// assert_eq!(JobPanicked::new(caught).message(), "3 apples");
    /// ```
    #[must_use]
    pub fn new(payload: Box<dyn Any + Send>) -> Self {
        JobPanicked(Panicked::new(payload))
    }

    /// The text of the panic, or a note that its payload is not text.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::JobPanicked;
    ///
    /// assert_eq!(JobPanicked::new(Box::new(7)).message(), "a panic whose payload is not text");
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        self.0.message()
    }

    /// Takes the payload; `None` if somebody did already.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::JobPanicked;
    ///
    /// let panic = JobPanicked::new(Box::new(7_u32));
    /// let payload = panic.clone().take_payload().unwrap();
    /// assert_eq!(*payload.downcast::<u32>().unwrap(), 7);
    /// assert!(panic.take_payload().is_none());
    /// ```
    #[must_use]
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.0.take_payload()
    }

    /// Goes on with the panic in this thread, with the message if the payload is taken.
    ///
    /// # Panics
    /// Always: that is what it is for. The panic hook does not run a second time.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::JobPanicked;
    ///
    /// let panic = JobPanicked::new(Box::new("again"));
    /// let caught = std::panic::catch_unwind(|| panic.resume()).unwrap_err();
    /// assert_eq!(*caught.downcast::<&str>().unwrap(), "again");
    /// ```
    pub fn resume(self) -> ! {
        let payload = self.take_payload();
        resume_unwind(payload.unwrap_or_else(|| Box::new(self.message().to_string())))
    }
}

impl fmt::Debug for JobPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JobPanicked").field(&self.message()).finish()
    }
}

impl fmt::Display for JobPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the job panicked: {}", self.message())
    }
}

impl std::error::Error for JobPanicked {}

/// The panic of a task, seen by other threads.
impl From<Panicked> for JobPanicked {
    fn from(panic: Panicked) -> Self {
        JobPanicked(panic)
    }
}

/// The panic of a job, seen by a task.
impl From<JobPanicked> for Panicked {
    fn from(panic: JobPanicked) -> Self {
        panic.0
    }
}

/// Runs code of a caller that must not unwind into ours; a panic goes to the log.
///
/// One callback, waker or destructor that panics must not keep the others from running.
pub(crate) fn contain(what: &str, code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        tracing::error!(
            panic = panic_message(&*payload),
            "panic in {what} of a concurrent future"
        );
        // The payload is the caller's too, and its destructor may panic in turn.
        drop_quietly(payload);
    }
}
