//! A UDP socket, what waits to be sent, and the protocol that hears of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loop_core::{LoopRef, get_running_loop};

use super::DatagramTransport;
use crate::driver::{DriverHandle, drive};
use crate::telling::{Place, Telling};
use crate::{DatagramProtocol, Direction, UdpSocket};

/// Protocols are told to pause above so many bytes, and to go on at a quarter of it.
const HIGH: usize = 64 * 1024;

/// The longest packet that there is.
const LONGEST: usize = 64 * 1024;

pub(super) struct Endpoint {
    owner: LoopRef,
    /// `None`: it is closed.
    socket: RefCell<Option<Rc<UdpSocket>>>,
    connected: bool,
    protocol: RefCell<Option<Rc<dyn DatagramProtocol>>>,
    /// What waits to be sent, and how long it is.
    queue: RefCell<VecDeque<(Vec<u8>, Option<SocketAddr>)>>,
    waiting: Cell<usize>,
    paused: Cell<bool>,
    /// What sends that.
    sender: RefCell<Option<DriverHandle>>,
    closing: Cell<bool>,
    receiver: RefCell<Option<Waker>>,
    place: Place,
}

impl Endpoint {
    pub(super) fn new(
        socket: UdpSocket,
        connected: bool,
        protocol: Rc<dyn DatagramProtocol>,
        place: Place,
    ) -> io::Result<Rc<Endpoint>> {
        Ok(Rc::new(Endpoint {
            owner: get_running_loop().map_err(io::Error::other)?.loop_ref(),
            socket: RefCell::new(Some(Rc::new(socket))),
            connected,
            protocol: RefCell::new(Some(protocol)),
            queue: RefCell::default(),
            waiting: Cell::new(0),
            paused: Cell::new(false),
            sender: RefCell::default(),
            closing: Cell::new(false),
            receiver: RefCell::default(),
            place,
        }))
    }

    /// Has a driver tell the protocol of everything, from the next iteration on.
    pub(super) fn begin(self: &Rc<Self>, transport: DatagramTransport) {
        let end = EndWithDriver(Rc::clone(self));
        drive(&self.owner, async move {
            end.0.tell("connection_made", |protocol| {
                protocol.connection_made(transport);
            });
            end.0.receive().await;
            drop(end);
        });
    }

