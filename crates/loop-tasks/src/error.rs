//! What awaiting, settling and running can come to.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use loop_core::{LoopError, LoopRef, panic_message};

use crate::cancel::Cancelled;

/// Why a future has no value.
///
/// Two words, whatever happened: it travels with every value that is awaited.
///
/// A coroutine's own error is its output; this is what can happen to any task. With `?` it becomes an [`io::Error`]
/// too, with this inside.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TaskError {
    /// It was cancelled by somebody else than the one who awaits it. `token.resume().await` passes that on as
    /// Python does by default; dropping the token ends it here.
    Cancelled(Cancelled),
    /// It panicked.
    Panicked(Panicked),
    /// What was to produce it failed: a broken pool, another loop that closed.
    Failed(Failure),
    /// An owning await has moved the value out already: await by reference to share it.
    Taken,
    /// The future belongs to another loop than the task that awaits it: see `wrap_future` in `loop-bridge`.
    WrongLoop(WrongLoop),
    /// The task awaits itself, which would never end.
    SelfAwait,
}

impl TaskError {
    /// What was to produce the value failed with `error`.
    ///
    /// # Examples
    /// See [`Failure`].
    #[must_use]
    pub fn failed(error: impl Error + Send + Sync + 'static) -> TaskError {
        TaskError::Failed(Failure::new(error))
    }

    #[cold]
    pub(crate) fn wrong_loop(future: &LoopRef, task: &LoopRef) -> TaskError {
        let (of_future, of_task) = (future.id(), task.id());
        TaskError::WrongLoop(WrongLoop(Box::new(Loops { of_future, of_task })))
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Cancelled(_) => f.write_str("cancelled"),
            TaskError::Panicked(panicked) => panicked.fmt(f),
            TaskError::Failed(error) => fmt::Display::fmt(error, f),
            TaskError::Taken => f.write_str(
                "the result was moved out by an earlier await: await a reference to share it",
            ),
            TaskError::WrongLoop(loops) => fmt::Display::fmt(loops, f),
            TaskError::SelfAwait => f.write_str("Task cannot await on itself"),
        }
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TaskError::Failed(error) => error.source(),
            _ => None,
        }
    }
}

impl From<TaskError> for io::Error {
    fn from(error: TaskError) -> io::Error {
        io::Error::other(error)
    }
}

/// An error that everybody who awaits may have: what [`TaskError::Failed`] says.
///
/// # Examples
/// ```
/// use loop_tasks::TaskError;
/// let TaskError::Failed(failure) = TaskError::failed(std::io::Error::other("the pool broke")) else {
///     unreachable!()
/// };
/// assert_eq!(failure.to_string(), "the pool broke");
/// assert!(failure.is::<std::io::Error>() && failure.source().is_none());
/// ```
#[derive(Clone)]
pub struct Failure(Arc<Box<dyn Error + Send + Sync>>);

impl Failure {
    /// Wraps an error.
    ///
    /// # Examples
    /// See [`Failure`].
    #[must_use]
    pub fn new(error: impl Error + Send + Sync + 'static) -> Failure {
        Failure(Arc::new(Box::new(error)))
    }
}

impl Deref for Failure {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &**self.0
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self.0, f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self.0, f)
    }
}

/// The two loops of [`TaskError::WrongLoop`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongLoop(Box<Loops>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Loops {
    of_future: u64,
    of_task: u64,
}

impl WrongLoop {
    /// The number of the future's loop: its [`EventLoop::id`](loop_core::EventLoop::id).
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture, RunError, TaskError};
    /// let (one, other) = (EventLoop::new()?, EventLoop::new()?);
    /// let future: LoopFuture<u32> = other.create_future();
    /// let Err(RunError::Task(TaskError::WrongLoop(loops))) = one.run_until_complete(&future) else {
    ///     unreachable!()
    /// };
    /// assert_eq!((loops.of_future(), loops.of_task()), (other.id(), one.id()));
    /// # one.close()?;
    /// # other.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of_future(&self) -> u64 {
        self.0.of_future
    }

    /// The number of the loop of the task that awaits it.
    ///
    /// # Examples
    /// See [`of_future`](WrongLoop::of_future).
    #[must_use]
    pub fn of_task(&self) -> u64 {
        self.0.of_task
    }
}

impl fmt::Display for WrongLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loops { of_future, of_task } = &*self.0;
        write!(
            f,
            "the future of loop {of_future} is attached to a different loop than the task that awaits it (loop {of_task}): \
             use wrap_future"
        )
    }
}

impl Error for WrongLoop {}

/// A panic that became the outcome of a task.
#[derive(Clone)]
pub struct Panicked(Arc<Panic>);

struct Panic {
    message: Box<str>,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Panicked {
    /// Wraps a panic's payload.
    ///
    /// # Examples
    /// ```
    /// let payload = std::panic::catch_unwind(|| panic!("oh")).unwrap_err();
    /// assert_eq!(loop_tasks::Panicked::new(payload).message(), "oh");
    /// ```
    #[must_use]
    pub fn new(payload: Box<dyn Any + Send>) -> Panicked {
        let message = panic_message(&*payload).into();
        Panicked(Arc::new(Panic {
            message,
            payload: Mutex::new(Some(payload)),
        }))
    }

    /// What the panic said.
    ///
    /// # Examples
    /// See [`new`](Self::new).
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Takes the payload out, for `std::panic::resume_unwind`. `None` the second time, also through clones.
    ///
    /// # Examples
    /// ```
    /// let payload = std::panic::catch_unwind(|| panic!("oh")).unwrap_err();
    /// let panicked = loop_tasks::Panicked::new(payload);
    /// assert!(panicked.take_payload().unwrap().is::<&str>());
    /// assert!(panicked.take_payload().is_none());
    /// ```
    #[must_use]
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.0
            .payload
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message())
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panicked").field(&self.message()).finish()
    }
}

impl Error for Panicked {}

/// The result was asked for before there was one.
///
/// # asyncio
/// `InvalidStateError: Result is not set.`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotReady;

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Result is not set.")
    }
}

impl Error for NotReady {}

/// The future is settled already. The value that came too late is inside.
///
/// # asyncio
/// `InvalidStateError: invalid state`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InvalidState<T>(pub T);

impl<T> fmt::Debug for InvalidState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvalidState(..)")
    }
}

impl<T> fmt::Display for InvalidState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid state: the future is settled already")
    }
}

impl<T> Error for InvalidState<T> {}

/// Why [`run_until_complete`](crate::LoopExt::run_until_complete) has no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The loop did not run, or got stuck in virtual time.
    Loop(LoopError),
    /// Somebody stopped the loop first. The task is as it was.
    Stopped,
    /// The task was cancelled or panicked.
    Task(TaskError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Loop(error) => error.fmt(f),
            RunError::Stopped => f.write_str("Event loop stopped before Future completed."),
            RunError::Task(error) => error.fmt(f),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RunError::Loop(error) => error.source(),
            RunError::Stopped => None,
            RunError::Task(error) => error.source(),
        }
    }
}

impl From<RunError> for io::Error {
    fn from(error: RunError) -> io::Error {
        io::Error::other(error)
    }
}
