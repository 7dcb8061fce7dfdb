//! UDP.

use std::io;
use std::net::{self, SocketAddr};

use crate::ToSocketAddrs;
use crate::datagram::{Datagram, DatagramSocket};
use crate::stream_socket::private::Sealed;
use crate::tcp::not_bound;

/// A UDP socket.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::UdpSocket;
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let near = UdpSocket::bind("127.0.0.1:0").await?;
///     let far = UdpSocket::bind("127.0.0.1:0").await?;
///     near.send_to(b"ping", far.local_addr()?).await?;
///     let mut bytes = [0; 9];
///     assert_eq!(far.recv_from(&mut bytes).await?, (4, near.local_addr()?));
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type UdpSocket = Datagram<net::UdpSocket>;

impl Sealed for net::UdpSocket {}

impl DatagramSocket for net::UdpSocket {
    type Address = SocketAddr;

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv(buffer)
    }

    fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.recv_from(buffer)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
    }

    fn dont_block(&self) -> io::Result<()> {
        self.set_nonblocking(true)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }
}

impl Datagram<net::UdpSocket> {
    /// Takes packets at an address, or at the first of several that can be had; port 0 is one that is free.
    ///
    /// # Errors
    /// As [`TcpListener::bind`](crate::TcpListener::bind).
    ///
    /// # Examples
    /// See [`UdpSocket`].
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let socket = address.names()?.first(|address| {
            let socket = net::UdpSocket::bind(address);
            socket.map_err(|error| not_bound(address, &error))
        });
        Datagram::from_std(socket.await?)
    }

    /// From now on, sends to this address, or to the first of several to which there is a way, and receives from it alone.
    ///
    /// # Errors
    /// What the system says. As [`getaddrinfo`](crate::getaddrinfo); [`InvalidInput`](io::ErrorKind::InvalidInput) of a
    /// text without a port.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::UdpSocket;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let near = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let far = UdpSocket::bind("127.0.0.1:0").await?;
    ///     near.connect(far.local_addr()?).await?;
    ///     assert_eq!(near.peer_addr()?, far.local_addr()?);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        let connect = |address| self.fd.get_ref().connect(address);
        address.names()?.first(connect).await
    }

    /// Sends a packet to an address; of several, to the first.
    ///
    /// # Errors
    /// As [`send`](Datagram::send) and [`connect`](Datagram::connect).
    ///
    /// # Cancel safety
    /// Nothing is sent before it is ready.
    ///
    /// # asyncio
    /// `loop.sock_sendto(sock, data, address)`.
    ///
    /// # Examples
    /// See [`UdpSocket`].
    pub async fn send_to(&self, bytes: &[u8], address: impl ToSocketAddrs) -> io::Result<usize> {
        let to = address.names()?.first(Ok).await?;
        self.fd.write_with(|socket| socket.send_to(bytes, to)).await
    }
}
