//! Calls of process functions: work that can travel.

use std::fmt;
use std::time::Duration;

use loop_bridge::{BlockingGuard, ConcurrentFuture};

use super::content::{self, Content};
use super::travel::{ArgsLeave, Comes};
use super::wire::{self, EncodeError};
use crate::{CallJob, Job, JobError, ProcessFn, Work, job};

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
        content::encode(F::NAME, &mut buffer, usize::MAX, |buffer, limit| {
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
