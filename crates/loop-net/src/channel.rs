//! A connection and what has still to be written to it: what a reader, a writer, a transport share.
//!
//! Bytes are written at once as far as there is room; a driver writes the rest when there is. Above the high mark whoever
//! writes is to pause, at the low one to go on. Whatever ends the connection ends here, once.

mod end;
mod file;
mod flush;
mod waits;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::Waker;

use loop_core::{Direction, LoopRef, TimerHandle, get_running_loop};

use crate::driver::DriverHandle;
use crate::{Address, Connection};
pub(crate) use file::FileTurn;
use waits::{Line, settle};

/// Writers pause above so many bytes, by default.
const HIGH: usize = 64 * 1024;

/// What hears that a connection pauses, goes on, or has ended.
pub(crate) trait Watcher {
    /// More than the high mark waits to be written.
    fn pause_writing(&self) {}
    /// No more than the low mark waits.
    fn resume_writing(&self) {}
    /// The connection is no more.
    fn lost(&self, error: Option<&io::Error>);
}

pub(crate) struct Channel {
    owner: LoopRef,
    connection: RefCell<Option<Rc<dyn Connection>>>,
    peer: OnceCell<Option<Address>>,
    local: OnceCell<Option<Address>>,
    out: RefCell<Vec<u8>>,
    /// How much of `out` is written.
    written: Cell<usize>,
    high: Cell<usize>,
    low: Cell<usize>,
    paused: Cell<bool>,
    end_wanted: Cell<bool>,
    end_told: Cell<bool>,
    closing: Cell<bool>,
    flushing: Cell<bool>,
    flusher: RefCell<Option<DriverHandle>>,
    /// The other side is to say that it closes too: whatever else it says, nobody hears.
    parting: Cell<bool>,
    /// When it has taken too long for that.
    patience: RefCell<Option<TimerHandle>>,
    spree: Cell<u8>,
    error: RefCell<Option<io::Error>>,
    /// Who waits for the low mark.
    draining: Line,
    /// Who waits for the end.
    ending: Line,
    /// A file is sent, or is next: nothing is written from `out` that was not there before.
    file: Cell<bool>,
    /// What was written since then.
    behind: RefCell<Vec<u8>>,
    /// Who sends the file, while he waits.
    sender: RefCell<Option<Waker>>,
    reader: RefCell<Option<Waker>>,
    watchers: RefCell<Vec<Rc<dyn Watcher>>>,
}

impl Channel {
    /// Takes a connection over for the running loop.
    pub(crate) fn new(
        connection: Rc<dyn Connection>,
        peer: Option<Address>,
    ) -> io::Result<Rc<Channel>> {
        let owner = get_running_loop().map_err(io::Error::other)?.loop_ref();
        Ok(Rc::new(Channel {
            owner,
            connection: RefCell::new(Some(connection)),
            peer: match peer {
                Some(peer) => OnceCell::from(Some(peer)),
                None => OnceCell::new(),
            },
            local: OnceCell::new(),
            out: RefCell::default(),
            written: Cell::new(0),
            high: Cell::new(HIGH),
            low: Cell::new(HIGH / 4),
            paused: Cell::new(false),
            end_wanted: Cell::new(false),
            end_told: Cell::new(false),
            closing: Cell::new(false),
            flushing: Cell::new(false),
            flusher: RefCell::default(),
            parting: Cell::new(false),
            patience: RefCell::default(),
            spree: Cell::new(0),
            error: RefCell::default(),
            draining: RefCell::default(),
            ending: RefCell::default(),
            file: Cell::new(false),
            behind: RefCell::default(),
            sender: RefCell::default(),
            reader: RefCell::default(),
            watchers: RefCell::default(),
        }))
    }

    pub(crate) fn owner(&self) -> &LoopRef {
        &self.owner
    }

    pub(crate) fn add_watcher(&self, watcher: Rc<dyn Watcher>) {
        self.watchers.borrow_mut().push(watcher);
    }

    /// Calls each watcher when nothing is borrowed.
    fn tell(&self, what: impl Fn(&dyn Watcher)) {
        let watchers = self.watchers.borrow().clone();
        for watcher in watchers {
            what(&*watcher);
        }
    }

    pub(crate) fn connection(&self) -> Option<Rc<dyn Connection>> {
        self.connection.borrow().clone()
    }

