//! Connected sockets that carry bytes in order.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use rustix::buffer::spare_capacity;

use crate::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::{AsyncFd, Direction};

/// What a [`Stream`] needs from the socket of the standard library in it. Nobody else implements it.
pub trait StreamSocket: AsFd + Sized + private::Sealed {
    /// How the ends of the connection are named.
    type Address: fmt::Debug;
    /// Whether a read that gives less than it could take has taken everything: then the next arrival is an edge.
    #[doc(hidden)]
    const SHORT_READ_DRAINS: bool;
    #[doc(hidden)]
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
    #[doc(hidden)]
    fn receive_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    #[doc(hidden)]
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;
    #[doc(hidden)]
    fn send_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;
    #[doc(hidden)]
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
    #[doc(hidden)]
    fn dont_block(&self) -> io::Result<()>;
    #[doc(hidden)]
    fn local_addr(&self) -> io::Result<Self::Address>;
    #[doc(hidden)]
    fn peer_addr(&self) -> io::Result<Self::Address>;
}

pub(crate) mod private {
    /// Keeps [`StreamSocket`](super::StreamSocket) and its kin to this crate.
    pub trait Sealed {}
}

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

    /// Reads what is there, or waits for something. 0 is the end, if there was room.
    ///
    /// # Errors
    /// What the system says, such as that the connection was reset.
    ///
    /// # Cancel safety
    /// Nothing is taken before it is ready.
    ///
    /// # asyncio
    /// `loop.sock_recv_into(sock, buf)`.
    ///
    /// # Examples
    /// See [`Stream`].
    #[inline]
    pub fn read<'a>(&'a self, buffer: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.fd.read_with(move |_| self.receive(buffer))
    }

    /// As [`read`](Stream::read), into several buffers one after the other.
    ///
    /// # Errors
    /// As [`read`](Stream::read).
    ///
    /// # Cancel safety
    /// As [`read`](Stream::read).
    ///
    /// # Examples
    /// ```
    /// use std::io::{IoSlice, IoSliceMut};
    /// use loop_core::EventLoop;
    /// use loop_net::UnixStream;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     assert_eq!(near.write_vectored(&[IoSlice::new(b"pi"), IoSlice::new(b"ng")]).await?, 4);
    ///     let (mut head, mut tail) = ([0; 1], [0; 9]);
    ///     let mut buffers = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
    ///     assert_eq!(far.read_vectored(&mut buffers).await?, 4);
    ///     assert_eq!((&head, &tail[..3]), (b"p", &b"ing"[..]));
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_vectored<'a>(
        &'a self,
        buffers: &'a mut [IoSliceMut<'a>],
    ) -> impl Future<Output = io::Result<usize>> {
        self.fd.read_with(|socket| socket.receive_vectored(buffers))
    }

    /// As [`read`](Stream::read), to the end of `buffer` and into what it has room for beyond its length; room for
    /// 4 KiB is made if there is none.
    ///
    /// # Errors
    /// As [`read`](Stream::read).
    ///
    /// # Cancel safety
    /// As [`read`](Stream::read).
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::UnixStream;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     near.write_all(b"pong").await?;
    ///     let mut bytes = b"ping ".to_vec();
    ///     far.read_buf(&mut bytes).await?;
    ///     assert_eq!(bytes, b"ping pong");
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_buf<'a>(
        &'a self,
        buffer: &'a mut Vec<u8>,
    ) -> impl Future<Output = io::Result<usize>> {
        self.fd.read_with(move |_| self.receive_to_end_of(buffer))
    }

    /// Fills `buffer`.
    ///
    /// # Errors
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the end comes first; as [`read`](Stream::read).
    ///
    /// # Cancel safety
    /// None: what was read is in `buffer`, and nobody says how much it is.
    ///
    /// # Examples
    /// See [`write_all`](Stream::write_all).
    pub async fn read_exact(&self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read(buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => buffer = &mut buffer[read..],
            }
        }
        Ok(())
    }

    /// Reads until the end, to the end of `buffer`, and says how much it was.
    ///
    /// # Errors
    /// As [`read`](Stream::read).
    ///
    /// # Cancel safety
    /// What was read is in `buffer`.
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
    ///     near.shutdown(std::net::Shutdown::Write)?;
    ///     let mut bytes = Vec::new();
    ///     assert_eq!(far.read_to_end(&mut bytes).await?, 4);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn read_to_end(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let before = buffer.len();
        while self.read_buf(buffer).await? > 0 {}
        Ok(buffer.len() - before)
    }

    /// Reads without taking.
    ///
    /// # Errors
    /// As [`read`](Stream::read).
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
    ///     assert_eq!(far.peek(&mut bytes).await?, 4);
    ///     assert_eq!(far.read(&mut bytes).await?, 4);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek<'a>(&'a self, buffer: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.fd.read_with(move |socket| {
            let (read, _) = rustix::net::recv(socket, &mut *buffer, rustix::net::RecvFlags::PEEK)?;
            Ok(read)
        })
    }

    /// Writes as much as there is room for, at least one byte, and says how much.
    ///
    /// # Errors
    /// What the system says: [`BrokenPipe`](io::ErrorKind::BrokenPipe) if nobody will read it any more.
    ///
    /// # Cancel safety
    /// Nothing is written before it is ready.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::UnixStream;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     assert_eq!(near.write(b"ping").await?, 4);
    ///     drop(far);
    ///     let error = near.write(b"ping").await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn write<'a>(&'a self, bytes: &'a [u8]) -> impl Future<Output = io::Result<usize>> {
        self.fd.write_with(move |socket| socket.send(bytes))
    }

    /// As [`write`](Stream::write), from several places one after the other.
    ///
    /// # Errors
    /// As [`write`](Stream::write).
    ///
    /// # Cancel safety
    /// As [`write`](Stream::write).
    ///
    /// # Examples
    /// See [`read_vectored`](Stream::read_vectored).
    pub fn write_vectored<'a>(
        &'a self,
        bytes: &'a [IoSlice<'a>],
    ) -> impl Future<Output = io::Result<usize>> {
        self.fd
            .write_with(move |socket| socket.send_vectored(bytes))
    }

    /// Writes everything.
    ///
    /// # Errors
    /// As [`write`](Stream::write); how much was written before is not known.
    ///
    /// # Cancel safety
    /// None: some of it may be written.
    ///
    /// # asyncio
    /// `loop.sock_sendall(sock, data)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::UnixStream;
    /// use loop_tasks::{LoopExt, create_task};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let writer = create_task(async move { near.write_all(&[7; 1_000_000]).await });
    ///     let mut bytes = vec![0; 1_000_000]; // more than the system keeps
    ///     far.read_exact(&mut bytes).await?;
    ///     writer.await.unwrap()
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        Ok(())
    }

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    /// As [`AsyncFd::try_io`]: [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there.
    ///
    /// # Examples
    /// ```
    /// use loop_net::UnixStream;
    /// let (near, far) = UnixStream::pair()?;
    /// let mut bytes = [0; 9];
    /// assert_eq!(far.try_read(&mut bytes).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// assert_eq!(near.try_write(b"ping")?, 4);
    /// assert_eq!(far.try_read(&mut bytes)?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fd.try_io(Direction::Read, |_| self.receive(buffer))
    }

    /// Writes what there is room for, without waiting.
    ///
    /// # Errors
    /// As [`AsyncFd::try_io`]: [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room.
    ///
    /// # Examples
    /// See [`try_read`](Stream::try_read).
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.fd
            .try_io(Direction::Write, |socket| socket.send(bytes))
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

    #[inline]
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fd.get_ref().receive(buffer)?;
        self.note_read(read, buffer.len());
        Ok(read)
    }

    #[inline]
    pub(crate) fn receive_to_end_of(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        /// What is made room for if there is none.
        const ROOM: usize = 4096;
        if buffer.len() == buffer.capacity() {
            buffer.reserve(ROOM);
        }
        let room = buffer.capacity() - buffer.len();
        let read = rustix::io::read(&self.fd, spare_capacity(buffer))?;
        self.note_read(read, room);
        Ok(read)
    }

    /// A read that took everything spares the attempt that would only say so.
    #[inline]
    fn note_read(&self, read: usize, room: usize) {
        if S::SHORT_READ_DRAINS && read > 0 && read < room {
            self.fd.drained();
        }
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
