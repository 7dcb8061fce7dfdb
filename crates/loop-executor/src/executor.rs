//! What a pool is: the part that implementors write, and the part that users call.

use std::sync::Arc;

use loop_bridge::{BlockingGuard, ConcurrentFuture, WouldDeadlock};

use crate::map::Mapped;
use crate::{Job, Map, MapBuffered, SubmitError, UnfinishedJob, Work};

/// A pool that takes jobs of kind `J` and runs each of them once, somewhere else.
///
/// This is the part that implementors write; it is object-safe, and the pools of this crate need
/// nothing more of it. Users call [`ExecutorExt`].
///
/// The contract: a job that is accepted is [run](Job::run), [cancelled](Job::cancel) or
/// [failed](Job::fail), even after the executor is dropped; one that is refused comes back.
///
/// # asyncio
/// `concurrent.futures.Executor`.
///
/// # Examples
/// Somebody else's pool fits in:
/// ```
/// use loop_bridge::WouldDeadlock;
/// use loop_executor::{Executor, ExecutorExt, Job, SubmitError};
///
/// /// A thread for each job.
/// struct Threads;
///
/// impl Executor for Threads {
///     fn execute(&self, job: Job) -> Result<(), SubmitError<Job>> {
///         std::thread::spawn(move || job.run());
///         Ok(())
///     }
///     fn shutdown(&self, _wait: bool, _cancel_futures: bool) -> Result<(), WouldDeadlock> {
///         Ok(())
///     }
/// }
///
/// let pool: &dyn Executor = &Threads;
/// assert_eq!(pool.submit(|| 6 * 7).unwrap().result(None).unwrap(), 42);
/// ```
pub trait Executor<J = Job>: Send + Sync {
    /// Accepts a job, without waiting for anything.
    ///
    /// # Errors
    /// [`SubmitError`] with the job.
    fn execute(&self, job: J) -> Result<(), SubmitError<J>>;

    /// Accepts no more jobs from here on; those accepted before still run, or are cancelled with
    /// `cancel_futures` if they have not begun. With `wait`, blocks until all that is over and the
    /// workers are gone.
    ///
    /// # Errors
    /// [`WouldDeadlock`] if this would wait for the thread that calls it. Then it has changed
    /// nothing.
    fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), WouldDeadlock>;

    /// The guard that futures of this executor's jobs get: it refuses blocking waits where they
    /// might never end, in the executor's own workers.
    ///
    /// By default, there is none.
    fn blocking_guard(&self) -> Option<Box<dyn BlockingGuard>> {
        None
    }

    /// The jobs that have not ended, as far as the executor can tell: for those who have waited
    /// for its end in vain.
    ///
    /// By default, none.
    fn unfinished(&self) -> Vec<UnfinishedJob> {
        Vec::new()
    }
}

/// What users call on an [`Executor`].
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::new(2)?;
/// let future = pool.submit(|| "page".len())?;
/// assert_eq!(future.result(None)?, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ExecutorExt<J = Job>: Executor<J> {
    /// Submits work and gives the future of its outcome.
    ///
    /// # Errors
    /// [`SubmitError`] with the work.
    ///
    /// # Ordering
    /// The pools of this crate begin jobs in the order in which they were submitted.
    ///
    /// # asyncio
    /// `Executor.submit(fn, *args)`: here the arguments are what the closure captures.
    ///
    /// # Examples
    /// See [`ExecutorExt`].
    #[track_caller]
    fn submit<W>(&self, work: W) -> Result<ConcurrentFuture<W::Output>, SubmitError<W>>
    where
        W: Work<Job = J>,
    {
        let (job, future) = work.into_job(self.blocking_guard());
        match self.execute(job) {
            Ok(()) => Ok(future),
            Err(refused) => Err(refused.map(W::from_job)),
        }
    }

    /// Submits `f(item)` for every item, and gives the results in the order of the items.
    ///
    /// All are submitted before this returns.
    ///
    /// # Errors
    /// [`SubmitError`] with the first item that was not accepted; those before it are cancelled
    /// if they have not begun.
    ///
    /// # asyncio
    /// `Executor.map(fn, *iterables)`. There the first error ends the iteration; here it is an
    /// item, and the caller decides.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(2)?;
    /// let lengths: Result<Vec<usize>, _> = pool.map(["a", "bb", "ccc"], str::len)?.collect();
    /// assert_eq!(lengths?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    fn map<I, F, T>(&self, items: I, f: F) -> Result<Map<T>, SubmitError<I::Item>>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
        Self: Executor<Job>,
    {
        let f = Arc::new(f);
        let mut results = Map::default();
        for item in items {
            let call = Mapped {
                f: Arc::clone(&f),
                item,
            };
            results.push(submit_call(self, call)?);
        }
        Ok(results)
    }

    /// Submits `f(item)` for the first `buffer` items (at least one), and for each of the others when a result is taken:
    /// for items without an end, and results that would fill the memory.
    ///
    /// # Errors
    /// [`SubmitError`] with the first item that was not accepted; those before it are cancelled if they have not
    /// begun. An item that is refused later is lost, and an error among the results.
    ///
    /// # asyncio
    /// `Executor.map(fn, iterable, buffersize=buffer)` (3.14).
    ///
    /// # Examples
    /// See [`MapBuffered`].
    #[track_caller]
    fn map_buffered<'a, I, F, T>(
        &'a self,
        items: I,
        buffer: usize,
        f: F,
    ) -> Result<MapBuffered<'a, T, I::Item>, SubmitError<I::Item>>
    where
        I: IntoIterator<IntoIter: 'a>,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
        Self: Executor<Job>,
    {
        let f = Arc::new(f);
        let mut items = items.into_iter().fuse();
        let next = move || {
            let call = Mapped {
                f: Arc::clone(&f),
                item: items.next()?,
            };
            Some(submit_call(self, call))
        };
        MapBuffered::begin(Box::new(next), buffer)
    }
}

impl<J, E: Executor<J> + ?Sized> ExecutorExt<J> for E {}

/// Submits the call of one item.
#[track_caller]
fn submit_call<E, F, I, T>(
    executor: &E,
    call: Mapped<F, I>,
) -> Result<ConcurrentFuture<T>, SubmitError<I>>
where
    E: Executor<Job> + ?Sized,
    F: Fn(I) -> T + Send + Sync + 'static,
    I: Send + 'static,
    T: Send + 'static,
{
    let (job, future) = Job::of(call, executor.blocking_guard());
    match executor.execute(job) {
        Ok(()) => Ok(future),
        Err(refused) => Err(refused.map(|job| job.into_call::<Mapped<F, I>>().item)),
    }
}

macro_rules! through_a_pointer {
    ($($pointer:ty),*) => {$(
        impl<J, E: Executor<J> + ?Sized> Executor<J> for $pointer {
            fn execute(&self, job: J) -> Result<(), SubmitError<J>> {
                (**self).execute(job)
            }
            fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), WouldDeadlock> {
                (**self).shutdown(wait, cancel_futures)
            }
            fn blocking_guard(&self) -> Option<Box<dyn BlockingGuard>> {
                (**self).blocking_guard()
            }
            fn unfinished(&self) -> Vec<UnfinishedJob> {
                (**self).unfinished()
            }
        }
    )*};
}

through_a_pointer!(&E, Box<E>, Arc<E>);
