//! A connection that does what it is told.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::File;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use loop_net::{Address, Connection};

/// What the connection does when it is asked for something.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    Wait,
    /// All of it; of a read, that is the end.
    It,
    Fail(io::ErrorKind),
    Panic,
}

/// What the test tells the connection to do.
pub(crate) struct Script {
    pub(crate) read: Cell<Does>,
    pub(crate) write: Cell<Does>,
    pub(crate) send_file: Cell<Does>,
    pub(crate) shut_down: Cell<Does>,
    pub(crate) part: Cell<Does>,
    wakers: RefCell<Vec<Waker>>,
}

impl Script {
    pub(crate) fn new() -> Rc<Script> {
        Rc::new(Script {
            read: Cell::new(Does::Wait),
            write: Cell::new(Does::Wait),
            send_file: Cell::new(Does::Wait),
            shut_down: Cell::new(Does::It),
            part: Cell::new(Does::It),
            wakers: RefCell::default(),
        })
    }

    pub(crate) fn set(&self, what: &Cell<Does>, does: Does) {
        what.set(does);
        self.wakers.take().into_iter().for_each(Waker::wake);
    }

    /// From now on everything is taken that is written.
    pub(crate) fn flow(&self) {
        self.set(&self.write, Does::It);
        self.set(&self.send_file, Does::It);
    }

    fn ask(&self, what: &Cell<Does>, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match what.get() {
            Does::Wait => {
                self.wakers.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
            Does::It => Poll::Ready(Ok(())),
            Does::Fail(kind) => Poll::Ready(Err(kind.into())),
            Does::Panic => panic!("it panics"),
        }
    }
}

pub(crate) struct Fake(pub(crate) Rc<Script>);

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

/// How long the file is of which everybody speaks here.
pub(crate) const FILE: usize = 3;

impl Connection for Fake {
    fn poll_read(&self, cx: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        self.0.ask(&self.0.read, cx).map_ok(|()| 0)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.ask(&self.0.write, cx).map_ok(|()| bytes.len())
    }

    fn poll_sendfile(
        &self,
        cx: &mut Context<'_>,
        _: &File,
        offset: u64,
        _: usize,
    ) -> Poll<io::Result<usize>> {
        ready!(self.0.ask(&self.0.send_file, cx))?;
        Poll::Ready(Ok(FILE - usize::try_from(offset).unwrap()))
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.ask(&self.0.shut_down, cx)
    }

    fn parting_timeout(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn poll_parted(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.ask(&self.0.part, cx).map(drop)
    }

    fn local_addr(&self) -> Option<Address> {
        None
    }

    fn peer_addr(&self) -> Option<Address> {
        None
    }
}

/// What is sent in its place.
pub(crate) fn file() -> File {
    File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap()
}
