//! TCP.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::connect::{STAGGER, connect_any, interleave};
use crate::stream_socket::private::Sealed;
use crate::to_socket_addrs::private::Names;
use crate::{Listener, ListenerSocket, Stream, StreamSocket, ToSocketAddrs};

/// A TCP connection.
///
/// # Examples
/// See [`Stream`].
pub type TcpStream = Stream<std::net::TcpStream>;

/// A TCP socket that accepts connections.
///
/// # Examples
/// See [`Listener`].
pub type TcpListener = Listener<std::net::TcpListener>;

impl Sealed for std::net::TcpStream {}

impl StreamSocket for std::net::TcpStream {
    type Address = SocketAddr;
    const SHORT_READ_DRAINS: bool = true;

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

impl Sealed for std::net::TcpListener {}

impl ListenerSocket for std::net::TcpListener {
    type Socket = std::net::TcpStream;
    type Address = SocketAddr;

    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    fn accept(&self) -> io::Result<(std::net::TcpStream, SocketAddr)> {
        use rustix::net::{SocketFlags, acceptfrom_with};
        let (socket, address) =
            acceptfrom_with(self, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        let address = match address.and_then(|address| address.try_into().ok()) {
            Some(address) => address,
            None => return Err(Errno::CONNABORTED.into()),
        };
        Ok((socket.into(), address))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    fn accept(&self) -> io::Result<(std::net::TcpStream, SocketAddr)> {
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

impl Stream<std::net::TcpStream> {
    /// Connects to an address, or to the first of several that answers: as [`open_connection`](crate::open_connection),
    /// which has options for that.
    ///
    /// # Errors
    /// What the system says: that the connection is refused, that there is no way there. Of several addresses,
    /// [`ConnectErrors`](crate::ConnectErrors). As [`getaddrinfo`](crate::getaddrinfo); [`InvalidInput`](io::ErrorKind::InvalidInput)
    /// of a text without a port.
    ///
    /// # Cancel safety
    /// Dropped, it closes its socket.
    ///
    /// # asyncio
    /// `loop.sock_connect(sock, address)`.
    ///
    /// # Examples
    /// See [`Listener`].
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
        TcpOptions::new().connect(address).await
    }

    /// Whether small writes are sent at once instead of waiting for what was sent before to arrive.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let stream = loop_net::TcpStream::from_std(stream)?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        self.fd.get_ref().nodelay()
    }

    /// Sets [`nodelay`](Stream::nodelay).
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// See [`nodelay`](Stream::nodelay).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.fd.get_ref().set_nodelay(nodelay)
    }

    /// Has the system ask after a silent peer when the connection was idle for `idle`; `None`: it does not ask.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = loop_net::TcpStream::from_std(stream)?;
    /// stream.set_keep_alive(Some(std::time::Duration::from_secs(60)))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_keep_alive(&self, idle: Option<Duration>) -> io::Result<()> {
        let socket = SockRef::from(self);
        match idle {
            Some(idle) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
            None => socket.set_keepalive(false),
        }
    }

    /// How long a close waits for what is under way; with zero, a drop resets the connection.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = loop_net::TcpStream::from_std(stream)?;
    /// stream.set_linger(Some(std::time::Duration::ZERO))?; // the peer will hear of a reset
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self).set_linger(linger)
    }
}

impl Listener<std::net::TcpListener> {
    /// Listens on an address, or on the first of several that can be listened on; port 0 is one that is free.
    ///
    /// # Errors
    /// What the system says: that the address is in use, or not one of this machine's. As
    /// [`getaddrinfo`](crate::getaddrinfo); [`InvalidInput`](io::ErrorKind::InvalidInput) of a text without a port.
    ///
    /// # Examples
    /// See [`Listener`].
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        TcpOptions::new().listen(address).await
    }
}

/// How sockets are made, where the defaults will not do.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::TcpOptions;
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let first = TcpOptions::new().reuse_port(true).listen("127.0.0.1:0").await?;
///     let second = TcpOptions::new().reuse_port(true).backlog(10).listen(first.local_addr()?).await?;
///     assert_eq!(first.local_addr()?, second.local_addr()?);
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TcpOptions {
    local_addr: Option<SocketAddr>,
    reuse_address: bool,
    reuse_port: bool,
    only_v6: Option<bool>,
    backlog: i32,
    nodelay: bool,
    keep_alive: bool,
}

impl TcpOptions {
    /// Everything by default.
    ///
    /// # Examples
    /// See [`TcpOptions`].
    #[must_use]
    pub fn new() -> TcpOptions {
        TcpOptions {
            local_addr: None,
            reuse_address: true,
            reuse_port: false,
            only_v6: None,
            backlog: 1024,
            nodelay: false,
            keep_alive: false,
        }
    }

