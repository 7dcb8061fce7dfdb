//! The jobs that calls become: a name, arguments, and the promise of a result.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use loop_bridge::{
    BlockingGuard, ConcurrentError, ConcurrentFuture, concurrent_future, guarded_future,
};

use super::content::{self, AnyContent, Content};
use super::owed::{Owed, Promised};
use crate::JobError;
use crate::job::{Boxed, contain};

/// A job that can travel: the name of a function, its arguments, and the promise of its result.
///
/// What an [`Executor<CallJob>`](crate::Executor) is given. It sends [`name`](CallJob::name) and
/// [`encode`](CallJob::encode)d arguments to wherever a program with the same functions runs, which
/// gives them to [`call_registered`](crate::call_registered), and [`complete`](CallJob::complete)s
/// the job with what comes back. A job that is dropped abandons its future.
///
/// # Examples
/// ```
/// use loop_executor::{CallJob, Work, call_registered, process_fn};
///
/// process_fn! {
///     fn add(a: u32, b: u32) -> u32 { a + b }
/// }
///
/// let (job, future) = add::job(1, 2).into_job(None);
/// if job.claim() {
///     let result = call_registered(job.name(), &job.encode()?);
///     job.complete(result.as_deref().map_err(Clone::clone));
/// }
/// assert_eq!(future.result(None).unwrap(), 3);
/// # Ok::<(), loop_executor::JobError>(())
/// ```
#[must_use = "a job that is dropped abandons its future"]
pub struct CallJob {
    content: Box<dyn AnyContent>,
    owed: Owed,
}

impl CallJob {
    /// Makes a job of something that can travel.
    #[track_caller]
    pub(crate) fn of<C: Content>(
        content: C,
        timeout: Option<Duration>,
        guard: Option<Box<dyn BlockingGuard>>,
    ) -> (CallJob, ConcurrentFuture<C::Output>) {
        let (promise, future) = match guard {
            Some(guard) => guarded_future(Boxed(guard)),
            None => concurrent_future(),
        };
        let owed = Owed {
            promise: Box::new(Promised::<C>(promise)),
            name: C::NAME,
            place: Location::caller(),
            timeout,
        };
        let content = Box::new(content);
        (CallJob { content, owed }, future)
    }

    /// The name of the function.
    ///
    /// # Examples
    /// See [`CallJob`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.owed.name
    }

    /// For how long it may run.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_executor::{Work, process_fn};
    ///
    /// process_fn! {
    ///     fn nothing() {}
    /// }
    ///
    /// let (job, _future) = nothing::job().timeout(Duration::from_secs(1)).into_job(None);
    /// assert_eq!(job.timeout(), Some(Duration::from_secs(1)));
    /// ```
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.owed.timeout
    }

    /// The place in the program that submitted it.
    ///
    /// # Examples
    /// ```
    /// # use loop_executor::{Work, process_fn};
    /// # process_fn! { fn nothing() {} }
    /// let (job, _future) = nothing::job().into_job(None);
    /// assert!(job.place().line() > 0);
    /// ```
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.owed.place
    }

    /// Encodes the arguments.
    ///
    /// # Errors
    /// [`JobError::Encode`], with which the job should be [completed](CallJob::complete).
    ///
    /// # Examples
    /// See [`CallJob`].
    pub fn encode(&self) -> Result<Vec<u8>, JobError> {
        let mut buffer = Vec::new();
        self.encode_into(&mut buffer, usize::MAX)?;
        Ok(buffer)
    }

    /// Claims the job for running, so that it can be cancelled only by
    /// [`on_cancel`](CallJob::on_cancel); `false` if it was cancelled, and is not wanted any more.
    ///
    /// # Examples
    /// See [`CallJob`].
    #[must_use]
    pub fn claim(&self) -> bool {
        self.owed.claim()
    }

    /// Sets what stops the job when its future is cancelled while it runs.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// # use loop_executor::{Work, process_fn};
    /// # process_fn! { fn nothing() {} }
    ///
    /// let (job, future) = nothing::job().into_job(None);
    /// let (stop, stopped) = mpsc::channel();
    /// assert!(job.claim());
    /// job.on_cancel(move || stop.send(()).unwrap());
    /// assert!(future.cancel());
    /// assert_eq!(stopped.try_recv(), Ok(()));
    /// ```
    pub fn on_cancel(&self, stop: impl FnOnce() + Send + 'static) {
        self.owed.on_cancel(stop);
    }

    /// Whether the job's future was cancelled.
    ///
    /// # Examples
    /// ```
    /// # use loop_executor::{Work, process_fn};
    /// # process_fn! { fn nothing() {} }
    /// let (job, future) = nothing::job().into_job(None);
    /// future.cancel();
    /// assert!(job.is_cancelled());
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.owed.is_cancelled()
    }

    /// Settles the future with what came back; a result that cannot be decoded is an error too.
    ///
    /// # Examples
    /// See [`CallJob`].
    pub fn complete(self, result: Result<&[u8], JobError>) {
        // The arguments go first: whoever sees the outcome may rely on what they held being free.
        self.into_owed().complete(result);
    }

    /// Drops the job; its future is cancelled.
    ///
    /// # Examples
    /// ```
    /// # use loop_executor::{Work, process_fn};
    /// # process_fn! { fn nothing() {} }
    /// let (job, future) = nothing::job().into_job(None);
    /// job.cancel();
    /// assert!(future.cancelled());
    /// ```
    pub fn cancel(self) {
        self.into_owed().cancel();
    }

    /// Drops the job; its future gets the error. For what is no [`JobError`]: an engine that is gone, say.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::ConcurrentError;
    /// # use loop_executor::{Work, process_fn};
    /// # process_fn! { fn nothing() {} }
    ///
    /// let (job, future) = nothing::job().into_job(None);
    /// job.fail(ConcurrentError::failed(std::io::Error::other("the engine is gone")));
    /// assert_eq!(future.result(None).unwrap_err().to_string(), "the engine is gone");
    /// ```
    pub fn fail(self, error: ConcurrentError) {
        self.into_owed().fail(error);
    }

    pub(crate) fn encode_into(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), JobError> {
        content::encode(self.owed.name, buffer, limit, |buffer, limit| {
            self.content.encode(buffer, limit)
        })
    }

    pub(crate) fn is_many(&self) -> bool {
        self.content.is_many()
    }

    /// Parts with the arguments, which are on their way or not needed.
    pub(crate) fn into_owed(self) -> Owed {
        contain(|| drop(self.content));
        self.owed
    }

    /// The two parts: one that can be kept under a lock, and one whose destructor is the caller's.
    pub(crate) fn split(self) -> (Owed, Box<dyn AnyContent>) {
        (self.owed, self.content)
    }

    pub(crate) fn join(owed: Owed, content: Box<dyn AnyContent>) -> Self {
        CallJob { content, owed }
    }

    pub(crate) fn into_content<C: Content>(self) -> C {
        let content: Box<dyn Any> = self.content;
        let content: Box<C> = content
            .downcast()
            .expect("an executor gives back the job that it refuses");
        *content
    }
}

impl fmt::Debug for CallJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<CallJob {} submitted at {}>", self.name(), self.place())
    }
}
