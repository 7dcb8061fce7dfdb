//! What a protocol hears: its beginning, what is read for it, when to hold back, its end.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use loop_core::Direction;

use super::Transport;
use crate::channel::{Channel, Watcher, copy};
use crate::driver::drive;
use crate::protocol::AnyProtocol;
use crate::telling::{Place, Telling};
use crate::{BaseProtocol, BufferedProtocol};

/// Room that is made for a read; it grows while reads fill it.
const SMALLEST: usize = 4 * 1024;
const LARGEST: usize = 64 * 1024;

pub(super) struct Hearing {
    pub(super) channel: Rc<Channel>,
    /// Let go at the end, since it mostly holds its transport.
    protocol: RefCell<Option<AnyProtocol>>,
    reading: Cell<bool>,
    place: Place,
}

impl Hearing {
    pub(super) fn new(channel: Rc<Channel>, protocol: AnyProtocol, place: Place) -> Rc<Hearing> {
        Rc::new(Hearing {
            channel,
            protocol: RefCell::new(Some(protocol)),
            reading: Cell::new(true),
            place,
        })
    }

    /// Has a driver tell the protocol of everything, from the next iteration on.
    pub(super) fn begin(self: &Rc<Self>, transport: Transport) {
        self.channel.add_watcher(Rc::clone(self) as Rc<dyn Watcher>);
        let end = EndWithDriver(Rc::clone(self));
        drive(self.channel.owner(), async move {
            end.0.hear(transport).await;
            drop(end);
        });
    }

    async fn hear(&self, transport: Transport) {
        if let Some(protocol) = self.protocol() {
            let protocol = protocol.base();
            let call = || protocol.connection_made(transport);
            self.tell("connection_made", protocol, call);
        }
        if self.channel.only() == Some(Direction::Write) {
            poll_fn(|cx| self.channel.poll_deserted(cx)).await;
        } else {
            self.read().await;
        }
    }

    pub(super) fn pause_reading(&self) {
        self.reading.set(false);
    }

    pub(super) fn resume_reading(&self) {
        if !self.reading.replace(true) {
            self.channel.wake_reader();
        }
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading.get()
    }

    pub(super) fn set_protocol(&self, protocol: AnyProtocol) {
        let old = self.protocol.replace(Some(protocol));
        drop(old);
    }

    /// A reference of its own: the protocol may be replaced while it is called.
    fn protocol(&self) -> Option<AnyProtocol> {
        self.protocol.borrow().clone()
    }

    fn telling<'a>(&'a self, method: &'static str, protocol: &dyn BaseProtocol) -> Telling<'a> {
        Telling {
            owner: self.channel.owner(),
            place: self.place,
            method,
            type_name: protocol.type_name(),
            transport: Some(self),
        }
    }

    /// Calls a method of the protocol's. `None`: it panicked, which is the end of the connection.
    fn tell<R>(
        &self,
        method: &'static str,
        protocol: &dyn BaseProtocol,
        call: impl FnOnce() -> R,
    ) -> Option<R> {
        let told = self.telling(method, protocol).call(call);
        told.map_err(|error| self.channel.lose(Some(error))).ok()
    }

    /// As [`tell`](Self::tell), of those that wait to write: a panic must not end them.
    fn tell_writer(&self, method: &'static str, what: fn(&dyn BaseProtocol)) {
        if let Some(protocol) = self.protocol() {
            let protocol = protocol.base();
            self.telling(method, protocol)
                .call_quietly(|| what(protocol));
        }
    }

    /// Reads and tells until there is no more to be told.
    async fn read(&self) {
        let mut room = SMALLEST;
        loop {
            poll_fn(|cx| self.poll_may_read(cx)).await;
            let read = match self.protocol() {
                Some(AnyProtocol::Buffered(buffered)) => self.read_into(&*buffered).await,
                _ => self.read_once(&mut room).await,
            };
            match read {
                None => return, // the channel has told of the error
                Some(0) if self.channel.is_lost() => return,
                Some(0) => {
                    if !self.eof_received() || self.channel.only().is_some() {
                        self.channel.close();
                    }
                    return poll_fn(|cx| self.channel.poll_lost(cx)).await;
                }
                Some(_) => {}
            }
        }
    }

    fn poll_may_read(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.reading.get() {
            return Poll::Ready(());
        }
        self.channel.poll_lost(cx)
    }

