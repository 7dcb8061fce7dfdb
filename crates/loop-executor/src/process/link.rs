//! One worker, as the pool sees it: how far it is, and the job that it has.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::panic::Location;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame;
use super::function;
use super::pipe::{Come, Pipe};
use super::settings::Settings;
use super::shared::Waiting;
use super::sys::{self, Interest};
use super::wire::{self, Hello, Welcome};
use crate::JobError;
use crate::sync::now;

/// How far a worker is.
///
/// ```text
/// Starting -- hello --> Initializing -- done --> Ready -- retire --> Retiring
///     |                                            ^
///     `----------- hello, no initializer ----------'
/// ```
/// From each of them it may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It was started, and has not said hello.
    Starting,
    /// It has said hello and runs the initializer.
    Initializing,
    /// It takes jobs.
    Ready,
    /// It was told that no more jobs come, and ends when it has done what it has.
    Retiring,
}

pub(crate) struct Link {
    child: Child,
    /// Readable when the child has ended.
    end: Option<OwnedFd>,
    pipe: Pipe,
    stage: Stage,
    /// The job that it has. Its frame is kept until the result is there: if the worker dies before
    /// it has read all of it, the job goes to another one.
    job: Option<Waiting>,
    /// Since when it has had it.
    since: Instant,
    /// When it must be ready, or done with its job.
    deadline: Option<Instant>,
    /// How many jobs it has been given.
    jobs: u32,
}

/// How a worker is after it was heard.
pub(crate) enum Health {
    Lives,
    /// It has ended, or must, for what it has said.
    Dead(Option<Arc<str>>),
    /// It has said, or done, what no worker does.
    NotAWorker(String),
    /// Its initializer failed.
    InitializerFailed(String),
}

impl Link {
    /// Starts a worker.
    pub(crate) fn start(settings: &Settings) -> io::Result<Self> {
        let (mut pipe, theirs) = Pipe::pair(settings.max_frame_bytes)?;
        let (program, name) = match &settings.program {
            Some(program) => (program.clone(), None),
            None => sys::this_program()?,
        };
        let mut command = Command::new(program);
        if let Some(name) = name {
            command.arg0(name);
        }
        command
            .args(&settings.arguments)
            .envs(settings.variables.iter().cloned())
            .env(sys::WORKER_VARIABLE, sys::inode(&theirs)?.to_string())
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        let child = command.spawn()?;
        // The command has a copy of the worker's end, and with it the end would never be heard.
        drop(command);
        let welcome = Welcome {
            protocol: wire::PROTOCOL,
            max_frame_bytes: settings.max_frame_bytes as u64,
        };
        pipe.send(wire::message(wire::WELCOME, 0, &welcome).into());
        Ok(Link {
            end: sys::end_of(&child),
            child,
            pipe,
            stage: Stage::Starting,
            job: None,
            since: now(),
            deadline: now().checked_add(settings.start_timeout),
            jobs: 0,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    pub(crate) fn is_starting(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Initializing)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.stage == Stage::Ready && self.job.is_none()
    }

    pub(crate) fn jobs(&self) -> u32 {
        self.jobs
    }

    pub(crate) fn job(&self) -> Option<&Waiting> {
        self.job.as_ref()
    }

    /// Where its job was submitted, and since when it has had it.
    pub(crate) fn running(&self) -> Option<(&'static Location<'static>, Instant)> {
        self.job.as_ref().map(|job| (job.owed.place, self.since))
    }

    pub(crate) fn take_job(&mut self) -> Option<Waiting> {
        self.job.take()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The descriptors to poll: the socket first.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Interest)> {
        let interest = Interest {
            writable: self.pipe.has_unwritten(),
            ..Interest::READABLE
        };
        let end = self.end.as_ref();
        let end = end.map(|end| (end.as_fd(), Interest::READABLE));
        std::iter::once((self.pipe.as_fd(), interest)).chain(end)
    }

    /// Gives the worker a job.
    pub(crate) fn give(&mut self, job: Waiting) {
        self.pipe.send(Arc::clone(&job.frame));
        self.since = now();
        let timeout = job.owed.timeout;
        self.deadline = timeout.and_then(|timeout| self.since.checked_add(timeout));
        self.job = Some(job);
        self.jobs += 1;
    }

    pub(crate) fn write(&mut self) {
        self.pipe.write();
    }

    /// Tells the worker that no more jobs come.
    pub(crate) fn retire(&mut self) {
        self.stage = Stage::Retiring;
        self.pipe.close();
    }

    /// Hears what the worker has to say; `ended` if the system says that it has ended.
    pub(crate) fn hear(&mut self, settings: &Settings, ended: bool) -> Health {
        // One that talks without end must not keep the others from being heard.
        for round in 0.. {
            let come = self.pipe.read();
            loop {
                match self.hear_message(settings) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(health) => return health,
                }
            }
            match come {
                Come::End => return Health::Dead(None),
                // All that it has said before is heard. If the socket is still open, then it is
                // somebody to whom the worker has left it.
                Come::Dry if ended => return Health::Dead(None),
                Come::Dry => break,
                Come::More if ended => {}
                Come::More if round < 16 && self.pipe.decoder.is_inside_frame() => {}
                Come::More => break,
            }
        }
        Health::Lives
    }

    /// Hears one message; `false` if none has come as a whole.
    fn hear_message(&mut self, settings: &Settings) -> Result<bool, Health> {
        let (pid, stage) = (self.child.id(), self.stage);
        let garbled = |what: &dyn Display| {
            if stage == Stage::Starting {
                Health::NotAWorker(format!("the first thing that came was {what}"))
            } else {
                Health::Dead(Some(
                    format!("corrupt frame from worker pid {pid}: {what}").into(),
                ))
            }
        };
        let frame = match self.pipe.decoder.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(false),
            Err(error) => return Err(garbled(&error)),
        };
        match (stage, frame.kind) {
            (Stage::Starting, wire::HELLO) => {
                let hello: Hello = wire::decode(frame.payload).map_err(|error| garbled(&error))?;
                if hello.protocol != wire::PROTOCOL {
                    let what = format!("it is of another version ({})", hello.protocol);
                    return Err(Health::NotAWorker(what));
                }
                self.initialize(settings)?;
            }
            (Stage::Starting, wire::NOT_A_WORKER) => {
                let what = "it made a pool of its own instead";
                return Err(Health::NotAWorker(what.to_owned()));
            }
            (Stage::Initializing, wire::DONE) => self.become_ready(),
            (Stage::Initializing, wire::FAILED) => {
                let failure = wire::decode(frame.payload).map_err(|error| garbled(&error))?;
                let error = function::explain(failure, "the initializer", 0);
                return Err(Health::InitializerFailed(error.to_string()));
            }
            (Stage::Ready | Stage::Retiring, wire::DONE | wire::FAILED) => {
                let is_its = |job: &mut Waiting| job.id == frame.job;
                let Some(job) = self.job.take_if(is_its) else {
                    return Err(garbled(&"a result that nobody waits for"));
                };
                self.deadline = None;
                let result = if frame.kind == wire::DONE {
                    Ok(frame.payload)
                } else {
                    match wire::decode(frame.payload) {
                        Ok(failure) => {
                            let limit = settings.max_frame_bytes;
                            Err(function::explain(failure, job.owed.name, limit))
                        }
                        Err(error) => {
                            self.job = Some(job);
                            return Err(garbled(&error));
                        }
                    }
                };
                job.owed.complete(result);
            }
            (_, kind) => return Err(garbled(&format_args!("a message of kind {kind}"))),
        }
        Ok(true)
    }

