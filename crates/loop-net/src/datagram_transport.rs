//! Transports of packets.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loop_core::{LoopRef, get_running_loop};

use crate::closing::begun;
use crate::driver::drive;
use crate::protocol::{tell_quietly, tell_soon};
use crate::{DatagramProtocol, UdpSocket};

/// Protocols are told to pause above so many bytes, and to go on at a quarter of it.
const HIGH: usize = 64 * 1024;

/// The longest packet that there is.
const LONGEST: usize = 64 * 1024;

/// A UDP socket that receives by itself, and calls a protocol with what comes.
///
/// A cheap reference; dropping the last one closes nothing. A panic of the protocol goes to the loop's exception handler,
/// and the next packet comes as ever.
///
/// # asyncio
/// `asyncio.DatagramTransport`.
///
/// # Examples
/// See [`create_datagram_endpoint`].
#[derive(Clone)]
pub struct DatagramTransport(Rc<State>);

struct State {
    owner: LoopRef,
    socket: RefCell<Option<Rc<UdpSocket>>>,
    connected: bool,
    protocol: RefCell<Option<Rc<dyn DatagramProtocol>>>,
    /// What waits to be sent, and how long it is.
    queue: RefCell<VecDeque<(Vec<u8>, Option<SocketAddr>)>>,
    waiting: Cell<usize>,
    paused: Cell<bool>,
    sending: Cell<bool>,
    closing: Cell<bool>,
    receiver: RefCell<Option<Waker>>,
}

