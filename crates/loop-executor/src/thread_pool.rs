//! A pool of threads, made on demand.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use loop_bridge::{BlockingGuard, JobPanicked, WouldDeadlock};

use crate::crew::Crew;
use crate::error::{BrokenThreadPool, PoolError, SubmitError};
use crate::job::contain;
use crate::overdue::Overdue;
use crate::sync::{Mutex, lock, thread};
use crate::thread_pool_builder::{Initializer, ThreadPoolBuilder};
use crate::worker::PoolId;
use crate::{Executor, Job, StillRunning, UnfinishedJob};

/// Runs jobs in threads of its own.
///
/// A thread is made when a job comes, none is idle and there are fewer than `max_workers`; it
/// lives until the pool is shut down. Jobs begin in the order in which they were submitted. A job
/// that panics is its future's outcome, and the thread goes on with the next one. Nothing of a
/// job is kept when it is done.
///
/// Dropping the pool shuts it down without waiting: jobs that it has accepted still run, as long
/// as the process lives.
///
/// # asyncio
/// `concurrent.futures.ThreadPoolExecutor`. There the interpreter waits at its exit for every
/// job; a Rust program that wants that calls [`shutdown`](ThreadPoolExecutor::shutdown).
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::builder().max_workers(2).thread_name_prefix("fetch").build()?;
/// let name = pool.submit(|| std::thread::current().name().map(String::from))?;
/// assert_eq!(name.result(None)?.as_deref(), Some("fetch_0"));
/// pool.shutdown(true, false)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ThreadPoolExecutor {
    shared: Arc<Shared>,
}

/// What the pool and its threads share.
struct Shared {
    id: PoolId,
    crew: Crew,
    thread_name_prefix: String,
    stack_size_bytes: Option<usize>,
    initializer: Option<Initializer>,
    overdue: Option<Overdue>,
    threads: Mutex<Threads>,
}

/// The threads that somebody may wait for.
#[derive(Default)]
struct Threads {
    workers: HashMap<usize, thread::JoinHandle<()>>,
    watch: Option<thread::JoinHandle<()>>,
}

impl ThreadPoolExecutor {
    /// Makes a pool of at most `max_workers` threads.
    ///
    /// # Errors
    /// [`PoolError::InvalidWorkers`] for 0.
    ///
    /// # Examples
    /// ```
    /// let pool = loop_executor::ThreadPoolExecutor::new(2)?;
    /// assert_eq!(pool.max_workers(), 2);
    /// # Ok::<(), loop_executor::PoolError>(())
    /// ```
    pub fn new(max_workers: usize) -> Result<Self, PoolError> {
        ThreadPoolExecutor::builder()
            .max_workers(max_workers)
            .build()
    }

    /// Starts the description of a pool.
    ///
    /// # Examples
    /// See [`ThreadPoolBuilder`].
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::default()
    }

    /// How many threads there may be.
    ///
    /// # Examples
    /// ```
    /// let pool = loop_executor::ThreadPoolExecutor::default();
    /// assert!(pool.max_workers() >= 5);
    /// ```
    #[must_use]
    pub fn max_workers(&self) -> usize {
        self.shared.crew.max_workers()
    }

    /// Accepts no more jobs from here on.
    ///
    /// Those accepted before still run; with `cancel_futures`, those that have not begun are
    /// cancelled. With `wait`, blocks until all is over and the threads are gone. It may be called
    /// again: to wait after all, to cancel after all.
    ///
    /// # Errors
    /// [`WouldDeadlock`] if it is to `wait` and is called inside a job of this pool. Then it has
    /// changed nothing.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// let future = pool.submit(|| 1)?;
    /// pool.shutdown(true, false)?;
    /// assert!(future.done());
    /// assert!(pool.submit(|| 2).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), WouldDeadlock> {
        let shared = &self.shared;
        if wait {
            shared.id.refuse_inside()?;
        }
        shared.crew.shut_down(cancel_futures);
        if wait {
            shared.crew.wait(None);
            shared.join();
        }
        Ok(())
    }

    /// Accepts no more jobs, and waits for those accepted before, but no longer than `timeout`.
    ///
    /// What is still going on then goes on. To do without the jobs that have not begun, call
    /// [`shutdown(false, true)`](ThreadPoolExecutor::shutdown) before.
    ///
    /// # Errors
    /// [`StillRunning`] with the jobs that would not end; also inside a job of this pool, at once
    /// and without shutting anything down.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// let (end, never) = mpsc::channel::<()>();
    /// pool.submit(move || never.recv())?;
    /// let stuck = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(stuck.jobs()[0].place().file(), file!());
    /// drop(end);
    /// pool.shutdown_timeout(Duration::MAX)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), StillRunning> {
        let shared = &self.shared;
        if shared.id.refuse_inside().is_err() {
            return Err(StillRunning::new(shared.crew.unfinished()));
        }
        shared.crew.shut_down(false);
        if !shared.crew.wait(Some(timeout)) {
            return Err(StillRunning::new(shared.crew.unfinished()));
        }
        shared.join();
        Ok(())
    }

    /// Writes off the threads whose jobs have been running for `limit` or longer, and names those
    /// jobs: others take their places, and no shutdown waits for them. What a thread that is
    /// written off comes to is said at
    /// [`write_off_overdue`](ThreadPoolBuilder::write_off_overdue), which does this by itself.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// let (end, ended) = mpsc::channel::<()>();
    /// let (begin, begun) = mpsc::channel();
    /// let stuck = pool.submit(move || {
    ///     begin.send(()).unwrap();
    ///     ended.recv().is_err()
    /// })?;
    /// begun.recv()?;
    /// assert_eq!(pool.write_off(Duration::from_secs(60)).len(), 0, "it has only begun");
    /// let jobs = pool.write_off(Duration::ZERO);
    /// assert_eq!(jobs[0].place().file(), file!());
    /// assert_eq!(pool.submit(|| 7)?.result(None)?, 7);
    /// pool.shutdown(true, false)?;
    /// drop(end);
    /// assert!(stuck.result(None)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_off(&self, limit: Duration) -> Vec<UnfinishedJob> {
        let lost = self.shared.write_off(limit);
        lost.into_iter().map(|(job, _)| job).collect()
    }
}

