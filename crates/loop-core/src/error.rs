//! What can go wrong with a loop, in asyncio's words where it has some. What a coroutine that does I/O meets on its way
//! becomes an [`io::Error`] by `?`.

use std::error::Error;
use std::fmt;
use std::io;

/// The loop is closed. The closure that it refused is inside, so that nothing is lost.
///
/// So it can be sent to another thread only where the closure can. Who wants the error alone, perhaps because theirs
/// have to be `Send`, makes it a [`LoopError`].
///
/// # asyncio
/// `RuntimeError: Event loop is closed`.
///
/// # Examples
/// ```
/// use std::{error::Error, rc::Rc};
/// use loop_core::{EventLoop, LoopError};
///
/// fn greet(event_loop: &EventLoop, name: Rc<str>) -> Result<(), Box<dyn Error + Send + Sync>> {
///     let greeting = event_loop.call_soon(move || println!("hello {name}"));
///     greeting.map_err(LoopError::from)?;
///     Ok(())
/// }
///
/// let event_loop = EventLoop::new()?;
/// event_loop.close()?;
/// assert_eq!(greet(&event_loop, "you".into()).unwrap_err().to_string(), "Event loop is closed");
/// # Ok::<(), Box<dyn Error>>(())
/// ```
pub struct LoopClosed<F>(pub F);

impl<F> fmt::Debug for LoopClosed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoopClosed(..)")
    }
}

impl<F> fmt::Display for LoopClosed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event loop is closed")
    }
}

impl<F> Error for LoopClosed<F> {}

impl<F> From<LoopClosed<F>> for LoopError {
    fn from(_: LoopClosed<F>) -> LoopError {
        LoopError::Closed
    }
}

impl<F> From<LoopClosed<F>> for io::Error {
    fn from(_: LoopClosed<F>) -> io::Error {
        io::Error::other(LoopClosed(()))
    }
}

/// Why a loop could not be run, stepped or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoopError {
    /// The loop has been closed: make another one.
    Closed,
    /// The loop is being run already, further up the stack: schedule on it instead of running it again.
    AlreadyRunning,
    /// Another loop is being run by this thread: give this one a thread of its own.
    AnotherRunning,
    /// The loop cannot be closed while it runs: stop it first.
    CannotCloseRunning,
    /// The process has forked since the loop was made; a poller shared by two processes serves neither.
    Forked {
        /// The process that made the loop.
        created_by: u32,
    },
    /// In virtual time: nothing is ready, no timer is left, and something is still awaited.
    Stuck(Stuck),
}

impl fmt::Display for LoopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoopError::Closed => f.write_str("Event loop is closed"),
            LoopError::AlreadyRunning => f.write_str("This event loop is already running"),
            LoopError::AnotherRunning => {
                f.write_str("Cannot run the event loop while another loop is running")
            }
            LoopError::CannotCloseRunning => f.write_str("Cannot close a running event loop"),
            LoopError::Forked { created_by } => write!(
                f,
                "event loop used in a forked child (created by pid {created_by}): make a new loop in the child"
            ),
            LoopError::Stuck(stuck) => stuck.fmt(f),
        }
    }
}

impl Error for LoopError {}

impl From<LoopError> for io::Error {
    fn from(error: LoopError) -> io::Error {
        io::Error::other(error)
    }
}

/// Who is waiting when nothing can happen any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stuck {
    /// What is still waiting, oldest first, as it describes itself.
    pub waiting: Vec<String>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "nothing is ready and no timer is left in virtual time, but something is still awaited",
        )?;
        for (i, waiting) in self.waiting.iter().enumerate() {
            f.write_str(if i == 0 { ": " } else { ", " })?;
            f.write_str(waiting)?;
        }
        Ok(())
    }
}

/// No loop is running in this thread.
///
/// # asyncio
/// `RuntimeError: no running event loop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoRunningLoop;

impl fmt::Display for NoRunningLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no running event loop")
    }
}

impl Error for NoRunningLoop {}

impl From<NoRunningLoop> for io::Error {
    fn from(error: NoRunningLoop) -> io::Error {
        io::Error::other(error)
    }
}

/// This thread has no current loop.
///
/// # asyncio
/// `RuntimeError: There is no current event loop in thread 'Thread-1'.`
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoCurrentLoop {
    /// The name of the thread, or its number where it has none.
    pub thread: String,
}

impl fmt::Display for NoCurrentLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "There is no current event loop in thread '{}'.",
            self.thread
        )
    }
}

impl Error for NoCurrentLoop {}
