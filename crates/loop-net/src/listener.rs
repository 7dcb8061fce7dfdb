//! Sockets that accept connections.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};
use std::time::Duration;

use loop_core::{ExceptionContext, get_running_loop};
use loop_tasks::sleep;
use rustix::io::Errno;

use crate::stream_socket::private::Sealed;
use crate::{AsyncFd, Stream, StreamSocket};

/// Out of descriptors or memory, accepting pauses for so long: whoever waits in the backlog stays there.
const PAUSE: Duration = Duration::from_millis(100);

/// What a [`Listener`] needs from the socket of the standard library in it. Nobody else implements it.
pub trait ListenerSocket: AsFd + Sized + Sealed {
    /// What it accepts.
    type Socket: StreamSocket<Address = Self::Address>;
    /// How ends of connections are named.
    type Address: fmt::Debug;
    #[doc(hidden)]
    fn accept(&self) -> io::Result<(Self::Socket, Self::Address)>;
    #[doc(hidden)]
    fn dont_block(&self) -> io::Result<()>;
    #[doc(hidden)]
    fn local_addr(&self) -> io::Result<Self::Address>;
}

/// A socket that accepts connections: a [`TcpListener`](crate::TcpListener) or a
/// [`UnixListener`](crate::UnixListener).
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::{TcpListener, TcpStream};
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let near = TcpStream::connect(listener.local_addr()?).await?;
///     let (far, from) = listener.accept().await?;
///     assert_eq!(from, near.local_addr()?);
///     assert_eq!(far.local_addr()?, near.peer_addr()?);
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Listener<L: ListenerSocket> {
    fd: AsyncFd<L>,
}

impl<L: ListenerSocket> Listener<L> {
    /// Takes a listening socket over, which does not block from now on.
    ///
    /// # Errors
    /// What the system says to that.
    ///
    /// # Examples
    /// ```
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let listener = loop_net::TcpListener::from_std(listener)?;
    /// assert!(listener.into_std().local_addr().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_std(socket: L) -> io::Result<Listener<L>> {
        socket.dont_block()?;
        let fd = AsyncFd::new(socket);
        Ok(Listener { fd })
    }

    /// Gives the socket back, which does not block still.
    ///
    /// # Examples
    /// See [`from_std`](Listener::from_std).
    #[must_use]
    pub fn into_std(self) -> L {
        self.fd.into_inner()
    }

    /// The address on which it listens.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// See [`Listener`].
    pub fn local_addr(&self) -> io::Result<L::Address> {
        self.fd.get_ref().local_addr()
    }

    /// Waits for a connection, and says who it is.
    ///
    /// Connections that were given up before they were accepted are passed over. When the system is out of
    /// descriptors or memory, the loop's exception handler is told so, and accepting is tried again every 100 ms:
    /// nobody is lost who stands in the backlog, and nothing spins. Whoever wants to know at once has
    /// [`poll_accept`](Listener::poll_accept).
    ///
    /// # Errors
    /// What else the system says.
    ///
    /// # Cancel safety
    /// No connection is taken before it is ready.
    ///
    /// # asyncio
    /// `loop.sock_accept(sock)`, with the pause that `loop.create_server` makes: 1 s.
    ///
    /// # Examples
    /// See [`Listener`].
    pub async fn accept(&self) -> io::Result<(Stream<L::Socket>, L::Address)> {
        let mut told = false;
        loop {
            match self.fd.read_with(L::accept).await {
                Ok((socket, address)) => return Ok((Stream::of(socket), address)),
                Err(error) if is_given_up(&error) => {}
                Err(error) if is_out_of_resources(&error) => {
                    if !std::mem::replace(&mut told, true) {
                        report(&error);
                    }
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Accepts one connection, for futures made by hand; every error is told. A second waker replaces the first.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::TcpListener;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let listener = event_loop.run_until_complete(TcpListener::bind("127.0.0.1:0"))??;
    /// let _near = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// event_loop.run_until_complete(std::future::poll_fn(move |cx| listener.poll_accept(cx)))??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::type_complexity, reason = "what accept gives, in a Poll")]
    pub fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream<L::Socket>, L::Address)>> {
        self.fd
            .poll_read_with(cx, L::accept)
            .map_ok(|(socket, address)| (Stream::of(socket), address))
    }
}

/// Whether the peer had gone before it was accepted, or its network had: the next one may be fine.
pub(crate) fn is_given_up(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::PROTO
                | Errno::NETDOWN
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
        )
    )
}

/// Whether the system has no room for one more connection now.
pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

fn report(error: &io::Error) {
    if let Ok(event_loop) = get_running_loop() {
        event_loop.call_exception_handler(
            &ExceptionContext::new("socket.accept() out of system resource")
                .exception(error.to_string()),
        );
    }
}

impl<L: ListenerSocket> AsFd for Listener<L> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<L: ListenerSocket> AsRawFd for Listener<L> {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl<L: ListenerSocket> fmt::Debug for Listener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local_addr() {
            Ok(address) => write!(f, "<Listener {address:?} {:?}>", self.fd),
            Err(_) => write!(f, "<Listener {:?}>", self.fd),
        }
    }
}
