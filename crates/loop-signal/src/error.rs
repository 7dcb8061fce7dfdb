//! What can be wrong with a signal.

use std::fmt;
use std::io;

use crate::signal::Signal;

/// Why a signal cannot be handled.
///
/// # Examples
/// ```
/// use loop_signal::Signal;
/// assert_eq!(Signal::new(9).unwrap_err().to_string(), "sig 9 cannot be caught");
/// assert_eq!(Signal::new(500).unwrap_err().to_string(), "invalid signal number 500");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum SignalError {
    /// There is no signal with this number.
    Invalid(i32),
    /// The system, or a program that is still sound, cannot go on after this one.
    NotCaught(i32),
    /// Another open loop of this process has a handler for it.
    Taken(Signal),
    /// The loop is closed.
    Closed,
    /// The process was forked from one that handles signals: those are its parent's.
    Forked,
    /// The system has no thread or no descriptors left.
    Io(io::Error),
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignalError::Invalid(number) => write!(f, "invalid signal number {number}"),
            SignalError::NotCaught(number) => write!(f, "sig {number} cannot be caught"),
            SignalError::Taken(signal) => {
                write!(f, "{signal} has a handler on another event loop: remove that one first")
            }
            SignalError::Closed => f.write_str("Event loop is closed"),
            SignalError::Forked => f.write_str(
                "signals are handled by the process that this one was forked from: run another program in it",
            ),
            SignalError::Io(error) => write!(f, "cannot listen to signals: {error}"),
        }
    }
}

impl std::error::Error for SignalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SignalError::Io(error) => Some(error),
            _ => None,
        }
    }
}
