//! How a body ends before its last op, and what a handler of a `try` can take.

use asyncloop::{Cancelled, TaskError};

use crate::failure::Failure;
use crate::program::Name;
use crate::value::Value;

/// What a task, future or gather comes to.
pub(crate) type Outcome = Result<Value, Failure>;

/// Why a body does not go on. A cancellation is not among them: it interrupts.
#[derive(Clone, Debug)]
pub(crate) enum Flow {
    Return(Value),
    Error(Failure),
}

impl From<Failure> for Flow {
    fn from(failure: Failure) -> Self {
        Self::Error(failure)
    }
}

/// What an op raises that does not suspend, and what a handler takes.
#[derive(Clone, Debug)]
pub(crate) enum Raised {
    Error(Failure),
    Cancelled(Cancelled),
}

impl Raised {
    /// What a body raised, if it did.
    pub(crate) fn of(ended: &Result<Result<(), Flow>, Cancelled>) -> Option<Self> {
        match ended {
            Ok(Err(Flow::Error(failure))) => Some(Self::Error(failure.clone())),
            Err(cancelled) => Some(Self::Cancelled(cancelled.clone())),
            Ok(Ok(()) | Err(Flow::Return(_))) => None,
        }
    }

    /// The same as a trace knows it.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Error(failure) => failure.clone(),
            Self::Cancelled(_) => Failure::Cancelled,
        }
    }

    /// Raises it in a task: an error is a value, and a cancellation goes on from here.
    pub(crate) async fn raise<T>(self) -> Result<T, Flow> {
        match self {
            Self::Error(failure) => Err(Flow::Error(failure)),
            Self::Cancelled(cancelled) => cancelled.resume().await,
        }
    }
}

impl From<Failure> for Raised {
    fn from(failure: Failure) -> Self {
        Self::Error(failure)
    }
}

impl From<TaskError> for Raised {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Error(Failure::Internal(other.to_string().into())),
        }
    }
}

/// The value of an awaitable that is done, or what it raises.
pub(crate) fn value_of(outcome: Result<Outcome, TaskError>) -> Result<Value, Raised> {
    Ok(outcome??)
}

/// The outcome as a trace shows it: the value, or the name of the error.
pub(crate) fn shown(outcome: Result<Outcome, TaskError>) -> Value {
    match value_of(outcome) {
        Ok(value) => value,
        Err(raised) => Value::from(&raised.failure()),
    }
}

/// An op that does not go with what its name stands for.
pub(crate) fn misuse(name: &Name) -> Failure {
    Failure::Internal(format!("{name} is not what this op needs").into())
}
