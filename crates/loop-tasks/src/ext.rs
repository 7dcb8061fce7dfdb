//! What tasks add to a loop.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use loop_core::{EventLoop, LoopError, get_running_loop};

use crate::builder::{TaskBuilder, TaskFactory, make};
use crate::callbacks::Callback;
use crate::ensure::EnsureFuture;
use crate::error::{RunError, TaskError};
use crate::future::LoopFuture;
use crate::outcome::{ErrorView, Errors};
use crate::table::Tasks;
use crate::task::{AnyTask, Task, tasks_of};

/// The methods of asyncio's loop that are about futures and tasks.
pub trait LoopExt {
    /// Makes a future that somebody will settle.
    ///
    /// # asyncio
    /// `loop.create_future()`.
    ///
    /// # Examples
    /// See [`LoopFuture`].
    #[must_use]
    fn create_future<T: 'static>(&self) -> LoopFuture<T>;

    /// Makes a future whose outcome somebody brings from elsewhere (another thread, a child process), who is told if
    /// it is cancelled: then `on_cancel` is called, in the iteration in which the callbacks run, and before them.
    ///
    /// Otherwise it is dropped, with the last reference to the future at the latest.
    ///
    /// # asyncio
    /// What `asyncio.wrap_future` does with a done callback; this costs no allocation.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<u32> = event_loop.create_bridged_future(|event_loop| event_loop.stop());
    /// future.cancel();
    /// event_loop.run_forever()?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[track_caller]
    fn create_bridged_future<T: 'static>(
        &self,
        on_cancel: impl FnOnce(&EventLoop) + 'static,
    ) -> LoopFuture<T>;

    /// Makes a task; it takes its first step in the next iteration.
    ///
    /// # Panics
    /// If the loop is closed. [`TaskBuilder::spawn_on`](crate::TaskBuilder::spawn_on) hands the future back instead.
    ///
    /// # asyncio
    /// `loop.create_task(coro)`.
    ///
    /// # Examples
    /// See [`Task`].
    #[track_caller]
    fn create_task<F: Future<Output: 'static> + 'static>(&self, future: F) -> Task<F::Output>;

    /// Makes a task whose output is a `Result`: see [`try_create_task`](crate::try_create_task).
    ///
    /// # Panics
    /// If the loop is closed.
    ///
    /// # Examples
    /// See [`try_create_task`](crate::try_create_task).
    #[track_caller]
    fn try_create_task<F, V: 'static, E: fmt::Debug + 'static>(
        &self,
        future: F,
    ) -> Task<Result<V, E>>
    where
        F: Future<Output = Result<V, E>> + 'static;

    /// Runs the loop until `awaitable` is done, and gives its result.
    ///
    /// A coroutine becomes a task; a task or a future may be given by value, which moves its result out, or by
    /// reference. The loop can be used again afterwards.
    ///
    /// # Errors
    /// [`RunError::Loop`] if the loop cannot run, or is stuck in virtual time; [`RunError::Stopped`] if somebody
    /// stopped it first; [`RunError::Task`] if what it waited for was cancelled, panicked, or belongs to another loop.
    ///
    /// # asyncio
    /// `loop.run_until_complete(future)`.
    ///
    /// # Examples
    /// See [`Task`].
    #[track_caller]
    fn run_until_complete<A: EnsureFuture>(&self, awaitable: A) -> Result<A::Output, RunError>;

    /// The unfinished tasks of this loop, oldest first.
    ///
    /// # asyncio
    /// `asyncio.all_tasks(loop)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let task = event_loop.create_task(async {});
    /// assert_eq!(event_loop.all_tasks(), [task.erase()]);
    /// event_loop.run_until_complete(task)?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn all_tasks(&self) -> Vec<AnyTask>;

    /// Sets what has a say in every task of this loop before it is made: its name, and whether it is eager.
    ///
    /// # asyncio
    /// `loop.set_task_factory(factory)`. A factory there makes the task itself.
    ///
    /// # Examples
    /// See [`eager_task_factory`](crate::eager_task_factory).
    fn set_task_factory<F: Fn(TaskBuilder) -> TaskBuilder + 'static>(&self, factory: Option<F>);

    /// The factory that was set last: for somebody who sets one that asks it too.
    ///
    /// # asyncio
    /// `loop.get_task_factory()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, TaskBuilder, eager_task_factory};
    /// let event_loop = EventLoop::new()?;
    /// assert!(event_loop.get_task_factory().is_none());
    /// event_loop.set_task_factory(Some(eager_task_factory));
    /// let former = event_loop.get_task_factory().expect("it was set in the line above");
    /// event_loop.set_task_factory(Some(move |builder: TaskBuilder| former(builder).name("mine")));
    /// let task = event_loop.create_task(async {});
    /// assert_eq!(&*task.get_name(), "mine");
    /// # event_loop.run_until_complete(task)?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn get_task_factory(&self) -> Option<TaskFactory>;
}

