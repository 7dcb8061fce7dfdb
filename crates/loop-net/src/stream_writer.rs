//! The writing end of a stream.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::Address;
use crate::channel::Channel;

/// The writing end of a stream, with a buffer that is written when there is room.
///
/// [`write`](StreamWriter::write) never waits; [`drain`](StreamWriter::drain) does, while more than the high mark waits
/// in the buffer. A cheap reference: when the last one is dropped, the connection is closed as by
/// [`close`](StreamWriter::close).
///
/// # asyncio
/// `asyncio.StreamWriter`.
///
/// # Examples
/// See [`open_connection`](crate::open_connection) and [`streams_over`](crate::streams_over).
#[derive(Clone)]
pub struct StreamWriter(Rc<CloseOnDrop>);

struct CloseOnDrop {
    channel: Rc<Channel>,
    /// Somebody else goes on with it.
    kept: Cell<bool>,
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if !self.kept.get() {
            self.channel.close();
        }
    }
}

/// What there is to know of a connection besides its bytes.
///
/// # asyncio
/// The names of `writer.get_extra_info(name)`.
///
/// # Examples
/// See [`StreamWriter::get_extra_info`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtraInfo {
    /// The other end.
    pub peername: Option<Address>,
    /// This end.
    pub sockname: Option<Address>,
    /// What TLS has negotiated, while the connection is open.
    #[cfg(feature = "tls")]
    pub tls: Option<crate::TlsInfo>,
}

impl StreamWriter {
    pub(crate) fn new(channel: Rc<Channel>) -> StreamWriter {
        let kept = Cell::new(false);
        StreamWriter(Rc::new(CloseOnDrop { channel, kept }))
    }

    /// The channel, for somebody who closes it himself.
    pub(crate) fn into_channel(self) -> Rc<Channel> {
        self.0.kept.set(true);
        Rc::clone(&self.0.channel)
    }

    pub(crate) fn channel(&self) -> &Rc<Channel> {
        &self.0.channel
    }

    /// Writes what there is room for now, and the rest later, in the background.
    ///
    /// After [`close`](StreamWriter::close), or when the connection is lost, it does nothing; errors are told by
    /// [`drain`](StreamWriter::drain).
    ///
    /// # asyncio
    /// `writer.write(data)`.
    ///
    /// # Examples
    /// See [`drain`](StreamWriter::drain).
    pub fn write(&self, bytes: &[u8]) {
        self.channel().write(bytes);
    }

    /// As [`write`](StreamWriter::write), of several parts one after the other.
    ///
    /// # asyncio
    /// `writer.writelines(data)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (_reader, writer) = streams_over(near)?;
    ///     writer.writelines(["one\n", "two\n"]);
    ///     let mut bytes = [0; 8];
    ///     far.read_exact(&mut bytes).await?;
    ///     assert_eq!(&bytes, b"one\ntwo\n");
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writelines<T: AsRef<[u8]>>(&self, parts: impl IntoIterator<Item = T>) {
        let bytes = parts.into_iter().fold(Vec::new(), |mut bytes, part| {
            bytes.extend_from_slice(part.as_ref());
            bytes
        });
        self.write(&bytes);
    }

