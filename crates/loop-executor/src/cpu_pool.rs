//! A pool for computing: as many threads as processors, and rayon to share the work among them.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use loop_bridge::{BlockingGuard, JobPanicked, WouldDeadlock};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rayon::{ThreadBuilder, ThreadPoolBuilder};

use crate::error::{PoolError, SubmitError};
use crate::job::contain;
use crate::worker::PoolId;
use crate::{Executor, Job, UnfinishedJob};

/// Runs jobs that compute, on a rayon pool of its own.
///
/// All its threads are made at once, one for each processor. A job may use rayon's parallel
/// iterators, `join` and `scope`: they run on the threads of this pool. Jobs that block belong in
/// a [`ThreadPoolExecutor`](crate::ThreadPoolExecutor): here they would keep a processor idle.
///
/// Jobs begin in the order in which they were submitted. Dropping the pool shuts it down without
/// waiting.
///
/// # asyncio
/// There is none: Python's threads cannot compute at the same time.
///
/// # Examples
/// ```
/// use loop_executor::{CpuPool, ExecutorExt};
/// use rayon::prelude::*;
///
/// let pool = CpuPool::new(2)?;
/// let sum = pool.submit(|| (1..=1000_u64).into_par_iter().map(|n| n * n).sum::<u64>())?;
/// assert_eq!(sum.result(None)?, 333_833_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CpuPool {
    shared: Arc<Shared>,
    threads: Threads,
    max_workers: usize,
}

type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

struct Shared {
    id: PoolId,
    state: Mutex<State>,
    /// Told when the last job is done.
    idle: Condvar,
}

struct State {
    /// The pool, until it is shut down. Without it rayon's threads finish what they have and go.
    pool: Option<Arc<rayon::ThreadPool>>,
    /// Jobs that have not begun. Rayon is asked once for each to run the first of them; so a job
    /// can still be cancelled here, where rayon knows no way to.
    queue: VecDeque<Job>,
    unfinished: usize,
}

impl CpuPool {
    /// Makes a pool of `max_workers` threads and starts them.
    ///
    /// # Errors
    /// [`PoolError::InvalidWorkers`] for 0; [`PoolError::Spawn`] if the system refuses one.
    ///
    /// # Examples
    /// ```
    /// let pool = loop_executor::CpuPool::new(2)?;
    /// assert_eq!(pool.max_workers(), 2);
    /// # Ok::<(), loop_executor::PoolError>(())
    /// ```
    pub fn new(max_workers: usize) -> Result<Self, PoolError> {
        CpuPool::with_prefix(max_workers, "cpu")
    }

    /// Makes a pool of one thread for each processor.
    ///
    /// # Errors
    /// [`PoolError::Spawn`] if the system refuses one.
    ///
    /// # Examples
    /// ```
    /// let pool = loop_executor::CpuPool::per_processor()?;
    /// assert!(pool.max_workers() >= 1);
    /// # Ok::<(), loop_executor::PoolError>(())
    /// ```
    pub fn per_processor() -> Result<Self, PoolError> {
        CpuPool::new(thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// Makes a pool whose threads are called `prefix_0`, `prefix_1`, ...
    ///
    /// # Errors
    /// Those of [`new`](CpuPool::new), and [`PoolError::InvalidPrefix`] if the prefix has a NUL byte.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{CpuPool, ExecutorExt};
    ///
    /// let pool = CpuPool::with_prefix(1, "hash")?;
    /// let name = pool.submit(|| std::thread::current().name().map(String::from))?;
    /// assert_eq!(name.result(None)?.as_deref(), Some("hash_0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_prefix(max_workers: usize, prefix: &str) -> Result<Self, PoolError> {
        if max_workers == 0 {
            return Err(PoolError::InvalidWorkers);
        }
        PoolError::check_prefix(prefix)?;
        let id = PoolId::next();
        let threads = Threads::default();
        let pool = start(id, max_workers, prefix, &threads).inspect_err(|_| join(&threads))?;
        let shared = Shared {
            id,
            state: Mutex::new(State {
                pool: Some(Arc::new(pool)),
                queue: VecDeque::new(),
                unfinished: 0,
            }),
            idle: Condvar::new(),
        };
        Ok(CpuPool {
            shared: Arc::new(shared),
            threads,
            max_workers,
        })
    }

    /// How many threads there are.
    ///
    /// # Examples
    /// See [`CpuPool::new`].
    #[must_use]
    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// Calls `f` for every item of a slice, on all threads at once, and gives the results in the
    /// order of the items.
    ///
    /// Blocks the thread that calls, which is why nothing has to be `'static`: a task calls it in
    /// a job. Rayon splits the slice, so that small items cost little: far less than a job each,
    /// as with [`ExecutorExt::map`](crate::ExecutorExt::map). Inside a job of this pool, its
    /// thread takes part, and while it waits for the others it may run another job of the pool: a
    /// job must not hold a lock meanwhile that another one takes. (A job that waits for the result
    /// of a future runs nothing else.)
    ///
    /// # Errors
    /// [`SubmitError::Shutdown`] with the function, after [`shutdown`](CpuPool::shutdown). A
    /// panic of `f` is the inner error; the other items may or may not be done.
    ///
    /// # Examples
    /// ```
    /// let pool = loop_executor::CpuPool::new(2)?;
    /// let words = ["one", "two", "three"];
    /// assert_eq!(pool.map_slice(&words, |word| word.len()).unwrap()?, [3, 3, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_slice<I, F, T>(
        &self,
        items: &[I],
        f: F,
    ) -> Result<Result<Vec<T>, JobPanicked>, SubmitError<F>>
    where
        I: Sync,
        F: Fn(&I) -> T + Sync + Send,
        T: Send,
    {
        let Some(pool) = self.shared.lock().pool.clone() else {
            return Err(SubmitError::Shutdown(f));
        };
        let mapped = catch_unwind(AssertUnwindSafe(|| {
            pool.install(|| items.par_iter().map(f).collect())
        }));
        Ok(mapped.map_err(JobPanicked::new))
    }

