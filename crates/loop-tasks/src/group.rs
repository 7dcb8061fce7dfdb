//! A scope of tasks that succeed or fail together.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use loop_core::ExceptionContext;

use crate::builder::TaskBuilder;
use crate::callbacks::{Callback, Listener};
use crate::cancel::{self, Cancelled};
use crate::cell::{AnyFuture, TaskRef};
use crate::current;
use crate::error::TaskError;
use crate::future::LoopFuture;
use crate::group_error::{Failure, GroupClosed, GroupError, GroupFailure};
use crate::outcome::Outcome;
use crate::own_request::{OwnRequest, catch_own};
use crate::task::Task;
use crate::wait_one::Signal;

/// A scope of tasks: when one fails, the others are cancelled, and the scope ends when all have ended.
///
/// A cheap reference, given to the body of [`scope`](TaskGroup::scope); tasks may add tasks through a clone.
///
/// # asyncio
/// `asyncio.TaskGroup`, as in 3.13. Where asyncio cancels a set of tasks, this cancels the oldest first.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, TaskGroup, sleep};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// let error = event_loop
///     .run_until_complete(TaskGroup::scope(async |group| {
///         let slow = group.create_task(async {
///             sleep(Duration::from_secs(60)).await;
///             Ok(())
///         });
///         group.create_task(async { Err::<(), _>("no route to host") }).unwrap();
///         slow.unwrap().await.ok();
///         Ok(())
///     }))?
///     .unwrap_err();
/// let text = "unhandled errors in a TaskGroup (1 sub-exception): \"no route to host\"";
/// assert_eq!(error.to_string(), text);
/// assert_eq!(*error.failures()[0].error().unwrap(), "no route to host");
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TaskGroup<E>(Rc<Group<E>>);

struct Group<E> {
    parent: TaskRef,
    /// The unfinished tasks, by age.
    tasks: RefCell<BTreeMap<u64, AnyFuture>>,
    failures: RefCell<Vec<GroupFailure<E>>>,
    exiting: Cell<bool>,
    aborting: Cell<bool>,
    /// What is asked of the body, or of the wait for the children, when a child has failed.
    own: OwnRequest,
    /// Said when the last task is done, while the scope waits for that.
    emptied: RefCell<Option<Signal>>,
}

