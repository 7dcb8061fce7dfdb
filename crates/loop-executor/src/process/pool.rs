//! A pool of processes.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use loop_bridge::{BlockingGuard, WouldDeadlock};

use super::calls::{Calls, Chunk};
use super::manager::Manager;
use super::map::ProcessMap;
use super::settings::{ProcessPoolBuilder, Settings};
use super::shared::{Order, Shared};
use crate::sync::{Mutex, lock};
use crate::{
    CallJob, Executor, Map, PoolError, ProcessFn, StillRunning, SubmitError, UnfinishedJob,
};

/// Runs jobs in other processes.
///
/// The workers are this program, started again; the first line of its `main` makes them workers
/// ([`worker_main`](crate::worker_main)). They are started when jobs come and none is idle, up to
/// `max_workers`. What they run is declared with [`process_fn!`](crate::process_fn).
///
/// A worker that dies takes the job along that it was running, and no other: that job's future gets
/// [`JobError::WorkerDied`](crate::JobError::WorkerDied), another worker is started, and jobs that
/// had not begun run there. Cancelling the future of a job that runs kills its worker, which is
/// the only way to stop it.
///
/// Dropping the pool shuts it down without waiting. Workers end with the program, however that
/// ends.
///
/// # asyncio
/// `concurrent.futures.ProcessPoolExecutor`, started by `spawn`. There, the pool breaks with the
/// first worker that dies, and a job that runs cannot be cancelled.
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, ProcessPoolExecutor, process_fn};
///
/// process_fn! {
///     fn pid() -> u32 { std::process::id() }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     loop_executor::worker_main();
///     let pool = ProcessPoolExecutor::new(2)?;
///     let there = pool.submit(pid::job())?.result(None)?;
///     assert_ne!(there, std::process::id());
///     pool.shutdown(true, false)?;
///     Ok(())
/// }
/// ```
pub struct ProcessPoolExecutor {
    shared: Arc<Shared>,
    /// The manager's end of the bell until it is started, and its thread from then on.
    manager: Mutex<Option<UnixStream>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl ProcessPoolExecutor {
    /// Makes a pool of at most `max_workers` processes.
    ///
    /// # Errors
    /// Those of [`ProcessPoolBuilder::build`].
    ///
    /// # Examples
    /// See [`ProcessPoolExecutor`].
    pub fn new(max_workers: usize) -> Result<Self, PoolError> {
        ProcessPoolExecutor::builder()
            .max_workers(max_workers)
            .build()
    }

    /// Starts the description of a pool.
    ///
    /// # Examples
    /// See [`ProcessPoolBuilder`].
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::default()
    }

    pub(crate) fn start(settings: Settings) -> Result<Self, PoolError> {
        let (ours, managers) = UnixStream::pair().map_err(PoolError::Spawn)?;
        for end in [&ours, &managers] {
            end.set_nonblocking(true).map_err(PoolError::Spawn)?;
        }
        Ok(ProcessPoolExecutor {
            shared: Arc::new(Shared::new(settings, ours)),
            manager: Mutex::new(Some(managers)),
            thread: Mutex::new(None),
        })
    }

    /// How many processes there may be.
    ///
    /// # Examples
    /// ```
    /// let pool = loop_executor::ProcessPoolExecutor::new(2)?;
    /// assert_eq!(pool.max_workers(), 2);
    /// # Ok::<(), loop_executor::PoolError>(())
    /// ```
    #[must_use]
    pub fn max_workers(&self) -> usize {
        self.shared.settings.max_workers
    }