    pub(super) fn send(self: &Rc<Self>, data: &[u8], to: Option<SocketAddr>) {
        if self.closing.get() {
            return;
        }
        let Some(socket) = self.socket() else { return };
        if self.queue.borrow().is_empty() {
            match try_send(&socket, data, to) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.failed(&error),
            }
        }
        self.queue.borrow_mut().push_back((data.to_vec(), to));
        self.waiting.set(self.waiting.get() + data.len());
        if self.sender.borrow().is_none() {
            let ours = Rc::clone(self);
            let sender = drive(&self.owner, poll_fn(move |cx| ours.poll_send(cx)));
            self.sender.replace(Some(sender));
        }
        if self.waiting.get() > HIGH && !self.paused.replace(true) {
            self.tell("pause_writing", |protocol| protocol.pause_writing());
        }
    }

    pub(super) fn close(&self) {
        if !self.closing.replace(true) && self.queue.borrow().is_empty() {
            self.end();
        }
    }

    pub(super) fn abort(&self) {
        self.closing.set(true);
        self.end();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    pub(super) fn socket(&self) -> Option<Rc<UdpSocket>> {
        self.socket.borrow().clone()
    }

    fn protocol(&self) -> Option<Rc<dyn DatagramProtocol>> {
        self.protocol.borrow().clone()
    }

    fn telling<'a>(&'a self, method: &'static str, protocol: &dyn DatagramProtocol) -> Telling<'a> {
        Telling {
            owner: &self.owner,
            place: self.place,
            method,
            type_name: protocol.type_name(),
            transport: Some(self),
        }
    }

    fn tell(&self, method: &'static str, what: impl FnOnce(&dyn DatagramProtocol)) {
        if let Some(protocol) = self.protocol() {
            let telling = self.telling(method, &*protocol);
            telling.call_quietly(|| what(&*protocol));
        }
    }

    fn failed(&self, error: &io::Error) {
        self.tell("error_received", |protocol| protocol.error_received(error));
    }

    /// Receives and tells until the socket is closed.
    async fn receive(&self) {
        let mut buffer = vec![0; LONGEST];
        let mut peer = None;
        loop {
            let received = poll_fn(|cx| self.poll_receive(cx, &mut buffer)).await;
            match received {
                None => return,
                Some(Ok((length, from))) => {
                    let from = from.or_else(|| {
                        // Whom it is connected to does not change.
                        peer = peer.or_else(|| self.socket()?.peer_addr().ok());
                        peer
                    });
                    if let Some(from) = from {
                        self.tell("datagram_received", |protocol| {
                            protocol.datagram_received(&buffer[..length], from);
                        });
                    }
                }
                Some(Err(error)) => self.failed(&error),
            }
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "what recvfrom gives, unless it is closed, in a Poll"
    )]
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Option<io::Result<(usize, Option<SocketAddr>)>>> {
        let Some(socket) = self.socket().filter(|_| !self.closing.get()) else {
            return Poll::Ready(None);
        };
        let polled = socket.async_fd().poll_read_with(cx, |socket| {
            if self.connected {
                return socket.recv(buffer).map(|length| (length, None));
            }
            socket
                .recv_from(buffer)
                .map(|(length, from)| (length, Some(from)))
        });
        if polled.is_pending() {
            let waker = cx.waker().clone();
            let old = self.receiver.replace(Some(waker));
            drop(old);
        }
        polled.map(Some)
    }

    /// Sends what waits.
    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let next = self.queue.borrow_mut().pop_front();
            let (Some(socket), Some((data, to))) = (self.socket(), next) else {
                break;
            };
            let polled = socket.async_fd().poll_write_with(cx, |socket| match to {
                None => socket.send(&data),
                Some(to) => socket.send_to(&data, to),
            });
            let sent = match polled {
                Poll::Ready(sent) => sent,
                Poll::Pending => {
                    self.queue.borrow_mut().push_front((data, to));
                    return Poll::Pending;
                }
            };
            let waiting = self.waiting.get().saturating_sub(data.len());
            self.waiting.set(waiting);
            if let Err(error) = sent {
                self.failed(&error);
            }
            if self.waiting.get() <= HIGH / 4 && self.paused.replace(false) {
                self.tell("resume_writing", |protocol| protocol.resume_writing());
            }
        }
        let sender = self.sender.take();
        drop(sender);
        if self.closing.get() {
            self.end();
        }
        Poll::Ready(())
    }

    /// The socket is no more.
    fn end(&self) {
        let socket = self.socket.take();
        let protocol = self.protocol.take();
        let queue = self.queue.take();
        // What it waited for does not come any more.
        if let Some(sender) = self.sender.take() {
            sender.stop();
        }
        if let Some(receiver) = self.receiver.take() {
            receiver.wake();
        }
        if let Some(protocol) = protocol {
            let telling = self.telling("connection_lost", &*protocol);
            telling.call_soon(move || protocol.connection_lost(None));
        }
        drop((socket, queue));
    }
}

fn try_send(socket: &UdpSocket, data: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
    let direction = Direction::Write;
    let sent = match to {
        None => socket
            .async_fd()
            .try_io(direction, |socket| socket.send(data)),
        Some(to) => socket
            .async_fd()
            .try_io(direction, |socket| socket.send_to(data, to)),
    };
    sent.map(drop)
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket() {
            Some(socket) => write!(f, "<DatagramTransport {socket:?}>"),
            None => f.write_str("<DatagramTransport closed>"),
        }
    }
}

/// The driver's end is the socket's: when the loop closes, since protocol and transport hold each other.
struct EndWithDriver(Rc<Endpoint>);

impl Drop for EndWithDriver {
    fn drop(&mut self) {
        // One that closes has to send what waits first.
        if !self.0.closing.get() || self.0.owner.is_closed() {
            self.0.closing.set(true);
            self.0.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::SocketAddr;
    use std::panic::Location;
    use std::rc::Rc;

    use loop_core::EventLoop;
    use loop_tasks::LoopExt;

    use super::Endpoint;
    use crate::driver::drive;
    use crate::{DatagramProtocol, UdpSocket};

    struct Quiet;

    impl DatagramProtocol for Quiet {
        fn datagram_received(&self, _: &[u8], _: SocketAddr) {}
    }

    /// What sends waits for room in the socket, which never comes when that is closed.
    #[test]
    fn what_sends_ends_with_the_socket() {
        let event_loop = EventLoop::new().unwrap();
        let left = event_loop.run_until_complete(async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let place = Location::caller();
            let endpoint = Endpoint::new(socket, false, Rc::new(Quiet), place).unwrap();
            let held = Rc::new(());
            let ours = Rc::clone(&held);
            let sender = drive(&endpoint.owner, async move {
                pending::<()>().await;
                drop(ours);
            });
            endpoint.sender.replace(Some(sender));
            endpoint.abort();
            Rc::strong_count(&held)
        });
        assert_eq!(left.unwrap(), 1);
        event_loop.close().unwrap();
    }
}
