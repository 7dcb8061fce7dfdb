//! What a future came to, and what is said of a failure that nobody looked at.

use std::fmt;

use loop_core::ExceptionContext;

use crate::cell::AnyFuture;
use crate::error::TaskError;
use crate::quiet::quietly;

/// What a future came to.
pub(crate) enum Outcome<T> {
    Pending,
    Done(Result<T, TaskError>),
    /// An owning await moved the value out.
    Taken,
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
