//! Work that a loop has done elsewhere.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use loop_bridge::{concurrent_future, wrap_future_on};
use loop_core::EventLoop;
use loop_tasks::LoopFuture;

use crate::default_executor::DefaultExecutor;
use crate::{Executor, StillRunning, SubmitError, Work};

/// The methods of asyncio's loop that are about executors.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_executor::{LoopExecutorExt, ThreadPoolExecutor};
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let pool = ThreadPoolExecutor::new(2)?;
/// let in_pool = event_loop.run_in_executor(Some(&pool), || "page".len())?;
/// let by_default = event_loop.run_in_executor(None, || 6 * 7)?;
/// assert_eq!(event_loop.run_until_complete(in_pool)?, 4);
/// assert_eq!(event_loop.run_until_complete(by_default)?, 42);
/// event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait LoopExecutorExt {
    /// Has the work done by `executor`, or by the loop's own, which is made when it is first
    /// needed: a pool of threads `asyncio_0`, `asyncio_1`, ...
    ///
    /// The work is submitted here and now, whether the loop runs or not. Cancelling the future
    /// cancels the work if it has not begun, or if the executor can stop it; the work hears of it as
    /// a done callback would, in the next iteration.
    ///
    /// Awaiting it is like awaiting a task: a panic is
    /// [`TaskError::Panicked`](loop_tasks::TaskError::Panicked), and what else kept the work from
    /// being done is [`TaskError::Failed`](loop_tasks::TaskError::Failed).
    ///
    /// # Errors
    /// [`SubmitError`] with the work.
    ///
    /// # Ordering
    /// The outcome comes as one callback from another thread; awaiting tasks step in the
    /// iteration after.
    ///
    /// # asyncio
    /// `loop.run_in_executor(executor, func, *args)`. Context variables stay here, as they do
    /// there; with [`to_thread`](crate::to_thread) they travel.
    ///
    /// # Examples
    /// See [`LoopExecutorExt`].
    #[track_caller]
    fn run_in_executor<W: Work>(
        &self,
        executor: Option<&dyn Executor<W::Job>>,
        work: W,
    ) -> Result<LoopFuture<W::Output>, SubmitError<W>>;

    /// Sets what [`run_in_executor`](LoopExecutorExt::run_in_executor) uses when it is told of no
    /// executor. Closing the loop shuts it down without waiting. On a closed loop, nothing
    /// happens.
    ///
    /// # asyncio
    /// `loop.set_default_executor(executor)`, which takes a `ThreadPoolExecutor` only.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_executor::{LoopExecutorExt, ThreadPoolExecutor};
    /// use loop_tasks::LoopExt;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let pool = ThreadPoolExecutor::builder().thread_name_prefix("mine").build()?;
    /// event_loop.set_default_executor(pool);
    /// let name = event_loop.run_in_executor(None, || std::thread::current().name().map(String::from))?;
    /// assert_eq!(event_loop.run_until_complete(name)?.as_deref(), Some("mine_0"));
    /// event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn set_default_executor(&self, executor: impl Executor + 'static);

    /// Shuts the loop's own executor down, and waits for its jobs without blocking the loop, but
    /// no longer than `timeout`.
    ///
    /// From its first poll on, the loop has no executor of its own any more.
    ///
    /// # Errors
    /// [`StillRunning`] with the jobs that would not end in time. They go on, and so does a thread
    /// that waits for them.
    ///
    /// # asyncio
    /// `loop.shutdown_default_executor(timeout)`, which only warns.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_executor::LoopExecutorExt;
    /// use loop_tasks::LoopExt;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let future = event_loop.run_in_executor(None, || 1)?;
    /// event_loop.run_until_complete(event_loop.shutdown_default_executor(None))??;
    /// assert_eq!(event_loop.run_until_complete(future)?, 1);
    /// let refused = event_loop.run_in_executor(None, || 2).unwrap_err();
    /// assert_eq!(refused.to_string(), "Executor shutdown has been called");
    /// event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn shutdown_default_executor(
        &self,
        timeout: Option<Duration>,
    ) -> Pin<Box<dyn Future<Output = Result<(), StillRunning>>>>;
}

