//! One step of a task: from the await where it stands to the next.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use loop_core::{EventLoop, ExceptionContext, Job};

use crate::cancel;
use crate::cell::AnyFuture;
use crate::current::{self, Stand};
use crate::error::{Panicked, TaskError};
use crate::quiet::quietly;
use crate::state::State;
use crate::table::{self, Tasks};

/// Puts a step of the task at the end of the ready queue, if none stands there.
#[inline]
pub(crate) fn schedule(task: &AnyFuture) {
    let Some(core) = task.task() else { return };
    if !core.scheduled.replace(true) {
        task.header().owner.schedule(Step(task.clone()));
    }
}

struct Step(AnyFuture);

impl Job for Step {
    #[inline]
    fn run(self, _: &EventLoop) {
        if let Some(core) = self.0.task() {
            core.scheduled.set(false);
        }
        step(&self.0);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step of {:?}", self.0)
    }
}

/// Takes a step.
///
/// # Panics
/// With what the coroutine panics with; `abandon` and `finish_panicked` then make that its outcome.
fn step(task: &AnyFuture) {
    let Some(core) = task.task() else { return };
    if !core.has_future.get() || core.running.get() {
        return; // It is done, or somebody woke it from inside its own poll by running callbacks.
    }
    let stand = Stand::enter(task);
    core.running.set(true);
    core.raised.set(false);
    if core.armed.replace(false) {
        core.interrupt.set(true);
    }
    if core.interrupt.get() && !core.frame_pending.get() {
        // No frame inside will take it: the await where the task stands ends it.
        finish_cancelled(task);
    } else {
        poll(task);
    }
    core.running.set(false);
    stand.leave();
    if core.armed.get() && core.has_future.get() {
        core.armed.set(false);
        cancel::pass_on(task.clone());
    }
}

fn poll(task: &AnyFuture) {
    let Some(core) = task.task() else { return };
    core.frame_pending.set(false);
    let waker = task.header().owner.waker(core.key);
    match task.poll_task(&mut Context::from_waker(&waker)) {
        Poll::Pending if core.interrupt.get() => finish_cancelled(task),
        Poll::Pending => {}
        Poll::Ready(is_error) => {
            task.drop_future();
            let late = core.armed.replace(false) | core.interrupt.replace(false);
            if late && !is_error {
                finish(
                    task,
                    TaskError::Cancelled(cancel::Cancelled::new()),
                    State::CANCELLED,
                );
            } else {
                done(
                    task,
                    if is_error {
                        State::FAILED
                    } else {
                        State::default()
                    },
                );
            }
        }
    }
}

/// Drops the coroutine where it stands; its outcome is that it was cancelled.
fn finish_cancelled(task: &AnyFuture) {
    let Some(core) = task.task() else { return };
    core.interrupt.set(false);
    core.absorbing.set(true);
    task.drop_future();
    core.absorbing.set(false);
    core.armed.set(false);
    finish(
        task,
        TaskError::Cancelled(cancel::Cancelled::new()),
        State::CANCELLED,
    );
}

fn finish(task: &AnyFuture, error: TaskError, bits: State) {
    task.fail(error);
    done(task, bits);
}

fn done(task: &AnyFuture, bits: State) {
    table::settle(task, bits);
    if let Some(core) = task.task() {
        Tasks::of(&task.header().owner).remove(core.key);
    }
}

/// After a panic: the task whose step it ended, which is no longer the current one.
pub(crate) fn abandon() -> Option<AnyFuture> {
    let task = current::take_abandoned()?;
    if let Some(core) = task.task() {
        core.running.set(false);
        core.absorbing.set(false);
        core.interrupt.set(false);
        core.armed.set(false);
    }
    Some(task)
}

/// Makes a panic the outcome of the task that it ended.
pub(crate) fn finish_panicked(task: &AnyFuture, panic: Box<dyn Any + Send>) {
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
pub(crate) fn drop_future_as(task: &AnyFuture) -> Result<(), String> {
    let stand = Stand::enter(task);
    let absorbing = task.task().map(|core| core.absorbing.replace(true));
    let result = quietly(|| task.drop_future());
    if let (Some(core), Some(absorbing)) = (task.task(), absorbing) {
        core.absorbing.set(absorbing);
    }
    stand.leave();
    result
}

/// Takes the first step of a task now, inside whatever is running: an eager start.
pub(crate) fn start_now(task: &AnyFuture) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(task))) {
        let ours = abandon();
        drop(ours);
        finish_panicked(task, panic);
    }
}