    /// Accepts no more jobs from here on.
    ///
    /// Those accepted before still run; with `cancel_futures`, those that have not begun are
    /// cancelled. With `wait`, blocks until all is over and the threads are gone.
    ///
    /// # Errors
    /// [`WouldDeadlock`] if it is to `wait` and is called inside a job of this pool. Then it has
    /// changed nothing.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{CpuPool, ExecutorExt};
    ///
    /// let pool = CpuPool::new(1)?;
    /// let future = pool.submit(|| 1)?;
    /// pool.shutdown(true, false)?;
    /// assert!(future.done());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), WouldDeadlock> {
        if wait {
            self.shared.id.refuse_inside()?;
        }
        self.shared.close(cancel_futures);
        if wait {
            let state = self.shared.lock();
            let waited = self
                .shared
                .idle
                .wait_while(state, |state| state.unfinished > 0);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            join(&self.threads);
        }
        Ok(())
    }
}

impl Executor for CpuPool {
    fn execute(&self, job: Job) -> Result<(), SubmitError<Job>> {
        let mut state = self.shared.lock();
        let State {
            pool: Some(pool),
            queue,
            unfinished,
        } = &mut *state
        else {
            return Err(SubmitError::Shutdown(job));
        };
        queue.push_back(job);
        *unfinished += 1;
        let shared = Arc::clone(&self.shared);
        // Under the lock, so that the pool is not let go between the two; rayon only queues here.
        pool.spawn(move || shared.run_first());
        Ok(())
    }

    fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), WouldDeadlock> {
        CpuPool::shutdown(self, wait, cancel_futures)
    }

    fn blocking_guard(&self) -> Option<Box<dyn BlockingGuard>> {
        Some(Box::new(self.shared.id))
    }

    fn unfinished(&self) -> Vec<UnfinishedJob> {
        let state = self.shared.lock();
        let waiting = state.queue.iter();
        waiting
            .map(|job| UnfinishedJob::new(job.place(), None))
            .collect()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the job that has waited longest, unless it was cancelled meanwhile.
    fn run_first(&self) {
        let Some(job) = self.lock().queue.pop_front() else {
            return;
        };
        job.run();
        self.finish(1);
    }

    fn finish(&self, jobs: usize) {
        let mut state = self.lock();
        state.unfinished -= jobs;
        if state.unfinished == 0 {
            self.idle.notify_all();
        }
    }

    fn close(&self, cancel_futures: bool) {
        let mut state = self.lock();
        let pool = state.pool.take();
        let unwanted = if cancel_futures {
            std::mem::take(&mut state.queue)
        } else {
            VecDeque::new()
        };
        drop(state);
        drop(pool);
        let count = unwanted.len();
        for job in unwanted {
            job.cancel();
        }
        self.finish(count);
    }
}

impl Drop for CpuPool {
    fn drop(&mut self) {
        self.shared.close(false);
    }
}

impl fmt::Debug for CpuPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        write!(
            f,
            "<CpuPool threads={} queued={} running={}>",
            self.max_workers,
            state.queue.len(),
            state.unfinished - state.queue.len(),
        )
    }
}

fn start(
    id: PoolId,
    max_workers: usize,
    prefix: &str,
    threads: &Threads,
) -> Result<rayon::ThreadPool, PoolError> {
    let handles = Arc::clone(threads);
    let spawn = move |thread: ThreadBuilder| {
        let mut builder = thread::Builder::new();
        if let Some(name) = thread.name() {
            builder = builder.name(name.to_owned());
        }
        let handle = builder.spawn(move || {
            id.enter();
            thread.run();
        })?;
        handles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(handle);
        Ok(())
    };
    let prefix = prefix.to_owned();
    ThreadPoolBuilder::new()
        .num_threads(max_workers)
        .thread_name(move |number| format!("{prefix}_{number}"))
        .spawn_handler(spawn)
        .build()
        .map_err(|error| PoolError::Spawn(std::io::Error::other(error)))
}

/// Waits for the threads; whoever does so at the same time waits here too.
fn join(threads: &Threads) {
    let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
    for thread in threads.drain(..) {
        // Rayon aborts the process before it lets a thread of its own unwind.
        contain(|| thread.join());
    }
}
