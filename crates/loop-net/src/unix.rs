//! Unix domain sockets.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::time::Duration;

use loop_tasks::sleep;
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::datagram::{Datagram, DatagramSocket};
use crate::stream_socket::private::Sealed;
use crate::{Listener, ListenerSocket, Stream, StreamSocket};

/// A connection to another process of the same machine.
///
/// # Examples
/// See [`Stream`].
pub type UnixStream = Stream<net::UnixStream>;

/// A socket that accepts connections of other processes of the same machine.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::{UnixListener, UnixStream};
/// use loop_tasks::LoopExt;
/// # let folder = std::env::temp_dir().join(format!("loop-net-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("socket");
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async move {
///     let listener = UnixListener::bind(&path)?;
///     let _near = UnixStream::connect(&path).await?;
///     listener.accept().await
/// })??;
/// # event_loop.close()?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type UnixListener = Listener<net::UnixListener>;

/// A socket that exchanges packets with other processes of the same machine.
///
/// # Examples
/// See [`Datagram::pair`].
pub type UnixDatagram = Datagram<net::UnixDatagram>;

impl Sealed for net::UnixStream {}

impl StreamSocket for net::UnixStream {
    type Address = SocketAddr;
    /// A read may end where descriptors were sent along, although there is more.
    const SHORT_READ_DRAINS: bool = false;

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }
}

impl Sealed for net::UnixListener {}

impl ListenerSocket for net::UnixListener {
    type Socket = net::UnixStream;
    type Address = SocketAddr;

    fn accept(&self) -> io::Result<(net::UnixStream, SocketAddr)> {
        let (socket, address) = self.accept()?;
        socket.set_nonblocking(true)?;
        Ok((socket, address))
    }

    fn dont_block(&self) -> io::Result<()> {
        self.set_nonblocking(true)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

impl Stream<net::UnixStream> {
    /// Connects to the listener at a path.
    ///
    /// A listener with a full backlog is asked again: the system does not tell when there is room.
    ///
    /// # Errors
    /// What the system says: that there is no such socket, that nobody listens.
    ///
    /// # Cancel safety
    /// Dropped, it closes its socket.
    ///
    /// # Examples
    /// See [`UnixListener`].
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        const LONGEST: Duration = Duration::from_millis(50);
        let address = SockAddr::unix(path)?;
        let mut pause = Duration::from_millis(1);
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        loop {
            match socket.connect(&address) {
                Ok(()) => break,
                Err(error) if Errno::from_io_error(&error) == Some(Errno::ISCONN) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_full(&error) => {}
                Err(error) => return Err(error),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
        Ok(Stream::of(socket.into()))
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// See [`Stream`].
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (near, far) = net::UnixStream::pair()?;
        Ok((Stream::from_std(near)?, Stream::from_std(far)?))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AGAIN | Errno::INPROGRESS | Errno::ALREADY)
    )
}

impl Listener<net::UnixListener> {
    /// Listens at a path, where nothing may be yet.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// See [`UnixListener`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        Listener::from_std(net::UnixListener::bind(path)?)
    }
}

impl Sealed for net::UnixDatagram {}

impl DatagramSocket for net::UnixDatagram {
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

impl Datagram<net::UnixDatagram> {
    /// Takes packets at a path, where nothing may be yet.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("loop-net-doc-datagram-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// let socket = loop_net::UnixDatagram::bind(folder.join("socket"))?;
    /// assert!(socket.local_addr()?.as_pathname().is_some());
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        Datagram::from_std(net::UnixDatagram::bind(path)?)
    }

    /// A socket without an address.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// assert!(loop_net::UnixDatagram::unbound()?.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unbound() -> io::Result<UnixDatagram> {
        Datagram::from_std(net::UnixDatagram::unbound()?)
    }

    /// From now on, sends to the socket at this path and receives from it alone. That takes no time.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// See [`send_to`](Datagram::send_to).
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.fd.get_ref().connect(path)
    }

    /// Sends a packet to the socket at a path.
    ///
    /// # Errors
    /// As [`send`](Datagram::send).
    ///
    /// # Cancel safety
    /// Nothing is sent before it is ready.
    ///
    /// # asyncio
    /// `loop.sock_sendto(sock, data, address)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::UnixDatagram;
    /// use loop_tasks::LoopExt;
    /// # let path = std::env::temp_dir().join(format!("loop-net-doc-send-to-{}", std::process::id()));
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async move {
    ///     let (near, far) = (UnixDatagram::unbound()?, UnixDatagram::bind(&path)?);
    ///     near.send_to(b"ping", &path).await?;
    ///     near.connect(&path)?;
    ///     near.send(b"pong").await?;
    ///     let mut bytes = [0; 9];
    ///     assert_eq!((far.recv(&mut bytes).await?, far.recv(&mut bytes).await?), (4, 4));
    ///     std::fs::remove_file(&path)
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        self.fd
            .write_with(|socket| socket.send_to(bytes, path))
            .await
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::UnixDatagram;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixDatagram::pair()?;
    ///     near.send(b"ping").await?;
    ///     near.send(b"").await?;
    ///     let mut bytes = [0; 9];
    ///     assert_eq!(far.recv(&mut bytes).await?, 4);
    ///     assert_eq!(far.recv(&mut bytes).await?, 0); // an empty packet
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (near, far) = net::UnixDatagram::pair()?;
        Ok((Datagram::from_std(near)?, Datagram::from_std(far)?))
    }
}