    /// Reads once into a buffer of its own, for whoever is the protocol then.
    async fn read_once(&self, room: &mut usize) -> Option<usize> {
        let mut buffer = Vec::new();
        let read = poll_fn(|cx| {
            if !self.reading.get() && !self.channel.is_lost() {
                // Paused while it waited: the driver looks again when it goes on.
                return self.channel.poll_lost(cx).map(|()| Ok(0));
            }
            buffer.reserve(*room);
            let polled = self.channel.poll_read(cx, &mut buffer);
            if polled.is_pending() {
                buffer = Vec::new(); // who waits needs no memory
            }
            polled
        });
        let read = read.await.ok()?;
        if read > 0 {
            if buffer.len() == buffer.capacity() {
                *room = (*room * 2).min(LARGEST);
            }
            match self.protocol() {
                None | Some(AnyProtocol::Base(_)) => {}
                Some(AnyProtocol::Plain(protocol)) => {
                    let call = || protocol.data_received(&buffer);
                    self.tell("data_received", &*protocol, call);
                }
                Some(AnyProtocol::Buffered(protocol)) => {
                    let mut lent = self.get_buffer(&*protocol, read)?;
                    lent.extend_from_slice(&buffer);
                    self.buffer_updated(&*protocol, lent, read);
                }
            }
        }
        Some(read)
    }

    /// Reads once into a buffer of the protocol's.
    async fn read_into(&self, protocol: &dyn BufferedProtocol) -> Option<usize> {
        let mut lent = None;
        let read = poll_fn(|cx| {
            if !self.reading.get() && !self.channel.is_lost() {
                return self.channel.poll_lost(cx).map(|()| Ok(0));
            }
            if lent.is_none() {
                lent = self.get_buffer(protocol, LARGEST);
            }
            let Some(buffer) = &mut lent else {
                return Poll::Ready(Ok(0)); // it panicked
            };
            if buffer.len() == buffer.capacity() {
                buffer.reserve(SMALLEST); // there has to be some
            }
            self.channel.poll_read(cx, buffer)
        });
        let read = read.await.ok();
        if let Some(buffer) = lent {
            self.buffer_updated(protocol, buffer, read.unwrap_or(0));
        }
        read
    }

    fn get_buffer(&self, protocol: &dyn BufferedProtocol, size_hint: usize) -> Option<Vec<u8>> {
        let call = || protocol.get_buffer(size_hint);
        self.tell("get_buffer", protocol, call)
    }

    fn buffer_updated(&self, protocol: &dyn BufferedProtocol, buffer: Vec<u8>, count: usize) {
        let call = || protocol.buffer_updated(buffer, count);
        self.tell("buffer_updated", protocol, call);
    }

    /// Whether the protocol keeps the connection open.
    fn eof_received(&self) -> bool {
        let Some(protocol) = self.protocol() else {
            return false;
        };
        let call = || match &protocol {
            AnyProtocol::Base(_) => false,
            AnyProtocol::Plain(protocol) => protocol.eof_received(),
            AnyProtocol::Buffered(protocol) => protocol.eof_received(),
        };
        self.tell("eof_received", protocol.base(), call) == Some(true)
    }
}

impl Watcher for Hearing {
    fn pause_writing(&self) {
        self.tell_writer("pause_writing", BaseProtocol::pause_writing);
    }

    fn resume_writing(&self) {
        self.tell_writer("resume_writing", BaseProtocol::resume_writing);
    }

    fn lost(&self, error: Option<&io::Error>) {
        if let Some(protocol) = self.protocol.take() {
            let error = error.map(copy);
            let telling = self.telling("connection_lost", protocol.base());
            let lost = move || protocol.base().connection_lost(error.as_ref());
            telling.call_soon(lost);
        }
    }
}

impl fmt::Debug for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Transport {:?}>", self.channel)
    }
}

/// The driver's end is the connection's: after a panic it is aborted; when the loop closes it is let go, since the
/// protocol and its transport hold each other.
struct EndWithDriver(Rc<Hearing>);

impl Drop for EndWithDriver {
    fn drop(&mut self) {
        let channel = &self.0.channel;
        if channel.owner().is_closed() {
            channel.forget();
            let protocol = self.0.protocol.take();
            drop(protocol);
        } else {
            channel.abort();
            // It may have been lost before anybody watched it.
            self.0.lost(channel.error().as_ref());
        }
    }
}
