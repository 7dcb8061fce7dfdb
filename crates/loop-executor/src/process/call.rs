//! Calls of process functions: work that can travel, and the jobs that it becomes.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::time::Duration;

use loop_bridge::{
    BlockingGuard, ConcurrentError, ConcurrentFuture, Promise, concurrent_future, guarded_future,
};

use super::remote_panic;
use super::travel::{ArgsLeave, Comes};
use super::wire::{self, EncodeError};
use crate::job::{self, Boxed, contain};
use crate::{Job, JobError, ProcessFn, Work};

/// A call of a function that was declared with [`process_fn!`](crate::process_fn).
///
/// It is [`Work`]: it is submitted to a [`ProcessPoolExecutor`](crate::ProcessPoolExecutor), or
/// to somebody else's executor of [`CallJob`]s.
///
/// # Examples
/// ```
/// use loop_executor::process_fn;
///
/// process_fn! {
///     fn add(a: u32, b: u32) -> u32 { a + b }
/// }
///
/// let call = add::job(1, 2);
/// assert!(call.name().ends_with("::add"));
/// assert_eq!(call.call(), 3);
/// ```
#[must_use = "a call does nothing until it is submitted"]
pub struct Call<F: ProcessFn> {
    args: F::Args,
    timeout: Option<Duration>,
}

impl<F: ProcessFn> Call<F> {
    #[doc(hidden)]
    pub fn new(args: F::Args) -> Self {
        Call {
            args,
            timeout: None,
        }
    }

    /// Lets the function run for no longer than `timeout`. If it does, its worker is killed.
    ///
    /// By default, it may run for as long as it likes.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_executor::{ExecutorExt, JobError, ProcessPoolExecutor, process_fn};
    ///
    /// process_fn! {
    ///     fn never() { loop { std::thread::park() } }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     loop_executor::worker_main();
    ///     let pool = ProcessPoolExecutor::new(1)?;
    ///     let never = pool.submit(never::job().timeout(Duration::from_millis(5)))?;
    ///     let error = never.result(None).unwrap_err();
    ///     assert!(matches!(JobError::of(&error), Some(JobError::TimedOut { .. })));
    ///     Ok(())
    /// }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The name of the function.
    ///
    /// # Examples
    /// See [`Call`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        F::NAME
    }

    /// Encodes the arguments, as [`call_registered`](crate::call_registered) wants them.
    ///
    /// # Errors
    /// [`JobError::Encode`].
    ///
    /// # Examples
    /// See [`call_registered`](crate::call_registered).
    pub fn encode(&self) -> Result<Vec<u8>, JobError> {
        let mut buffer = Vec::new();
        encode(F::NAME, &mut buffer, usize::MAX, |buffer, limit| {
            wire::encode(buffer, limit, &ArgsLeave::<F>(&self.args))
        })?;
        Ok(buffer)
    }

    /// Calls the function here and now.
    ///
    /// # Examples
    /// See [`Call`].
    pub fn call(self) -> F::Output {
        F::call(self.args)
    }
}

impl<F: ProcessFn> fmt::Debug for Call<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Call of {}>", F::NAME)
    }
}

impl<F: ProcessFn> Work for Call<F> {
    type Output = F::Output;
    type Job = CallJob;

    #[track_caller]
    fn into_job(
        self,
        guard: Option<Box<dyn BlockingGuard>>,
    ) -> (CallJob, ConcurrentFuture<F::Output>) {
        let timeout = self.timeout;
        CallJob::of(One(self), timeout, guard)
    }

    fn from_job(job: CallJob) -> Self {
        job.into_content::<One<F>>().0
    }

    #[track_caller]
    fn into_local_job(
        self,
        guard: Option<Box<dyn BlockingGuard>>,
    ) -> (Job, ConcurrentFuture<F::Output>) {
        Job::of(self, guard)
    }

    fn from_local_job(job: Job) -> Self {
        job.into_call()
    }
}

impl<F: ProcessFn> job::Call for Call<F> {
    type Output = F::Output;

