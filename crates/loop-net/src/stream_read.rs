//! Reading from a stream.

use std::io::{self, IoSliceMut};

use rustix::buffer::spare_capacity;

use crate::{Direction, Stream, StreamSocket};

impl<S: StreamSocket> Stream<S> {
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

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    /// As [`AsyncFd::try_io`](crate::AsyncFd::try_io): [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there.
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
