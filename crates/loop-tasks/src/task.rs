//! Tasks: coroutines that run on a loop.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;

use loop_core::{EventLoop, get_event_loop, get_running_loop};

use crate::callbacks::Callback;
use crate::cancel;
use crate::cell::{AnyFuture, TaskRef};
use crate::context::Context;
use crate::current;
use crate::error::TaskError;
use crate::future::{CallbackToken, LoopFuture};
use crate::link::Join;
use crate::state::State;
use crate::table::Tasks;
use crate::task_core::TaskCore;

/// A coroutine that runs on a loop: `asyncio.Task`.
///
/// A cheap reference, and a [`LoopFuture`] by `Deref`. Dropping it neither stops nor cancels the task. Awaiting one
/// gives `Result<T, TaskError>`; see [`LoopFuture`] for awaiting by value and by reference.
///
/// It is no future itself, but what `.await` makes one of. What wants futures, as `join_all` of the crate `futures` does,
/// says "`Task<T>` is not a future", and takes `task.into_future()`; [`gather`](fn@crate::gather) takes tasks as they are.
///
/// # Ordering
/// A step of a task is a ready callback, and a task never has two in the queue. The first one is scheduled when the
/// task is made.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, create_task};
/// let event_loop = EventLoop::new()?;
/// let sum = event_loop.run_until_complete(async {
///     let (a, b) = (create_task(async { 1 }), create_task(async { 2 }));
///     a.await.unwrap() + b.await.unwrap()
/// })?;
/// assert_eq!(sum, 3);
/// event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// With combinators of other crates:
/// ```
/// use futures_util::future::join_all;
/// # use loop_core::EventLoop;
/// # use loop_tasks::{LoopExt, create_task};
/// # let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let tasks = [1, 2, 3].map(|n| create_task(async move { n }));
///     let results = join_all(tasks.map(IntoFuture::into_future)).await;
///     assert_eq!(results.into_iter().map(Result::unwrap).sum::<i32>(), 6);
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Task<T>(LoopFuture<T>);

impl<T> Task<T> {
    pub(crate) fn new(future: LoopFuture<T>) -> Task<T> {
        Task(future)
    }

    fn task(&self) -> &TaskRef {
        let task = self.any().as_task();
        task.expect("a Task names a cell that is a task's")
    }

    fn core(&self) -> &TaskCore {
        self.task().core()
    }

    /// The task's name: what was set, or `Task-N` for the N-th task of its loop.
    ///
    /// # Examples
    /// See [`set_name`](Task::set_name).
    #[must_use]
    pub fn get_name(&self) -> Rc<str> {
        self.core().name()
    }

