//! Unix signals as callbacks of an event loop.
//!
//! A *signal* interrupts a thread between two instructions, wherever that may be: hardly anything is safe to do there.
//! What one wants is a callback on the loop's thread, at a moment when nothing else is under way.
//!
//! The *handler* in the process (`sys.rs`) counts the signal and writes a byte into a socket. A thread that all loops
//! of the process share, made at the first need, reads it and posts a call to the loop that has claimed the signal
//! (`dispatch.rs`), which wakes it. So a loop needs no descriptor for signals: one that has nothing to poll sleeps
//! as before, and one in virtual time still sees that it is stuck.
//!
//! ```
//! # #[cfg(unix)]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use loop_core::EventLoop;
//! use loop_signal::{Signal, SignalExt};
//! let event_loop = EventLoop::new()?;
//! event_loop.add_signal_handler(Signal::TERM, || println!("asked to end"))?;
//! event_loop.close()?; // SIGTERM does again what it did before
//! # Ok(())
//! # }
//! # #[cfg(not(unix))]
//! # fn main() {}
//! ```
//!
//! # Invariants
//! A signal belongs to one loop at a time. Each time that a handler in the process is called is one call of the
//! callback, unless the loop closes or the handler is removed first; the system itself merges signals that come faster
//! than it can deliver them. The handler in the process takes no lock and allocates nothing.
//!
//! # Not here
//! Windows. Child processes. Signals that mean that the program is broken (`SIGSEGV` and the like): no callback can
//! mend that.

#[cfg(unix)]
mod dispatch;
#[cfg(unix)]
mod error;
#[cfg(unix)]
mod handlers;
#[cfg(unix)]
mod interrupt;
#[cfg(unix)]
mod signal;
#[cfg(unix)]
mod sys;

#[cfg(unix)]
pub use {error::SignalError, handlers::SignalExt, interrupt::Interrupt, signal::Signal};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
