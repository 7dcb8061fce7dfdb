//! What a future came to, and what is said of a failure that nobody looked at.

use std::cell::RefCell;
use std::fmt;

use loop_core::ExceptionContext;

use crate::cancel::Cancelled;
use crate::cell::AnyFuture;
use crate::ensure::Share;
use crate::error::TaskError;
use crate::quiet::quietly;

/// What a future came to.
///
/// Not a `Result<T, TaskError>` with two variants more: that would be copied with its tag, and a processor that reads two
/// words at once waits for each one that has just been written by itself.
pub(crate) enum Outcome<T> {
    Pending,
    Value(T),
    Error(TaskError),
    /// An owning await moved the value out.
    Taken,
}

impl<T> From<Result<T, TaskError>> for Outcome<T> {
    fn from(result: Result<T, TaskError>) -> Outcome<T> {
        result.map_or_else(Outcome::Error, Outcome::Value)
    }
}

impl<T> Outcome<T> {
    // In these two, what is there is looked at first: then nothing of it is dropped or moved that does not have to be.

    /// Gives a pending future its outcome, which is made in its place.
    #[inline(always)]
    pub(crate) fn settle(this: &RefCell<Outcome<T>>, outcome: impl FnOnce() -> Outcome<T>) {
        let mut this = this.borrow_mut();
        assert!(
            matches!(*this, Outcome::Pending),
            "a future is settled once"
        );
        *this = outcome();
    }

    /// Moves the value of a settled future out.
    #[inline(always)]
    pub(crate) fn take(this: &RefCell<Outcome<T>>) -> Result<T, TaskError> {
        let mut outcome = this.borrow_mut();
        if !matches!(*outcome, Outcome::Value(_)) {
            return Err(outcome.error());
        }
        match std::mem::replace(&mut *outcome, Outcome::Taken) {
            Outcome::Value(value) => Ok(value),
            other => {
                // With nothing to drop it is never put together.
                std::mem::forget(other);
                unreachable!("it is a value")
            }
        }
    }

    /// Shares the value of a settled future.
    pub(crate) fn share(&self, share: Share<T>) -> Result<T, TaskError> {
        match self {
            Outcome::Value(value) => Ok(share(value)),
            _ => Err(self.error()),
        }
    }

    /// Why there is no value.
    #[cold]
    fn error(&self) -> TaskError {
        match self {
            Outcome::Error(error) => error.clone(),
            Outcome::Value(_) | Outcome::Taken => TaskError::Taken,
            Outcome::Pending => TaskError::Cancelled(Cancelled::new()),
        }
    }
}

/// How to tell an output that is an error, where the output is a `Result`.
pub(crate) struct ErrorView<T> {
    pub(crate) is_error: fn(&T) -> bool,
    pub(crate) text: fn(&T) -> Option<String>,
}

/// An [`ErrorView`] in one word.
pub(crate) type Errors<T> = fn() -> ErrorView<T>;

impl<V, E: fmt::Debug> ErrorView<Result<V, E>> {
    pub(crate) fn of_result() -> ErrorView<Result<V, E>> {
        ErrorView {
            is_error: Result::is_err,
            text: |result| result.as_ref().err().map(|error| format!("{error:?}")),
        }
    }
}

/// Tells the exception handler of a failure whose last reference goes.
#[cold]
#[inline(never)]
pub(crate) fn report_unretrieved(future: &AnyFuture) {
    let header = future.header();
    let what = if future.as_task().is_some() {
        "Task"
    } else {
        "Future"
    };
    let mut context = ExceptionContext::new(format!("{what} exception was never retrieved"))
        .place(Some(header.place));
    // What the error says of itself is foreign code, in the middle of a drop.
    match quietly(|| (future.failure().unwrap_or_default(), format!("{future:?}"))) {
        Ok((text, description)) => context = context.exception(text).task(description),
        Err(panic) => context = context.exception(format!("(its Debug panicked: {panic})")),
    }
    header.owner.event_loop().call_exception_handler(&context);
}
