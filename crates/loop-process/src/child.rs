//! A child and its end: who is told, and what becomes of it if nobody can be.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ExitStatus};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use loop_core::{ExceptionContext, LoopRef};
use loop_signal::Signal;
use loop_tasks::{LoopExt, LoopFuture, TaskError};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, kill_process};

use crate::exit::exit_descriptor;

/// What is reported for a child whose status somebody else has taken.
const STATUS_TAKEN: i32 = 255;

/// A child of this process, as its loop knows it.
pub(crate) struct Child {
    owner: LoopRef,
    pid: u32,
    /// Until it is reaped, which the loop's callback does and nobody else.
    unreaped: RefCell<Option<process::Child>>,
    status: Cell<Option<ExitStatus>>,
    waiters: RefCell<Vec<LoopFuture<()>>>,
}

impl Child {
    /// Takes a child over for its loop, which will reap it. If that cannot be, the child is killed.
    pub(crate) fn watched(owner: LoopRef, child: process::Child) -> io::Result<Rc<Child>> {
        let pid = child.id();
        let ended = exit_descriptor(&child);
        let ours = Rc::new(Child {
            owner,
            pid,
            unreaped: RefCell::new(Some(child)),
            status: Cell::new(None),
            waiters: RefCell::default(),
        });
        let mut leash = Leash {
            child: Rc::clone(&ours),
            ended: None,
            parent: process::id(),
        };
        let ended = ended?;
        let fd = ended.as_raw_fd();
        leash.ended = Some(ended);
        let watching = move || {
            if leash.child.reap() {
                leash.child.owner.event_loop().remove_reader(&fd);
            }
        };
        ours.owner.event_loop().add_reader(&fd, watching)?;
        Ok(ours)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.status.get()
    }

    /// Whether its loop has closed before it had ended.
    pub(crate) fn is_killed(&self) -> bool {
        self.status().is_none() && self.unreaped.borrow().is_none()
    }

    /// Takes the status of a child that has ended. `false`: the system says that it has not, as it may while somebody
    /// traces it, although its descriptor was ready.
    fn reap(&self) -> bool {
        let asked = match &mut *self.unreaped.borrow_mut() {
            Some(child) => child.try_wait(),
            None => return true,
        };
        let status = match asked {
            Ok(None) => return false,
            Ok(Some(status)) => status,
            Err(error) => {
                let pid = self.pid;
                let text = format!(
                    "Unknown child process pid {pid}, will report exit status {STATUS_TAKEN}"
                );
                let context = ExceptionContext::new(text).exception(error.to_string());
                self.owner.event_loop().call_exception_handler(&context);
                ExitStatus::from_raw(STATUS_TAKEN << 8)
            }
        };
        self.unreaped.take();
        self.status.set(Some(status));
        self.settle_waiters();
        true
    }

    fn settle_waiters(&self) {
        for waiter in self.waiters.take() {
            // Refused if that wait was cancelled.
            let _ = waiter.set_result(());
        }
    }

    /// What is settled when the child has ended, which it has not.
    pub(crate) fn when_ended(&self) -> LoopFuture<()> {
        let waiter = self.owner.event_loop().create_future();
        let mut waiters = self.waiters.borrow_mut();
        waiters.retain(|waiter| !waiter.done()); // those that were cancelled
        waiters.push(waiter.clone());
        waiter
    }

