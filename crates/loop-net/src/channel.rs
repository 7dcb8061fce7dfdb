//! A connection and what has still to be written to it: what a reader, a writer, a transport share.
//!
//! Bytes are written at once as far as there is room; a driver writes the rest when there is. Above the high mark whoever
//! writes is to pause, at the low one to go on. Whatever ends the connection ends here, once.

mod end;
mod file;
mod flush;
mod life;
mod outgoing;
mod waits;
mod write;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::Waker;

use loop_core::{Direction, LoopRef, get_running_loop};

use crate::line::Line;
use crate::{Address, Connection};
pub(crate) use file::FileTurn;
use life::Life;

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
    peer: OnceCell<Option<Address>>,
    local: OnceCell<Option<Address>>,
    /// The connection and what goes with it. `None`: it is lost.
    life: RefCell<Option<Life>>,
    /// Why it is lost, or what was refused: everybody who asks hears of it.
    error: RefCell<Option<io::Error>>,
    /// How often a writer was not held back, one time after the other.
    spree: Cell<u8>,
    /// Who waits for the low mark.
    draining: Line,
    /// Who waits for the end.
    ending: Line,
    /// Who waits for something to read, or in the place of that.
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
            peer: match peer {
                Some(peer) => OnceCell::from(Some(peer)),
                None => OnceCell::new(),
            },
            local: OnceCell::new(),
            life: RefCell::new(Some(Life::new(connection))),
            error: RefCell::default(),
            spree: Cell::new(0),
            draining: Line::default(),
            ending: Line::default(),
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

    /// Looks at what there is while the connection is, or changes it. `what` calls nobody, and drops nothing of others':
    /// a connection, a protocol or a waker may do anything, also with this channel.
    fn alive<T>(&self, what: impl FnOnce(&mut Life) -> T) -> Option<T> {
        self.life.borrow_mut().as_mut().map(what)
    }

    pub(crate) fn connection(&self) -> Option<Rc<dyn Connection>> {
        self.alive(|life| Rc::clone(&life.connection))
    }

    /// Puts another connection in the place of this one, which it probably wraps.
    #[cfg(feature = "tls")]
    pub(crate) fn replace(&self, connection: Rc<dyn Connection>) {
        let old = self.alive(|life| std::mem::replace(&mut life.connection, connection));
        drop(old);
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

    /// The one direction that there is, if there is only one.
    pub(crate) fn only(&self) -> Option<Direction> {
        self.connection()?.only()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.alive(|life| life.is_closing()).unwrap_or(true)
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.life.borrow().is_none()
    }

    /// How many bytes wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.alive(|life| life.out.waiting()).unwrap_or(0)
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
        match self.connection() {
            Some(connection) => connection.fmt(f)?,
            None => f.write_str("<closed>")?,
        }
        write!(f, " bufsize={}", self.waiting())
    }
}