    /// Puts another connection in the place of this one, which it probably wraps.
    #[cfg(feature = "tls")]
    pub(crate) fn replace(&self, connection: Rc<dyn Connection>) {
        let old = self.connection.replace(Some(connection));
        drop(old);
    }

    fn take(&self) -> Option<Rc<dyn Connection>> {
        self.connection.borrow_mut().take()
    }

    pub(crate) fn peer_addr(&self) -> Option<Address> {
        self.address(&self.peer, |connection| connection.peer_addr())
    }

    pub(crate) fn local_addr(&self) -> Option<Address> {
        self.address(&self.local, |connection| connection.local_addr())
    }

    fn address(
        &self,
        known: &OnceCell<Option<Address>>,
        ask: impl FnOnce(&dyn Connection) -> Option<Address>,
    ) -> Option<Address> {
        if let Some(address) = known.get() {
            return address.clone();
        }
        let address = ask(&*self.connection()?);
        known.get_or_init(|| address).clone()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get() || self.is_lost()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.connection.borrow().is_none()
    }

    /// How many bytes wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.unsent() + self.behind.borrow().len()
    }

    /// As [`waiting`](Self::waiting), without what comes behind a file.
    fn unsent(&self) -> usize {
        self.out.borrow().len() - self.written.get()
    }

    /// Sets the marks; what already waits may be above or below them now.
    pub(crate) fn set_marks(&self, low: usize, high: usize) {
        self.low.set(low);
        self.high.set(high);
        self.pause_or_resume();
    }

    fn pause_or_resume(&self) {
        let waiting = self.waiting();
        if waiting > self.high.get() {
            if !self.paused.replace(true) {
                self.tell(|watcher| watcher.pause_writing());
            }
        } else if waiting <= self.low.get() && self.paused.replace(false) {
            settle(&self.draining);
            self.tell(|watcher| watcher.resume_writing());
        }
    }

    /// Writes now what there is room for, and the rest later.
    pub(crate) fn write(self: &Rc<Self>, parts: &[&[u8]]) {
        if self.closing.get() || parts.iter().all(|part| part.is_empty()) {
            return;
        }
        if self.end_wanted.get() {
            let text = "Cannot call write() after write_eof()";
            let error = io::Error::new(io::ErrorKind::InvalidInput, text);
            self.error.borrow_mut().get_or_insert(error);
            return;
        }
        let Some(connection) = self.connection() else {
            return; // drain() says so
        };
        let mut parts = parts.iter().copied();
        if self.file.get() {
            let mut behind = self.behind.borrow_mut();
            parts.for_each(|part| behind.extend_from_slice(part));
            drop(behind);
            return self.pause_or_resume();
        }
        let mut rest: &[u8] = &[];
        if self.waiting() == 0 {
            for part in parts.by_ref() {
                match connection.try_write(part) {
                    Ok(written) if written == part.len() => {}
                    Ok(written) => rest = &part[written..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => rest = part,
                    Err(error) => return self.lose(Some(error)),
                }
                if !rest.is_empty() {
                    break;
                }
            }
        }
        let mut out = self.out.borrow_mut();
        out.extend_from_slice(rest);
        parts.for_each(|part| out.extend_from_slice(part));
        let waits = out.len() > self.written.get();
        drop(out);
        let waits = waits || !connection.is_flushed();
        if waits {
            self.flush();
            self.pause_or_resume();
        }
    }

    /// The one direction that there is, if there is only one.
    pub(crate) fn only(&self) -> Option<Direction> {
        self.connection()?.only()
    }

    /// Says that nothing more comes, when everything is written.
    pub(crate) fn write_eof(self: &Rc<Self>) {
        if self.only() == Some(Direction::Write) {
            self.close(); // no other direction is left
        } else if !self.is_closing() && !self.end_wanted.replace(true) {
            self.flush_now();
        }
    }

    /// Closes when everything is written.
    pub(crate) fn close(self: &Rc<Self>) {
        if !self.is_lost() && !self.closing.replace(true) {
            self.flush_now();
        }
    }

    /// Closes now.
    pub(crate) fn abort(&self) {
        self.lose(None);
    }
}

/// The same error again: `io::Error` cannot be cloned, and there may be several who are to hear of it.
pub(crate) fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.connection.borrow() {
            Some(connection) => connection.fmt(f)?,
            None => f.write_str("<closed>")?,
        }
        write!(f, " bufsize={}", self.waiting())
    }
}
