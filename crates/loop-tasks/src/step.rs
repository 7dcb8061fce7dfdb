//! One step of a task: from the await where it stands to the next.

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::task::{Context, Poll};

use loop_core::{EventLoop, ExceptionContext, Job, LoopRef};

use crate::cancel;
use crate::cell::{AnyFuture, TaskRef};
use crate::current::{self, Stand};
use crate::describe::describe;
use crate::error::{Panicked, TaskError};
use crate::quiet::quietly;
use crate::request;
use crate::state::State;
use crate::table::{self, Tasks};
use crate::task_core::Flags;

/// Puts a step of the task at the end of the ready queue, if none stands there.
#[inline]
pub(crate) fn schedule(task: &TaskRef) {
    if !task.core().replace(Flags::SCHEDULED) {
        task.header().owner.schedule(Step(task.clone()));
    }
}

/// The same, where the task's loop is at hand and the reference of no more use.
#[inline]
pub(crate) fn schedule_owned(owner: &LoopRef, task: TaskRef) {
    if !task.core().replace(Flags::SCHEDULED) {
        owner.schedule(Step(task));
    }
}

/// Puts the first step of a new task there.
#[inline]
pub(crate) fn schedule_first(task: &TaskRef) {
    task.core().set(Flags::SCHEDULED);
    task.header().owner.schedule(Step(task.clone()));
}

struct Step(TaskRef);

impl Job for Step {
    #[inline]
    fn run(self, _: &EventLoop) {
        step(&self.0);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("step of ")?;
        describe(&self.0, false, f)
    }

    fn place(&self) -> Option<&'static Location<'static>> {
        Some(self.0.header().place)
    }
}

/// Takes a step.
///
/// # Panics
/// With what the coroutine panics with; `abandon` and `finish_panicked` then make that its outcome.
#[inline]
fn step(task: &TaskRef) {
    let core = task.core();
    let Some(plain) = core.begin_step() else {
        return; // It is done, or somebody woke it from inside its own poll by running callbacks.
    };
    let stand = Stand::enter(task);
    if plain {
        poll(task);
    } else {
        interrupted_step(task);
    }
    core.clear(Flags::RUNNING);
    stand.leave();
    if core.has(Flags::ARMED) {
        armed_in_step(task);
    }
}

/// A request came while it was running, and goes to where it now waits.
#[cold]
fn armed_in_step(task: &TaskRef) {
    let core = task.core();
    if core.has(Flags::FUTURE) {
        core.clear(Flags::ARMED);
        request::pass_on(task.clone());
    }
}

#[cold]
fn interrupted_step(task: &TaskRef) {
    let core = task.core();
    core.clear(Flags::ARMED);
    core.set(Flags::INTERRUPT);
    if core.take(Flags::FRAME_PENDING) {
        poll(task);
    } else {
        // No frame inside will take it: the await where the task stands ends it.
        finish_cancelled(task);
    }
}

#[inline]
fn poll(task: &TaskRef) {
    let core = task.core();
    // The drop of a waker that is a number does nothing.
    let waker = ManuallyDrop::new(task.header().owner.waker(core.key));
    match task.poll(&mut Context::from_waker(&waker)) {
        Poll::Pending if core.has(Flags::INTERRUPT) => finish_cancelled(task),
        Poll::Pending => {}
        Poll::Ready(is_error) => {
            let late = core.take(Flags::ARMED | Flags::INTERRUPT);
            if is_error {
                done(task, State::FAILED);
            } else if late {
                finish(task, cancelled(), State::CANCELLED);
            } else {
                done(task, State::default());
            }
        }
    }
}

fn cancelled() -> TaskError {
    TaskError::Cancelled(cancel::Cancelled::new())
}

/// Drops the coroutine where it stands; its outcome is that it was cancelled.
fn finish_cancelled(task: &TaskRef) {
    let core = task.core();
    core.clear(Flags::INTERRUPT);
    core.set(Flags::ABSORBING);
    task.drop_future();
    core.clear(Flags::ABSORBING | Flags::ARMED);
    finish(task, cancelled(), State::CANCELLED);
}

fn finish(task: &TaskRef, error: TaskError, bits: State) {
    task.fail(error);
    done(task, bits);
}

fn done(task: &TaskRef, bits: State) {
    table::settle(task, bits);
    Tasks::of(&task.header().owner).remove(task.core().key);
}

/// After a panic: the task whose step it ended, which is no longer the current one.
pub(crate) fn abandon() -> Option<TaskRef> {
    let task = current::take_abandoned()?;
    task.core()
        .clear(Flags::RUNNING | Flags::ABSORBING | Flags::INTERRUPT | Flags::ARMED);
    Some(task)
}

/// Makes a panic the outcome of the task that it ended.
pub(crate) fn finish_panicked(task: &TaskRef, panic: Box<dyn Any + Send>) {
    // What is left of the coroutine goes first; if that panics as well, the first panic is the outcome.
    let _ = drop_future_as(task);
    if task.header().state.get().has(State::SETTLED) {
        // The panic came from a drop after the task was settled: there is nobody to tell but the handler.
        return report_drop(task, Panicked::new(panic).message());
    }
    // What this replaces may be an output, whose drop may panic too: that must not keep the task from being done.
    let error = TaskError::Panicked(Panicked::new(panic));
    let replaced = quietly(|| task.fail(error));
    done(task, State::FAILED);
    if let Err(text) = replaced {
        report_drop(task, &text);
    }
}

fn report_drop(task: &AnyFuture, text: &str) {
    let header = task.header();
    let context = ExceptionContext::new("Exception in a drop after a task was done")
        .exception(text)
        .task(format!("{task:?}"))
        .place(Some(header.place));
    header.owner.event_loop().call_exception_handler(&context);
}

/// Drops the coroutine of a task as that task.
pub(crate) fn drop_future_as(task: &TaskRef) -> Result<(), String> {
    let stand = Stand::enter(task);
    let absorbing = task.core().replace(Flags::ABSORBING);
    let result = quietly(|| task.drop_future());
    task.core().put(Flags::ABSORBING, absorbing);
    stand.leave();
    result
}

/// Takes the first step of a task now, inside whatever is running: an eager start.
pub(crate) fn start_now(task: &TaskRef) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(task))) {
        let ours = abandon();
        drop(ours);
        finish_panicked(task, panic);
    }
}
