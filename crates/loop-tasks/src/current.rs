//! Which task is taking a step in this thread.

#![expect(
    unsafe_code,
    reason = "every await asks for the current task: a counted entry costs a tenth of a task switch"
)]

use std::cell::{Cell, RefCell};

use crate::cell::{TaskRef, Uncounted};

thread_local! {
    /// The task whose step is on the stack. Not counted, and without a destructor to ask about: every await looks
    /// here. [`Stand`] keeps the invariant that a counted reference outlives the entry.
    static CURRENT: Cell<Option<Uncounted>> = const { Cell::new(None) };
    /// The task whose step a panic has ended, until the loop hears of that.
    static ABANDONED: RefCell<Option<TaskRef>> = const { RefCell::new(None) };
}

/// Calls `f` with the task whose step is on the stack.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> Option<R> {
    let current = CURRENT.try_with(Cell::get).ok().flatten()?;
    // SAFETY: whoever made the entry holds a `Stand`, which borrows a counted reference and takes the entry away
    // before that borrow ends.
    Some(unsafe { current.with(f) })
}

#[inline(always)]
pub(crate) fn current() -> Option<TaskRef> {
    with_current(TaskRef::clone)
}

/// Whether it is the step of this task that is on the stack.
#[inline]
pub(crate) fn is_current(task: &TaskRef) -> bool {
    with_current(|current| current.is(task)).unwrap_or(false)
}

/// As long as this lives, its task is the current one.
pub(crate) struct Stand<'a> {
    task: &'a TaskRef,
    previous: Option<Uncounted>,
}

impl<'a> Stand<'a> {
    #[inline]
    pub(crate) fn enter(task: &'a TaskRef) -> Stand<'a> {
        Stand {
            task,
            previous: CURRENT.replace(Some(task.uncounted())),
        }
    }

    /// The step has come to its end.
    #[inline]
    pub(crate) fn leave(self) {
        CURRENT.set(self.previous);
        std::mem::forget(self); // what `drop` does is for steps that end in a panic
    }
}

impl Drop for Stand<'_> {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.previous);
        let task = Some(self.task.clone());
        let other = ABANDONED.try_with(|abandoned| abandoned.replace(task));
        drop(other);
    }
}

/// The task whose step the last panic ended, if the loop has not heard of it yet.
pub(crate) fn take_abandoned() -> Option<TaskRef> {
    ABANDONED.try_with(RefCell::take).ok().flatten()
}