impl<E: fmt::Debug + 'static> TaskGroup<E> {
    /// Runs `body`, then waits for every task that was added to the group.
    ///
    /// When a task fails, or `body` does, the other tasks and the body are cancelled. What stands beside the scope,
    /// in a `join!`, is left alone. A cancellation from outside
    /// cancels all of them, and goes on from here when they have ended.
    ///
    /// # Errors
    /// [`GroupError`] with what failed: the tasks in the order in which they did, then the body.
    ///
    /// # Panics
    /// When it is awaited outside of a task.
    ///
    /// # Cancel safety
    /// Dropped early, it cancels its tasks and cannot wait for them.
    ///
    /// # asyncio
    /// `async with asyncio.TaskGroup() as group:`.
    ///
    /// # Examples
    /// See [`TaskGroup`].
    pub async fn scope<T>(
        body: impl AsyncFnOnce(TaskGroup<E>) -> Result<T, E>,
    ) -> Result<T, GroupError<E>> {
        let parent =
            current::current().expect("TaskGroup cannot determine the parent task: use it in one");
        let group = Rc::new(Group {
            parent,
            tasks: RefCell::default(),
            failures: RefCell::default(),
            exiting: Cell::new(false),
            aborting: Cell::new(false),
            own: OwnRequest::default(),
            emptied: RefCell::default(),
        });
        let leave = Leave(&group);
        group.own.enter(&group.parent);
        let outcome = catch_own(&group.own, body(TaskGroup(Rc::clone(&group)))).await;
        let result = group.exit(outcome).await;
        std::mem::forget(leave); // It has been left in order; nothing is held by the guard.
        match result {
            Exit::Value(value) => Ok(value),
            Exit::Failed => Err(GroupError::new(group.failures.take())),
            Exit::Cancelled(cancelled) => cancelled.resume().await,
        }
    }

    /// Adds a task to the group.
    ///
    /// # Errors
    /// [`GroupClosed`] if the group is cancelling its tasks or has ended, and `future` is dropped: not in a body that awaits
    /// nothing but what is cancelled with it.
    ///
    /// # asyncio
    /// `group.create_task(coro)`.
    ///
    /// # Examples
    /// See [`TaskGroup`].
    #[track_caller]
    pub fn create_task<V, F>(&self, future: F) -> Result<Task<Result<V, E>>, GroupClosed>
    where
        V: 'static,
        F: Future<Output = Result<V, E>> + 'static,
    {
        self.spawn(TaskBuilder::at(Location::caller()), future)
    }

    /// Adds a task that `builder` describes. Otherwise as [`create_task`](TaskGroup::create_task).
    ///
    /// # Errors
    /// As [`create_task`](TaskGroup::create_task).
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, TaskBuilder, TaskGroup};
    /// let event_loop = EventLoop::new()?;
    /// let result = event_loop.run_until_complete(TaskGroup::<()>::scope(async |group| {
    ///     let builder = TaskBuilder::new().name("worker");
    ///     group.spawn(builder, async { Ok(()) }).unwrap();
    ///     Ok(())
    /// }))?;
    /// assert!(result.is_ok());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<V, F>(
        &self,
        builder: TaskBuilder,
        future: F,
    ) -> Result<Task<Result<V, E>>, GroupClosed>
    where
        V: 'static,
        F: Future<Output = Result<V, E>> + 'static,
    {
        let group = &self.0;
        if self.is_closed() {
            return Err(GroupClosed);
        }
        let owner = &group.parent.header().owner;
        let task = builder.try_make(owner, future);
        let child = Rc::new(Child {
            group: Rc::clone(group),
            future: (*task).clone(),
        });
        if task.done() {
            child.done(0, task.any());
        } else {
            group
                .tasks
                .borrow_mut()
                .insert(serial(task.any()), task.any().clone());
            task.listen(Callback::Tell(child, 0));
        }
        Ok(task)
    }

    /// Ends the group early: cancels its tasks and its body, none of which counts as a failure. Does nothing the second
    /// time, or when the group has ended.
    ///
    /// A body that has not ended has no value to give: the scope comes to a [`GroupError`] without failures then
    /// ([`GroupError::cancelled`]).
    ///
    /// # asyncio
    /// `TaskGroup.cancel()` of 3.15, which leaves the `async with` without an exception.
    ///
    /// # Examples
    /// ```
    /// use std::future::pending;
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, TaskGroup};
    /// let event_loop = EventLoop::new()?;
    /// let error = event_loop
    ///     .run_until_complete(TaskGroup::<()>::scope(async |group| {
    ///         let found = group.clone();
    ///         group.create_task(async move { Ok(found.cancel()) }).unwrap();
    ///         pending::<Result<(), ()>>().await
    ///     }))?
    ///     .unwrap_err();
    /// assert!(error.cancelled());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        let group = &self.0;
        let ended = group.exiting.get() && group.tasks.borrow().is_empty();
        if ended || group.aborting.get() {
            return;
        }
        group.abort();
        if !group.own.asked() {
            group.own.ask();
        }
    }

    /// Whether the group takes no more tasks: it is cancelling those that it has, or has ended.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, TaskGroup};
    /// let event_loop = EventLoop::new()?;
    /// let group = event_loop
    ///     .run_until_complete(TaskGroup::<()>::scope(async |group| Ok(group)))?
    ///     .unwrap();
    /// assert!(group.is_closed());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let group = &self.0;
        group.aborting.get() || group.exiting.get() && group.tasks.borrow().is_empty()
    }
}

fn serial(task: &AnyFuture) -> u64 {
    task.as_task().map_or(0, |task| task.core().serial)
}

/// How a scope ends.
enum Exit<T> {
    Value(T),
    Failed,
    Cancelled(Cancelled),
}

