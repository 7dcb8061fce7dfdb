//! Why a job in another process has no result.

use std::error::Error;
use std::fmt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use loop_bridge::ConcurrentError;

/// Why a job that was to run in another process has no result.
///
/// It comes as [`ConcurrentError::Failed`]; [`JobError::of`] takes it out. The pool lives on, and
/// so does the worker, except where a variant says otherwise.
///
/// # Examples
/// ```
/// use loop_executor::{JobError, call_registered};
///
/// let error = call_registered("no::such::function", &[]).unwrap_err();
/// assert_eq!(error.to_string(), "job 'no::such::function' is not registered in the worker");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JobError {
    /// The arguments could not be encoded. Nothing was sent.
    Encode {
        /// The name of the function.
        function: String,
        /// What serde said.
        message: String,
    },
    /// The worker could not decode the arguments.
    DecodeArg {
        /// The name of the function.
        function: String,
        /// What serde said.
        message: String,
    },
    /// The worker knows no function of that name: it is another program, or another version.
    UnknownJob {
        /// The name of the function.
        function: String,
    },
    /// The function panicked.
    Panicked(RemotePanic),
    /// The worker could not encode the result.
    EncodeResult {
        /// The name of the function.
        function: String,
        /// What serde said.
        message: String,
    },
    /// The result could not be decoded.
    DecodeResult {
        /// The name of the function.
        function: String,
        /// What serde said.
        message: String,
    },
    /// The arguments or the result take more room than the pool allows. They were not sent.
    FrameTooLarge {
        /// The name of the function.
        function: String,
        /// How many bytes there are, at least.
        len: u64,
        /// How many may be sent at once.
        limit: u64,
    },
    /// The job ran for longer than it may. Its worker was killed.
    TimedOut {
        /// The name of the function.
        function: String,
        /// How long it may run.
        limit: Duration,
        /// The worker.
        pid: u32,
    },
    /// The worker died under the job.
    WorkerDied(WorkerDied),
    /// The pool broke before the job was done.
    Broken(BrokenProcessPool),
}

impl JobError {
    /// The error of a job, if that is why its future has no value.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::ConcurrentError;
    /// use loop_executor::{JobError, call_registered};
    ///
    /// let error = ConcurrentError::failed(call_registered("none", &[]).unwrap_err());
    /// assert!(matches!(JobError::of(&error), Some(JobError::UnknownJob { .. })));
    /// assert!(JobError::of(&ConcurrentError::Cancelled).is_none());
    /// ```
    #[must_use]
    pub fn of(error: &ConcurrentError) -> Option<&JobError> {
        match error {
            ConcurrentError::Failed(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Encode { function, message } => {
                write!(
                    f,
                    "the arguments of '{function}' cannot be encoded: {message}"
                )
            }
            JobError::DecodeArg { function, message } => {
                write!(
                    f,
                    "the worker cannot decode the arguments of '{function}': {message}"
                )
            }
            JobError::UnknownJob { function } => {
                write!(f, "job '{function}' is not registered in the worker")
            }
            JobError::Panicked(panic) => panic.fmt(f),
            JobError::EncodeResult { function, message } => {
                write!(
                    f,
                    "the worker cannot encode the result of '{function}': {message}"
                )
            }
            JobError::DecodeResult { function, message } => {
                write!(f, "the result of '{function}' cannot be decoded: {message}")
            }
            JobError::FrameTooLarge {
                function,
                len,
                limit,
            } => write!(
                f,
                "'{function}' has {len} bytes or more to send at once, and the pool allows {limit}: raise \
                 max_frame_bytes, or send less"
            ),
            JobError::TimedOut {
                function,
                limit,
                pid,
            } => write!(
                f,
                "'{function}' ran for longer than {limit:?}, and its worker (pid {pid}) was killed"
            ),
            JobError::WorkerDied(died) => died.fmt(f),
            JobError::Broken(broken) => broken.fmt(f),
        }
    }
}

impl Error for JobError {}

/// A panic in another process.
///
/// # Examples
/// ```
/// use loop_executor::{JobError, call_registered, process_fn};
///
/// process_fn! {
///     fn fails(page: u32) -> u32 {
///         panic!("no page {page}")
///     }
/// }
///
/// let arguments = fails::job(7).encode()?;
/// match call_registered(fails::job(7).name(), &arguments) {
///     Err(JobError::Panicked(panic)) => assert_eq!(panic.message(), "no page 7"),
///     other => unreachable!("{other:?}"),
/// }
/// # Ok::<(), JobError>(())
/// ```
#[derive(Clone)]
pub struct RemotePanic {
    message: String,
    place: Option<String>,
    backtrace: String,
}

impl RemotePanic {
    pub(crate) fn new(message: String, place: Option<String>, backtrace: String) -> Self {
        RemotePanic {
            message,
            place,
            backtrace,
        }
    }

