//! Files, sent over streams and transports: in their turn among what is written.

use std::fmt;
use std::fs::File;
use std::future::IntoFuture;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};

use crate::channel::{Channel, FileTurn};
use crate::file_sink::{self, FileSink};
use crate::{StreamWriter, Transport};

impl StreamWriter {
    /// Sends a file, behind what was written before; what is written meanwhile comes behind it, and so does a
    /// [`close`](StreamWriter::close). What it gives has options, and is awaited: then it says how many bytes it sent.
    ///
    /// Linux sends the file by itself over TCP and Unix sockets, and the loop waits for the disk. Under TLS, and where
    /// the system cannot, it is read by a thread of the pool and written in pieces, unless
    /// [`fallback`](SendFile::fallback) forbids it. The position of the file stays as it is.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) "Transport is closing"; what ended the connection, before or
    /// meanwhile; what the system says of the file; [`ResourceBusy`](io::ErrorKind::ResourceBusy) if another file is
    /// being sent; [`InvalidInput`](io::ErrorKind::InvalidInput) after [`write_eof`](StreamWriter::write_eof).
    ///
    /// # Cancel safety
    /// Some of the file may be sent. What was written meanwhile is sent then.
    ///
    /// # asyncio
    /// `loop.sendfile(writer.transport, file, offset, count, fallback=...)`. There, a write meanwhile is refused, and
    /// nothing is read.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let file = std::fs::File::open("Cargo.toml")?;
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (_reader, writer) = streams_over(near)?;
    ///     writer.write(b"[");
    ///     assert_eq!(writer.sendfile(&file).offset(1).count(7).await?, 7);
    ///     writer.write(b"]");
    ///     let mut bytes = [0; 9];
    ///     far.read_exact(&mut bytes).await?;
    ///     assert_eq!(&bytes, b"[package]");
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sendfile<'a>(&'a self, file: &'a File) -> SendFile<'a> {
        SendFile::new(self.channel(), file)
    }
}

impl Transport {
    /// As [`StreamWriter::sendfile`].
    ///
    /// # Errors
    /// As [`StreamWriter::sendfile`].
    ///
    /// # Cancel safety
    /// As [`StreamWriter::sendfile`].
    ///
    /// # asyncio
    /// `loop.sendfile(transport, file, offset, count, fallback=...)`.
    ///
    /// # Examples
    /// See [`StreamWriter::sendfile`].
    pub fn sendfile<'a>(&'a self, file: &'a File) -> SendFile<'a> {
        SendFile::new(self.channel(), file)
    }
}

/// A file that is to be sent: see [`StreamWriter::sendfile`].
///
/// # Examples
/// See [`StreamWriter::sendfile`].
#[must_use = "it does nothing unless it is awaited"]
pub struct SendFile<'a> {
    channel: &'a Rc<Channel>,
    file: &'a File,
    offset: u64,
    count: u64,
    fallback: bool,
}

impl<'a> SendFile<'a> {
    fn new(channel: &'a Rc<Channel>, file: &'a File) -> SendFile<'a> {
        SendFile {
            channel,
            file,
            offset: 0,
            count: u64::MAX,
            fallback: true,
        }
    }

    /// Where in the file to begin. By default, at its beginning.
    ///
    /// # Examples
    /// See [`StreamWriter::sendfile`].
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// How many bytes to send, if there are so many. By default, to the end of the file.
    ///
    /// # Examples
    /// See [`StreamWriter::sendfile`].
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// Whether to read the file and write it where the system does not send it by itself; if not, that is an error,
    /// [`Unsupported`](io::ErrorKind::Unsupported). By default, it is done.
    ///
    /// # Examples
    /// ```
    /// async fn fast_or_not_at_all(writer: &loop_net::StreamWriter, file: &std::fs::File) -> std::io::Result<u64> {
    ///     writer.sendfile(file).fallback(false).await
    /// }
    /// ```
    pub fn fallback(mut self, fallback: bool) -> Self {
        self.fallback = fallback;
        self
    }

    async fn send(self) -> io::Result<u64> {
        let turn = self.channel.file_turn()?;
        turn.come().await?;
        file_sink::give(&turn, self.file, self.offset, self.count, self.fallback).await
    }
}

impl FileSink for FileTurn {
    async fn send(&self, file: &File, offset: u64, most: usize) -> io::Result<usize> {
        self.with(|connection, cx| connection.poll_sendfile(cx, file, offset, most))
            .await
    }

    async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut written = 0;
        self.with(|connection, cx| {
            while written < bytes.len() {
                match ready!(connection.poll_write(cx, &bytes[written..]))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    more => written += more,
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}

impl<'a> IntoFuture for SendFile<'a> {
    type Output = io::Result<u64>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for SendFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFile")
            .field("file", &self.file)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