    /// From where to connect. By default, the system chooses.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let address = listener.local_addr().unwrap();
    /// use loop_core::EventLoop;
    /// use loop_net::TcpOptions;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let options = TcpOptions::new().local_addr("127.0.0.2:0".parse()?);
    /// let stream = event_loop.run_until_complete(options.connect(address))??;
    /// assert_eq!(stream.local_addr()?.ip().to_string(), "127.0.0.2");
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn local_addr(mut self, address: SocketAddr) -> TcpOptions {
        self.local_addr = Some(address);
        self
    }

    /// Whether a listener may have an address whose old connections the system still remembers. By default, it may.
    ///
    /// # Examples
    /// See [`TcpOptions`].
    #[must_use]
    pub fn reuse_address(mut self, reuse: bool) -> TcpOptions {
        self.reuse_address = reuse;
        self
    }

    /// Whether several listeners may share one address, and its connections. By default, they may not.
    ///
    /// # Examples
    /// See [`TcpOptions`].
    #[must_use]
    pub fn reuse_port(mut self, reuse: bool) -> TcpOptions {
        self.reuse_port = reuse;
        self
    }

    /// Whether a listener on an IPv6 address leaves IPv4 alone. By default, the system decides.
    ///
    /// # Examples
    /// See [`TcpOptions`].
    #[must_use]
    pub fn only_v6(mut self, only: bool) -> TcpOptions {
        self.only_v6 = Some(only);
        self
    }

    /// How many connections may wait to be accepted. By default, 1,024.
    ///
    /// # Examples
    /// See [`TcpOptions`].
    #[must_use]
    pub fn backlog(mut self, backlog: i32) -> TcpOptions {
        self.backlog = backlog;
        self
    }

    /// Whether connections send small writes at once. By default, the system collects them.
    ///
    /// # Examples
    /// See [`TcpOptions`].
    #[must_use]
    pub fn nodelay(mut self, nodelay: bool) -> TcpOptions {
        self.nodelay = nodelay;
        self
    }

    /// Whether the system asks after silent peers, as often as it is set to. By default, it does not.
    ///
    /// # Examples
    /// See [`TcpOptions`].
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: bool) -> TcpOptions {
        self.keep_alive = keep_alive;
        self
    }

    /// Connects to an address, or to the first of several that answers.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    ///
    /// # Cancel safety
    /// Dropped, it closes its socket.
    ///
    /// # Examples
    /// See [`local_addr`](TcpOptions::local_addr).
    pub fn connect<A: ToSocketAddrs>(
        &self,
        address: A,
    ) -> impl Future<Output = io::Result<TcpStream>> + use<A> {
        let (options, names) = (self.clone(), address.names());
        async move {
            match names? {
                Names::One(address) => options.connect_to(address).await,
                names => {
                    let addresses = interleave(names.look_up().await?, 1);
                    connect_any(addresses, &options, Some(STAGGER)).await
                }
            }
        }
    }

    pub(crate) async fn connect_to(self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.socket(address)?;
        if let Some(local) = self.local_addr {
            socket.bind(&local.into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if !is_under_way(&error) => return Err(error),
            _ => {}
        }
        let stream = Stream::of(std::net::TcpStream::from(socket));
        // Registered only now: before it is connecting, a socket tells that nobody is there.
        stream
            .fd
            .write_with(|socket| {
                if let Some(error) = socket.take_error()? {
                    return Err(error);
                }
                match socket.peer_addr() {
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                    result => result.map(drop),
                }
            })
            .await?;
        Ok(stream)
    }

    /// Listens on an address, or on the first of several that can be listened on; port 0 is one that is free.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    ///
    /// # Examples
    /// See [`TcpOptions`].
    pub fn listen<A: ToSocketAddrs>(
        &self,
        address: A,
    ) -> impl Future<Output = io::Result<TcpListener>> + use<A> {
        let (options, names) = (self.clone(), address.names());
        let listen = move |address| {
            let listener = options.listen_on(address);
            listener.map_err(|error| not_bound(address, &error))
        };
        async move { names?.first(listen).await }
    }

    pub(crate) fn listen_on(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.socket(address)?;
        socket.set_reuse_address(self.reuse_address)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if let (Some(only), true) = (self.only_v6, address.is_ipv6()) {
            socket.set_only_v6(only)?;
        }
        socket.bind(&address.into())?;
        socket.listen(self.backlog)?;
        Listener::from_std(socket.into())
    }

    fn socket(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        if self.nodelay {
            socket.set_tcp_nodelay(true)?;
        }
        if self.keep_alive {
            socket.set_keepalive(true)?;
        }
        Ok(socket)
    }
}

/// The same error, with what it is about.
pub(crate) fn not_bound(address: SocketAddr, error: &io::Error) -> io::Error {
    let text = format!("error while attempting to bind on address {address}: {error}");
    io::Error::new(error.kind(), text)
}

/// Whether a connection is being made. One that a signal interrupted goes on by itself.
fn is_under_way(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INPROGRESS | Errno::INTR | Errno::WOULDBLOCK)
    )
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self::new()
    }
}
