//! The reading end of a stream.

mod separators;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;

use crate::channel::Channel;
use crate::{IncompleteRead, ReadError};

/// Room that is made for the first read; it doubles while reads fill it.
const SMALLEST: usize = 4 * 1024;
const LARGEST: usize = 64 * 1024;

/// The reading end of a stream, with a buffer: lines, exact numbers of bytes, everything.
///
/// It reads from its connection when it is asked for something that it does not have: whoever does not read holds
/// the sender back. It needs `&mut` to read, so that two tasks cannot do so at once.
///
/// # Cancel safety
/// All of its methods: what was read and not given out stays in the buffer.
///
/// # asyncio
/// `asyncio.StreamReader`, which fills its buffer up to twice the limit without being asked.
///
/// # Examples
/// See [`open_connection`](crate::open_connection) and [`streams_over`](crate::streams_over).
pub struct StreamReader {
    channel: Rc<Channel>,
    buffer: Vec<u8>,
    /// What is before this was given out.
    start: usize,
    room: usize,
    limit: usize,
    ended: bool,
}

impl StreamReader {
    pub(crate) fn new(channel: Rc<Channel>, limit: usize) -> StreamReader {
        StreamReader {
            channel,
            buffer: Vec::new(),
            start: 0,
            room: SMALLEST,
            limit,
            ended: false,
        }
    }

    /// What was read from the connection and not given out.
    ///
    /// # Examples
    /// See [`readuntil`](StreamReader::readuntil).
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Whether the end has been read, and everything before it.
    ///
    /// The end is found by reading: this may say `false` before a read that gives nothing.
    ///
    /// # asyncio
    /// `reader.at_eof()`, which may know of an end that nobody has read.
    ///
    /// # Examples
    /// See [`read`](StreamReader::read).
    #[must_use]
    pub fn at_eof(&self) -> bool {
        self.ended && self.buffer().is_empty()
    }

    /// The most bytes that a line, or what comes before another separator, may have.
    ///
    /// # Examples
    /// See [`readuntil`](StreamReader::readuntil).
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Waits until there is something, and gives at most `most` bytes of it. Nothing is the end.
    ///
    /// # Errors
    /// What the connection says.
    ///
    /// # asyncio
    /// `reader.read(n)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (mut reader, _writer) = streams_over(near)?;
    ///     far.write_all(b"0123456789").await?;
    ///     drop(far);
    ///     assert_eq!(reader.read(4).await?, b"0123");
    ///     assert_eq!(reader.read(100).await?, b"456789");
    ///     assert_eq!(reader.read(100).await?, b"");
    ///     assert!(reader.at_eof());
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn read(&mut self, most: usize) -> io::Result<Vec<u8>> {
        if most > 0 && self.buffer().is_empty() {
            self.fill().await?;
        }
        let length = self.buffer().len().min(most);
        Ok(self.take(length))
    }

    /// As [`read`](StreamReader::read), into a buffer of the caller's; says how much.
    ///
    /// # Errors
    /// What the connection says.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (mut reader, _writer) = streams_over(near)?;
    ///     far.write_all(b"ping").await?;
    ///     let mut bytes = [0; 3];
    ///     assert_eq!(reader.read_into(&mut bytes).await?, 3);
    ///     assert_eq!(reader.read_into(&mut bytes).await?, 1);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn read_into(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !into.is_empty() && self.buffer().is_empty() {
            self.fill().await?;
        }
        let length = self.buffer().len().min(into.len());
        into[..length].copy_from_slice(&self.buffer()[..length]);
        self.consume(length);
        Ok(length)
    }

    /// Reads until the end.
    ///
    /// # Errors
    /// What the connection says; what was read until then stays in the buffer.
    ///
    /// # asyncio
    /// `reader.read()`.
    ///
    /// # Examples
    /// See [`open_connection`](crate::open_connection).
    pub async fn read_all(&mut self) -> io::Result<Vec<u8>> {
        while self.fill().await? {}
        let length = self.buffer().len();
        Ok(self.take(length))
    }

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// [`ReadError::Incomplete`] with what there was, if the stream ends first; what the connection says.
    ///
    /// # asyncio
    /// `reader.readexactly(n)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{ReadError, UnixStream, streams_over};
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let (mut reader, _writer) = streams_over(near)?;
    ///     far.write_all(b"0123456").await?;
    ///     drop(far);
    ///     assert_eq!(reader.readexactly(4).await?, b"0123");
    ///     match reader.readexactly(4).await.unwrap_err() {
    ///         ReadError::Incomplete(error) => {
    ///             assert_eq!(error.partial, b"456");
    ///             assert_eq!(error.to_string(), "3 bytes read on a total of 4 expected bytes");
    ///         }
    ///         other => return Err(other),
    ///     }
    ///     Ok::<_, ReadError>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn readexactly(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        while self.buffer().len() < length {
            if !self.fill().await? {
                return Err(self.incomplete(Some(length)));
            }
        }
        Ok(self.take(length))
    }

    #[cfg(feature = "tls")]
    pub(crate) fn channel(&self) -> &Rc<Channel> {
        &self.channel
    }

    /// Gives up everything that is in the buffer.
    #[cfg(feature = "tls")]
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        self.take(self.buffer().len())
    }

    /// Reads more. `false`: there is no more.
    async fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        poll_fn(|cx| {
            self.make_room();
            let before = self.buffer.len();
            let capacity = self.buffer.capacity();
            let polled = self.channel.poll_read(cx, &mut self.buffer);
            if polled.is_pending() && before == 0 {
                // A reader that waits for nothing in particular needs no memory.
                self.buffer = Vec::new();
            }
            polled.map_ok(|read| {
                self.ended = read == 0;
                if before + read == capacity {
                    self.room = (self.room * 2).min(LARGEST);
                }
                read > 0
            })
        })
        .await
    }

    fn make_room(&mut self) {
        if self.buffer.capacity() - self.buffer.len() < self.room {
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.reserve(self.room);
        }
    }

    fn incomplete(&mut self, expected: Option<usize>) -> ReadError {
        let partial = self.take(self.buffer().len());
        ReadError::Incomplete(IncompleteRead { partial, expected })
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        // Handed over as it is if it is mostly full: short lines must not keep large buffers.
        if self.start == 0 && length == self.buffer.len() && length > self.buffer.capacity() / 2 {
            return std::mem::take(&mut self.buffer);
        }
        let taken = self.buffer()[..length].to_vec();
        self.consume(length);
        taken
    }

    fn consume(&mut self, length: usize) {
        self.start += length;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StreamReader {} bytes", self.buffer().len())?;
        if self.ended {
            f.write_str(" eof")?;
        }
        write!(f, " {:?}>", self.channel)
    }
}
