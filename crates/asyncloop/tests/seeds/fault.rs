//! What can be wrong with a run.

use std::fmt;

/// A way in which a run breaks its contract.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// The program could not be run to its end, or ended with an error.
    Run(String),
    /// A line of the contract was not printed.
    Missing(String),
    /// A line was printed that the contract does not have.
    Extra(String),
    /// Two lines came the wrong way round.
    Order { first: String, second: String },
    /// A line came too early or too late.
    Time {
        text: String,
        at: f64,
        expected: f64,
    },
    /// More or fewer were open at a time than the contract says.
    Peak {
        open: String,
        seen: usize,
        max: usize,
    },
    /// There were more or fewer names than the contract says.
    Distinct {
        after: String,
        seen: Vec<String>,
        count: usize,
    },
    /// Something stood on standard error, or nothing did, and should not have.
    Stderr { expected: bool, seen: String },
}

impl Fault {
    /// Whether a busy machine may be to blame: a line came at the wrong time, or differs because of a
    /// time that is printed in it.
    pub(crate) fn is_about_time(&self) -> bool {
        let timed = |text: &String| text.contains("{t=") || text.contains("{+");
        match self {
            Self::Time { .. } => true,
            Self::Missing(text) | Self::Extra(text) => timed(text),
            Self::Order { first, second } => timed(first) || timed(second),
            _ => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(why) => write!(f, "run: {why}"),
            Self::Missing(text) => write!(f, "missing: {text:?}"),
            Self::Extra(text) => write!(f, "extra: {text:?}"),
            Self::Order { first, second } => {
                write!(f, "order: {first:?} must come before {second:?}")
            }
            Self::Time { text, at, expected } => {
                write!(f, "time: {text:?} came at {at:.2}, expected at {expected}")
            }
            Self::Peak { open, seen, max } => {
                write!(
                    f,
                    "peak: {max} of {open:?} are open at most and once, seen {seen}"
                )
            }
            Self::Distinct { after, seen, count } => {
                write!(f, "distinct: {count} names after {after:?}, seen {seen:?}")
            }
            Self::Stderr { expected: true, .. } => write!(f, "stderr: empty, a report is expected"),
            Self::Stderr {
                expected: false,
                seen,
            } => write!(f, "stderr: {seen:?}"),
        }
    }
}
