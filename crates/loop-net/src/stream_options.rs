//! A reader and a writer, made of a connection.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;

use loop_core::Direction;

use crate::channel::Channel;
use crate::driver::drive;
use crate::{Address, Connection, StreamReader, StreamWriter};

/// The most bytes that a line may have, by default.
const LIMIT: usize = 64 * 1024;

/// A reader and a writer over a connection, for the running loop.
///
/// # Errors
/// That no loop is running.
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
///     let (mut far_reader, far_writer) = streams_over(far)?;
///     writer.write(b"ping\n");
///     assert_eq!(far_reader.readline().await?, b"ping\n");
///     far_writer.write(b"pong\n");
///     assert_eq!(reader.readline().await?, b"pong\n");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn streams_over(connection: impl Connection) -> io::Result<(StreamReader, StreamWriter)> {
    StreamOptions::new().streams_over(connection)
}

/// How readers and writers are made, where the defaults will not do.
///
/// # Examples
/// See [`StreamReader::readuntil`].
#[derive(Clone, Debug)]
pub struct StreamOptions {
    limit: usize,
}

impl StreamOptions {
    /// Everything by default.
    ///
    /// # Examples
    /// See [`StreamReader::readuntil`].
    #[must_use]
    pub fn new() -> StreamOptions {
        StreamOptions { limit: LIMIT }
    }

    /// The most bytes that a line, or what comes before another separator, may have. By default, 64 KiB.
    ///
    /// # Examples
    /// See [`StreamReader::readuntil`].
    #[must_use]
    pub fn limit(mut self, limit: usize) -> StreamOptions {
        self.limit = limit;
        self
    }

    /// A reader and a writer over a connection, for the running loop.
    ///
    /// # Errors
    /// That no loop is running.
    ///
    /// # Examples
    /// See [`StreamReader::readuntil`].
    pub fn streams_over(
        &self,
        connection: impl Connection,
    ) -> io::Result<(StreamReader, StreamWriter)> {
        self.streams(Rc::new(connection), None)
    }

    /// A reader over something that is only read, for the running loop.
    ///
    /// # Errors
    /// That no loop is running.
    ///
    /// # Examples
    /// As for [`StreamReader::over`].
    pub fn reader_over(&self, connection: impl Connection) -> io::Result<StreamReader> {
        let channel = Channel::new(Rc::new(connection), None)?;
        Ok(StreamReader::new(channel, self.limit))
    }

    pub(crate) fn streams(
        &self,
        connection: Rc<dyn Connection>,
        peer: Option<Address>,
    ) -> io::Result<(StreamReader, StreamWriter)> {
        let channel = Channel::new(connection, peer)?;
        let reader = StreamReader::new(Rc::clone(&channel), self.limit);
        Ok((reader, StreamWriter::new(channel)))
    }
}

impl StreamReader {
    /// A reader over something that is only read, such as a [`PipeReader`](crate::PipeReader), for the running loop. Lines
    /// may have 64 KiB; otherwise there is [`StreamOptions::reader_over`](crate::StreamOptions::reader_over).
    ///
    /// # Errors
    /// That no loop is running.
    ///
    /// # asyncio
    /// `loop.connect_read_pipe(lambda: StreamReaderProtocol(reader), pipe)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{PipeReader, PipeWriter, ReadError, StreamReader, StreamWriter};
    /// use loop_tasks::LoopExt;
    /// let (reader, writer) = std::io::pipe()?;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async move {
    ///     let mut reader = StreamReader::over(PipeReader::new(reader)?)?;
    ///     let writer = StreamWriter::over(PipeWriter::new(writer)?)?;
    ///     writer.write(b"one\ntwo\n");
    ///     assert_eq!(reader.readline().await?, b"one\n");
    ///     writer.close();
    ///     assert_eq!(reader.read_all().await?, b"two\n");
    ///     Ok::<_, ReadError>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn over(connection: impl Connection) -> io::Result<StreamReader> {
        StreamOptions::new().reader_over(connection)
    }
}

impl StreamWriter {
    /// A writer over something that is only written, such as a [`PipeWriter`](crate::PipeWriter), for the running loop.
    ///
    /// It is closed when nobody is left who reads: [`wait_closed`](StreamWriter::wait_closed) says so.
    ///
    /// # Errors
    /// That no loop is running.
    ///
    /// # Examples
    /// See [`StreamReader::over`](crate::StreamReader::over).
    pub fn over(connection: impl Connection) -> io::Result<StreamWriter> {
        let channel = Channel::new(Rc::new(connection), None)?;
        let writer = StreamWriter::new(Rc::clone(&channel));
        if channel.only() == Some(Direction::Write) {
            let owner = channel.owner().clone();
            drive(&owner, poll_fn(move |cx| channel.poll_deserted(cx)));
        }
        Ok(writer)
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self::new()
    }
}
