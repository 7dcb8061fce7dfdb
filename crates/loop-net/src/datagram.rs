//! Sockets that carry packets.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::AsyncFd;
use crate::stream_socket::private::Sealed;

/// What a [`Datagram`] needs from the socket of the standard library in it. Nobody else implements it.
pub trait DatagramSocket: AsFd + Sized + Sealed {
    /// How a sender is named.
    type Address: fmt::Debug;
    #[doc(hidden)]
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
    #[doc(hidden)]
    fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, Self::Address)>;
    #[doc(hidden)]
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;
    #[doc(hidden)]
    fn dont_block(&self) -> io::Result<()>;
    #[doc(hidden)]
    fn local_addr(&self) -> io::Result<Self::Address>;
    #[doc(hidden)]
    fn peer_addr(&self) -> io::Result<Self::Address>;
}

/// A socket that carries packets: a [`UdpSocket`](crate::UdpSocket) or a [`UnixDatagram`](crate::UnixDatagram).
///
/// A packet comes whole: what of it does not fit into the buffer is lost.
///
/// # Examples
/// See [`UdpSocket`](crate::UdpSocket).
pub struct Datagram<D: DatagramSocket> {
    pub(crate) fd: AsyncFd<D>,
}

impl<D: DatagramSocket> Datagram<D> {
    /// Takes a socket over, which does not block from now on.
    ///
    /// # Errors
    /// What the system says to that.
    ///
    /// # Examples
    /// ```
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = loop_net::UdpSocket::from_std(socket)?;
    /// assert!(socket.into_std().local_addr().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_std(socket: D) -> io::Result<Datagram<D>> {
        socket.dont_block()?;
        let fd = AsyncFd::new(socket);
        Ok(Datagram { fd })
    }

    /// Gives the socket back, which does not block still.
    ///
    /// # Examples
    /// See [`from_std`](Datagram::from_std).
    #[must_use]
    pub fn into_std(self) -> D {
        self.fd.into_inner()
    }

    /// The descriptor, for operations that are not here.
    ///
    /// # Examples
    /// ```
    /// let (near, _far) = loop_net::UnixDatagram::pair()?;
    /// assert!(near.async_fd().get_ref().read_timeout()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn async_fd(&self) -> &AsyncFd<D> {
        &self.fd
    }

    /// The address of this socket.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// See [`UdpSocket`](crate::UdpSocket).
    pub fn local_addr(&self) -> io::Result<D::Address> {
        self.fd.get_ref().local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    /// What the system says: that it is not connected.
    ///
    /// # Examples
    /// See [`UdpSocket::connect`](crate::UdpSocket::connect).
    pub fn peer_addr(&self) -> io::Result<D::Address> {
        self.fd.get_ref().peer_addr()
    }

    /// Receives a packet, and says how long it is: it may be empty.
    ///
    /// # Errors
    /// What the system says, also of packets that were sent and did not arrive.
    ///
    /// # Cancel safety
    /// Nothing is taken before it is ready.
    ///
    /// # asyncio
    /// `loop.sock_recv_into(sock, buf)`.
    ///
    /// # Examples
    /// See [`UnixDatagram::pair`](Datagram::pair).
    pub fn recv<'a>(&'a self, buffer: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.fd.read_with(move |socket| socket.receive(buffer))
    }

    /// Receives a packet, and says how long it is and from whom.
    ///
    /// # Errors
    /// As [`recv`](Datagram::recv).
    ///
    /// # Cancel safety
    /// Nothing is taken before it is ready.
    ///
    /// # asyncio
    /// `loop.sock_recvfrom_into(sock, buf)`.
    ///
    /// # Examples
    /// See [`UdpSocket`](crate::UdpSocket).
    pub fn recv_from<'a>(
        &'a self,
        buffer: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, D::Address)>> {
        self.fd.read_with(move |socket| socket.receive_from(buffer))
    }

    /// Sends a packet to where it is connected to.
    ///
    /// # Errors
    /// What the system says: that the packet is too long, that it is not connected, that nobody took an earlier one.
    ///
    /// # Cancel safety
    /// Nothing is sent before it is ready.
    ///
    /// # Examples
    /// See [`UnixDatagram::pair`](Datagram::pair).
    pub fn send<'a>(&'a self, bytes: &'a [u8]) -> impl Future<Output = io::Result<usize>> {
        self.fd.write_with(move |socket| socket.send(bytes))
    }
}

impl<D: DatagramSocket> AsFd for Datagram<D> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<D: DatagramSocket> AsRawFd for Datagram<D> {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl<D: DatagramSocket> fmt::Debug for Datagram<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local_addr() {
            Ok(address) => write!(f, "<Datagram {address:?} {:?}>", self.fd),
            Err(_) => write!(f, "<Datagram {:?}>", self.fd),
        }
    }
}
