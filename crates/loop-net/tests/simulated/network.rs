//! Two ends of a connection, in memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loop_net::{Address, Connection};

use crate::Random;

/// One direction.
#[derive(Default)]
struct Wire {
    bytes: VecDeque<u8>,
    /// So many bytes are under way at most.
    room: usize,
    /// Nothing more comes.
    is_ended: bool,
    /// Nobody reads any more.
    is_deserted: bool,
    is_reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    fn wake(&mut self) {
        let wakers = [self.reader.take(), self.writer.take()];
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

pub(crate) struct End {
    random: Rc<Random>,
    incoming: Rc<RefCell<Wire>>,
    outgoing: Rc<RefCell<Wire>>,
}

/// Both directions, for whoever breaks them.
pub(crate) struct Wires([Rc<RefCell<Wire>>; 2]);

impl Wires {
    /// Loses what is under way, and says so to both.
    pub(crate) fn reset(&self) {
        for wire in &self.0 {
            let mut wire = wire.borrow_mut();
            wire.bytes.clear();
            wire.is_reset = true;
            wire.wake();
        }
    }
}

/// So many bytes at least are under way before whoever writes more waits.
pub(crate) fn pair(random: &Rc<Random>, least: usize) -> (End, End, Wires) {
    let [there, back] = [(); 2].map(|()| {
        let room = least + random.below(500);
        Rc::new(RefCell::new(Wire {
            room,
            ..Wire::default()
        }))
    });
    let end = |incoming: &Rc<_>, outgoing: &Rc<_>| End {
        random: Rc::clone(random),
        incoming: Rc::clone(incoming),
        outgoing: Rc::clone(outgoing),
    };
    let ends = (end(&back, &there), end(&there, &back));
    (ends.0, ends.1, Wires([there, back]))
}

impl End {
    /// Makes whoever asks wait, for no reason.
    fn dawdles(&self, cx: &Context<'_>) -> bool {
        let dawdles = self.random.once_in(4);
        if dawdles {
            cx.waker().wake_by_ref();
        }
        dawdles
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.outgoing.borrow_mut();
        if wire.is_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if wire.is_deserted || wire.is_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let most = bytes.len().min(wire.room - wire.bytes.len());
        if most == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let written = 1 + self.random.below(most);
        wire.bytes.extend(&bytes[..written]);
        if let Some(reader) = wire.reader.take() {
            reader.wake();
        }
        Ok(written)
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("End")
    }
}

impl Connection for End {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        if self.dawdles(cx) {
            return Poll::Pending;
        }
        let mut wire = self.incoming.borrow_mut();
        if wire.is_reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = wire.bytes.len().min(buffer.capacity() - buffer.len());
        if most == 0 {
            if wire.is_ended {
                return Poll::Ready(Ok(0));
            }
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let read = 1 + self.random.below(most);
        buffer.extend(wire.bytes.drain(..read));
        if let Some(writer) = wire.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(read))
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.dawdles(cx) {
            return Poll::Pending;
        }
        match self.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.outgoing.borrow_mut().writer = Some(cx.waker().clone());
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.random.once_in(3) {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => self.write(bytes),
        }
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.dawdles(cx) {
            return Poll::Pending;
        }
        let mut wire = self.outgoing.borrow_mut();
        wire.is_ended = true;
        wire.wake();
        Poll::Ready(Ok(()))
    }

    fn local_addr(&self) -> Option<Address> {
        None
    }

    fn peer_addr(&self) -> Option<Address> {
        None
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut wire = self.outgoing.borrow_mut();
        wire.is_ended = true;
        wire.wake();
        drop(wire);
        let mut wire = self.incoming.borrow_mut();
        wire.is_deserted = true;
        wire.wake();
    }
}
