//! How a pool of processes is to be.

use std::ffi::OsString;
use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use super::worker;
use crate::{CallJob, PoolError, ProcessFn, ProcessPoolExecutor, Work};

/// The description of a [`ProcessPoolExecutor`].
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, ProcessPoolExecutor, process_fn};
///
/// process_fn! {
///     fn set_up(level: u32) { println!("a worker at level {level}") }
///     fn double(n: u32) -> u32 { 2 * n }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     loop_executor::worker_main();
///     let pool = ProcessPoolExecutor::builder()
///         .max_workers(1)
///         .initializer(|| set_up::job(7))
///         .max_tasks_per_child(100)
///         .build()?;
///     assert_eq!(pool.submit(double::job(4))?.result(None)?, 8);
///     Ok(())
/// }
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct ProcessPoolBuilder {
    max_workers: Option<usize>,
    max_tasks_per_child: Option<u32>,
    settings: Settings,
}

/// What the pool's manager goes by.
pub(crate) struct Settings {
    pub(crate) max_workers: usize,
    pub(crate) max_tasks_per_child: Option<NonZero<u32>>,
    pub(crate) max_frame_bytes: usize,
    pub(crate) start_timeout: Duration,
    pub(crate) break_on_worker_death: bool,
    pub(crate) initializer: Option<Box<dyn Fn() -> CallJob + Send + Sync>>,
    pub(crate) program: Option<PathBuf>,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl Default for ProcessPoolBuilder {
    fn default() -> Self {
        ProcessPoolBuilder {
            max_workers: None,
            max_tasks_per_child: None,
            settings: Settings {
                max_workers: 0,
                max_tasks_per_child: None,
                max_frame_bytes: 256 << 20,
                start_timeout: Duration::from_secs(60),
                break_on_worker_death: false,
                initializer: None,
                program: None,
                arguments: worker::ARGUMENTS.map(OsString::from).into(),
                variables: Vec::new(),
            },
        }
    }
}

impl ProcessPoolBuilder {
    /// Sets how many processes there may be.
    ///
    /// By default, as many as there are processors.
    ///
    /// # Examples
    /// See [`ProcessPoolBuilder`].
    pub fn max_workers(mut self, max_workers: usize) -> Self {
        self.max_workers = Some(max_workers);
        self
    }

    /// Sets what each process runs before its first job. If it fails or panics, the pool is broken.
    ///
    /// By default, nothing.
    ///
    /// # Examples
    /// See [`ProcessPoolBuilder`].
    pub fn initializer<F: ProcessFn>(
        mut self,
        call: impl Fn() -> crate::Call<F> + Send + Sync + 'static,
    ) -> Self {
        self.settings.initializer = Some(Box::new(move || call().into_job(None).0));
        self
    }

    /// Sets how many jobs a process runs before another takes its place.
    ///
    /// By default, it lives as long as the pool.
    ///
    /// # Examples
    /// See [`ProcessPoolBuilder`].
    pub fn max_tasks_per_child(mut self, jobs: u32) -> Self {
        self.max_tasks_per_child = Some(jobs);
        self
    }

    /// Sets how many bytes the arguments of one job may take, or its result. More is
    /// [`JobError::FrameTooLarge`](crate::JobError::FrameTooLarge), before anything is sent.
    ///
    /// By default, 256 MiB.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ExecutorExt, JobError, ProcessPoolExecutor, process_fn};
    ///
    /// process_fn! {
    ///     fn length(text: String) -> usize { text.len() }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     loop_executor::worker_main();
    ///     let pool = ProcessPoolExecutor::builder().max_frame_bytes(1_000).build()?;
    ///     let error = pool.submit(length::job("x".repeat(2_000)))?.result(None).unwrap_err();
    ///     assert!(matches!(JobError::of(&error), Some(JobError::FrameTooLarge { .. })));
    ///     Ok(())
    /// }
    /// ```
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_frame_bytes = bytes;
        self
    }

