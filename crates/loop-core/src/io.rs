//! Descriptors: callbacks that are called again and again while one is readable or writable.
//!
//! mio reports *edges*: once, when a descriptor becomes ready. asyncio's readers hear of *levels*: as long as there
//! is something to read. The difference is made up by registering a descriptor again after its callback has run,
//! which makes the system report it anew if it is still ready.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::EventLoop;
use crate::error::LoopError;
use crate::raw::{Job, RawJob};
use crate::ready::ReadyQueue;
use crate::shared::Shared;
use crate::sys;

/// The token of the waker: no slot has this number.
const WAKER: Token = Token(usize::MAX);

/// Events taken in by one poll; more stay in the kernel for the next one.
const EVENTS: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

type Callback = Rc<RefCell<dyn FnMut()>>;

struct Source {
    fd: RawFd,
    /// Never used again, so that an event for an earlier owner of the slot is told apart.
    serial: u32,
    reader: Option<Callback>,
    writer: Option<Callback>,
    /// Whether a callback of this source has run, so that it has to be registered again before the next poll.
    spent: bool,
}

impl Source {
    fn side(&mut self, direction: Direction) -> &mut Option<Callback> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }

    fn interest(&self) -> Option<Interest> {
        match (&self.reader, &self.writer) {
            (Some(_), Some(_)) => Some(Interest::READABLE | Interest::WRITABLE),
            (Some(_), None) => Some(Interest::READABLE),
            (None, Some(_)) => Some(Interest::WRITABLE),
            (None, None) => None,
        }
    }
}

/// The descriptors of one loop.
pub(crate) struct IoRegistry {
    poll: Poll,
    events: Events,
    sources: Slab<Source>,
    by_fd: HashMap<RawFd, usize>,
    spent: Vec<Token>,
    next_serial: u32,
}

fn token(slot: usize, serial: u32) -> Token {
    Token(slot << 32 | serial as usize)
}

fn parts(token: Token) -> (usize, u32) {
    (token.0 >> 32, token.0 as u32)
}

