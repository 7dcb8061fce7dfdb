//! Pools as a loop sees them.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use loop_bridge::{ConcurrentError, concurrent_future, wrap_future_on};
use loop_core::{EventLoop, get_running_loop};
use loop_tasks::{Context, LoopFuture, TaskError, timeout};

use crate::{Executor, ExecutorExt, SubmitError, ThreadPoolExecutor};

/// The methods of asyncio's loop that are about executors.
pub trait LoopExecutorExt {
    /// Submits `work` to a pool and gives a future of this loop; `None` is the loop's own pool of threads, made at
    /// the first use, with threads named `asyncio_0`, `asyncio_1` and so on.
    ///
    /// The work is submitted at once, even if the loop never runs. Cancelling the future takes back work that has
    /// not begun. Awaiting gives `Result<Result<T, ConcurrentError>, TaskError>`: inside, what became of the work;
    /// outside, what became of the future.
    ///
    /// # Errors
    /// [`SubmitError`] with the work, if the pool does not take it.
    ///
    /// # Ordering
    /// The outcome arrives as a call of another thread does, in one callback.
    ///
    /// # asyncio
    /// `loop.run_in_executor(executor, func, *args)`. For jobs of another kind than closures, `wrap_future` what
    /// [`submit`](ExecutorExt::submit) gives.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_executor::{LoopExecutorExt, ThreadPoolExecutor};
    /// use loop_tasks::LoopExt;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let pool = ThreadPoolExecutor::new(2)?;
    /// let in_pool = event_loop.run_in_executor(Some(&pool), || 6 * 7)?;
    /// let by_default = event_loop.run_in_executor(None, || std::thread::current().name().map(str::to_owned))?;
    /// assert_eq!(event_loop.run_until_complete(in_pool)??, 42);
    /// assert_eq!(event_loop.run_until_complete(by_default)??.as_deref(), Some("asyncio_0"));
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn run_in_executor<F, T>(
        &self,
        executor: Option<&dyn Executor>,
        work: F,
    ) -> Result<LoopFuture<Result<T, ConcurrentError>>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// Sets what `None` means to [`run_in_executor`](LoopExecutorExt::run_in_executor) from now on.
    ///
    /// # asyncio
    /// `loop.set_default_executor(executor)`, which takes pools of threads only.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use loop_core::EventLoop;
    /// use loop_executor::{CpuPool, LoopExecutorExt};
    /// use loop_tasks::LoopExt;
    ///
    /// let event_loop = EventLoop::new()?;
    /// event_loop.set_default_executor(Arc::new(CpuPool::new(2)?));
    /// let sum = event_loop.run_in_executor(None, || (1..=10).sum::<u32>())?;
    /// assert_eq!(event_loop.run_until_complete(sum)??, 55);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn set_default_executor(&self, executor: Arc<dyn Executor>);

    /// Shuts the default pool down and waits until its jobs are done, without stopping the loop. From here on it
    /// takes no more work.
    ///
    /// # Errors
    /// [`StillRunning`] if they are not done in time; they go on, and nobody waits for them any more.
    ///
    /// # asyncio
    /// `await loop.shutdown_default_executor(timeout)`, which warns instead.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_executor::LoopExecutorExt;
    /// use loop_tasks::LoopExt;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let event_loop_too = event_loop.clone();
    /// event_loop.run_until_complete(async move {
    ///     event_loop_too.shutdown_default_executor(None).await.unwrap();
    ///     assert!(event_loop_too.run_in_executor(None, || ()).is_err());
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn shutdown_default_executor(
        &self,
        limit: Option<Duration>,
    ) -> impl Future<Output = Result<(), StillRunning>> + 'static;
}

/// The default pool had jobs that would not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StillRunning;

impl std::fmt::Display for StillRunning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the default executor did not finish its jobs in time: they go on in their threads",
        )
    }
}

impl std::error::Error for StillRunning {}

/// The default pool of one loop.
#[derive(Default)]
struct DefaultExecutor(RefCell<State>);

#[derive(Default)]
enum State {
    #[default]
    None,
    Made(Arc<dyn Executor>),
    ShutDown,
}

