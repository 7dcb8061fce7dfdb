//! Ends of pipes, awaited.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::{Context, Poll};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, OFlags};

use crate::AsyncFd;

/// Room that is made where a buffer has none.
const ROOM: usize = 4096;

/// The reading end of a pipe: of [`std::io::pipe`], a child's output, a FIFO; also a terminal, a socket.
///
/// It *does not block* from the moment it is taken over. That is a property of what was opened and not of the descriptor:
/// whoever shares it (a duplicate, the parent that a standard input was inherited from) finds it changed, and it is not
/// changed back, as in asyncio.
///
/// For lines and buffers there is [`StreamReader::over`](crate::StreamReader::over), for callbacks
/// [`connect_read_pipe`](crate::connect_read_pipe).
///
/// # Examples
/// ```
/// use std::io::Write;
/// use loop_core::EventLoop;
/// use loop_net::PipeReader;
/// use loop_tasks::LoopExt;
/// let (reader, mut writer) = std::io::pipe()?;
/// let event_loop = EventLoop::new()?;
/// event_loop.call_later(std::time::Duration::from_millis(1), move || writer.write_all(b"ping").unwrap())?;
/// let all = event_loop.run_until_complete(async move {
///     let mut all = Vec::new();
///     PipeReader::new(reader)?.read_to_end(&mut all).await?;
///     Ok::<_, std::io::Error>(all)
/// })??;
/// assert_eq!(all, b"ping");
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PipeReader {
    fd: AsyncFd<OwnedFd>,
    /// The system has once said that there is something, or an end.
    seen: Cell<bool>,
}

/// The writing end of a pipe: of [`std::io::pipe`], a child's input, a FIFO; also a terminal, a socket. Dropping it is
/// the end that the reader reads.
///
/// It does not block: what that means for others is said at [`PipeReader`]. For a buffer there is
/// [`StreamWriter::over`](crate::StreamWriter::over), for callbacks [`connect_write_pipe`](crate::connect_write_pipe).
///
/// # Examples
/// ```
/// use std::io::Read;
/// use loop_core::EventLoop;
/// use loop_net::PipeWriter;
/// use loop_tasks::LoopExt;
/// let (mut reader, writer) = std::io::pipe()?;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async move { PipeWriter::new(writer)?.write_all(b"ping").await })??;
/// let mut all = Vec::new();
/// reader.read_to_end(&mut all)?;
/// assert_eq!(all, b"ping");
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PipeWriter {
    fd: AsyncFd<OwnedFd>,
}

impl PipeReader {
    /// Takes over what polls, which does not block from now on.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is a regular file, a folder or a disk: those are always
    /// ready, and block nevertheless. What the system says.
    ///
    /// # Examples
    /// ```
    /// use std::os::fd::AsFd;
    /// use loop_net::PipeReader;
    /// # if false {
    /// // A duplicate: the standard input itself stays open.
    /// let stdin = PipeReader::new(std::io::stdin().as_fd().try_clone_to_owned()?)?;
    /// # }
    /// let file = std::fs::File::open("/proc/self/exe").or_else(|_| std::fs::File::open("/bin/sh"))?;
    /// let error = PipeReader::new(file).unwrap_err();
    /// assert!(error.to_string().starts_with("Pipe transport is for pipes/sockets only."));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(end: impl Into<OwnedFd>) -> io::Result<PipeReader> {
        let fd = AsyncFd::new(made_ready(
            end.into(),
            "Pipe transport is for pipes/sockets only.",
        )?);
        let seen = Cell::new(false);
        Ok(PipeReader { fd, seen })
    }

    /// Reads what there is, waiting until there is something. Nothing is the end.
    ///
    /// A FIFO that nobody has opened for writing yet has no end: this waits for the first writer.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// Nothing is taken from the pipe.
    ///
    /// # Examples
    /// ```
    /// use std::io::Write;
    /// use loop_core::EventLoop;
    /// use loop_net::PipeReader;
    /// use loop_tasks::LoopExt;
    /// let (reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(b"ping")?;
    /// drop(writer);
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async move {
    ///     let reader = PipeReader::new(reader)?;
    ///     let mut bytes = [0; 9];
    ///     assert_eq!(reader.read(&mut bytes).await?, 4);
    ///     assert_eq!(reader.read(&mut bytes).await?, 0);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read<'a>(&'a self, buffer: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.fd
            .read_with(move |fd| self.when_seen(|| Ok(rustix::io::read(fd, &mut *buffer)?)))
    }

    /// Reads until the end of the pipe, to the end of `buffer`, and says how much.
    ///
    /// # Errors
    /// As [`read`](PipeReader::read); what was read until then is in the buffer.
    ///
    /// # Examples
    /// See [`PipeReader`].
    pub async fn read_to_end(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let before = buffer.len();
        while std::future::poll_fn(|cx| self.poll_read_buf(cx, buffer)).await? > 0 {}
        Ok(buffer.len() - before)
    }

    /// Reads to the end of `buffer`, into the room that it has.
    pub(crate) fn poll_read_buf(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        self.fd.poll_read_with(cx, |fd| {
            self.when_seen(|| {
                if buffer.len() == buffer.capacity() {
                    buffer.reserve(ROOM);
                }
                Ok(rustix::io::read(fd, spare_capacity(buffer))?)
            })
        })
    }

    /// The first read waits for the system to say something: a FIFO without a writer reads as ended, before there ever
    /// was one.
    fn when_seen<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.seen.replace(true) {
            true => read(),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// The descriptor, for operations that are not here.
    ///
    /// # Examples
    /// ```
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = loop_net::PipeReader::new(reader)?;
    /// assert!(rustix::fs::fcntl_getfl(reader.async_fd())?.contains(rustix::fs::OFlags::NONBLOCK));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn async_fd(&self) -> &AsyncFd<OwnedFd> {
        &self.fd
    }

    /// Gives back what was taken over, which does not block still.
    ///
    /// # Examples
    /// ```
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = loop_net::PipeReader::new(reader)?;
    /// let reader = std::io::PipeReader::from(reader.into_fd());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd.into_inner()
    }
}