    /// The processes that there are.
    ///
    /// # Examples
    /// ```
    /// let pool = loop_executor::ProcessPoolExecutor::new(2)?;
    /// assert!(pool.worker_pids().is_empty(), "no job has come");
    /// # Ok::<(), loop_executor::PoolError>(())
    /// ```
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        self.shared.pids()
    }

    /// Calls a function for every item, and gives the results in the order of the items.
    ///
    /// All are submitted before this returns. Calls of one
    /// [chunk](crate::Calls::chunk_size) travel and run together, and each has a result of its own;
    /// a worker that dies takes a chunk along.
    ///
    /// # Errors
    /// [`SubmitError`]. Chunks that were submitted before are cancelled.
    ///
    /// # Panics
    /// If the chunk size is 0: "chunksize must be >= 1."
    ///
    /// # asyncio
    /// `ProcessPoolExecutor.map(fn, *iterables, chunksize=1)`. An error of one call is an item
    /// here; there it ends the iteration.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ProcessPoolExecutor, process_fn};
    ///
    /// process_fn! {
    ///     fn square(n: u64) -> u64 { n * n }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     loop_executor::worker_main();
    ///     let pool = ProcessPoolExecutor::new(1)?;
    ///     let squares = pool.map(square::jobs(0..100).chunk_size(10))?;
    ///     let squares: Vec<u64> = squares.collect::<Result<_, _>>()?;
    ///     assert_eq!(squares[99], 99 * 99);
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn map<F, I>(&self, calls: Calls<F, I>) -> Result<ProcessMap<F::Output>, SubmitError<()>>
    where
        F: ProcessFn,
        I: Iterator<Item = F::Args>,
    {
        let Calls {
            mut items,
            chunk_size,
            timeout,
            ..
        } = calls;
        assert!(chunk_size > 0, "chunksize must be >= 1.");
        let mut chunks = Map::default();
        let mut sizes = Vec::new();
        loop {
            let chunk: Vec<F::Args> = items.by_ref().take(chunk_size).collect();
            if chunk.is_empty() {
                return Ok(ProcessMap::new(chunks, sizes));
            }
            sizes.push(chunk.len());
            let (job, future) = CallJob::of(Chunk::<F>(chunk), timeout, self.blocking_guard());
            self.execute(job).map_err(|refused| refused.map(drop))?;
            chunks.push(future);
        }
    }

    /// Accepts no more jobs from here on.
    ///
    /// Those accepted before still run; with `cancel_futures`, those that have not begun are
    /// cancelled. With `wait`, blocks until all is over and the processes are gone.
    ///
    /// # Errors
    /// [`WouldDeadlock`] if it is to `wait` and is called in a done callback of this pool's jobs,
    /// on the thread that runs the pool. Then it has changed nothing.
    ///
    /// # Examples
    /// See [`ProcessPoolExecutor`].
    pub fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), WouldDeadlock> {
        if wait {
            self.shared.id.refuse_inside()?;
        }
        self.shared.shut_down(cancel_futures, None);
        if wait {
            self.join();
        }
        Ok(())
    }

    /// Accepts no more jobs, and waits for those accepted before, but no longer than `timeout`.
    ///
    /// What is still going on then goes on, until [`kill_workers`](ProcessPoolExecutor::kill_workers)
    /// ends it.
    ///
    /// # Errors
    /// [`StillRunning`] with the jobs that would not end; also in a done callback of this pool's
    /// jobs, on the thread that runs the pool, at once and without shutting anything down.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_executor::{ExecutorExt, ProcessPoolExecutor, process_fn};
    ///
    /// process_fn! {
    ///     fn never() { loop { std::thread::park() } }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     loop_executor::worker_main();
    ///     let pool = ProcessPoolExecutor::new(1)?;
    ///     let never = pool.submit(never::job())?;
    ///     let stuck = pool.shutdown_timeout(Duration::from_millis(20)).unwrap_err();
    ///     assert_eq!(stuck.jobs()[0].place().file(), file!());
    ///     pool.kill_workers();
    ///     pool.shutdown_timeout(Duration::MAX)?;
    ///     assert!(never.done());
    ///     Ok(())
    /// }
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), StillRunning> {
        if self.shared.id.refuse_inside().is_err() {
            return Err(StillRunning::new(self.shared.unfinished()));
        }
        self.shared.shut_down(false, None);
        if !self.shared.wait(timeout) {
            return Err(StillRunning::new(self.shared.unfinished()));
        }
        self.join();
        Ok(())
    }

    /// Ends the pool at once: asks every worker to end (`SIGTERM`), cancels the jobs that have not
    /// begun, and accepts no more. The jobs that run fail with
    /// [`JobError::WorkerDied`](crate::JobError::WorkerDied). It does not wait; a
    /// [`shutdown`](ProcessPoolExecutor::shutdown) after it does.
    ///
    /// # asyncio
    /// `ProcessPoolExecutor.terminate_workers()`, from 3.14 on.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ExecutorExt, ProcessPoolExecutor, process_fn};
    ///
    /// process_fn! {
    ///     fn never() { loop { std::thread::park() } }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     loop_executor::worker_main();
    ///     let pool = ProcessPoolExecutor::new(1)?;
    ///     let never = pool.submit(never::job())?;
    ///     pool.terminate_workers();
    ///     pool.shutdown(true, false)?;
    ///     assert!(never.result(None).is_err());
    ///     Ok(())
    /// }
    /// ```
    pub fn terminate_workers(&self) {
        self.shared.shut_down(true, Some(Order::Terminate));
    }

    /// As [`terminate_workers`](ProcessPoolExecutor::terminate_workers), and leaves the workers no
    /// choice (`SIGKILL`).
    ///
    /// # asyncio
    /// `ProcessPoolExecutor.kill_workers()`, from 3.14 on.
    ///
    /// # Examples
    /// See [`terminate_workers`](ProcessPoolExecutor::terminate_workers).
    pub fn kill_workers(&self) {
        self.shared.shut_down(true, Some(Order::Kill));
    }

    /// Starts the thread that runs the pool.
    fn hire(&self) -> std::io::Result<()> {
        let mut bell = lock(&self.manager);
        let end = bell.as_ref().expect("a manager is hired once");
        let manager = Manager::new(Arc::clone(&self.shared), end.try_clone()?);
        let thread = thread::Builder::new()
            .name("process_pool".to_owned())
            .spawn(move || manager.run())?;
        *bell = None;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// Waits until the manager has ended. Whoever does so at the same time waits here as well.
    fn join(&self) {
        let mut thread = lock(&self.thread);
        if let Some(thread) = thread.take() {
            let ended = thread.join();
            debug_assert!(
                ended.is_ok(),
                "no code of a caller unwinds into the manager"
            );
        }
    }
}

impl Executor<CallJob> for ProcessPoolExecutor {
    fn execute(&self, job: CallJob) -> Result<(), SubmitError<CallJob>> {
        self.shared.submit(job, || self.hire())
    }

    fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), WouldDeadlock> {
        ProcessPoolExecutor::shutdown(self, wait, cancel_futures)
    }

    fn blocking_guard(&self) -> Option<Box<dyn BlockingGuard>> {
        Some(Box::new(self.shared.id))
    }

    fn unfinished(&self) -> Vec<UnfinishedJob> {
        self.shared.unfinished()
    }
}

impl Drop for ProcessPoolExecutor {
    fn drop(&mut self) {
        self.shared.shut_down(false, None);
    }
}

impl fmt::Debug for ProcessPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<ProcessPoolExecutor processes={}/{} queued={}>",
            self.worker_pids().len(),
            self.max_workers(),
            self.shared.queued(),
        )
    }
}
