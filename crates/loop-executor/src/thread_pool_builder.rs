//! How a pool of threads is to be.

use std::fmt;
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use crate::overdue::{self, Overdue, Report};
use crate::{PoolError, ThreadPoolExecutor, UnfinishedJob};

pub(crate) type Initializer = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The description of a [`ThreadPoolExecutor`].
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::builder()
///     .max_workers(2)
///     .thread_name_prefix("parser")
///     .initializer(|| println!("one more parser"))
///     .build()?;
/// # pool.shutdown(true, false)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until it builds"]
pub struct ThreadPoolBuilder {
    max_workers: Option<usize>,
    pub(crate) thread_name_prefix: Option<String>,
    pub(crate) stack_size_bytes: Option<usize>,
    pub(crate) initializer: Option<Initializer>,
    job_deadline: Option<Duration>,
    on_overdue: Option<Report>,
    write_off_overdue: bool,
}

impl ThreadPoolBuilder {
    /// Sets how many threads there may be.
    ///
    /// By default, `min(32, cpus + 4)`: a few more than there are processors, since blocking work
    /// mostly waits, and no more than 32, however large the machine.
    ///
    /// # Examples
    /// See [`ThreadPoolBuilder`].
    pub fn max_workers(mut self, max_workers: usize) -> Self {
        self.max_workers = Some(max_workers);
        self
    }

    /// Sets the first part of the threads' names; the second is `_0`, `_1`, ...
    ///
    /// By default, `ThreadPoolExecutor-N` for the Nth pool of the process. A prefix with a NUL byte is refused when the
    /// pool is [built](ThreadPoolBuilder::build).
    ///
    /// # Examples
    /// See [`ThreadPoolBuilder`].
    pub fn thread_name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.thread_name_prefix = Some(prefix.into());
        self
    }

    /// Sets how large the threads' stacks are.
    ///
    /// By default, what the standard library gives a thread.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::builder().stack_size_bytes(16 << 20).build()?;
    /// let large = pool.submit(|| std::hint::black_box([1_u8; 4 << 20]).len())?;
    /// assert_eq!(large.result(None)?, 4 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stack_size_bytes(mut self, size: usize) -> Self {
        self.stack_size_bytes = Some(size);
        self
    }

    /// Sets what each thread runs before its first job. If it panics, the pool is broken
    /// ([`BrokenThreadPool`](crate::BrokenThreadPool)).
    ///
    /// By default, nothing.
    ///
    /// # Examples
    /// See [`ThreadPoolBuilder`].
    pub fn initializer(self, initializer: impl Fn() + Send + Sync + 'static) -> Self {
        self.try_initializer(move || {
            initializer();
            Ok::<(), std::convert::Infallible>(())
        })
    }

    /// Sets what each thread runs before its first job. If it fails or panics, the pool is broken
    /// ([`BrokenThreadPool`](crate::BrokenThreadPool)).
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::builder()
    ///     .try_initializer(|| std::fs::metadata("/no/such/licence").map(drop))
    ///     .build()?;
    /// let error = pool.submit(|| 1)?.result(None).unwrap_err();
    /// assert!(error.to_string().starts_with("A thread initializer failed"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_initializer<E: fmt::Display>(
        mut self,
        initializer: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.initializer = Some(Box::new(move || {
            initializer().map_err(|error| error.to_string())
        }));
        self
    }

    /// Sets how long a job may run until it is reported, once, with the place that submitted it.
    /// One more thread, `PREFIX_watch`, sees to that.
    ///
    /// By default, there is no deadline.
    ///
    /// # Examples
    /// See [`on_overdue`](ThreadPoolBuilder::on_overdue).
    pub fn job_deadline(mut self, deadline: Duration) -> Self {
        self.job_deadline = Some(deadline);
        self
    }

    /// Sets who is told of a job that is past its [deadline](ThreadPoolBuilder::job_deadline). It
    /// is called in a thread of the pool that runs no jobs; a panic goes to the log.
    ///
    /// By default, the log (`tracing`, level `WARN`).
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let (report, reports) = mpsc::channel();
    /// let pool = ThreadPoolExecutor::builder()
    ///     .max_workers(1)
    ///     .job_deadline(Duration::from_millis(5))
    ///     .on_overdue(move |job| report.send(job.clone()).unwrap())
    ///     .build()?;
    /// let (end, ended) = mpsc::channel::<()>();
    /// let slow = pool.submit(move || ended.recv())?;
    /// let job = reports.recv()?;
    /// assert_eq!(job.place().file(), file!());
    /// assert!(job.running_for() >= Some(Duration::from_millis(5)));
    /// # drop(end);
    /// # let _ = slow.result(None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_overdue(mut self, report: impl Fn(&UnfinishedJob) + Send + Sync + 'static) -> Self {
        self.on_overdue = Some(Box::new(report));
        self
    }

    /// Has the thread of a job that is past its [deadline](ThreadPoolBuilder::job_deadline) written
    /// off: another takes its place, so that jobs that hang do not starve the pool, and a shutdown
    /// does not wait for it. If the job ends after all, its future has its outcome, and the thread
    /// goes.
    ///
    /// So there may be more threads than `max_workers`: those that are written off do not count.
    ///
    /// By default, threads stay with their jobs;
    /// [`write_off`](crate::ThreadPoolExecutor::write_off) does the same on request.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::builder()
    ///     .max_workers(1)
    ///     .job_deadline(Duration::from_millis(5))
    ///     .write_off_overdue(true)
    ///     .build()?;
    /// let (end, ended) = mpsc::channel::<()>();
    /// let stuck = pool.submit(move || ended.recv().is_err())?;
    /// let next = pool.submit(|| 7)?;
    /// assert_eq!(next.result(None)?, 7, "the only thread is stuck, and there is another");
    /// pool.shutdown(true, false)?;
    /// drop(end);
    /// assert!(stuck.result(None)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_off_overdue(mut self, write_off: bool) -> Self {
        self.write_off_overdue = write_off;
        self
    }

    /// Makes the pool. It has no threads yet.
    ///
    /// # Errors
    /// [`PoolError::InvalidWorkers`] if `max_workers` is 0, [`PoolError::InvalidPrefix`] if the names of threads would have
    /// a NUL byte.
    ///
    /// # Examples
    /// See [`ThreadPoolBuilder`].
    pub fn build(self) -> Result<ThreadPoolExecutor, PoolError> {
        let max_workers = self.max_workers.unwrap_or_else(default_workers);
        if max_workers == 0 {
            return Err(PoolError::InvalidWorkers);
        }
        if let Some(prefix) = &self.thread_name_prefix {
            PoolError::check_prefix(prefix)?;
        }
        Ok(ThreadPoolExecutor::start(max_workers, self))
    }
}

impl ThreadPoolBuilder {
    pub(crate) fn take_overdue(&mut self) -> Option<Overdue> {
        Some(Overdue {
            deadline: self.job_deadline?,
            report: self
                .on_overdue
                .take()
                .unwrap_or_else(|| Box::new(overdue::log)),
            write_off: self.write_off_overdue,
        })
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder")
            .field("max_workers", &self.max_workers)
            .field("thread_name_prefix", &self.thread_name_prefix)
            .field("stack_size_bytes", &self.stack_size_bytes)
            .field("initializer", &self.initializer.is_some())
            .field("job_deadline", &self.job_deadline)
            .field("write_off_overdue", &self.write_off_overdue)
            .finish_non_exhaustive()
    }
}

fn default_workers() -> usize {
    let cpus = thread::available_parallelism().map_or(1, NonZero::get);
    (cpus + 4).min(32)
}
