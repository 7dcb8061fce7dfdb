//! Transports of packets.

mod endpoint;
mod packets;
#[cfg(test)]
mod ways_out;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;

use crate::closing::begun;
use crate::telling::Place;
use crate::{DatagramProtocol, UdpSocket};
use endpoint::Endpoint;
use packets::Udp;

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
pub struct DatagramTransport(Rc<Endpoint>);

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
#[track_caller]
pub fn create_datagram_endpoint<P: DatagramProtocol>(
    protocol_factory: impl FnOnce() -> P,
    local_addr: Option<SocketAddr>,
    remote_addr: Option<SocketAddr>,
) -> impl Future<Output = io::Result<(DatagramTransport, Rc<P>)>> {
    create(
        protocol_factory,
        local_addr,
        remote_addr,
        Location::caller(),
    )
}

async fn create<P: DatagramProtocol>(
    protocol_factory: impl FnOnce() -> P,
    local_addr: Option<SocketAddr>,
    remote_addr: Option<SocketAddr>,
    place: Place,
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
    let socket = UdpSocket::bind(local).await?;
    if let Some(remote) = remote_addr {
        socket.connect(remote).await?;
    }
    let protocol = Rc::new(protocol_factory());
    let peer = remote_addr;
    let endpoint = Endpoint::new(Udp { socket, peer }, Rc::clone(&protocol) as _, place)?;
    let transport = DatagramTransport(endpoint);
    transport.0.begin(transport.clone());
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
        self.0.send(data, to);
    }

    /// Receives no more, and closes when everything is sent.
    ///
    /// # asyncio
    /// `transport.close()`.
    ///
    /// # Examples
    /// See [`create_datagram_endpoint`].
    pub fn close(&self) {
        self.0.close();
    }

    /// Closes now; what waits to be sent is lost.
    ///
    /// # asyncio
    /// `transport.abort()`.
    ///
    /// # Examples
    /// As for [`close`](DatagramTransport::close).
    pub fn abort(&self) {
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
        self.0.is_closing()
    }

    /// How many bytes wait to be sent: of each packet, eight more than are in it.
    ///
    /// # asyncio
    /// `transport.get_write_buffer_size()`.
    ///
    /// # Examples
    /// As for [`StreamWriter::set_write_buffer_limits`](crate::StreamWriter::set_write_buffer_limits).
    #[must_use]
    pub fn get_write_buffer_size(&self) -> usize {
        self.0.waiting()
    }

    /// Sets the marks: strictly above `high` the protocol is told to pause, at `low` or under it to go on. By default,
    /// they are 64 KiB and a quarter of it.
    ///
    /// # Panics
    /// If `low` is greater than `high`.
    ///
    /// # asyncio
    /// `transport.set_write_buffer_limits(high, low)`.
    ///
    /// # Examples
    /// As for [`StreamWriter::set_write_buffer_limits`](crate::StreamWriter::set_write_buffer_limits).
    #[track_caller]
    pub fn set_write_buffer_limits(&self, high: usize, low: usize) {
        assert!(high >= low, "high ({high}) must be >= low ({low})");
        self.0.set_marks(low, high);
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

impl fmt::Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
