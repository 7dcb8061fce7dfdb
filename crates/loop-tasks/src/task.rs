//! Tasks: coroutines that run on a loop.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;

use loop_core::{EventLoop, LoopClosed, LoopRef, get_event_loop, get_running_loop};

use crate::callbacks::Callback;
use crate::cancel;
use crate::cell::{AnyFuture, ErrorView, Errors, Typed};
use crate::error::TaskError;
use crate::future::{CallbackToken, LoopFuture};
use crate::link::Join;
use crate::step;
use crate::table::Tasks;
use crate::task_core::TaskCore;

/// A coroutine that runs on a loop: `asyncio.Task`.
///
/// A cheap reference, and a [`LoopFuture`] by `Deref`. Dropping it neither stops nor cancels the task. Awaiting one
/// gives `Result<T, TaskError>`; see [`LoopFuture`] for awaiting by value and by reference.
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
pub struct Task<T>(LoopFuture<T>);

impl<T> Task<T> {
    fn core(&self) -> &TaskCore {
        self.any()
            .task()
            .expect("a Task names a cell that is a task's")
    }

    /// The task's name: what was set, or `Task-N` for the N-th task of its loop.
    ///
    /// # Examples
    /// See [`set_name`](Task::set_name).
    #[must_use]
    pub fn get_name(&self) -> Rc<str> {
        self.core().name()
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
        self.core().name.replace(Some(name.into()));
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
        AnyTask(self.any().clone())
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
    pub fn add_done_callback(&self, callback: impl FnOnce(&Task<T>) + 'static) -> CallbackToken {
        self.listen(Callback::Call(Box::new(move |any| {
            callback(&Task(LoopFuture::from_typed(any.typed())));
        })))
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
pub struct AnyTask(AnyFuture);

impl AnyTask {
    fn core(&self) -> &TaskCore {
        self.0
            .task()
            .expect("an AnyTask names a cell that is a task's")
    }

    /// As [`Task::get_name`].
    ///
    /// # Examples
    /// See [`all_tasks`].
    #[must_use]
    pub fn get_name(&self) -> Rc<str> {
        self.core().name()
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

/// A description of a task that is about to be made.
///
/// # asyncio
/// The keyword arguments of `create_task` and of `Task`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, TaskBuilder};
/// let event_loop = EventLoop::new()?;
/// let task = TaskBuilder::new().name("first").spawn_on(&event_loop, async { 1 })?;
/// assert_eq!(&*task.get_name(), "first");
/// event_loop.run_until_complete(task)?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description alone makes no task"]
pub struct TaskBuilder {
    name: Option<Rc<str>>,
    eager: bool,
    place: &'static Location<'static>,
}

impl Default for TaskBuilder {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl TaskBuilder {
    /// Starts a description; the task counts as made here.
    ///
    /// # Examples
    /// See [`TaskBuilder`].
    #[track_caller]
    pub fn new() -> TaskBuilder {
        TaskBuilder {
            name: None,
            eager: false,
            place: Location::caller(),
        }
    }

    pub(crate) fn at(place: &'static Location<'static>) -> TaskBuilder {
        TaskBuilder {
            name: None,
            eager: false,
            place,
        }
    }

    pub(crate) fn try_make<F, V: 'static, E: fmt::Debug + 'static>(
        self,
        owner: &LoopRef,
        future: F,
    ) -> Task<Result<V, E>>
    where
        F: Future<Output = Result<V, E>> + 'static,
    {
        self.make(owner, future, Some(ErrorView::of_result))
    }

    /// Names the task. By default, `Task-N`.
    ///
    /// # Examples
    /// See [`TaskBuilder`].
    pub fn name(mut self, name: impl Into<Rc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Lets the task take its first step at once, inside whatever makes it, if its loop is running. By default, off.
    ///
    /// # Ordering
    /// A task that finishes in that step is never scheduled. This changes the order in which things happen.
    ///
    /// # asyncio
    /// `Task(..., eager_start=True)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, TaskBuilder};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     assert!(TaskBuilder::new().eager(true).spawn(async { 1 }).done());
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn eager(mut self, eager: bool) -> Self {
        self.eager = eager;
        self
    }

    /// Makes the task on the running loop.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    ///
    /// # Examples
    /// See [`eager`](TaskBuilder::eager).
    pub fn spawn<F: Future<Output: 'static> + 'static>(self, future: F) -> Task<F::Output> {
        self.make(&running(), future, None)
    }

    /// As [`spawn`](TaskBuilder::spawn), for an output that is a `Result`: an `Err` counts as a failure of the task.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    ///
    /// # Examples
    /// See [`try_create_task`].
    pub fn try_spawn<F, V: 'static, E: fmt::Debug + 'static>(self, future: F) -> Task<Result<V, E>>
    where
        F: Future<Output = Result<V, E>> + 'static,
    {
        self.make(&running(), future, Some(ErrorView::of_result))
    }

    /// Makes the task on this loop.
    ///
    /// # Errors
    /// [`LoopClosed`] with the future, if the loop is closed.
    ///
    /// # Examples
    /// See [`TaskBuilder`].
    pub fn spawn_on<F: Future<Output: 'static> + 'static>(
        self,
        event_loop: &EventLoop,
        future: F,
    ) -> Result<Task<F::Output>, LoopClosed<F>> {
        if event_loop.is_closed() {
            return Err(LoopClosed(future));
        }
        Ok(self.make(&event_loop.loop_ref(), future, None))
    }

    /// As [`spawn_on`](TaskBuilder::spawn_on), for an output that is a `Result`.
    ///
    /// # Errors
    /// [`LoopClosed`] with the future, if the loop is closed.
    ///
    /// # Examples
    /// See [`try_create_task`].
    pub fn try_spawn_on<F, V: 'static, E: fmt::Debug + 'static>(
        self,
        event_loop: &EventLoop,
        future: F,
    ) -> Result<Task<Result<V, E>>, LoopClosed<F>>
    where
        F: Future<Output = Result<V, E>> + 'static,
    {
        if event_loop.is_closed() {
            return Err(LoopClosed(future));
        }
        Ok(self.make(&event_loop.loop_ref(), future, Some(ErrorView::of_result)))
    }

    fn make<F: Future<Output: 'static> + 'static>(
        self,
        owner: &LoopRef,
        future: F,
        errors: Option<Errors<F::Output>>,
    ) -> Task<F::Output> {
        make(owner, future, errors, self.place, self.name, self.eager)
    }
}

fn running() -> LoopRef {
    match get_running_loop() {
        Ok(event_loop) => event_loop.loop_ref(),
        Err(error) => {
            panic!("{error}: make tasks inside one, or with LoopExt::create_task on a loop")
        }
    }
}

#[inline]
pub(crate) fn make<F: Future<Output: 'static> + 'static>(
    owner: &LoopRef,
    future: F,
    errors: Option<Errors<F::Output>>,
    place: &'static Location<'static>,
    name: Option<Rc<str>>,
    eager: bool,
) -> Task<F::Output> {
    assert!(!owner.is_closed(), "Event loop is closed");
    let task: Typed<F::Output> = Tasks::create(owner, future, errors, place);
    if let (Some(name), Some(core)) = (name, task.any().task()) {
        core.name.replace(Some(name)); // before the first step, which may be now
    }
    if eager && owner.event_loop().is_running() {
        step::start_now(task.any());
    } else {
        step::schedule(task.any());
    }
    Task(LoopFuture::from_typed(task))
}

/// Makes a task on the running loop.
///
/// # Panics
/// If no loop is running in this thread: use [`LoopExt::create_task`](crate::LoopExt::create_task) then.
///
/// # asyncio
/// `asyncio.create_task(coro)`.
///
/// # Examples
/// See [`Task`].
#[track_caller]
pub fn create_task<F: Future<Output: 'static> + 'static>(future: F) -> Task<F::Output> {
    make(&running(), future, None, Location::caller(), None, false)
}

/// Makes a task on the running loop whose output is a `Result`: an `Err` counts as a failure of the task.
///
/// It is reported if nobody looks at it, [`wait`](crate::wait) until the first exception sees it, and it outdoes a
/// cancellation that comes in the very step in which it is returned.
///
/// # Panics
/// If no loop is running in this thread.
///
/// # asyncio
/// `asyncio.create_task(coro)` of a coroutine that raises.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, try_create_task};
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let task = try_create_task(async { Err::<(), _>("no") });
///     assert_eq!((&task).await.unwrap(), Err("no"));
///     assert!(task.failed());
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn try_create_task<F, V: 'static, E: fmt::Debug + 'static>(future: F) -> Task<Result<V, E>>
where
    F: Future<Output = Result<V, E>> + 'static,
{
    make(
        &running(),
        future,
        Some(ErrorView::of_result),
        Location::caller(),
        None,
        false,
    )
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
    step::current().map(AnyTask)
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
///     assert!(other.done() && all_tasks().len() == 1);
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
