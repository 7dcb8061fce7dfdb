//! A reference to a child: its status, waiting for it, signals.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::rc::Rc;

use loop_signal::Signal;

use crate::child::Child;

/// A reference to a child: to wait for it and to send it signals. What goes in and out is at its
/// [`Process`](crate::Process), which is one of these by `Deref`.
///
/// A cheap reference; dropping the last one changes nothing.
///
/// # asyncio
/// `asyncio.subprocess.Process`, of which there any number of references exist.
///
/// # Examples
/// See [`wait`](ProcessHandle::wait).
#[derive(Clone)]
pub struct ProcessHandle(pub(crate) Rc<Child>);

impl ProcessHandle {
    /// Its number, which is no other process's until [`returncode`](ProcessHandle::returncode) is there.
    ///
    /// # asyncio
    /// `process.pid`.
    ///
    /// # Examples
    /// See [`wait`](ProcessHandle::wait).
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// How it ended, once the loop knows. The loop learns it in an iteration: a program that only looks here, and awaits
    /// nothing, sees `None` for ever.
    ///
    /// # asyncio
    /// `process.returncode`: what is negative there, the number of the signal that ended it, is
    /// [`ExitStatusExt::signal`](std::os::unix::process::ExitStatusExt::signal) here.
    ///
    /// # Examples
    /// See [`wait`](ProcessHandle::wait).
    #[must_use]
    pub fn returncode(&self) -> Option<ExitStatus> {
        self.0.status()
    }

    /// Waits until it has ended. Any number of tasks may.
    ///
    /// A child that writes more than its pipe holds (64 KiB) waits until somebody reads: with pipes,
    /// [`communicate`](crate::Process::communicate) is what to call, or something that reads meanwhile. What it wrote and
    /// nobody has read can still be read afterwards.
    ///
    /// # Errors
    /// That the loop is closed, which has killed it, or that it is another one's.
    ///
    /// # Cancel safety
    /// The child goes on.
    ///
    /// # asyncio
    /// `await process.wait()`, which reads up to twice the limit meanwhile, so that a little more fits, and waits until the
    /// pipes have ended too. This one does not: a grandchild that holds a pipe open holds nobody up.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_process::{ProcessHandle, create_subprocess_exec};
    /// use loop_tasks::{LoopExt, create_task};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let child = create_subprocess_exec("true").await?;
    ///     assert!(child.pid() > 0 && child.returncode().is_none());
    ///     let other: ProcessHandle = child.handle();
    ///     let waiting = create_task(async move { other.wait().await });
    ///     let status = child.wait().await?;
    ///     assert!(status.success());
    ///     assert_eq!(child.returncode(), Some(status));
    ///     assert_eq!(waiting.await.unwrap()?, status);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait(&self) -> io::Result<ExitStatus> {
        self.0.wait().await
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if it has ended, as far as the loop knows: nothing is sent then, to nobody.
    /// What the system says: that it is not allowed, because the child has other rights.
    ///
    /// # asyncio
    /// `process.send_signal(signal)`, where `NotFound` is `ProcessLookupError`.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use loop_core::EventLoop;
    /// use loop_process::create_subprocess_exec;
    /// use loop_signal::Signal;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let child = create_subprocess_exec("sleep").arg("60").await?;
    ///     child.send_signal(Signal::USR1)?;
    ///     assert_eq!(child.wait().await?.signal(), Some(Signal::USR1.number()));
    ///     let error = child.send_signal(Signal::USR1).unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_signal(&self, signal: Signal) -> io::Result<()> {
        self.0.send_signal(signal)
    }

    /// Asks it to end: `SIGTERM`.
    ///
    /// # Errors
    /// As [`send_signal`](ProcessHandle::send_signal).
    ///
    /// # asyncio
    /// `process.terminate()`.
    ///
    /// # Examples
    /// As for [`send_signal`](ProcessHandle::send_signal).
    pub fn terminate(&self) -> io::Result<()> {
        self.0.signal(rustix::process::Signal::TERM)
    }

    /// Ends it: `SIGKILL`. It has ended when [`wait`](ProcessHandle::wait) says so. Its own children go on.
    ///
    /// # Errors
    /// As [`send_signal`](ProcessHandle::send_signal).
    ///
    /// # asyncio
    /// `process.kill()`.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use loop_core::EventLoop;
    /// use loop_process::create_subprocess_exec;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let status = event_loop.run_until_complete(async {
    ///     let child = create_subprocess_exec("sleep").arg("60").await?;
    ///     child.kill()?;
    ///     child.wait().await
    /// })??;
    /// assert_eq!((status.code(), status.signal()), (None, Some(9)));
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill(&self) -> io::Result<()> {
        self.0.signal(rustix::process::Signal::KILL)
    }
}

impl fmt::Debug for ProcessHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Process {}", self.pid())?;
        match self.returncode() {
            Some(status) => write!(f, " {status}>"),
            None if self.0.is_killed() => f.write_str(" killed when its loop closed>"),
            None => f.write_str(" running>"),
        }
    }
}