    /// Sets how long a process may take until it is ready for jobs, the initializer included. If
    /// it takes longer, the pool is broken.
    ///
    /// By default, a minute.
    ///
    /// # Examples
    /// See [`program`](ProcessPoolBuilder::program).
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.settings.start_timeout = timeout;
        self
    }

    /// Has the whole pool break when one worker dies: its job and all that wait fail, and later ones
    /// are refused.
    ///
    /// By default, the job that the worker was running fails, another worker takes its place, and
    /// the others go on.
    ///
    /// # asyncio
    /// There it always breaks.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ExecutorExt, ProcessPoolExecutor, SubmitError, process_fn};
    ///
    /// process_fn! {
    ///     fn dies() { std::process::abort() }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     loop_executor::worker_main();
    ///     let pool = ProcessPoolExecutor::builder().break_on_worker_death(true).build()?;
    ///     assert!(pool.submit(dies::job())?.result(None).is_err());
    ///     assert!(matches!(pool.submit(dies::job()), Err(SubmitError::Broken(..))));
    ///     Ok(())
    /// }
    /// ```
    pub fn break_on_worker_death(mut self, breaks: bool) -> Self {
        self.settings.break_on_worker_death = breaks;
        self
    }

    /// Sets the program that the workers run.
    ///
    /// It must know the same functions, and call [`worker_main`](crate::worker_main).
    ///
    /// By default, this program.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::ConcurrentError;
    /// use loop_executor::{BreakCause, ExecutorExt, JobError, ProcessPoolExecutor, process_fn};
    ///
    /// process_fn! {
    ///     fn nothing() {}
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Not a program that becomes a worker.
    /// let pool = ProcessPoolExecutor::builder().program("/bin/true").build()?;
    /// let error = pool.submit(nothing::job())?.result(None).unwrap_err();
    /// match JobError::of(&error) {
    ///     Some(JobError::Broken(broken)) => {
    ///         assert!(matches!(broken.cause(), BreakCause::NotAWorker { .. }));
    ///         assert!(broken.to_string().contains("worker_main()"));
    ///     }
    ///     other => unreachable!("{other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.settings.program = Some(program.into());
        self
    }

    /// Sets the arguments of the workers.
    ///
    /// By default, those that make the harness of the tests call the function of
    /// [`worker_test!`](crate::worker_test); a program that calls `worker_main` first does not look
    /// at them.
    ///
    /// # Examples
    /// ```
    /// let builder = loop_executor::ProcessPoolExecutor::builder().worker_args(["--config", "a"]);
    /// # let _ = builder;
    /// ```
    pub fn worker_args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.settings.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a variable in the environment of the workers.
    ///
    /// By default, they have that of this program.
    ///
    /// # Examples
    /// ```
    /// let builder = loop_executor::ProcessPoolExecutor::builder().worker_env("LOG", "warn");
    /// # let _ = builder;
    /// ```
    pub fn worker_env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.settings.variables.push((name.into(), value.into()));
        self
    }

    /// Makes the pool. It has no processes yet.
    ///
    /// # Errors
    /// [`PoolError::InvalidWorkers`] and [`PoolError::InvalidMaxTasksPerChild`] for 0.
    /// [`PoolError::Spawn`] if the system gives no descriptors for it.
    ///
    /// # Examples
    /// See [`ProcessPoolBuilder`].
    pub fn build(mut self) -> Result<ProcessPoolExecutor, PoolError> {
        // In a worker that has missed its line this would start workers that miss it, and so on.
        worker::refuse_to_be_more_than_a_worker();
        let cpus = || std::thread::available_parallelism().map_or(1, NonZero::get);
        self.settings.max_workers = self.max_workers.unwrap_or_else(cpus);
        if self.settings.max_workers == 0 {
            return Err(PoolError::InvalidWorkers);
        }
        if let Some(jobs) = self.max_tasks_per_child {
            let jobs = NonZero::new(jobs).ok_or(PoolError::InvalidMaxTasksPerChild)?;
            self.settings.max_tasks_per_child = Some(jobs);
        }
        ProcessPoolExecutor::start(self.settings)
    }
}

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPoolBuilder")
            .field("max_workers", &self.max_workers)
            .field("max_tasks_per_child", &self.max_tasks_per_child)
            .field("max_frame_bytes", &self.settings.max_frame_bytes)
            .field(
                "break_on_worker_death",
                &self.settings.break_on_worker_death,
            )
            .field("initializer", &self.settings.initializer.is_some())
            .finish_non_exhaustive()
    }
}
