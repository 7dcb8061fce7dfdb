//! Writing to a stream.

use std::io::{self, IoSlice};

use crate::{Direction, Stream, StreamSocket};

impl<S: StreamSocket> Stream<S> {
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

    /// Writes what there is room for, without waiting.
    ///
    /// # Errors
    /// As [`AsyncFd::try_io`](crate::AsyncFd::try_io): [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room.
    ///
    /// # Examples
    /// See [`try_read`](Stream::try_read).
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.fd
            .try_io(Direction::Write, |socket| socket.send(bytes))
    }
}
