//! Why a pool was not made, or did not take a job.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// A pool could not be made.
///
/// With `?` it becomes an [`io::Error`] too: that of the system, or [`InvalidInput`](io::ErrorKind::InvalidInput) with this
/// inside.
///
/// # Examples
/// ```
/// use loop_executor::ThreadPoolExecutor;
///
/// let error = ThreadPoolExecutor::new(0).unwrap_err();
/// assert_eq!(error.to_string(), "max_workers must be greater than 0");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// The number of workers is 0.
    InvalidWorkers,
    /// The number of jobs after which a process is replaced is 0.
    InvalidMaxTasksPerChild,
    /// The prefix of the threads' names has a NUL byte, which no name of a thread can have.
    InvalidPrefix,
    /// The operating system refused what the pool needs from the start: a thread, a descriptor.
    Spawn(io::Error),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::InvalidWorkers => f.write_str("max_workers must be greater than 0"),
            PoolError::InvalidMaxTasksPerChild => f.write_str("max_tasks_per_child must be >= 1"),
            PoolError::InvalidPrefix => {
                f.write_str("the prefix of the threads' names must not contain a NUL byte")
            }
            PoolError::Spawn(error) => {
                write!(f, "the system refused what the pool needs: {error}")
            }
        }
    }
}

impl Error for PoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PoolError::Spawn(error) => Some(error),
            PoolError::InvalidWorkers
            | PoolError::InvalidMaxTasksPerChild
            | PoolError::InvalidPrefix => None,
        }
    }
}

impl From<PoolError> for io::Error {
    fn from(error: PoolError) -> io::Error {
        match error {
            PoolError::Spawn(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidInput, other),
        }
    }
}

impl PoolError {
    /// Refuses a prefix here, where a thread with such a name would panic when it is made.
    pub(crate) fn check_prefix(prefix: &str) -> Result<(), PoolError> {
        if prefix.contains('\0') {
            return Err(PoolError::InvalidPrefix);
        }
        Ok(())
    }
}

/// A pool did not take a job. The job comes back: nothing of it has run.
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, SubmitError, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::new(1)?;
/// pool.shutdown(true, false)?;
/// let error = pool.submit(|| 6 * 7).unwrap_err();
/// assert_eq!(error.to_string(), "cannot schedule new futures after shutdown");
/// assert!(matches!(error, SubmitError::Shutdown(_)));
/// let job = error.into_inner();
/// assert_eq!(job(), 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
pub enum SubmitError<W> {
    /// The pool was shut down.
    Shutdown(W),
    /// The pool has no worker, and the operating system refused one.
    Spawn(W, io::Error),
    /// The pool is broken for good; the error says by what, [`BrokenThreadPool`] for instance.
    Broken(W, Arc<dyn Error + Send + Sync>),
    /// The loop that the outcome was to go to is closed.
    LoopClosed(W),
    /// The loop's default executor was asked for after it was shut down.
    DefaultShutdown(W),
}

impl<W> SubmitError<W> {
    /// Gives back what was to run.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::SubmitError;
    ///
    /// assert_eq!(SubmitError::Shutdown("the job").into_inner(), "the job");
    /// ```
    #[must_use]
    pub fn into_inner(self) -> W {
        match self {
            SubmitError::Shutdown(work)
            | SubmitError::Spawn(work, _)
            | SubmitError::Broken(work, _)
            | SubmitError::LoopClosed(work)
            | SubmitError::DefaultShutdown(work) => work,
        }
    }

    /// Makes something else of what was to run, and keeps the reason.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::SubmitError;
    ///
    /// let error = SubmitError::Shutdown(20).map(|n| n + 1);
    /// assert_eq!(error.into_inner(), 21);
    /// ```
    pub fn map<V>(self, f: impl FnOnce(W) -> V) -> SubmitError<V> {
        match self {
            SubmitError::Shutdown(work) => SubmitError::Shutdown(f(work)),
            SubmitError::Spawn(work, error) => SubmitError::Spawn(f(work), error),
            SubmitError::Broken(work, error) => SubmitError::Broken(f(work), error),
            SubmitError::LoopClosed(work) => SubmitError::LoopClosed(f(work)),
            SubmitError::DefaultShutdown(work) => SubmitError::DefaultShutdown(f(work)),
        }
    }
}

impl<W> fmt::Debug for SubmitError<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::Shutdown(_) => f.debug_struct("Shutdown").finish_non_exhaustive(),
            SubmitError::Spawn(_, error) => f.debug_tuple("Spawn").field(error).finish(),
            SubmitError::Broken(_, error) => f.debug_tuple("Broken").field(error).finish(),
            SubmitError::LoopClosed(_) => f.debug_struct("LoopClosed").finish_non_exhaustive(),
            SubmitError::DefaultShutdown(_) => {
                f.debug_struct("DefaultShutdown").finish_non_exhaustive()
            }
        }
    }
}

impl<W> fmt::Display for SubmitError<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::Shutdown(_) => f.write_str("cannot schedule new futures after shutdown"),
            SubmitError::Spawn(_, error) => {
                write!(
                    f,
                    "the pool has no worker and the system refused one: {error}"
                )
            }
            SubmitError::Broken(_, error) => error.fmt(f),
            SubmitError::LoopClosed(_) => f.write_str("Event loop is closed"),
            SubmitError::DefaultShutdown(_) => f.write_str("Executor shutdown has been called"),
        }
    }
}

impl<W> From<SubmitError<W>> for io::Error {
    fn from(error: SubmitError<W>) -> io::Error {
        io::Error::other(error.map(drop))
    }
}

impl<W> Error for SubmitError<W> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SubmitError::Spawn(_, error) => Some(error),
            SubmitError::Broken(_, error) => error.source(),
            SubmitError::Shutdown(_)
            | SubmitError::LoopClosed(_)
            | SubmitError::DefaultShutdown(_) => None,
        }
    }
}

/// An initializer failed, so no thread of the pool can be trusted to be set up.
///
/// Jobs that waited have this as their outcome
/// ([`ConcurrentError::Failed`](loop_bridge::ConcurrentError::Failed)), later ones are refused
/// with it.
///
/// # asyncio
/// `concurrent.futures.thread.BrokenThreadPool`.
///
/// # Examples
/// ```
/// use loop_bridge::ConcurrentError;
/// use loop_executor::{BrokenThreadPool, ExecutorExt, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::builder()
///     .max_workers(1)
///     .initializer(|| panic!("no licence"))
///     .build()?;
/// match pool.submit(|| 1)?.result(None) {
///     Err(ConcurrentError::Failed(error)) => {
///         assert_eq!(error.downcast_ref::<BrokenThreadPool>().unwrap().cause(), "no licence");
///     }
///     other => unreachable!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BrokenThreadPool {
    cause: Arc<str>,
}

impl BrokenThreadPool {
    pub(crate) fn new(cause: impl Into<Arc<str>>) -> Self {
        BrokenThreadPool {
            cause: cause.into(),
        }
    }

    /// The text of the initializer's error or panic.
    ///
    /// # Examples
    /// See [`BrokenThreadPool`].
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }
}

impl fmt::Display for BrokenThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "A thread initializer failed, the thread pool is not usable anymore: {}",
            self.cause
        )
    }
}

impl Error for BrokenThreadPool {}
