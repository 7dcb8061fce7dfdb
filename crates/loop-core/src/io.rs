//! Descriptors: callbacks that are called again and again while one is readable or writable.
//!
//! mio reports *edges*: once, when a descriptor becomes ready. asyncio's readers hear of *levels*: as long as there
//! is something to read. The difference is made up by registering a descriptor again after its callback has run,
//! which makes the system report it anew if it is still ready. A descriptor that is *watched* is left with its edges:
//! who watches it remembers them (`watch.rs`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use slab::Slab;

use crate::EventLoop;
use crate::core::Core;
use crate::raw::{Job, RawJob};
use crate::ready::{Place, ReadyQueue};
use crate::skipping::Outlook;
use crate::sys::{self, Events, Lookout};
use crate::watch::WatchState;

/// The token of the waker: no slot has this number.
const WAKER: Token = Token(usize::MAX);

/// Events taken in by one poll; more stay in the kernel for the next one.
const EVENTS: usize = 1024;

/// What one can wait for: to read, or to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// There is something to read, or the end, or an error to be told of.
    Read,
    /// There is room for more, or nobody who will ever read it, or an error to be told of.
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

/// What a slot holds: little, so that those of thousands of connections stay in the processor's cache.
struct Entry {
    /// Never used again, so that an event for an earlier owner of the slot is told apart.
    serial: u32,
    what: What,
}

enum What {
    Calls(Box<Source>),
    Watched(Rc<WatchState>),
}

impl Entry {
    fn source(&mut self) -> Option<&mut Source> {
        match &mut self.what {
            What::Calls(source) => Some(source),
            What::Watched(_) => None,
        }
    }
}

/// A descriptor with callbacks.
struct Source {
    fd: RawFd,
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
    lookout: Lookout,
    events: Events,
    entries: Slab<Entry>,
    /// The slots of descriptors with callbacks.
    by_fd: HashMap<RawFd, usize>,
    /// Who waited for what the last events tell of.
    woken: Vec<Waker>,
    spent: Vec<Token>,
    next_serial: u32,
}

fn token(slot: usize, serial: u32) -> Token {
    Token(slot << 32 | serial as usize)
}

fn parts(token: Token) -> (usize, u32) {
    (token.0 >> 32, token.0 as u32)
}

/// The descriptor with callbacks that a token names, if it is still there.
fn find(entries: &mut Slab<Entry>, token: Token) -> Option<&mut Source> {
    let (slot, serial) = parts(token);
    let entry = entries.get_mut(slot)?;
    (entry.serial == serial).then(|| entry.source())?
}