impl IoRegistry {
    fn new(shared: &Shared) -> io::Result<IoRegistry> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let _ = shared.poll_waker.set(waker);
        Ok(IoRegistry {
            poll,
            events: Events::with_capacity(EVENTS),
            sources: Slab::new(),
            by_fd: HashMap::new(),
            spent: Vec::new(),
            next_serial: 0,
        })
    }

    /// Waits for events and takes them in.
    pub(crate) fn poll(&mut self, wait: Option<Duration>) {
        self.rearm();
        let result = sys::wait(&mut self.poll, &mut self.events, wait);
        if let Err(error) = result {
            self.events.clear();
            if error.kind() != io::ErrorKind::Interrupted {
                tracing::error!(%error, "polling for I/O events failed");
            }
        }
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Makes the descriptors whose callbacks have run report again.
    fn rearm(&mut self) {
        for token in self.spent.drain(..) {
            let (slot, serial) = parts(token);
            let Some(source) = self.sources.get_mut(slot).filter(|s| s.serial == serial) else {
                continue;
            };
            source.spent = false;
            if let Some(interest) = source.interest() {
                let fd = source.fd;
                if let Err(error) =
                    self.poll
                        .registry()
                        .reregister(&mut SourceFd(&fd), token, interest)
                {
                    tracing::warn!(fd, %error, "a registered descriptor was closed: remove it before closing it");
                }
            }
        }
    }

    /// Schedules a callback for each event. Those of descriptors that are gone are dropped.
    pub(crate) fn deliver(&mut self, ready: &mut ReadyQueue) {
        for event in &self.events {
            if event.token() == WAKER {
                continue;
            }
            let (slot, serial) = parts(event.token());
            let Some(source) = self.sources.get(slot).filter(|s| s.serial == serial) else {
                continue;
            };
            // The end of the stream and errors are for whoever reads or writes to find out.
            let broken = event.is_error();
            let readable = event.is_readable() || event.is_read_closed() || broken;
            let writable = event.is_writable() || event.is_write_closed() || broken;
            for (direction, happened, callback) in [
                (Direction::Read, readable, &source.reader),
                (Direction::Write, writable, &source.writer),
            ] {
                if let (true, Some(callback)) = (happened, callback) {
                    let callback = Rc::clone(callback);
                    ready.push(RawJob::new(Dispatch {
                        token: event.token(),
                        direction,
                        callback,
                    }));
                }
            }
        }
        self.events.clear();
    }

    fn add(
        &mut self,
        fd: RawFd,
        direction: Direction,
        callback: Callback,
    ) -> io::Result<Option<Callback>> {
        if let Some(&slot) = self.by_fd.get(&fd) {
            let source = &mut self.sources[slot];
            let serial = source.serial;
            let old = source.side(direction).replace(callback);
            let interest = source
                .interest()
                .expect("one side was set in the line above");
            let result =
                self.poll
                    .registry()
                    .reregister(&mut SourceFd(&fd), token(slot, serial), interest);
            if let Err(error) = result {
                if old.is_none() {
                    *self.sources[slot].side(direction) = None;
                }
                return Err(error);
            }
            return Ok(old);
        }
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        let mut source = Source {
            fd,
            serial,
            reader: None,
            writer: None,
            spent: false,
        };
        *source.side(direction) = Some(callback);
        let interest = source
            .interest()
            .expect("one side was set in the line above");
        let entry = self.sources.vacant_entry();
        let slot = entry.key();
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), token(slot, serial), interest)?;
        entry.insert(source);
        self.by_fd.insert(fd, slot);
        Ok(None)
    }

    fn remove(&mut self, fd: RawFd, direction: Direction) -> Option<Callback> {
        let slot = *self.by_fd.get(&fd)?;
        let source = &mut self.sources[slot];
        let old = source.side(direction).take()?;
        let result = match source.interest() {
            Some(interest) => {
                let token = token(slot, source.serial);
                self.poll
                    .registry()
                    .reregister(&mut SourceFd(&fd), token, interest)
            }
            None => {
                self.sources.remove(slot);
                self.by_fd.remove(&fd);
                self.poll.registry().deregister(&mut SourceFd(&fd))
            }
        };
        if let Err(error) = result {
            tracing::debug!(fd, %error, "a descriptor was closed before it was removed");
        }
        Some(old)
    }

    fn has(&self, token: Token, direction: Direction, callback: &Callback) -> bool {
        let (slot, serial) = parts(token);
        let Some(source) = self.sources.get(slot).filter(|s| s.serial == serial) else {
            return false;
        };
        let side = match direction {
            Direction::Read => &source.reader,
            Direction::Write => &source.writer,
        };
        side.as_ref().is_some_and(|ours| Rc::ptr_eq(ours, callback))
    }

    fn has_run(&mut self, token: Token) {
        let (slot, serial) = parts(token);
        if let Some(source) = self.sources.get_mut(slot).filter(|s| s.serial == serial)
            && !std::mem::replace(&mut source.spent, true)
        {
            self.spent.push(token);
        }
    }
}

/// The call of a reader or a writer.
struct Dispatch {
    token: Token,
    direction: Direction,
    callback: Callback,
}

impl Job for Dispatch {
    fn run(self, event_loop: &EventLoop) {
        // A callback of the same iteration may have removed or replaced this one.
        let io = &event_loop.core().io;
        let current = io
            .borrow()
            .as_ref()
            .is_some_and(|io| io.has(self.token, self.direction, &self.callback));
        if !current {
            return;
        }
        // Marked first: also one that panics hears of its descriptor again.
        if let Some(io) = io.borrow_mut().as_mut() {
            io.has_run(self.token);
        }
        if let Ok(mut callback) = self.callback.try_borrow_mut() {
            callback();
        }
    }

    fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} callback of a descriptor", self.direction)
    }
}