impl LoopExecutorExt for EventLoop {
    #[track_caller]
    fn run_in_executor<W: Work>(
        &self,
        executor: Option<&dyn Executor<W::Job>>,
        work: W,
    ) -> Result<LoopFuture<W::Output>, SubmitError<W>> {
        let Some(executor) = executor else {
            return run_by_default(self, work, Location::caller());
        };
        if self.is_closed() {
            return Err(SubmitError::LoopClosed(work));
        }
        let (job, future) = work.into_loop_job(self);
        accepted(executor.execute(job), future, W::from_job)
    }

    fn set_default_executor(&self, executor: impl Executor + 'static) {
        if let Some(default) = DefaultExecutor::of(self) {
            default.set(Arc::new(executor));
        }
    }

    fn shutdown_default_executor(
        &self,
        timeout: Option<Duration>,
    ) -> Pin<Box<dyn Future<Output = Result<(), StillRunning>>>> {
        let event_loop = self.loop_ref().downgrade();
        Box::pin(async move {
            let event_loop = event_loop.upgrade().map(|reference| reference.event_loop());
            match event_loop {
                Some(event_loop) => shut_down(event_loop, timeout).await,
                None => Ok(()),
            }
        })
    }
}

/// Hands work to the loop's own executor, as that of `place`.
pub(crate) fn run_by_default<W: Work>(
    event_loop: &EventLoop,
    work: W,
    place: &'static Location<'static>,
) -> Result<LoopFuture<W::Output>, SubmitError<W>> {
    let Some(default) = DefaultExecutor::of(event_loop) else {
        return Err(SubmitError::LoopClosed(work));
    };
    if default.is_shut_down() {
        return Err(SubmitError::DefaultShutdown(work));
    }
    let (job, future) = work.into_local_loop_job(event_loop);
    let executor = default.get_or_make();
    accepted(executor.execute(job.at(place)), future, W::from_local_job)
}

/// The future of a job, if that was accepted.
fn accepted<W: Work, J>(
    answer: Result<(), SubmitError<J>>,
    future: LoopFuture<W::Output>,
    from_job: impl FnOnce(J) -> W,
) -> Result<LoopFuture<W::Output>, SubmitError<W>> {
    match answer {
        Ok(()) => Ok(future),
        Err(refused) => {
            // Nobody will settle it, and it says nothing when it goes.
            future.cancel();
            Err(refused.map(from_job))
        }
    }
}

async fn shut_down(event_loop: EventLoop, timeout: Option<Duration>) -> Result<(), StillRunning> {
    let Some(default) = DefaultExecutor::of(&event_loop) else {
        return Ok(());
    };
    default.note_shutdown();
    let Some(executor) = default.get() else {
        return Ok(());
    };
    let (promise, ended) = concurrent_future();
    let waiting = Arc::clone(&executor);
    let thread = std::thread::Builder::new()
        .name("asyncio_shutdown".to_owned())
        .spawn(move || promise.run(|| waiting.shutdown(true, false)));
    let Ok(thread) = thread else {
        // There is nobody to wait. Its jobs run as they would have.
        let _ = executor.shutdown(false, false);
        return Err(StillRunning::new(executor.unfinished()));
    };
    let ended = wrap_future_on(&event_loop, ended);
    let in_time = match timeout {
        None => ended.await.is_ok(),
        Some(timeout) => loop_tasks::timeout(timeout, ended).await.is_ok(),
    };
    if in_time {
        // It has no more to do than to end.
        let _ = thread.join();
        return Ok(());
    }
    // What the other thread waits for goes on; that it is shut down is certain in any case.
    let _ = executor.shutdown(false, false);
    Err(StillRunning::new(executor.unfinished()))
}
