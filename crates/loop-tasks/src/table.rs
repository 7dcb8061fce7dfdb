//! The tasks of one loop: who is unfinished, and how a wake finds them.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::panic::Location;

use loop_core::{ExceptionContext, LoopRef, Runtime, WakeKey};
use slab::Slab;

use crate::builder::TaskFactory;
use crate::callbacks;
use crate::cell::{AnyFuture, TaskRef, Typed};
use crate::context::Context;
use crate::error::TaskError;
use crate::outcome::Errors;
use crate::quiet::quietly;
use crate::slots::Slots;
use crate::state::State;
use crate::step;

/// The unfinished tasks of one loop, which are kept alive here: a task that nobody holds goes on.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: RefCell<Slots>,
    /// How many tasks the loop has had.
    born: Cell<u64>,
    /// Unsettled gathers and shields: each is part of a cycle of references that only closing the loop breaks.
    cycles: RefCell<Slab<AnyFuture>>,
    factory: RefCell<Option<TaskFactory>>,
    /// The gates that have moved from the task where they began: by that and the number of the wait there.
    moved: RefCell<HashMap<(WakeKey, u32), AnyFuture>>,
}

impl Tasks {
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.slots.borrow().len()
    }

    #[inline]
    pub(crate) fn of(owner: &LoopRef) -> &Tasks {
        owner.runtime_or_init(Tasks::default)
    }

    /// Makes a task; it takes no step yet.
    ///
    /// # Panics
    /// If the loop is closed.
    #[inline(always)]
    pub(crate) fn create<F: Future<Output: 'static> + 'static>(
        &self,
        owner: &LoopRef,
        future: F,
        errors: Option<Errors<F::Output>>,
        place: &'static Location<'static>,
    ) -> Typed<F::Output> {
        let serial = self.born.get() + 1;
        self.born.set(serial);
        let mut slots = self.slots.borrow_mut();
        #[expect(clippy::cast_possible_truncation, reason = "a generation wraps around")]
        let key = WakeKey::new(slots.next(), serial as u32);
        let (task, typed) = Typed::new_task(owner.clone(), key, serial, future, errors, place);
        slots.insert(task);
        drop(slots);
        if !Context::is_plain() {
            inherit_context(&typed);
        }
        typed
    }

    /// Forgets a task that is done.
    #[inline]
    pub(crate) fn remove(&self, key: WakeKey) {
        let task = self.slots.borrow_mut().remove(key.slot());
        drop(task);
    }

    /// The unfinished task with this key.
    pub(crate) fn find(&self, key: WakeKey) -> Option<TaskRef> {
        let slots = self.slots.borrow();
        let task = slots.get(key.slot())?;
        (task.core().key == key).then(|| task.clone())
    }

    /// The unfinished tasks, oldest first.
    pub(crate) fn unfinished(&self) -> Vec<TaskRef> {
        let mut tasks: Vec<TaskRef> = self.slots.borrow().iter().cloned().collect();
        tasks.sort_by_key(|task| task.core().serial);
        tasks
    }

    #[inline]
    pub(crate) fn has_factory(&self) -> bool {
        self.factory.borrow().is_some()
    }

    pub(crate) fn factory(&self) -> Option<TaskFactory> {
        self.factory.borrow().clone()
    }

    pub(crate) fn set_factory(&self, factory: Option<TaskFactory>) {
        let old = self.factory.replace(factory);
        drop(old);
    }

    /// Keeps an unsettled gather or shield, until it is released or the loop is closed.
    pub(crate) fn keep_cycle(&self, future: AnyFuture) -> usize {
        self.cycles.borrow_mut().insert(future)
    }

    pub(crate) fn release_cycle(&self, slot: usize) {
        let future = self.cycles.borrow_mut().try_remove(slot);
        drop(future);
    }
}

/// Gates that have moved: rare.
impl Tasks {
    pub(crate) fn keep_moved(&self, name: (WakeKey, u32), future: AnyFuture) {
        let other = self.moved.borrow_mut().insert(name, future);
        drop(other);
    }