    /// Whether the loop is closed, so that nothing more will be heard of the child.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.owner.is_closed()
    }

    /// Has the loop call this soon. A closed one drops it.
    pub(crate) fn call_soon(&self, callback: impl FnOnce() + 'static) {
        let _ = self.owner.event_loop().call_soon(callback);
    }

    /// Calls something of the program's, which reports of the loop name so.
    pub(crate) fn call_as(&self, what: impl fmt::Display, call: impl FnOnce()) {
        self.owner.call_as(what, None, call);
    }

    pub(crate) async fn wait(&self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status() {
            return Ok(status);
        }
        if self.is_killed() {
            let text = format!("the loop of process {} is closed", self.pid);
            return Err(io::Error::other(text));
        }
        match self.when_ended().await {
            Err(TaskError::Cancelled(token)) => token.resume().await,
            Err(error) => Err(io::Error::other(error)),
            Ok(()) => Ok(self
                .status()
                .expect("it is set before its waiters are told")),
        }
    }

    /// The child is not reaped yet, so that its pid is no other's.
    pub(crate) fn send_signal(&self, signal: Signal) -> io::Result<()> {
        let Some(signal) = rustix::process::Signal::from_named_raw(signal.number()) else {
            let text = format!("signal {} has no name", signal.number());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        self.signal(signal)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) -> io::Result<()> {
        match &*self.unreaped.borrow() {
            Some(child) => Ok(kill_process(Pid::from_child(child), signal)?),
            None => Err(self.ended()),
        }
    }

    fn ended(&self) -> io::Error {
        let pid = self.pid;
        let text = match self.status() {
            Some(status) => format!("process {pid} has already ended: {status}"),
            None => format!("process {pid} was killed when its loop closed"),
        };
        io::Error::new(io::ErrorKind::NotFound, text)
    }
}

/// What the loop holds while a child runs. Dropped before the child is reaped (the loop closes, or could not watch it),
/// it kills the child and sees to it that nothing is left.
struct Leash {
    child: Rc<Child>,
    /// Readable when the child has ended.
    ended: Option<OwnedFd>,
    /// Whose child it is: after a `fork` it is not the forked process's.
    parent: u32,
}

impl Drop for Leash {
    fn drop(&mut self) {
        /// A killed child needs much less, unless the system has it in hand.
        const MOST: Duration = Duration::from_millis(100);
        let Some(mut child) = self.child.unreaped.take() else {
            return;
        };
        // They would hold on to whoever waits, who may hold on to the child.
        let waiters = self.child.waiters.take();
        drop(waiters);
        if self.parent != process::id() {
            return;
        }
        let killed = child.kill().is_ok();
        if let (true, Some(ended)) = (killed, &self.ended) {
            let most = Timespec::try_from(MOST).expect("it is short");
            // An error, or a time that was too short, is the thread's business.
            let _ = rustix::event::poll(&mut [PollFd::new(ended, PollFlags::IN)], Some(&most));
        }
        if matches!(child.try_wait(), Ok(None)) {
            // If there is no thread to be had, it stays a zombie until this process ends.
            let name = format!("waitpid-{}", self.child.pid);
            let _ = thread::Builder::new()
                .name(name)
                .spawn(move || child.wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use loop_core::EventLoop;
    use loop_tasks::{create_task, yield_now};

    use crate::create_subprocess_exec;

    use super::*;

    #[test]
    fn a_forked_process_leaves_the_child_to_its_parent() {
        use rustix::process::{Signal, WaitOptions, waitpid};
        let event_loop = EventLoop::new().unwrap();
        let child = process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let ours = Child {
            owner: event_loop.loop_ref(),
            pid: child.id(),
            unreaped: RefCell::new(Some(child)),
            status: Cell::new(None),
            waiters: RefCell::default(),
        };
        drop(Leash {
            child: Rc::new(ours),
            ended: None,
            parent: process::id() + 1,
        });
        kill_process(pid, Signal::TERM).unwrap();
        let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.terminating_signal(), Some(Signal::TERM.as_raw()));
    }

    #[test]
    fn waits_that_were_cancelled_do_not_pile_up() {
        let event_loop = EventLoop::new().unwrap();
        let main = async {
            let child = create_subprocess_exec("sleep").arg("600").await.unwrap();
            for _ in 0..100 {
                let handle = child.handle();
                let waiting = create_task(async move { handle.wait().await });
                yield_now().await;
                waiting.cancel();
                assert!(waiting.await.is_err());
            }
            assert!(child.handle().0.waiters.borrow().len() <= 1);
        };
        event_loop.run_until_complete(main).unwrap();
        event_loop.close().unwrap(); // which kills it
    }
}