    fn call(self) -> F::Output {
        self.call()
    }
}

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

    pub(crate) fn encode_into(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), JobError> {
        encode(self.owed.name, buffer, limit, |buffer, limit| {
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

    fn into_content<C: Content>(self) -> C {
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

/// What can travel: one call, or a chunk of them.
pub(crate) trait Content: Send + 'static {
    type Output: Send + 'static;
    const NAME: &'static str;
    const MANY: bool;
    fn encode(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError>;
    fn decode(result: &[u8]) -> Result<Self::Output, String>;
}

/// One call.
struct One<F: ProcessFn>(Call<F>);

impl<F: ProcessFn> Content for One<F> {
    type Output = F::Output;
    const NAME: &'static str = F::NAME;
    const MANY: bool = false;

    fn encode(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError> {
        wire::encode(buffer, limit, &ArgsLeave::<F>(&self.0.args))
    }

    fn decode(result: &[u8]) -> Result<F::Output, String> {
        wire::decode(result).map(|Comes(output)| output)
    }
}

/// Content whose type is forgotten.
pub(crate) trait AnyContent: Any + Send {
    fn is_many(&self) -> bool;
    fn encode(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError>;
}

impl<C: Content> AnyContent for C {
    fn is_many(&self) -> bool {
        C::MANY
    }

    fn encode(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError> {
        Content::encode(self, buffer, limit)
    }
}

/// What is owed for a job: its result. The arguments are elsewhere.
pub(crate) struct Owed {
    promise: Box<dyn AnyPromise>,
    pub(crate) name: &'static str,
    pub(crate) place: &'static Location<'static>,
    pub(crate) timeout: Option<Duration>,
}

impl Owed {
    pub(crate) fn claim(&self) -> bool {
        self.promise.claim()
    }

    pub(crate) fn on_cancel(&self, stop: impl FnOnce() + Send + 'static) {
        self.promise.on_cancel(Box::new(stop));
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.promise.is_cancelled()
    }

    pub(crate) fn complete(self, result: Result<&[u8], JobError>) {
        contain(|| self.promise.complete(result));
    }

    pub(crate) fn cancel(self) {
        contain(|| self.promise.fail(ConcurrentError::Cancelled));
    }
}

/// The promise of a result whose type is forgotten.
trait AnyPromise: Send {
    fn claim(&self) -> bool;
    fn on_cancel(&self, stop: Box<dyn FnOnce() + Send>);
    fn is_cancelled(&self) -> bool;
    fn complete(self: Box<Self>, result: Result<&[u8], JobError>);
    fn fail(self: Box<Self>, error: ConcurrentError);
}

struct Promised<C: Content>(Promise<C::Output>);

impl<C: Content> AnyPromise for Promised<C> {
    fn claim(&self) -> bool {
        self.0.set_running_cancellable()
    }

    fn on_cancel(&self, stop: Box<dyn FnOnce() + Send>) {
        self.0.on_cancel(stop);
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    fn complete(self: Box<Self>, result: Result<&[u8], JobError>) {
        let decoded = result.and_then(|bytes| {
            catch_unwind(AssertUnwindSafe(|| C::decode(bytes)))
                .unwrap_or_else(|payload| Err(format!("panicked: {}", remote_panic::text(payload))))
                .map_err(|message| JobError::DecodeResult {
                    function: C::NAME.to_owned(),
                    message,
                })
        });
        match decoded {
            // One that was cancelled meanwhile has its outcome, and this one goes.
            Ok(value) => drop(self.0.set_result(value)),
            Err(error) => self.fail(ConcurrentError::failed(error)),
        }
    }

    fn fail(self: Box<Self>, error: ConcurrentError) {
        let _ = self.0.set_error(error);
    }
}

/// Encodes arguments with code of the caller's, which may fail or panic.
fn encode(
    name: &str,
    buffer: &mut Vec<u8>,
    limit: usize,
    write: impl FnOnce(&mut Vec<u8>, usize) -> Result<(), EncodeError>,
) -> Result<(), JobError> {
    let start = buffer.len();
    let function = name.to_owned();
    let error = match catch_unwind(AssertUnwindSafe(|| write(buffer, limit))) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(EncodeError::TooLarge(len))) => JobError::FrameTooLarge {
            function,
            len,
            limit: limit as u64,
        },
        Ok(Err(EncodeError::Serde(message))) => JobError::Encode { function, message },
        Err(payload) => JobError::Encode {
            function,
            message: format!("panicked: {}", remote_panic::text(payload)),
        },
    };
    buffer.truncate(start);
    Err(error)
}