    pub(crate) fn find_moved(&self, name: (WakeKey, u32)) -> Option<AnyFuture> {
        self.moved.borrow().get(&name).cloned()
    }

    pub(crate) fn forget_moved(&self, name: (WakeKey, u32)) {
        let future = self.moved.borrow_mut().remove(&name);
        drop(future);
    }
}

impl Runtime for Tasks {
    #[inline]
    fn wake(&self, key: WakeKey) {
        let slots = self.slots.borrow();
        if let Some(task) = slots.get(key.slot())
            && task.core().key == key
        {
            step::schedule(task);
        }
    }

    fn recover(&self, panic: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
        let Some(task) = step::abandon() else {
            return Some(panic);
        };
        step::finish_panicked(&task, panic);
        None
    }

    fn close(&self) {
        for task in self.unfinished() {
            lose(&task);
            self.remove(task.core().key);
            let owner = task.header().owner.clone();
            drop_quietly(&owner, task);
        }
        // Round and round: what goes may leave others behind.
        let mut slot = usize::MAX;
        loop {
            let future = {
                let mut cycles = self.cycles.borrow_mut();
                if cycles.is_empty() {
                    break;
                }
                slot = slot.wrapping_add(1) % cycles.capacity();
                cycles.try_remove(slot)
            };
            let Some(future) = future else { continue };
            let header = future.header();
            if !future.is_settled() {
                header.state.set(header.state.get() | State::LOST);
            }
            let owner = header.owner.clone();
            let disbanded = quietly(|| future.disband());
            report_drop(&owner, disbanded);
            drop_quietly(&owner, future);
        }
    }

    fn waiting(&self) -> Vec<String> {
        self.unfinished()
            .iter()
            .map(|task| format!("{task:?}"))
            .collect()
    }
}

/// A task begins with the values of context variables of whoever makes it.
#[cold]
fn inherit_context<T>(typed: &Typed<T>) {
    let context = Context::current();
    if let Some(task) = typed.any().as_task()
        && !context.is_empty()
    {
        task.core().set_context(context);
    }
}

/// Reports an unfinished task whose loop is closed, and drops what it holds.
fn lose(task: &TaskRef) {
    let header = task.header();
    let report = |context: ExceptionContext| {
        let context = context.task(format!("{task:?}")).place(Some(header.place));
        header.owner.event_loop().call_exception_handler(&context);
    };
    report(ExceptionContext::new(
        "Task was destroyed but it is pending!",
    ));
    header.state.set(header.state.get() | State::LOST);
    if let Err(text) = step::drop_future_as(task) {
        let message = "Exception while a pending task was dropped";
        report(ExceptionContext::new(message).exception(text));
    }
    for callback in header.callbacks.take() {
        drop_quietly(&header.owner, callback);
    }
}

/// Drops something of the user's while the loop is closed: a panic must not keep the rest.
fn drop_quietly<T>(owner: &LoopRef, value: T) {
    report_drop(owner, quietly(|| drop(value)));
}

fn report_drop(owner: &LoopRef, dropped: Result<(), String>) {
    if let Err(text) = dropped {
        let message = "Exception in a drop while the event loop was closed";
        let context = ExceptionContext::new(message).exception(text);
        owner.event_loop().call_exception_handler(&context);
    }
}

/// Settles a future and schedules its callbacks.
#[inline]
pub(crate) fn settle(future: &AnyFuture, bits: State) {
    let header = future.header();
    debug_assert!(
        !header.state.get().has(State::SETTLED),
        "a future is settled once"
    );
    header.state.set(header.state.get() | State::SETTLED | bits);
    callbacks::schedule_all(future);
}

/// Settles a future as cancelled.
pub(crate) fn settle_cancelled(future: &AnyFuture) {
    future.fail(TaskError::Cancelled(crate::cancel::Cancelled::new()));
    settle(future, State::CANCELLED);
}