    /// Goes on after the greeting.
    fn initialize(&mut self, settings: &Settings) -> Result<(), Health> {
        let Some(initializer) = &settings.initializer else {
            self.become_ready();
            return Ok(());
        };
        let call = initializer();
        let mut frame = wire::open_call(call.name());
        call.encode_into(&mut frame, settings.max_frame_bytes)
            .map_err(|error| Health::InitializerFailed(error.to_string()))?;
        frame::seal(&mut frame, wire::INITIALIZE, 0);
        self.pipe.send(frame.into());
        self.stage = Stage::Initializing;
        Ok(())
    }

    fn become_ready(&mut self) {
        self.stage = Stage::Ready;
        self.deadline = None;
    }

    /// What it means that the deadline has passed.
    pub(crate) fn overdue(&mut self, settings: &Settings) -> Health {
        let limit = settings.start_timeout;
        match self.stage {
            Stage::Starting => {
                Health::NotAWorker(format!("there was no word from it for {limit:?}"))
            }
            Stage::Initializing => {
                Health::InitializerFailed(format!("it was not done after {limit:?}"))
            }
            Stage::Ready | Stage::Retiring => {
                if let Some(job) = self.job.take() {
                    let error = JobError::TimedOut {
                        function: job.owed.name.to_owned(),
                        limit: job.owed.timeout.unwrap_or(Duration::MAX),
                        pid: self.pid(),
                    };
                    job.owed.complete(Err(error));
                }
                Health::Dead(Some("its job ran for too long".into()))
            }
        }
    }

    /// Whether the worker cannot have begun with the job that it was given.
    pub(crate) fn has_not_begun(&self) -> bool {
        self.pipe.was_not_read()
    }

    /// Asks the worker to end.
    pub(crate) fn terminate(&self) {
        sys::terminate(&self.child);
    }

    /// Has the system end the worker, if it has not ended by itself.
    pub(crate) fn kill(&mut self) {
        // It fails only for one that has been waited for, which happens once, below.
        let _ = self.child.kill();
    }

    /// Ends the worker if it still lives, and says how it ended. No zombie remains.
    ///
    /// One whose socket is closed may be on its way out; it gets a little time for that, since how
    /// it ends by itself says more than that it was killed.
    pub(crate) fn bury(&mut self) -> io::Result<ExitStatus> {
        const GRACE: Duration = Duration::from_millis(100);
        if let Some(end) = &self.end {
            let _ = sys::poll(&[(end.as_fd(), Interest::READABLE)], Some(GRACE));
        }
        self.kill();
        self.child.wait()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // After `bury` there is nothing to do.
        self.kill();
        let _ = self.child.wait();
    }
}
