//! Descriptors: callbacks that are called again and again while one is readable or writable.
//!
//! mio reports *edges*: once, when a descriptor becomes ready. asyncio's readers hear of *levels*: as long as there
//! is something to read. The difference is made up by registering a descriptor again after its callback has run,
//! which makes the system report it anew if it is still ready.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::EventLoop;
use crate::raw::{Job, RawJob};
use crate::ready::{Place, ReadyQueue};
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

/// A reader or a writer, and what a report says of it.
pub(crate) struct IoCall<F: ?Sized> {
    pub(crate) fd: RawFd,
    pub(crate) name: fn() -> &'static str,
    pub(crate) place: Place,
    pub(crate) call: RefCell<F>,
}

pub(crate) type Callback = Rc<IoCall<dyn FnMut()>>;

/// Callbacks that nobody calls any more: dropped when nothing is borrowed, since their drops are the user's code.
pub(crate) type Replaced = [Option<Callback>; 2];

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
    pub(crate) fn new(shared: &Shared) -> io::Result<IoRegistry> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        shared.set_poll_waker(Some(waker));
        Ok(IoRegistry {
            poll,
            events: Events::with_capacity(EVENTS),
            sources: Slab::new(),
            by_fd: HashMap::new(),
            spent: Vec::new(),
            next_serial: 0,
        })
    }

    /// Waits for events and takes them in. It returns at once if there are some that were not delivered yet: the
    /// system tells of each only once.
    pub(crate) fn poll(&mut self, wait: Option<Duration>) {
        if self.has_events() {
            return;
        }
        self.rearm();
        loop {
            let Err(error) = sys::wait(&mut self.poll, &mut self.events, wait) else {
                return;
            };
            self.events.clear();
            if error.kind() != io::ErrorKind::Interrupted {
                return tracing::error!(%error, "polling for I/O events failed");
            }
            // A look is simply repeated: whoever looks must see. A wait ends early, since how long it still is has
            // to be asked anew.
            if wait != Some(Duration::ZERO) {
                return;
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

    /// Registers a callback, or replaces the one that is there. Hands back what must be dropped.
    pub(crate) fn add(
        &mut self,
        fd: RawFd,
        direction: Direction,
        callback: &Callback,
    ) -> io::Result<Replaced> {
        let Some(&slot) = self.by_fd.get(&fd) else {
            self.register(fd, direction, callback)?;
            return Ok([None, None]);
        };
        let source = &mut self.sources[slot];
        let token = token(slot, source.serial);
        let old = source.side(direction).replace(Rc::clone(callback));
        let interest = source
            .interest()
            .expect("one side was set in the line above");
        let result = self
            .poll
            .registry()
            .reregister(&mut SourceFd(&fd), token, interest);
        match result {
            Ok(()) => Ok([old, None]),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The descriptor was closed while it was registered, and its number names another one now. Both
                // callbacks were for the old one.
                let mut gone = self.sources.remove(slot);
                self.by_fd.remove(&fd);
                *gone.side(direction) = old;
                self.register(fd, direction, callback)?;
                Ok([gone.reader, gone.writer])
            }
            Err(error) => {
                *self.sources[slot].side(direction) = old;
                Err(error)
            }
        }
    }

    fn register(&mut self, fd: RawFd, direction: Direction, callback: &Callback) -> io::Result<()> {
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        let mut source = Source {
            fd,
            serial,
            reader: None,
            writer: None,
            spent: false,
        };
        *source.side(direction) = Some(Rc::clone(callback));
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
        Ok(())
    }

    /// All callbacks, to be dropped one by one.
    pub(crate) fn into_callbacks(mut self) -> Vec<Callback> {
        self.sources
            .drain()
            .flat_map(|source| [source.reader, source.writer])
            .flatten()
            .collect()
    }

    /// Takes a callback out.
    pub(crate) fn remove(&mut self, fd: RawFd, direction: Direction) -> Option<Callback> {
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
        let core = event_loop.core();
        let current = core
            .io
            .borrow()
            .as_ref()
            .is_some_and(|io| io.has(self.token, self.direction, &self.callback));
        if !current {
            return;
        }
        // Marked first: also one that panics hears of its descriptor again.
        if let Some(io) = core.io.borrow_mut().as_mut() {
            io.has_run(self.token);
        }
        core.present.is(self.callback.name, self.callback.place);
        if let Ok(mut call) = self.callback.call.try_borrow_mut() {
            call();
        }
    }

    fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (fd, name) = (self.callback.fd, (self.callback.name)());
        match self.direction {
            Direction::Read => write!(f, "reader of fd {fd}: {name}"),
            Direction::Write => write!(f, "writer of fd {fd}: {name}"),
        }
    }
}