impl Drop for DefaultExecutor {
    fn drop(&mut self) {
        if let State::Made(executor) = self.0.take() {
            // Not waiting, this refuses nothing.
            let _ = executor.shutdown(false, false);
        }
    }
}

fn default_of(event_loop: &EventLoop) -> Option<Arc<dyn Executor>> {
    let default = event_loop.loop_ref().extension::<DefaultExecutor>()?;
    let mut state = default.0.borrow_mut();
    match &*state {
        State::Made(executor) => return Some(Arc::clone(executor)),
        State::ShutDown => return None,
        State::None => {}
    }
    let pool = ThreadPoolExecutor::builder()
        .thread_name_prefix("asyncio")
        .build()
        .ok()?;
    let executor: Arc<dyn Executor> = Arc::new(pool);
    *state = State::Made(Arc::clone(&executor));
    Some(executor)
}

impl LoopExecutorExt for EventLoop {
    fn run_in_executor<F, T>(
        &self,
        executor: Option<&dyn Executor>,
        work: F,
    ) -> Result<LoopFuture<Result<T, ConcurrentError>>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.is_closed() {
            return Err(SubmitError::Shutdown(work));
        }
        let future = match executor {
            Some(executor) => executor.submit(work)?,
            None => match default_of(self) {
                Some(executor) => executor.submit(work)?,
                None => return Err(SubmitError::Shutdown(work)),
            },
        };
        Ok(wrap_future_on(self, future))
    }

    fn set_default_executor(&self, executor: Arc<dyn Executor>) {
        if let Some(default) = self.loop_ref().extension::<DefaultExecutor>() {
            let old = default.0.replace(State::Made(executor));
            drop(old);
        }
    }

    fn shutdown_default_executor(
        &self,
        limit: Option<Duration>,
    ) -> impl Future<Output = Result<(), StillRunning>> + 'static {
        let event_loop = self.clone();
        async move {
            let Some(default) = event_loop.loop_ref().extension::<DefaultExecutor>() else {
                return Ok(());
            };
            let State::Made(executor) = default.0.replace(State::ShutDown) else {
                return Ok(());
            };
            // In a thread of its own: the loop must go on, for jobs may wait for it.
            let (promise, future) = concurrent_future();
            let joiner = std::thread::Builder::new().name("asyncio_shutdown".to_owned());
            let spawned = joiner.spawn(move || promise.run(|| executor.shutdown(true, false)));
            if spawned.is_err() {
                return Err(StillRunning);
            }
            let done = wrap_future_on(&event_loop, future);
            match timeout(limit.unwrap_or(Duration::MAX), done).await {
                Ok(_) => Ok(()),
                Err(_) => Err(StillRunning),
            }
        }
    }
}

/// Runs blocking work in the default pool of the running loop and waits for it; the task's context variables travel
/// along.
///
/// # Errors
/// [`ConcurrentError::Panicked`] if the work panics, [`ConcurrentError::Failed`] if the pool does not take it.
///
/// # Panics
/// When it is awaited where no loop is running.
///
/// # Cancel safety
/// Cancelled, it takes back work that has not begun; work that runs goes on, and its outcome is dropped.
///
/// # asyncio
/// `asyncio.to_thread(func, *args)`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_executor::to_thread;
/// use loop_tasks::{ContextVar, LoopExt};
///
/// static USER: ContextVar<&str> = ContextVar::new();
/// let event_loop = EventLoop::new()?;
/// let user = event_loop.run_until_complete(async {
///     USER.set("ada");
///     to_thread(|| USER.get()).await
/// })?;
/// assert_eq!(user?, Some("ada"));
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn to_thread<F, T>(work: F) -> Result<T, ConcurrentError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let event_loop = match get_running_loop() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("{error}: to_thread needs one"),
    };
    let context = Context::current();
    let future = event_loop
        .run_in_executor(None, move || context.run(work))
        .map_err(|refused| ConcurrentError::failed(refused.map(drop)))?;
    drop(event_loop);
    match future.await {
        Ok(outcome) => outcome,
        Err(TaskError::Cancelled(cancelled)) => {
            drop(cancelled); // Somebody cancelled the work and not this task.
            Err(ConcurrentError::Cancelled)
        }
        Err(other) => Err(ConcurrentError::failed(other)),
    }
}