    /// The context variables that the task has now: a copy.
    ///
    /// # asyncio
    /// `task.get_context()`. There, it is the context itself.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{ContextVar, LoopExt, yield_now};
    /// static USER: ContextVar<&str> = ContextVar::new();
    /// let event_loop = EventLoop::new()?;
    /// let task = event_loop.create_task(async {
    ///     USER.set("ada");
    ///     yield_now().await;
    /// });
    /// event_loop.run_until_complete(yield_now())?;
    /// assert_eq!(task.get_context().run(|| USER.get()), Some("ada"));
    /// assert_eq!(USER.get(), None);
    /// # event_loop.run_until_complete(task)?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_context(&self) -> Context {
        self.core().with_context(|context| context.clone())
    }

    /// Sets the task's name.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let task = event_loop.create_task(async {});
    /// assert_eq!(&*task.get_name(), "Task-1");
    /// task.set_name("the crawler");
    /// assert_eq!(&*task.get_name(), "the crawler");
    /// event_loop.run_until_complete(task)?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_name(&self, name: impl Into<Rc<str>>) {
        self.core().set_name(name.into());
    }

    /// How many requests for cancellation nobody has taken back.
    ///
    /// # asyncio
    /// `Task.cancelling()`.
    ///
    /// # Examples
    /// See [`uncancel`](Task::uncancel).
    #[must_use]
    pub fn cancelling(&self) -> u32 {
        self.core().requests.get()
    }

    /// Takes one request for cancellation back and says how many are left. At none, a request that no await has
    /// heard of yet is forgotten.
    ///
    /// # asyncio
    /// `Task.uncancel()`, as in 3.13.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, current_task};
    /// let event_loop = EventLoop::new()?;
    /// let value = event_loop.run_until_complete(async {
    ///     let me = current_task().unwrap();
    ///     me.cancel();
    ///     assert_eq!(me.cancelling(), 1);
    ///     assert_eq!(me.uncancel(), 0);
    ///     loop_tasks::yield_now().await;
    ///     "still here"
    /// })?;
    /// assert_eq!(value, "still here");
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn uncancel(&self) -> u32 {
        cancel::uncancel(self.core())
    }

    /// The place in the program that made the task.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let task = event_loop.create_task(async {});
    /// assert!(task.place().line() > 0);
    /// event_loop.run_until_complete(task)?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.any().header().place
    }

    /// A reference that has forgotten the type of the result.
    ///
    /// # Examples
    /// See [`all_tasks`].
    #[must_use]
    pub fn erase(&self) -> AnyTask {
        AnyTask(self.task().clone())
    }
}

impl<T: 'static> Task<T> {
    /// Calls `callback` with this task when it is done. Otherwise as [`LoopFuture::add_done_callback`].
    ///
    /// # asyncio
    /// `Task.add_done_callback(fn)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let task = event_loop.create_task(async { 5 });
    /// task.add_done_callback(|task| println!("{} is done", task.get_name()));
    /// event_loop.run_until_complete(task)?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn add_done_callback<F: FnOnce(&Task<T>) + 'static>(&self, callback: F) -> CallbackToken {
        self.listen(Callback::call::<F>(self.any(), move |any| {
            callback(&Task(LoopFuture::from_typed(any.typed())));
        }))
    }
}

impl<T> Deref for Task<T> {
    type Target = LoopFuture<T>;

    #[inline]
    fn deref(&self) -> &LoopFuture<T> {
        &self.0
    }
}

impl<T> AsRef<LoopFuture<T>> for Task<T> {
    fn as_ref(&self) -> &LoopFuture<T> {
        &self.0
    }
}

impl<T> From<Task<T>> for LoopFuture<T> {
    fn from(task: Task<T>) -> LoopFuture<T> {
        task.0
    }
}

impl<T> Clone for Task<T> {
    #[inline]
    fn clone(&self) -> Self {
        Task(self.0.clone())
    }
}

impl<T: 'static> IntoFuture for Task<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = Join<T>;

    #[inline]
    fn into_future(self) -> Join<T> {
        self.0.into_future()
    }
}

impl<T: Clone + 'static> IntoFuture for &Task<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = Join<T>;

    #[inline]
    fn into_future(self) -> Join<T> {
        (&self.0).into_future()
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any().fmt(f)
    }
}

/// A task whose result is somebody else's business: what [`current_task`] and [`all_tasks`] give.
#[derive(Clone)]
pub struct AnyTask(TaskRef);

impl AnyTask {
    pub(crate) fn any(&self) -> &AnyFuture {
        &self.0
    }

    fn core(&self) -> &TaskCore {
        self.0.core()
    }

    /// As [`Task::get_name`].
    ///
    /// # Examples
    /// See [`all_tasks`].
    #[must_use]
    pub fn get_name(&self) -> Rc<str> {
        self.core().name()
    }

    /// As [`Task::get_context`].
    ///
    /// # Examples
    /// See [`Task::get_context`].
    #[must_use]
    pub fn get_context(&self) -> Context {
        self.core().with_context(|context| context.clone())
    }

    /// As [`LoopFuture::cancel`].
    ///
    /// # Examples
    /// See [`all_tasks`].
    pub fn cancel(&self) -> bool {
        self.0.cancel()
    }