    /// Waits until no more than the low mark waits to be written, if it was more than the high mark.
    ///
    /// # Errors
    /// What ended the connection; [`ConnectionReset`](io::ErrorKind::ConnectionReset) "Connection lost" if it is no
    /// more; [`InvalidInput`](io::ErrorKind::InvalidInput) if something was written after
    /// [`write_eof`](StreamWriter::write_eof).
    ///
    /// # Cancel safety
    /// What waits to be written is written anyway.
    ///
    /// # asyncio
    /// `await writer.drain()`. This one lets other tasks run after 64 times, whether it waited or not.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{UnixStream, streams_over};
    /// use loop_tasks::{LoopExt, create_task};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (_reader, writer) = streams_over(near)?;
    ///     let reading = create_task(async move {
    ///         let mut bytes = Vec::new();
    ///         far.read_to_end(&mut bytes).await
    ///     });
    ///     for _ in 0..100 {
    ///         writer.write(&[7; 10_000]);
    ///         writer.drain().await?; // never much more than 64 KiB wait
    ///     }
    ///     writer.close();
    ///     writer.wait_closed().await?;
    ///     assert_eq!(reading.await.unwrap()?, 1_000_000);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn drain(&self) -> io::Result<()> {
        self.channel().drain().await
    }

    /// Ends this direction when everything is written; the other one goes on. Nothing may be written after it.
    ///
    /// # asyncio
    /// `writer.write_eof()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (mut reader, writer) = streams_over(near)?;
    ///     writer.write(b"question");
    ///     writer.write_eof();
    ///     let mut question = Vec::new();
    ///     far.read_to_end(&mut question).await?;
    ///     far.write_all(b"answer").await?;
    ///     assert_eq!(reader.readexactly(6).await?, b"answer");
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_eof(&self) {
        self.channel().write_eof();
    }

    /// Closes the connection when everything is written: both directions.
    ///
    /// # asyncio
    /// `writer.close()`.
    ///
    /// # Examples
    /// See [`drain`](StreamWriter::drain).
    pub fn close(&self) {
        self.channel().close();
    }

    /// Closes the connection now; what waits to be written is lost.
    ///
    /// # asyncio
    /// `writer.transport.abort()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, _far) = UnixStream::pair()?;
    ///     let (_reader, writer) = streams_over(near)?;
    ///     writer.write(&[0; 10_000_000]);
    ///     writer.abort();
    ///     writer.wait_closed().await
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) {
        self.channel().abort();
    }

    /// Whether it is closed, or closes.
    ///
    /// # asyncio
    /// `writer.is_closing()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, _far) = UnixStream::pair()?;
    ///     let (_reader, writer) = streams_over(near)?;
    ///     assert!(!writer.is_closing());
    ///     writer.close();
    ///     assert!(writer.is_closing());
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.channel().is_closing()
    }

    /// Waits until the connection is closed.
    ///
    /// # Errors
    /// What ended it, if it was an error.
    ///
    /// # Cancel safety
    /// It is closed anyway.
    ///
    /// # asyncio
    /// `await writer.wait_closed()`.
    ///
    /// # Examples
    /// See [`drain`](StreamWriter::drain).
    pub async fn wait_closed(&self) -> io::Result<()> {
        self.channel().wait_closed().await
    }

    /// How many bytes wait to be written.
    ///
    /// # asyncio
    /// `writer.transport.get_write_buffer_size()`.
    ///
    /// # Examples
    /// See [`set_write_buffer_limits`](StreamWriter::set_write_buffer_limits).
    #[must_use]
    pub fn get_write_buffer_size(&self) -> usize {
        self.channel().waiting()
    }

    /// Sets the marks between which [`drain`](StreamWriter::drain) waits: strictly above `high` it begins, at `low` or
    /// under it ends. By default, they are 64 KiB and a quarter of it.
    ///
    /// # Panics
    /// If `low` is greater than `high`.
    ///
    /// # asyncio
    /// `writer.transport.set_write_buffer_limits(high, low)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, _far) = UnixStream::pair()?;
    ///     let (_reader, writer) = streams_over(near)?;
    ///     writer.set_write_buffer_limits(20_000_000, 1);
    ///     writer.write(&[0; 10_000_000]); // more than the system keeps
    ///     assert!(writer.get_write_buffer_size() > 0);
    ///     writer.drain().await // and not too much
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn set_write_buffer_limits(&self, high: usize, low: usize) {
        assert!(high >= low, "high ({high}) must be >= low ({low})");
        self.channel().set_marks(low, high);
    }

    /// What there is to know of the connection.
    ///
    /// # asyncio
    /// `writer.get_extra_info(name)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{Address, UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, _far) = UnixStream::pair()?;
    ///     let (_reader, writer) = streams_over(near)?;
    ///     assert_eq!(writer.get_extra_info().peername, Some(Address::Unnamed));
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_extra_info(&self) -> ExtraInfo {
        ExtraInfo::of(self.channel())
    }
}

impl ExtraInfo {
    pub(crate) fn of(channel: &Channel) -> ExtraInfo {
        ExtraInfo {
            peername: channel.peer_addr(),
            sockname: channel.local_addr(),
            #[cfg(feature = "tls")]
            tls: channel
                .connection()
                .and_then(|connection| connection.tls_info()),
        }
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StreamWriter {:?}>", self.channel())
    }
}
