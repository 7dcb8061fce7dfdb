//! How tasks are made.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use loop_core::{EventLoop, LoopClosed, LoopRef};

use crate::cell::Typed;
use crate::context::Context;
use crate::future::LoopFuture;
use crate::outcome::{ErrorView, Errors};
use crate::step;
use crate::table::Tasks;
use crate::task::Task;

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
    context: Option<Context>,
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
        TaskBuilder::at(Location::caller())
    }

    pub(crate) fn at(place: &'static Location<'static>) -> TaskBuilder {
        TaskBuilder {
            name: None,
            eager: false,
            place,
            context: None,
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

    /// Sets the place that counts as the task's maker. By default, where [`new`](TaskBuilder::new) was called.
    ///
    /// # Examples
    /// ```
    /// use std::panic::Location;
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, TaskBuilder};
    /// let event_loop = EventLoop::new()?;
    /// let here = Location::caller();
    /// let task = TaskBuilder::new().place(here).spawn_on(&event_loop, async {})?;
    /// assert_eq!(task.place(), here);
    /// event_loop.run_until_complete(task)?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn place(mut self, place: &'static Location<'static>) -> Self {
        self.place = place;
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

    /// Sets the values of context variables that the task starts with. By default, those of its maker.
    ///
    /// # asyncio
    /// `create_task(..., context=context)`. There the task changes that very context; here it has a copy.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{Context, ContextVar, LoopExt, TaskBuilder};
    /// static USER: ContextVar<&str> = ContextVar::new();
    /// let event_loop = EventLoop::new()?;
    /// let before = Context::current();
    /// USER.set("ada");
    /// let task = TaskBuilder::new().context(before).spawn_on(&event_loop, async { USER.get() })?;
    /// assert_eq!(event_loop.run_until_complete(task)?, None);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// Makes the task on the running loop.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    ///
    /// # Examples
    /// See [`eager`](TaskBuilder::eager).
    #[track_caller]
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
    #[track_caller]
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
        make_as(owner, future, errors, self)
    }
}

#[inline]
#[track_caller]
fn running() -> LoopRef {
    match LoopRef::running() {
        Ok(owner) => owner,
        Err(error) => {
            panic!("{error}: make tasks inside one, or with LoopExt::create_task on a loop")
        }
    }
}

/// Makes a task of which nothing is said, but by a factory.
#[inline]
#[track_caller]
pub(crate) fn make<F: Future<Output: 'static> + 'static>(
    owner: &LoopRef,
    future: F,
    errors: Option<Errors<F::Output>>,
    place: &'static Location<'static>,
) -> Task<F::Output> {
    assert!(!owner.is_closed(), "Event loop is closed");
    let tasks = Tasks::of(owner);
    if tasks.has_factory() {
        return make_as(owner, future, errors, TaskBuilder::at(place));
    }
    let typed = tasks.create(owner, future, errors, place);
    step::schedule_first(typed.any().as_task().expect("it was made as one"));
    Task::new(LoopFuture::from_typed(typed))
}

#[inline(never)]
fn make_as<F: Future<Output: 'static> + 'static>(
    owner: &LoopRef,
    future: F,
    errors: Option<Errors<F::Output>>,
    mut builder: TaskBuilder,
) -> Task<F::Output> {
    assert!(!owner.is_closed(), "Event loop is closed");
    let tasks = Tasks::of(owner);
    if let Some(factory) = tasks.factory() {
        builder = factory(builder);
    }
    let typed: Typed<F::Output> = tasks.create(owner, future, errors, builder.place);
    let task = typed.any().as_task().expect("it was made as one");
    // Before the first step, which may be now.
    if let Some(name) = builder.name {
        task.core().set_name(name);
    }
    if let Some(context) = builder.context {
        task.core().set_context(context);
    }
    if builder.eager && owner.event_loop().is_running() {
        step::start_now(task);
    } else {
        step::schedule(task);
    }
    Task::new(LoopFuture::from_typed(typed))
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
    make(&running(), future, None, Location::caller())
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
    let errors = Some(ErrorView::of_result as Errors<_>);
    make(&running(), future, errors, Location::caller())
}

/// What has a say in every task of a loop, as [`get_task_factory`](crate::LoopExt::get_task_factory) gives it.
pub type TaskFactory = Rc<dyn Fn(TaskBuilder) -> TaskBuilder>;

/// A [task factory](crate::LoopExt::set_task_factory) that makes every task eager.
///
/// # asyncio
/// `asyncio.eager_task_factory`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, create_task, eager_task_factory};
/// let event_loop = EventLoop::new()?;
/// event_loop.set_task_factory(Some(eager_task_factory));
/// event_loop.run_until_complete(async {
///     assert!(create_task(async {}).done());
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn eager_task_factory(builder: TaskBuilder) -> TaskBuilder {
    builder.eager(true)
}