    /// As [`Task::cancelling`].
    ///
    /// # Examples
    /// See [`Task::uncancel`].
    #[must_use]
    pub fn cancelling(&self) -> u32 {
        self.core().requests.get()
    }

    /// As [`Task::uncancel`].
    ///
    /// # Examples
    /// See [`Task::uncancel`].
    pub fn uncancel(&self) -> u32 {
        cancel::uncancel(self.core())
    }

    /// As [`LoopFuture::done`].
    ///
    /// # Examples
    /// See [`all_tasks`].
    #[must_use]
    pub fn done(&self) -> bool {
        self.0.is_settled()
    }

    /// As [`LoopFuture::failed`].
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let task = event_loop.create_task(async {}).erase();
    /// event_loop.run_once(None)?;
    /// assert!(task.done() && !task.failed());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn failed(&self) -> bool {
        self.0.header().state.get().has(State::FAILED)
    }

    /// As [`LoopFuture::cancelled`].
    ///
    /// # Examples
    /// See [`all_tasks`].
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.0.header().state.get().has(State::CANCELLED)
    }

    /// What the task's failure says, if it has failed. Who asks has taken charge of it: it is not reported as never
    /// retrieved.
    ///
    /// # asyncio
    /// `Task.exception()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, try_create_task};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let task = try_create_task(async { Err::<(), _>("no") }).erase();
    ///     task.wait().await;
    ///     assert_eq!(task.exception().as_deref(), Some("\"no\""));
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn exception(&self) -> Option<String> {
        if !self.failed() {
            return None;
        }
        self.0.mark_retrieved();
        self.0.failure()
    }

    /// The task with its type, if the type of its result is `T`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let task = event_loop.create_task(async { 5 }).erase();
    /// assert!(task.downcast::<String>().is_none());
    /// assert_eq!(event_loop.run_until_complete(task.downcast::<i32>().unwrap())?, 5);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn downcast<T: 'static>(&self) -> Option<Task<T>> {
        self.0
            .try_typed()
            .map(|typed| Task(LoopFuture::from_typed(typed)))
    }

    /// Waits until the task is done, whatever its outcome, and does not look at it.
    ///
    /// # Examples
    /// See [`all_tasks`].
    pub async fn wait(&self) {
        crate::wait_one::settled(&self.0).await;
    }
}

impl PartialEq for AnyTask {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }
}

impl Eq for AnyTask {}

impl fmt::Debug for AnyTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The task whose step is being taken in this thread.
///
/// # asyncio
/// `asyncio.current_task()`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, current_task};
/// let event_loop = EventLoop::new()?;
/// assert!(current_task().is_none());
/// let name = event_loop.run_until_complete(async { current_task().unwrap().get_name() })?;
/// assert_eq!(&*name, "Task-1");
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn current_task() -> Option<AnyTask> {
    current::current().map(AnyTask)
}

/// The unfinished tasks of the running loop, or of the current one, oldest first; none if there is neither.
///
/// # asyncio
/// `asyncio.all_tasks()`, a set there.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, all_tasks, create_task};
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     create_task(std::future::pending::<()>());
///     let other = all_tasks().pop().unwrap();
///     assert_eq!(&*other.get_name(), "Task-2");
///     other.cancel();
///     other.wait().await;
///     assert!(other.cancelled() && other.done() && all_tasks().len() == 1);
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn all_tasks() -> Vec<AnyTask> {
    match get_running_loop().ok().or_else(|| get_event_loop().ok()) {
        Some(event_loop) => tasks_of(&event_loop),
        None => Vec::new(),
    }
}

pub(crate) fn tasks_of(event_loop: &EventLoop) -> Vec<AnyTask> {
    Tasks::of(&event_loop.loop_ref())
        .unfinished()
        .into_iter()
        .map(AnyTask)
        .collect()
}
