//! Signals by name and by number.

use std::fmt;

use crate::error::SignalError;
use crate::sys::COUNT;

/// A signal that can be handled.
///
/// # Examples
/// ```
/// use loop_signal::Signal;
/// assert_eq!(Signal::INT.to_string(), "SIGINT");
/// assert_eq!(Signal::new(Signal::TERM.number())?, Signal::TERM);
/// assert!(Signal::new(9).is_err(), "SIGKILL asks nobody");
/// # Ok::<(), loop_signal::SignalError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

/// Signals that say that the program is broken where it stands. Returning from a handler would only repeat them.
const FAULTS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

macro_rules! names {
    ($($(#[$doc:meta])+ $name:ident = $number:ident;)+) => {
        impl Signal {
            $($(#[$doc])+ pub const $name: Signal = Signal(libc::$number);)+
        }

        const NAMES: &[(i32, &str)] = &[$((libc::$number, stringify!($number))),+];
    };
}

names! {
    /// The terminal has gone; for a service, a request to read its settings again.
    HUP = SIGHUP;
    /// Ctrl-C.
    INT = SIGINT;
    /// Ctrl-\.
    QUIT = SIGQUIT;
    /// Whatever the program says that it means.
    USR1 = SIGUSR1;
    /// Whatever the program says that it means.
    USR2 = SIGUSR2;
    /// Written to somebody who does not read any more. Rust programs ignore it from the start.
    PIPE = SIGPIPE;
    /// A timer of the system's.
    ALRM = SIGALRM;
    /// A request to end.
    TERM = SIGTERM;
    /// A child has ended or was stopped.
    CHLD = SIGCHLD;
    /// The process goes on after it was stopped.
    CONT = SIGCONT;
    /// Ctrl-Z.
    TSTP = SIGTSTP;
    /// Read from the terminal in the background.
    TTIN = SIGTTIN;
    /// Written to the terminal in the background.
    TTOU = SIGTTOU;
    /// Urgent data on a socket.
    URG = SIGURG;
    /// The terminal has another size.
    WINCH = SIGWINCH;
    /// A descriptor that was asked to say so is ready.
    IO = SIGIO;
}

impl Signal {
    /// The signal with this number.
    ///
    /// # Errors
    /// [`SignalError::Invalid`] if there is none, [`SignalError::NotCaught`] for those that cannot be handled.
    ///
    /// # Examples
    /// See [`Signal`].
    pub fn new(number: i32) -> Result<Signal, SignalError> {
        if !usize::try_from(number).is_ok_and(|number| (1..COUNT).contains(&number)) {
            return Err(SignalError::Invalid(number));
        }
        if [libc::SIGKILL, libc::SIGSTOP].contains(&number) || FAULTS.contains(&number) {
            return Err(SignalError::NotCaught(number));
        }
        Ok(Signal(number))
    }

    /// Its number on this system.
    ///
    /// # Examples
    /// See [`Signal`].
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        self.0.unsigned_abs() as usize
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
