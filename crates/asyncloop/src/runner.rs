//! Running a program: a loop from its making to its closing.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use loop_core::{
    EventLoop, ExceptionContext, LoopBuilder, LoopError, get_running_loop, set_event_loop,
};
use loop_executor::LoopExecutorExt;
use loop_tasks::{Context, LoopExt, RunError, TaskBuilder};

use crate::ctrl_c::CtrlC;

/// Makes a loop for this thread: [`EventLoop::new`].
///
/// # Errors
/// As [`EventLoop::new`].
///
/// # asyncio
/// `asyncio.new_event_loop()`.
///
/// # Examples
/// ```
/// let event_loop = asyncloop::new_event_loop()?;
/// assert!(!event_loop.is_running());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn new_event_loop() -> std::io::Result<EventLoop> {
    EventLoop::new()
}

/// How long jobs in the default pool may take to end when a runner closes.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why a [`Runner`] did not run, or what it ran did not end well.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunnerError {
    /// A loop is running in this thread already: await the future there.
    LoopRunning,
    /// The runner is closed.
    Closed,
    /// The loop could not be made.
    Io(io::Error),
    /// Ctrl-C cancelled the main task, and that did not go on in spite of it; or it came when the task was done. A
    /// program that ends because of it says so with the status 130.
    Interrupted,
    /// The loop or the main task.
    Run(RunError),
}

impl fmt::Display for RunnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunnerError::LoopRunning => f.write_str(
                "run() cannot be called from a running event loop: await the future instead",
            ),
            RunnerError::Closed => f.write_str("Runner is closed"),
            RunnerError::Io(error) => write!(f, "the event loop could not be made: {error}"),
            RunnerError::Interrupted => f.write_str("interrupted by Ctrl-C"),
            RunnerError::Run(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunnerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RunnerError::Io(error) => Some(error),
            RunnerError::Run(error) => error.source(),
            RunnerError::LoopRunning | RunnerError::Closed | RunnerError::Interrupted => None,
        }
    }
}

impl From<RunnerError> for io::Error {
    fn from(error: RunnerError) -> io::Error {
        match error {
            RunnerError::Io(error) => error,
            other => io::Error::other(other),
        }
    }
}

/// Runs `main` on a loop of its own, and closes that in order when `main` is done: see [`Runner::close`].
///
/// # Errors
/// [`RunnerError`]: that of `main` first, then that of the closing.
///
/// # asyncio
/// `asyncio.run(main)`. For Ctrl-C see [`Runner::run`].
///
/// # Examples
/// ```
/// let answer = asyncloop::run(async {
///     asyncloop::sleep(std::time::Duration::from_millis(1)).await;
///     42
/// })?;
/// assert_eq!(answer, 42);
/// # Ok::<(), asyncloop::RunnerError>(())
/// ```
#[track_caller]
pub fn run<F: Future<Output: 'static> + 'static>(main: F) -> Result<F::Output, RunnerError> {
    let runner = Runner::new();
    let result = runner.run(main);
    let closed = runner.close();
    let output = result?;
    closed?;
    Ok(output)
}

/// A loop that is made when it is first needed, runs any number of times, and is closed in order.
///
/// # asyncio
/// `asyncio.Runner`. Dropping it closes it, as `with` does there.
///
/// # Examples
/// ```
/// let runner = asyncloop::Runner::new();
/// let a = runner.run(async { 1 })?;
/// let b = runner.run(async { 2 })?;
/// assert_eq!(a + b, 3);
/// runner.close()?;
/// assert_eq!(runner.run(async {}).unwrap_err().to_string(), "Runner is closed");
/// # Ok::<(), asyncloop::RunnerError>(())
/// ```
#[derive(Debug)]
pub struct Runner {
    builder: LoopBuilder,
    state: RefCell<State>,
}

#[derive(Debug)]
enum State {
    New,
    Open(Open),
    Closed,
}

#[derive(Clone, Debug)]
struct Open {
    event_loop: EventLoop,
    /// What one run leaves in its context variables, the next one finds there.
    context: Rc<RefCell<Context>>,
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

impl Runner {
    /// Makes a runner with a loop of the default description.
    ///
    /// # Examples
    /// See [`Runner`].
    #[must_use]
    pub fn new() -> Runner {
        Runner::with_builder(LoopBuilder::default())
    }

    /// Makes a runner whose loop `builder` describes: a virtual clock, debug mode.
    ///
    /// # asyncio
    /// `asyncio.Runner(debug=, loop_factory=)`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use asyncloop::{EventLoop, Runner, sleep};
    /// let runner = Runner::with_builder(EventLoop::builder().virtual_clock());
    /// runner.run(sleep(Duration::from_secs(3600)))?; // takes no time
    /// runner.close()?;
    /// # Ok::<(), asyncloop::RunnerError>(())
    /// ```
    #[must_use]
    pub fn with_builder(builder: LoopBuilder) -> Runner {
        Runner {
            builder,
            state: RefCell::new(State::New),
        }
    }