impl IoRegistry {
    pub(crate) fn new(core: &Core) -> io::Result<IoRegistry> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        core.shared.set_poll_waker(Some(waker));
        Ok(IoRegistry {
            poll,
            lookout: Lookout::new(core.skipping.is_allowed()),
            events: Events::with_capacity(EVENTS),
            entries: Slab::new(),
            by_fd: HashMap::new(),
            woken: Vec::new(),
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
        let busy = wait == Some(Duration::ZERO);
        loop {
            let Err(error) = sys::wait(&mut self.poll, &mut self.events, wait) else {
                let in_vain = busy && self.events.is_empty();
                return self.lookout.looked(in_vain, &self.poll);
            };
            self.events.clear();
            if error.kind() != io::ErrorKind::Interrupted {
                return tracing::error!(%error, "polling for I/O events failed");
            }
            // A look is simply repeated: whoever looks must see. A wait ends early, since how long it still is has
            // to be asked anew.
            if !busy {
                return;
            }
        }
    }

    /// What is known without a poll.
    #[inline]
    pub(crate) fn outlook(&mut self) -> Outlook {
        if self.spent.is_empty() {
            self.lookout.outlook()
        } else {
            Outlook::Unknown // who has run is to be registered again first
        }
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Makes the descriptors whose callbacks have run report again.
    fn rearm(&mut self) {
        for token in self.spent.drain(..) {
            let Some(source) = find(&mut self.entries, token) else {
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

    /// Schedules a callback for each event, and says who is to be woken, when nothing is borrowed any more. Events of
    /// descriptors that are gone are dropped.
    pub(crate) fn deliver(&mut self, ready: &mut ReadyQueue) -> Vec<Waker> {
        for event in &self.events {
            if event.token() == WAKER {
                continue;
            }
            let (slot, serial) = parts(event.token());
            let Some(entry) = self.entries.get(slot).filter(|e| e.serial == serial) else {
                continue;
            };
            let source = match &entry.what {
                What::Calls(source) => source,
                What::Watched(state) => {
                    state.happened(event, &mut self.woken);
                    continue;
                }
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
        std::mem::take(&mut self.woken)
    }

    /// Takes the list that `deliver` gave out back, for its memory.
    pub(crate) fn keep(&mut self, empty: Vec<Waker>) {
        self.woken = empty;
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
        let entry = &mut self.entries[slot];
        let token = token(slot, entry.serial);
        let source = entry
            .source()
            .expect("descriptors by number are those with callbacks");
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
                *source.side(direction) = old;
                let gone = self.forget(fd);
                self.register(fd, direction, callback)?;
                Ok(gone)
            }
            Err(error) => {
                *source.side(direction) = old;
                Err(error)
            }
        }
    }

    /// Forgets the callbacks of a descriptor that the system no longer knows.
    fn forget(&mut self, fd: RawFd) -> Replaced {
        let gone = self.by_fd.remove(&fd).map(|slot| self.entries.remove(slot));
        match gone.map(|entry| entry.what) {
            Some(What::Calls(source)) => [source.reader, source.writer],
            _ => [None, None],
        }
    }

    fn serial(&mut self) -> u32 {
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        serial
    }

    fn register(&mut self, fd: RawFd, direction: Direction, callback: &Callback) -> io::Result<()> {
        let serial = self.serial();
        let mut source = Source {
            fd,
            reader: None,
            writer: None,
            spent: false,
        };
        *source.side(direction) = Some(Rc::clone(callback));
        let interest = source
            .interest()
            .expect("one side was set in the line above");
        let entry = self.entries.vacant_entry();
        let slot = entry.key();
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), token(slot, serial), interest)?;
        let what = What::Calls(Box::new(source));
        entry.insert(Entry { serial, what });
        self.by_fd.insert(fd, slot);
        Ok(())
    }

    /// Watches a descriptor for both directions: each edge is told once. Hands back what must be dropped.
    pub(crate) fn watch(
        &mut self,
        fd: RawFd,
        state: &Rc<WatchState>,
    ) -> io::Result<(Token, Replaced)> {
        let serial = self.serial();
        let entry = self.entries.vacant_entry();
        let token = token(entry.key(), serial);
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), token, sys::BOTH_WAYS)?;
        let what = What::Watched(Rc::clone(state));
        entry.insert(Entry { serial, what });
        // The system took the number for a new one, so callbacks under it were for a descriptor that was closed.
        Ok((token, self.forget(fd)))
    }

    /// Ends the watch with this token.
    pub(crate) fn unwatch(&mut self, fd: RawFd, token: Token) {
        self.entries.remove(parts(token).0);
        if let Err(error) = self.poll.registry().deregister(&mut SourceFd(&fd)) {
            tracing::debug!(fd, %error, "a descriptor was closed while it was watched");
        }
    }

    /// The end: all callbacks, to be dropped one by one, and all who wait at a watch, to be told.
    pub(crate) fn into_parts(mut self) -> (Vec<Callback>, Vec<Waker>) {
        let (mut callbacks, mut waiting) = (Vec::new(), Vec::new());
        for entry in self.entries.drain() {
            match entry.what {
                What::Calls(source) => {
                    callbacks.extend(source.reader.into_iter().chain(source.writer));
                }
                What::Watched(state) => state.close(&mut waiting),
            }
        }
        (callbacks, waiting)
    }

    /// Takes a callback out.
    pub(crate) fn remove(&mut self, fd: RawFd, direction: Direction) -> Option<Callback> {
        let slot = *self.by_fd.get(&fd)?;
        let entry = &mut self.entries[slot];
        let token = token(slot, entry.serial);
        let source = entry.source()?;
        let old = source.side(direction).take()?;
        let result = match source.interest() {
            Some(interest) => self
                .poll
                .registry()
                .reregister(&mut SourceFd(&fd), token, interest),
            None => {
                self.entries.remove(slot);
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
        let Some(entry) = self.entries.get(slot).filter(|e| e.serial == serial) else {
            return false;
        };
        let What::Calls(source) = &entry.what else {
            return false;
        };
        let side = match direction {
            Direction::Read => &source.reader,
            Direction::Write => &source.writer,
        };
        side.as_ref().is_some_and(|ours| Rc::ptr_eq(ours, callback))
    }

    fn has_run(&mut self, token: Token) {
        if let Some(source) = find(&mut self.entries, token)
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

    fn place(&self) -> Option<Place> {
        Some(self.callback.place)
    }
}
