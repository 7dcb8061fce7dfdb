//! Failures: the errors that a program raises and meets, by the names that traces give them.

use std::fmt;
use std::rc::Rc;

use serde::{Deserialize, Deserializer};

use crate::value::Value;

/// An error as a trace knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The program's own: `A`, `B`, `C`.
    Own(Rc<str>),
    /// A cancellation that arrives as an error: a gather fails with it.
    Cancelled,
    /// A deadline has passed.
    Timeout,
    /// A future was settled, or asked for its result, in a state that forbids it.
    InvalidState,
    /// `put_nowait` found no room.
    QueueFull,
    /// `get_nowait` found no item.
    QueueEmpty,
    /// The queue was shut down.
    QueueShutDown,
    /// A place was given back that nobody had taken.
    ReleasedTooOften,
    /// More items were said to be done than were put.
    TooManyTaskDone,
    /// The barrier was aborted or reset.
    BrokenBarrier,
    /// What a group collected, in the order in which it did.
    Group(Rc<[Failure]>),
    /// What no program should meet, such as an op on a thing of another kind. It says what that was.
    Internal(Rc<str>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(kind) => f.write_str(kind),
            Self::Cancelled => f.write_str("Cancelled"),
            Self::Timeout => f.write_str("Timeout"),
            Self::InvalidState => f.write_str("InvalidState"),
            Self::QueueFull => f.write_str("QueueFull"),
            Self::QueueEmpty => f.write_str("QueueEmpty"),
            Self::QueueShutDown => f.write_str("QueueShutDown"),
            Self::ReleasedTooOften => f.write_str("ReleasedTooOften"),
            Self::TooManyTaskDone => f.write_str("TooManyTaskDone"),
            Self::BrokenBarrier => f.write_str("BrokenBarrier"),
            Self::Group(failures) => {
                f.write_str("Group(")?;
                for (index, failure) in failures.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{failure}")?;
                }
                f.write_str(")")
            }
            Self::Internal(what) => write!(f, "Internal:{what}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<&Failure> for Value {
    fn from(failure: &Failure) -> Self {
        Value::from(failure.to_string().as_str())
    }
}

/// What a handler of a `try` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pattern {
    /// Every error but a cancellation.
    Any,
    /// Any group.
    Group,
    /// The error with this name.
    Kind(Rc<str>),
}

impl Pattern {
    /// Whether a handler for this pattern takes the failure.
    ///
    /// # Examples
    /// ```
    /// use loop_conformance::{Failure, Pattern};
    ///
    /// assert!(Pattern::Any.takes(&Failure::Timeout));
    /// assert!(!Pattern::Any.takes(&Failure::Cancelled));
    /// assert!(Pattern::from("Cancelled").takes(&Failure::Cancelled));
    /// ```
    pub fn takes(&self, failure: &Failure) -> bool {
        match self {
            Self::Any => *failure != Failure::Cancelled,
            Self::Group => matches!(failure, Failure::Group(_)),
            Self::Kind(kind) => match failure {
                Failure::Own(own) => own == kind,
                other => other.to_string() == **kind,
            },
        }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        match text {
            "Any" => Self::Any,
            "Group" => Self::Group,
            kind => Self::Kind(kind.into()),
        }
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(failures: &[Failure]) -> Failure {
        Failure::Group(failures.into())
    }

    #[test]
    fn a_group_names_its_members_in_order() {
        let inner = group(&[Failure::Own("B".into())]);
        let outer = group(&[Failure::Own("A".into()), inner, Failure::Timeout]);
        assert_eq!(outer.to_string(), "Group(A,Group(B),Timeout)");
    }

    #[test]
    fn patterns_take_what_they_name() {
        let failure = group(&[Failure::Own("A".into())]);
        for pattern in ["Any", "Group", "Group(A)"] {
            assert!(Pattern::from(pattern).takes(&failure), "{pattern}");
        }
        for pattern in ["A", "Group(B)", "Cancelled"] {
            assert!(!Pattern::from(pattern).takes(&failure), "{pattern}");
        }
        assert!(Pattern::from("B").takes(&Failure::Own("B".into())));
        assert!(!Pattern::Group.takes(&Failure::Timeout));
    }
}