    /// The runner's loop, made now if need be.
    ///
    /// # Errors
    /// [`RunnerError::Closed`], [`RunnerError::Io`].
    ///
    /// # asyncio
    /// `Runner.get_loop()`.
    ///
    /// # Examples
    /// ```
    /// let runner = asyncloop::Runner::new();
    /// let event_loop = runner.get_loop()?;
    /// event_loop.set_debug(true);
    /// runner.close()?;
    /// # Ok::<(), asyncloop::RunnerError>(())
    /// ```
    pub fn get_loop(&self) -> Result<EventLoop, RunnerError> {
        Ok(self.open()?.event_loop)
    }

    fn open(&self) -> Result<Open, RunnerError> {
        let mut state = self.state.borrow_mut();
        match &*state {
            State::Open(open) => Ok(open.clone()),
            State::Closed => Err(RunnerError::Closed),
            State::New => {
                let open = Open {
                    event_loop: self.builder.clone().build().map_err(RunnerError::Io)?,
                    context: Rc::new(RefCell::new(Context::current())),
                };
                *state = State::Open(open.clone());
                Ok(open)
            }
        }
    }

    /// Runs a coroutine until it is done. The loop is the current one meanwhile and afterwards, and all runs share
    /// their context variables.
    ///
    /// On the main thread, if nobody has said what else Ctrl-C is to do, the first one cancels the coroutine, which
    /// may clean up; the second one ends the process at once, even if the loop is blocked.
    ///
    /// # Errors
    /// [`RunnerError::LoopRunning`] if a loop is running in this thread; [`RunnerError::Interrupted`] if Ctrl-C ended
    /// it; [`RunnerError::Run`] if the loop was stopped or the task was cancelled or panicked.
    ///
    /// # asyncio
    /// `Runner.run(coro)`. A second Ctrl-C raises `KeyboardInterrupt` there, in the middle of whatever runs.
    ///
    /// # Examples
    /// See [`Runner`].
    #[track_caller]
    pub fn run<F>(&self, main: F) -> Result<F::Output, RunnerError>
    where
        F: Future<Output: 'static> + 'static,
    {
        if get_running_loop().is_ok() {
            return Err(RunnerError::LoopRunning);
        }
        let builder = TaskBuilder::new();
        let Open {
            event_loop,
            context,
        } = self.open()?;
        set_event_loop(Some(&event_loop));
        let builder = builder.context(context.borrow().clone());
        let main = async move {
            let _keep = KeepContext(context);
            main.await
        };
        let Ok(task) = builder.spawn_on(&event_loop, main) else {
            return Err(RunnerError::Run(RunError::Loop(LoopError::Closed)));
        };
        let ctrl_c = CtrlC::watch(&event_loop, task.erase());
        let result = event_loop.run_until_complete(task);
        let error = match &result {
            Err(RunError::Task(error)) => Some(error),
            _ => None,
        };
        if ctrl_c.explains(error) {
            return Err(RunnerError::Interrupted);
        }
        result.map_err(RunnerError::Run)
    }

    /// Closes the loop in order: cancels every task that is left and waits for them, reports those of them that
    /// failed, shuts the default pool down and waits for its jobs, clears the thread's current loop, and closes.
    /// Closing twice is fine.
    ///
    /// # Errors
    /// [`RunnerError::LoopRunning`] from inside a loop. A default pool whose jobs do not end within five minutes is
    /// reported and left alone.
    ///
    /// # asyncio
    /// `Runner.close()`. There, a runner that has made no loop yet is not closed by it.
    ///
    /// # Examples
    /// See [`Runner`].
    pub fn close(&self) -> Result<(), RunnerError> {
        if get_running_loop().is_ok() {
            return Err(RunnerError::LoopRunning);
        }
        let State::Open(Open { event_loop, .. }) = self.state.replace(State::Closed) else {
            return Ok(());
        };
        let result = if event_loop.is_closed() {
            Ok(()) // Somebody was quicker: there is nobody left to cancel.
        } else {
            wind_up(&event_loop)
        };
        set_event_loop(None);
        event_loop
            .close()
            .map_err(|error| RunnerError::Run(RunError::Loop(error)))?;
        result.map_err(RunnerError::Run)
    }
}

/// Takes the context variables out of the main task when its coroutine ends, in whatever way.
struct KeepContext(Rc<RefCell<Context>>);

impl Drop for KeepContext {
    fn drop(&mut self) {
        let former = self.0.replace(Context::current());
        drop(former);
    }
}

/// What comes between the last run and the closing.
fn wind_up(event_loop: &EventLoop) -> Result<(), RunError> {
    let tasks = event_loop.all_tasks();
    if !tasks.is_empty() {
        for task in &tasks {
            task.cancel();
        }
        let left = tasks.clone();
        event_loop.run_until_complete(async move {
            for task in left {
                task.wait().await;
            }
        })?;
        for task in &tasks {
            if let Some(exception) = task.exception() {
                let context = ExceptionContext::new("unhandled exception during run() shutdown")
                    .exception(exception)
                    .task(format!("{task:?}"));
                event_loop.call_exception_handler(&context);
            }
        }
    }
    let shutdown = event_loop.shutdown_default_executor(Some(PATIENCE));
    if let Err(still_running) = event_loop.run_until_complete(shutdown)? {
        let context = ExceptionContext::new(still_running.to_string());
        event_loop.call_exception_handler(&context);
    }
    Ok(())
}

impl Drop for Runner {
    fn drop(&mut self) {
        // There is nobody to tell; a loop that could not be closed reports that itself.
        let _ = self.close();
    }
}
