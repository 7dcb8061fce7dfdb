//! UDP.

use std::io;
use std::net::{self, SocketAddr};

use crate::datagram::{Datagram, DatagramSocket};
use crate::stream_socket::private::Sealed;

/// A UDP socket.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::UdpSocket;
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let near = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
///     let far = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
///     near.send_to(b"ping", &far.local_addr()?).await?;
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
    type Target = SocketAddr;

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv(buffer)
    }

    fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.recv_from(buffer)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
    }

    fn send_to(&self, bytes: &[u8], target: &SocketAddr) -> io::Result<usize> {
        self.send_to(bytes, target)
    }

    fn connect(&self, target: &SocketAddr) -> io::Result<()> {
        self.connect(target)
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
    /// Takes packets at an address; port 0 is one that is free.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// See [`UdpSocket`].
    pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
        Datagram::from_std(net::UdpSocket::bind(address)?)
    }
}