impl<E: fmt::Debug + 'static> Group<E> {
    async fn exit<T>(&self, outcome: Result<Result<T, E>, Cancelled>) -> Exit<T> {
        self.exiting.set(true);
        let (outcome, mut cancelled) = match outcome {
            Ok(outcome) => (Some(outcome), None),
            Err(cancelled) => (None, Some(cancelled)),
        };
        if !matches!(outcome, Some(Ok(_))) && !self.aborting.get() {
            self.abort();
        }
        // In a loop: the parent may be cancelled while it waits, more than once.
        while !self.tasks.borrow().is_empty() {
            let signal = Signal::new(&self.parent.header().owner);
            self.emptied.replace(Some(signal.clone()));
            if let Err(again) = catch_own(&self.own, signal.wait()).await
                && !self.aborting.get()
            {
                cancelled = Some(again);
                self.abort();
            }
            self.emptied.take();
        }
        let core = self.parent.core();
        if self.own.take_back() {
            cancelled = None; // It was the group's own doing.
        }
        if self.failures.borrow().is_empty()
            && let Some(cancelled) = cancelled
        {
            return Exit::Cancelled(cancelled);
        }
        match outcome {
            Some(Err(error)) => {
                self.failures
                    .borrow_mut()
                    .push(GroupFailure(Failure::Own(RefCell::new(Some(error)))));
            }
            Some(Ok(value)) if self.failures.borrow().is_empty() => return Exit::Value(value),
            Some(Ok(_)) | None => {}
        }
        if core.requests_here() > 0 && !self.failures.borrow().is_empty() {
            // Somebody outside wants the parent to end: said again, now that the group does not stand in between.
            cancel::uncancel(core);
            self.parent.cancel();
        }
        Exit::Failed
    }

    fn abort(&self) {
        self.aborting.set(true);
        let tasks: Vec<AnyFuture> = self.tasks.borrow().values().cloned().collect();
        for task in tasks {
            if !task.is_settled() {
                task.cancel();
            }
        }
    }

    fn failed(&self, task: &AnyFuture, failure: GroupFailure<E>) {
        self.failures.borrow_mut().push(failure);
        if self.parent.is_settled() {
            let context =
                ExceptionContext::new("a task has failed, but its group's task is done already")
                    .exception(task.failure().unwrap_or_default())
                    .task(format!("{task:?}"));
            task.header()
                .owner
                .event_loop()
                .call_exception_handler(&context);
        } else if !self.aborting.get() && !self.own.asked() {
            self.abort();
            self.own.ask();
        }
    }
}

/// Hears of one child.
struct Child<V, E> {
    group: Rc<Group<E>>,
    future: LoopFuture<Result<V, E>>,
}

impl<V: 'static, E: fmt::Debug + 'static> Listener for Child<V, E> {
    fn awaiter(&self, _: &AnyFuture) -> Option<AnyFuture> {
        Some(AnyFuture::clone(&self.group.parent)).filter(|parent| !parent.is_settled())
    }

    fn done(&self, _: u32, task: &AnyFuture) {
        let group = &self.group;
        let removed = group.tasks.borrow_mut().remove(&serial(task));
        drop(removed);
        if group.tasks.borrow().is_empty()
            && let Some(signal) = &*group.emptied.borrow()
        {
            signal.set();
        }
        if !self.future.failed() {
            return;
        }
        task.mark_retrieved();
        let panicked = match &*self.future.typed().outcome().borrow() {
            Outcome::Error(TaskError::Panicked(panicked)) => Some(panicked.clone()),
            _ => None,
        };
        let failure = match panicked {
            Some(panicked) => Failure::Panicked(panicked),
            None => Failure::Child(Rc::new(self.future.clone())),
        };
        group.failed(task, GroupFailure(failure));
    }
}

/// A scope that is dropped before its end leaves nothing running.
struct Leave<'a, E: fmt::Debug + 'static>(&'a Rc<Group<E>>);

impl<E: fmt::Debug + 'static> Drop for Leave<'_, E> {
    fn drop(&mut self) {
        self.0.exiting.set(true);
        self.0.abort();
        self.0.own.take_back();
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        TaskGroup(Rc::clone(&self.0))
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<TaskGroup tasks={}", self.0.tasks.borrow().len())?;
        if !self.0.failures.borrow().is_empty() {
            write!(f, " errors={}", self.0.failures.borrow().len())?;
        }
        f.write_str(if self.0.aborting.get() {
            " cancelling>"
        } else {
            ">"
        })
    }
}