    /// The text of the panic.
    ///
    /// # Examples
    /// See [`RemotePanic`].
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it was, as `file:line:column`. Unknown if the worker's panic hook was replaced.
    ///
    /// # Examples
    /// See [`RemotePanic`].
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// How it got there. Empty where the place is unknown.
    ///
    /// # Examples
    /// See [`RemotePanic`].
    #[must_use]
    pub fn backtrace(&self) -> &str {
        &self.backtrace
    }
}

impl fmt::Display for RemotePanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the job panicked: {}", self.message)?;
        match &self.place {
            Some(place) => write!(f, ", at {place}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for RemotePanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The backtrace has hundreds of lines: whoever wants it asks for it.
        f.debug_struct("RemotePanic")
            .field("message", &self.message)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// What a worker was about when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerPhase {
    /// It had been started and was not ready for jobs.
    Starting,
    /// It was waiting for a job.
    Idle,
    /// It had a job: its arguments, or a part of its result, were there.
    Running,
}

/// How a worker died, and under which job.
///
/// The job may have done a part of its work, or all of it. It is not repeated: whoever knows that
/// it can be submits it again.
///
/// # Examples
/// ```no_run
/// # fn outcome() -> loop_executor::JobError { unimplemented!() }
/// use std::os::unix::process::ExitStatusExt;
/// use loop_executor::JobError;
///
/// if let JobError::WorkerDied(died) = outcome() {
///     eprintln!("{} had signal {:?}", died.pid(), died.status().signal());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct WorkerDied {
    pid: u32,
    status: ExitStatus,
    phase: WorkerPhase,
    function: Option<String>,
    cause: Option<Arc<str>>,
}

impl WorkerDied {
    pub(crate) fn new(
        pid: u32,
        status: ExitStatus,
        phase: WorkerPhase,
        function: Option<&str>,
        cause: Option<Arc<str>>,
    ) -> Self {
        WorkerDied {
            pid,
            status,
            phase,
            function: function.map(str::to_owned),
            cause,
        }
    }

    /// The process that it was.
    ///
    /// # Examples
    /// See [`WorkerDied`].
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended: a signal or an exit code.
    ///
    /// # Examples
    /// See [`WorkerDied`].
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// What it was about.
    ///
    /// # Examples
    /// See [`WorkerDied`].
    #[must_use]
    pub fn phase(&self) -> WorkerPhase {
        self.phase
    }

    /// The name of the function whose job is lost, if it had one.
    ///
    /// # Examples
    /// See [`WorkerDied`].
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// Why the pool killed it, if it did: a frame that was none, for instance.
    ///
    /// # Examples
    /// See [`WorkerDied`].
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

impl fmt::Display for WorkerDied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkerDied { pid, status, .. } = self;
        match &self.cause {
            Some(cause) => write!(f, "worker process {pid} was given up: {cause}")?,
            // The words of std: "signal: 9 (SIGKILL)", "exit status: 3".
            None => write!(f, "worker process {pid} ended abruptly ({status})")?,
        }
        match (&self.function, self.phase) {
            (Some(function), _) => write!(f, " while it ran '{function}', whose result is lost"),
            (None, WorkerPhase::Starting) => f.write_str(" as it started"),
            (None, _) => f.write_str(" while it had no job"),
        }
    }
}

impl Error for WorkerDied {}

/// A pool of processes gave up.
///
/// Jobs that waited have this as their outcome ([`JobError::Broken`]), later ones are refused
/// with it.
///
/// # asyncio
/// `concurrent.futures.process.BrokenProcessPool`. There, one worker that dies is enough; here it
/// is if the pool was [told so](crate::ProcessPoolBuilder::break_on_worker_death).
///
/// # Examples
/// See [`ProcessPoolBuilder::program`](crate::ProcessPoolBuilder::program).
#[derive(Clone, Debug)]
pub struct BrokenProcessPool {
    cause: BreakCause,
}

/// Why a pool of processes gave up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BreakCause {
    /// A worker died, and the pool was to break then.
    WorkerDied(WorkerDied),
    /// One worker after the other died as it started; this is the last of them.
    StartFailed(WorkerDied),
    /// The workers do not say what a worker says first: `main` does not call
    /// [`worker_main`](crate::worker_main) before anything else.
    NotAWorker {
        /// What they did instead.
        what: String,
    },
    /// The system would not start a process.
    Spawn(Arc<std::io::Error>),
    /// The initializer failed or panicked.
    Initializer(String),
}

impl BrokenProcessPool {
    pub(crate) fn new(cause: BreakCause) -> Self {
        BrokenProcessPool { cause }
    }

    /// What broke it.
    ///
    /// # Examples
    /// See [`ProcessPoolBuilder::program`](crate::ProcessPoolBuilder::program).
    #[must_use]
    pub fn cause(&self) -> &BreakCause {
        &self.cause
    }
}

impl fmt::Display for BrokenProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process pool is not usable anymore: ")?;
        match &self.cause {
            BreakCause::WorkerDied(died) => died.fmt(f),
            BreakCause::StartFailed(died) => {
                write!(f, "its workers die as they start, the last one: {died}")
            }
            BreakCause::NotAWorker { what } => write!(
                f,
                "its workers do not become workers ({what}): call `worker_main()` in the first line of \
                 `main`; in a test file, write `worker_test!();` once"
            ),
            BreakCause::Spawn(error) => write!(f, "the system would not start a worker: {error}"),
            BreakCause::Initializer(message) => {
                write!(f, "a process initializer failed: {message}")
            }
        }
    }
}

impl Error for BrokenProcessPool {}