impl Default for ThreadPoolExecutor {
    /// Makes a pool of at most `min(32, cpus + 4)` threads.
    fn default() -> Self {
        ThreadPoolExecutor::builder()
            .build()
            .expect("the default number of workers is not 0")
    }
}

impl Executor for ThreadPoolExecutor {
    fn execute(&self, job: Job) -> Result<(), SubmitError<Job>> {
        let shared = &self.shared;
        shared.crew.submit(job, |number| shared.hire(number))
    }

    fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), WouldDeadlock> {
        ThreadPoolExecutor::shutdown(self, wait, cancel_futures)
    }

    fn blocking_guard(&self) -> Option<Box<dyn BlockingGuard>> {
        Some(Box::new(self.shared.id))
    }

    fn unfinished(&self) -> Vec<UnfinishedJob> {
        self.shared.crew.unfinished()
    }
}

impl ThreadPoolExecutor {
    pub(crate) fn start(max_workers: usize, mut description: ThreadPoolBuilder) -> Self {
        let id = PoolId::next();
        let overdue = description.take_overdue();
        let shared = Shared {
            id,
            crew: Crew::new(max_workers),
            thread_name_prefix: description
                .thread_name_prefix
                .unwrap_or_else(|| format!("ThreadPoolExecutor-{}", id.number())),
            stack_size_bytes: description.stack_size_bytes,
            initializer: description.initializer,
            overdue,
            threads: Mutex::new(Threads::default()),
        };
        ThreadPoolExecutor {
            shared: Arc::new(shared),
        }
    }
}

impl Shared {
    /// Starts the thread of a worker.
    fn hire(self: &Arc<Self>, number: usize) -> io::Result<()> {
        let shared = Arc::clone(self);
        let thread = self.start(&number.to_string(), move || shared.work(number))?;
        let mut threads = lock(&self.threads);
        threads.workers.insert(number, thread);
        if self.overdue.is_some() && threads.watch.is_none() {
            let shared = Arc::clone(self);
            threads.watch = self
                .start("watch", move || shared.watch())
                .inspect_err(|error| {
                    // The next thread that is hired brings another try.
                    tracing::warn!(%error, "the system refused the thread that watches for overdue jobs");
                })
                .ok();
        }
        Ok(())
    }

    fn start(
        &self,
        name: &str,
        life: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let mut builder =
            thread::Builder::new().name(format!("{}_{name}", self.thread_name_prefix));
        if let Some(size) = self.stack_size_bytes {
            builder = builder.stack_size(size);
        }
        builder.spawn(life)
    }

    /// The life of the thread that looks after overdue jobs.
    fn watch(self: &Arc<Self>) {
        self.id.enter();
        let Some(overdue) = &self.overdue else { return };
        self.crew.watch(overdue.deadline, |jobs| {
            for job in &jobs {
                overdue.tell(job);
            }
            if overdue.write_off {
                // Some may have become overdue since.
                for (job, reported) in self.write_off(overdue.deadline) {
                    if !reported {
                        overdue.tell(&job);
                    }
                }
            }
        });
    }

    fn write_off(self: &Arc<Self>, limit: Duration) -> Vec<(UnfinishedJob, bool)> {
        let hire = |number| self.hire(number);
        self.crew.write_off(limit, hire, |number| {
            drop(lock(&self.threads).workers.remove(&number));
        })
    }

    /// The life of a thread.
    fn work(&self, number: usize) {
        self.id.enter();
        match self.initialize() {
            Ok(()) => self.crew.work(number),
            Err(cause) => self.crew.break_down(BrokenThreadPool::new(cause)),
        }
    }

    fn initialize(&self) -> Result<(), String> {
        let Some(initializer) = &self.initializer else {
            return Ok(());
        };
        match catch_unwind(AssertUnwindSafe(initializer)) {
            Ok(outcome) => outcome,
            Err(payload) => {
                let panic = JobPanicked::new(payload);
                let cause = panic.message().to_owned();
                contain(|| drop(panic));
                Err(cause)
            }
        }
    }
}

impl Shared {
    /// Waits until the threads, which have left the crew, are really gone. Whoever does so at the
    /// same time waits as well.
    fn join(&self) {
        let mut threads = lock(&self.threads);
        let Threads { workers, watch } = &mut *threads;
        for thread in workers
            .drain()
            .map(|(_, thread)| thread)
            .chain(watch.take())
        {
            let ended = thread.join();
            debug_assert!(ended.is_ok(), "a worker contains every panic");
        }
    }
}

impl Drop for ThreadPoolExecutor {
    fn drop(&mut self) {
        self.shared.crew.shut_down(false);
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workers, idle, queued) = self.shared.crew.census();
        write!(
            f,
            "<ThreadPoolExecutor {:?} threads={workers}/{} idle={idle} queued={queued}>",
            self.shared.thread_name_prefix,
            self.max_workers(),
        )
    }
}