/// Makes a UDP socket at `local_addr`, which sends to and hears `remote_addr` alone if there is one, and tells a
/// protocol of what happens.
///
/// # Errors
/// What the system says; [`InvalidInput`](io::ErrorKind::InvalidInput) without any address.
///
/// # asyncio
/// `loop.create_datagram_endpoint(protocol_factory, local_addr, remote_addr)`.
///
/// # Examples
/// ```
/// use std::cell::{OnceCell, RefCell};
/// use std::net::SocketAddr;
/// use loop_core::EventLoop;
/// use loop_net::{DatagramProtocol, DatagramTransport, create_datagram_endpoint};
/// use loop_tasks::{LoopExt, yield_now};
///
/// #[derive(Default)]
/// struct Echo(OnceCell<DatagramTransport>);
/// impl DatagramProtocol for Echo {
///     fn connection_made(&self, transport: DatagramTransport) {
///         let _ = self.0.set(transport);
///     }
///     fn datagram_received(&self, data: &[u8], from: SocketAddr) {
///         self.0.get().unwrap().sendto(data, Some(from));
///     }
/// }
///
/// #[derive(Default)]
/// struct Collect(RefCell<Vec<Vec<u8>>>);
/// impl DatagramProtocol for Collect {
///     fn datagram_received(&self, data: &[u8], _: SocketAddr) {
///         self.0.borrow_mut().push(data.to_vec());
///     }
/// }
///
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let here = "127.0.0.1:0".parse().ok();
///     let (echo, _) = create_datagram_endpoint(Echo::default, here, None).await?;
///     let there = Some(echo.local_addr()?);
///     let (transport, collect) = create_datagram_endpoint(Collect::default, None, there).await?;
///     transport.sendto(b"ping", None);
///     transport.sendto(b"", None);
///     while collect.0.borrow().len() < 2 {
///         yield_now().await;
///     }
///     assert_eq!(collect.0.take(), [&b"ping"[..], b""]);
///     transport.close();
///     echo.close();
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn create_datagram_endpoint<P: DatagramProtocol>(
    protocol_factory: impl FnOnce() -> P,
    local_addr: Option<SocketAddr>,
    remote_addr: Option<SocketAddr>,
) -> io::Result<(DatagramTransport, Rc<P>)> {
    let local = match (local_addr, remote_addr) {
        (Some(local), _) => local,
        (None, Some(SocketAddr::V4(_))) => SocketAddr::from(([0; 4], 0)),
        (None, Some(SocketAddr::V6(_))) => SocketAddr::from(([0; 16], 0)),
        (None, None) => {
            let text = "unexpected address family: there is neither a local nor a remote address";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    };
    let socket = UdpSocket::bind(local)?;
    if let Some(remote) = remote_addr {
        socket.connect(&remote)?;
    }
    let owner = get_running_loop().map_err(io::Error::other)?.loop_ref();
    let protocol = Rc::new(protocol_factory());
    let transport = DatagramTransport(Rc::new(State {
        owner: owner.clone(),
        socket: RefCell::new(Some(Rc::new(socket))),
        connected: remote_addr.is_some(),
        protocol: RefCell::new(Some(Rc::clone(&protocol) as _)),
        queue: RefCell::default(),
        waiting: Cell::new(0),
        paused: Cell::new(false),
        sending: Cell::new(false),
        closing: Cell::new(false),
        receiver: RefCell::default(),
    }));
    let ours = transport.clone();
    let end = EndWithDriver(Rc::clone(&transport.0));
    drive(&owner, async move {
        let end = end;
        let made = ours.clone();
        ours.0
            .tell("connection_made", |protocol| protocol.connection_made(made));
        ours.0.receive().await;
        drop(end);
    });
    Ok((begun(transport, DatagramTransport::close).await, protocol))
}

impl DatagramTransport {
    /// Sends a packet, now or when there is room; to where the socket is connected to if there is no address.
    ///
    /// # asyncio
    /// `transport.sendto(data, addr)`.
    ///
    /// # Examples
    /// See [`create_datagram_endpoint`].
    pub fn sendto(&self, data: &[u8], to: Option<SocketAddr>) {
        let state = &self.0;
        if state.closing.get() {
            return;
        }
        let Some(socket) = state.socket() else { return };
        if state.queue.borrow().is_empty() {
            match send(&socket, data, to) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return state.failed(&error),
            }
        }
        state.queue.borrow_mut().push_back((data.to_vec(), to));
        state.waiting.set(state.waiting.get() + data.len());
        if !state.sending.replace(true) {
            let state = Rc::clone(state);
            let owner = state.owner.clone();
            drive(&owner, poll_fn(move |cx| state.poll_send(cx)));
        }
        if state.waiting.get() > HIGH && !state.paused.replace(true) {
            state.tell("pause_writing", |protocol| protocol.pause_writing());
        }
    }

    /// Receives no more, and closes when everything is sent.
    ///
    /// # asyncio
    /// `transport.close()`.
    ///
    /// # Examples
    /// See [`create_datagram_endpoint`].
    pub fn close(&self) {
        if !self.0.closing.replace(true) && self.0.queue.borrow().is_empty() {
            self.0.end();
        }
    }

    /// Closes now; what waits to be sent is lost.
    ///
    /// # asyncio
    /// `transport.abort()`.
    ///
    /// # Examples
    /// As for [`close`](DatagramTransport::close).
    pub fn abort(&self) {
        self.0.closing.set(true);
        self.0.end();
    }

    /// Whether it is closed, or closes.
    ///
    /// # asyncio
    /// `transport.is_closing()`.
    ///
    /// # Examples
    /// As for [`close`](DatagramTransport::close).
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.0.closing.get()
    }

    /// The address of the socket.
    ///
    /// # Errors
    /// What the system says; [`NotConnected`](io::ErrorKind::NotConnected) if it is closed.
    ///
    /// # asyncio
    /// `transport.get_extra_info("sockname")`.
    ///
    /// # Examples
    /// See [`create_datagram_endpoint`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.0.socket() {
            Some(socket) => socket.local_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

fn send(socket: &UdpSocket, data: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
    let direction = crate::Direction::Write;
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

impl State {
    fn socket(&self) -> Option<Rc<UdpSocket>> {
        self.socket.borrow().clone()
    }

    fn protocol(&self) -> Option<Rc<dyn DatagramProtocol>> {
        self.protocol.borrow().clone()
    }

    fn tell(&self, method: &str, what: impl FnOnce(&dyn DatagramProtocol)) {
        if let Some(protocol) = self.protocol() {
            tell_quietly(&self.owner, method, || what(&*protocol));
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
        self.sending.set(false);
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
        if let Some(receiver) = self.receiver.take() {
            receiver.wake();
        }
        if let Some(protocol) = protocol {
            tell_soon(&self.owner, move || protocol.connection_lost(None));
        }
        drop((socket, queue));
    }
}

/// The driver's end is the socket's: when the loop closes, since protocol and transport hold each other.
struct EndWithDriver(Rc<State>);

impl Drop for EndWithDriver {
    fn drop(&mut self) {
        // One that closes has to send what waits first.
        if !self.0.closing.get() || self.0.owner.is_closed() {
            self.0.closing.set(true);
            self.0.end();
        }
    }
}

impl fmt::Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.socket.borrow() {
            Some(socket) => write!(f, "<DatagramTransport {socket:?}>"),
            None => f.write_str("<DatagramTransport closed>"),
        }
    }
}