impl EventLoop {
    /// Calls `callback` in every iteration that finds `fd` readable, at its end, or broken.
    ///
    /// A second call for the same descriptor replaces the callback. The descriptor must stay open until
    /// [`remove_reader`](EventLoop::remove_reader).
    ///
    /// # Errors
    /// [`LoopClosed`](crate::LoopClosed) (as an [`io::Error`]) if the loop is closed; what the system says of the
    /// descriptor: `EBADF` if it is not open, `EPERM` if it is a regular file, which is always ready. Nothing is
    /// registered then.
    ///
    /// # asyncio
    /// `loop.add_reader(fd, callback, *args)`.
    ///
    /// # Examples
    /// ```
    /// use std::io::{Read, Write};
    /// use loop_core::{EventLoop, get_running_loop};
    /// let event_loop = EventLoop::new()?;
    /// let (mut near, mut far) = std::os::unix::net::UnixStream::pair()?;
    /// far.write_all(b"ab")?;
    /// let fd = std::os::fd::AsRawFd::as_raw_fd(&near);
    /// event_loop.add_reader(&fd, move || {
    ///     let mut byte = [0];
    ///     near.read_exact(&mut byte).unwrap(); // one byte a call: it is called again for the second
    ///     if byte == *b"b" {
    ///         get_running_loop().unwrap().stop();
    ///     }
    /// })?;
    /// event_loop.run_forever()?;
    /// assert!(event_loop.remove_reader(&fd));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_reader(
        &self,
        fd: &impl AsRawFd,
        callback: impl FnMut() + 'static,
    ) -> io::Result<()> {
        self.add_callback(
            fd.as_raw_fd(),
            Direction::Read,
            Rc::new(RefCell::new(callback)),
        )
    }

    /// Calls `callback` in every iteration that finds `fd` writable or broken. Otherwise as
    /// [`add_reader`](EventLoop::add_reader).
    ///
    /// # Errors
    /// As [`add_reader`](EventLoop::add_reader).
    ///
    /// # asyncio
    /// `loop.add_writer(fd, callback, *args)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, get_running_loop};
    /// let event_loop = EventLoop::new()?;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// event_loop.add_writer(&near, || get_running_loop().unwrap().stop())?;
    /// event_loop.run_forever()?;
    /// assert!(event_loop.remove_writer(&near));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_writer(
        &self,
        fd: &impl AsRawFd,
        callback: impl FnMut() + 'static,
    ) -> io::Result<()> {
        self.add_callback(
            fd.as_raw_fd(),
            Direction::Write,
            Rc::new(RefCell::new(callback)),
        )
    }

    /// Stops calling the reader of `fd`, also if its call is already scheduled. `false`: it had none.
    ///
    /// # asyncio
    /// `loop.remove_reader(fd)`.
    ///
    /// # Examples
    /// See [`add_reader`](EventLoop::add_reader).
    pub fn remove_reader(&self, fd: &impl AsRawFd) -> bool {
        self.remove_callback(fd.as_raw_fd(), Direction::Read)
    }

    /// Stops calling the writer of `fd`, also if its call is already scheduled. `false`: it had none.
    ///
    /// # asyncio
    /// `loop.remove_writer(fd)`.
    ///
    /// # Examples
    /// See [`add_writer`](EventLoop::add_writer).
    pub fn remove_writer(&self, fd: &impl AsRawFd) -> bool {
        self.remove_callback(fd.as_raw_fd(), Direction::Write)
    }

    fn add_callback(&self, fd: RawFd, direction: Direction, callback: Callback) -> io::Result<()> {
        let core = self.core();
        if core.is_closed() {
            return Err(io::Error::other(LoopError::Closed));
        }
        let mut io = core.io.borrow_mut();
        if io.is_none() {
            *io = Some(IoRegistry::new(&core.shared)?);
        }
        let io = io.as_mut().expect("made in the line above");
        let old = io
            .add(fd, direction, callback)
            .map_err(|error| explain(fd, error))?;
        // Dropped when nothing is borrowed.
        let _ = (io, old);
        Ok(())
    }

    fn remove_callback(&self, fd: RawFd, direction: Direction) -> bool {
        let old = self
            .core()
            .io
            .borrow_mut()
            .as_mut()
            .and_then(|io| io.remove(fd, direction));
        old.is_some()
    }
}

fn explain(fd: RawFd, error: io::Error) -> io::Error {
    let what = match error.raw_os_error() {
        Some(9) => format!("fd {fd} is not open"),
        Some(1) => format!("fd {fd}: regular files cannot be polled, they are always ready"),
        _ => format!("fd {fd}: {error}"),
    };
    io::Error::new(error.kind(), what)
}
