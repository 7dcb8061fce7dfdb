//! Connected sockets that carry bytes in order.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use crate::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::{AsyncFd, StreamSocket};

/// A connected socket that carries bytes in order: a [`TcpStream`](crate::TcpStream) or a
/// [`UnixStream`](crate::UnixStream).
///
/// Every method takes `&self`: one task may read while another one writes. Two that read at once each get something,
/// in no order worth having.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::UnixStream;
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let (near, far) = UnixStream::pair()?;
///     near.write_all(b"ping").await?;
///     let mut bytes = [0; 9];
///     let read = far.read(&mut bytes).await?;
///     assert_eq!(&bytes[..read], b"ping");
///     drop(near);
///     assert_eq!(far.read(&mut bytes).await?, 0); // the end
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stream<S: StreamSocket> {
    pub(crate) fd: AsyncFd<S>,
}

impl<S: StreamSocket> Stream<S> {
    /// Takes a socket over, which does not block from now on.
    ///
    /// # Errors
    /// What the system says to that.
    ///
    /// # Examples
    /// ```
    /// use loop_net::UnixStream;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// let near = UnixStream::from_std(near)?;
    /// assert!(near.into_std().peer_addr().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_std(socket: S) -> io::Result<Stream<S>> {
        socket.dont_block()?;
        Ok(Stream::of(socket))
    }

    pub(crate) fn of(socket: S) -> Stream<S> {
        Stream {
            fd: AsyncFd::new(socket),
        }
    }

    /// Gives the socket back, which does not block still.
    ///
    /// # Examples
    /// See [`from_std`](Stream::from_std).
    #[must_use]
    pub fn into_std(self) -> S {
        self.fd.into_inner()
    }

    /// The descriptor, for operations that are not here.
    ///
    /// # Examples
    /// ```
    /// use loop_net::{Direction, UnixStream};
    /// let (near, _far) = UnixStream::pair()?;
    /// near.async_fd().try_io(Direction::Write, |socket| rustix::io::write(socket, b"x").map_err(Into::into))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn async_fd(&self) -> &AsyncFd<S> {
        &self.fd
    }

    /// The address of this end.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// See [`peer_addr`](Stream::peer_addr).
    pub fn local_addr(&self) -> io::Result<S::Address> {
        self.fd.get_ref().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// What the system says, also that the connection is no more.
    ///
    /// # Examples
    /// ```
    /// use loop_net::UnixStream;
    /// let (near, far) = UnixStream::pair()?;
    /// assert!(near.peer_addr()?.is_unnamed() && far.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<S::Address> {
        self.fd.get_ref().peer_addr()
    }

    /// Ends one direction, or both: the other side reads what is under way and then the end.
    ///
    /// # Errors
    /// What the system says, also that the connection is no more.
    ///
    /// # Examples
    /// See [`read_to_end`](Stream::read_to_end).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.fd.get_ref().shutdown(how)
    }

    /// One half to read from and one to write to, for two parts of one task.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::UnixStream;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (mut near, far) = UnixStream::pair()?;
    ///     let (reader, writer) = near.split();
    ///     writer.write_all(b"ping").await?;
    ///     far.write_all(b"pong").await?;
    ///     reader.read_exact(&mut [0; 4]).await
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// One half to read from and one to write to, for two tasks. When the second is dropped, the other side reads the
    /// end; the socket is closed when both are.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::UnixStream;
    /// use loop_tasks::{LoopExt, create_task};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (reader, writer) = near.into_split();
    ///     let writing = create_task(async move { writer.write_all(b"ping").await });
    ///     let mut bytes = Vec::new();
    ///     assert_eq!(far.read_to_end(&mut bytes).await?, 4);
    ///     far.write_all(b"pong").await?;
    ///     reader.read_exact(&mut [0; 4]).await?;
    ///     writing.await.unwrap()
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
        let stream = Rc::new(self);
        (
            OwnedReadHalf(Rc::clone(&stream)),
            OwnedWriteHalf(Some(stream)),
        )
    }
}

/// Nothing in it is pinned.
impl<S: StreamSocket> Unpin for Stream<S> {}

impl<S: StreamSocket> AsFd for Stream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<S: StreamSocket> AsRawFd for Stream<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl<S: StreamSocket> fmt::Debug for Stream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Stream")?;
        if let Ok(local) = self.local_addr() {
            write!(f, " local={local:?}")?;
        }
        if let Ok(peer) = self.peer_addr() {
            write!(f, " peer={peer:?}")?;
        }
        write!(f, " {:?}>", self.fd)
    }
}