impl LoopExt for EventLoop {
    #[track_caller]
    fn create_future<T: 'static>(&self) -> LoopFuture<T> {
        LoopFuture::new(self.loop_ref())
    }

    #[track_caller]
    fn create_bridged_future<T: 'static>(
        &self,
        on_cancel: impl FnOnce(&EventLoop) + 'static,
    ) -> LoopFuture<T> {
        LoopFuture::bridged(self.loop_ref(), on_cancel)
    }

    #[track_caller]
    fn create_task<F: Future<Output: 'static> + 'static>(&self, future: F) -> Task<F::Output> {
        make(&self.loop_ref(), future, None, Location::caller())
    }

    #[track_caller]
    fn try_create_task<F, V: 'static, E: fmt::Debug + 'static>(
        &self,
        future: F,
    ) -> Task<Result<V, E>>
    where
        F: Future<Output = Result<V, E>> + 'static,
    {
        let errors = Some(ErrorView::of_result as Errors<Result<V, E>>);
        make(&self.loop_ref(), future, errors, Location::caller())
    }

    #[track_caller]
    fn run_until_complete<A: EnsureFuture>(&self, awaitable: A) -> Result<A::Output, RunError> {
        check_runnable(self).map_err(RunError::Loop)?;
        let handle = awaitable.ensure_future(self);
        let future = handle.as_ref();
        let event_loop = self.loop_ref();
        let owner = &future.any().header().owner;
        if !owner.same(&event_loop) {
            if future.done() {
                return future.extract(A::share()).map_err(RunError::Task);
            }
            // This loop would run for ever: it is another one that can settle it.
            let error = TaskError::wrong_loop(owner, &event_loop);
            return Err(RunError::Task(error));
        }
        let token = future.listen(Callback::Call(Box::new(move |_| {
            event_loop.event_loop().stop()
        })));
        let result = self.run_forever();
        future.remove_done_callback(token);
        if future.done() {
            return future.extract(A::share()).map_err(RunError::Task);
        }
        result.map_err(RunError::Loop)?;
        Err(RunError::Stopped)
    }

    fn all_tasks(&self) -> Vec<AnyTask> {
        tasks_of(self)
    }

    fn set_task_factory<F: Fn(TaskBuilder) -> TaskBuilder + 'static>(&self, factory: Option<F>) {
        let factory = factory.map(|factory| Rc::new(factory) as TaskFactory);
        Tasks::of(&self.loop_ref()).set_factory(factory);
    }

    fn get_task_factory(&self) -> Option<TaskFactory> {
        Tasks::of(&self.loop_ref()).factory()
    }
}

/// Refuses before a coroutine becomes a task that nobody would ever run.
fn check_runnable(event_loop: &EventLoop) -> Result<(), LoopError> {
    if event_loop.is_closed() {
        Err(LoopError::Closed)
    } else if event_loop.is_running() {
        Err(LoopError::AlreadyRunning)
    } else if get_running_loop().is_ok() {
        Err(LoopError::AnotherRunning)
    } else {
        Ok(())
    }
}