impl PipeWriter {
    /// Takes over what polls, which does not block from now on.
    ///
    /// # Errors
    /// As [`PipeReader::new`].
    ///
    /// # Examples
    /// See [`PipeWriter`].
    pub fn new(end: impl Into<OwnedFd>) -> io::Result<PipeWriter> {
        let refusal = "Pipe transport is only for pipes, sockets and character devices.";
        let fd = AsyncFd::new(made_ready(end.into(), refusal)?);
        Ok(PipeWriter { fd })
    }

    /// Writes what there is room for, waiting until there is some, and says how much.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if nobody will read it; what else the system says.
    ///
    /// # Cancel safety
    /// Nothing is written.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::PipeWriter;
    /// use loop_tasks::LoopExt;
    /// let (reader, writer) = std::io::pipe()?;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async move {
    ///     let writer = PipeWriter::new(writer)?;
    ///     assert_eq!(writer.write(b"ping").await?, 4);
    ///     drop(reader);
    ///     assert_eq!(writer.write(b"ping").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write<'a>(&'a self, bytes: &'a [u8]) -> impl Future<Output = io::Result<usize>> {
        self.fd
            .write_with(move |fd| Ok(rustix::io::write(fd, bytes)?))
    }

    /// Writes everything.
    ///
    /// # Errors
    /// As [`write`](PipeWriter::write).
    ///
    /// # Cancel safety
    /// None: some of it may be written.
    ///
    /// # Examples
    /// See [`PipeWriter`].
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        Ok(())
    }

    /// Waits until nobody is left who could read what would be written.
    ///
    /// # Errors
    /// That the loop cannot watch the descriptor.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::PipeWriter;
    /// use loop_tasks::LoopExt;
    /// let (reader, writer) = std::io::pipe()?;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.call_later(std::time::Duration::from_millis(1), move || drop(reader))?;
    /// event_loop.run_until_complete(async move { PipeWriter::new(writer)?.closed().await })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn closed(&self) -> impl Future<Output = io::Result<()>> {
        self.fd.read_with(is_deserted)
    }

    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd.poll_read_with(cx, is_deserted)
    }

    /// As [`PipeReader::async_fd`].
    ///
    /// # Examples
    /// As for [`PipeReader::async_fd`].
    #[must_use]
    pub fn async_fd(&self) -> &AsyncFd<OwnedFd> {
        &self.fd
    }

    /// As [`PipeReader::into_fd`].
    ///
    /// # Examples
    /// As for [`PipeReader::into_fd`].
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd.into_inner()
    }
}

/// Whether the reader has gone; if not, as if it would block. What is there to be read (from a terminal, a socket)
/// does not count.
fn is_deserted(fd: &OwnedFd) -> io::Result<()> {
    let mut polled = [PollFd::new(fd, PollFlags::empty())];
    rustix::event::poll(&mut polled, Some(&rustix::event::Timespec::default()))?;
    match polled[0].revents().is_empty() {
        true => Err(io::ErrorKind::WouldBlock.into()),
        false => Ok(()),
    }
}

/// Makes sure that it polls, and does not block.
fn made_ready(fd: OwnedFd, refusal: &str) -> io::Result<OwnedFd> {
    let file_type = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
    let (FileType::Fifo | FileType::Socket | FileType::CharacterDevice) = file_type else {
        let text = format!(
            "{refusal} A file blocks whoever uses it: do that in a thread, with to_thread."
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    };
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    if !flags.contains(OFlags::NONBLOCK) {
        rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
    }
    Ok(fd)
}

impl AsFd for PipeReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsFd for PipeWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for PipeReader {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsRawFd for PipeWriter {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<PipeReader {:?}>", self.fd)
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<PipeWriter {:?}>", self.fd)
    }
}
