//! What a future looks like when it is printed: the facts of asyncio's `repr`.

use std::fmt;

use crate::cell::AnyFuture;
use crate::state::State;

/// Writes `<Task 'name' pending at src/main.rs:3:5 wait_for=<LoopFuture pending> cb=[1]>`, without the
/// place where the caller says that elsewhere.
pub(crate) fn describe(
    future: &AnyFuture,
    with_place: bool,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let header = future.header();
    let state = header.state.get();
    match future.as_task() {
        Some(task) => write!(f, "<Task '{}'", task.core().name())?,
        None => f.write_str("<LoopFuture")?,
    }
    if state.has(State::CANCELLED) {
        f.write_str(" cancelled")?;
    } else if state.has(State::SETTLED) {
        f.write_str(" finished")?;
    } else if state.has(State::LOST) {
        f.write_str(" lost")?;
    } else {
        f.write_str(" pending")?;
    }
    if state.has(State::FAILED) {
        write!(f, " exception={}", future.failure().unwrap_or_default())?;
    }
    if let Some(task) = future.as_task() {
        let core = task.core();
        if with_place {
            write!(f, " at {}", header.place)?;
        }
        if core.requests.get() > 0 && !state.has(State::SETTLED) {
            f.write_str(" cancelling")?;
        }
        if let Ok(waits) = core.waits.try_borrow() {
            for wait in waits.iter() {
                // One level: a task may wait for a task that waits for it.
                match &wait.future {
                    Some(future) => match future.as_task() {
                        Some(task) => write!(f, " wait_for=<Task '{}'>", task.core().name())?,
                        None => f.write_str(" wait_for=<LoopFuture>")?,
                    },
                    None => f.write_str(" wait_for=<Gate>")?,
                }
            }
        }
    }
    if !state.has(State::SETTLED)
        && let Ok(callbacks) = header.callbacks.try_borrow()
        && let count @ 1.. = callbacks.iter().count()
    {
        write!(f, " cb=[{count}]")?;
    }
    f.write_str(">")
}

impl fmt::Debug for AnyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(self, true, f)
    }
}
