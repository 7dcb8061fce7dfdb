//! Transports: a connection that reads by itself and tells a protocol.

mod hearing;

use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use loop_core::Direction;

use crate::channel::Channel;
use crate::protocol::AnyProtocol;
use crate::telling::Place;
use crate::{BufferedProtocol, Connection, ExtraInfo, Protocol};
use hearing::Hearing;

/// A connection that reads by itself, and calls a protocol with what comes.
///
/// A cheap reference; dropping the last one closes nothing, since the protocol goes on hearing. Its callbacks are the
/// loop's and not a task's: a panic in one goes to the loop's exception handler, and is the error with which the transport
/// ends. One in `pause_writing` or `resume_writing` is reported, and that is all.
///
/// # asyncio
/// `asyncio.Transport`.
///
/// # Examples
/// See [`create_connection`](crate::create_connection).
#[derive(Clone)]
pub struct Transport(Rc<Hearing>);

impl Transport {
    /// Tells a protocol of what happens on a connection, from the next iteration of the running loop on.
    ///
    /// # Errors
    /// That no loop is running.
    ///
    /// # asyncio
    /// `loop.connect_accepted_socket(protocol_factory, sock)`.
    ///
    /// # Examples
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use loop_core::EventLoop;
    /// use loop_net::{BaseProtocol, Protocol, Transport, UnixStream};
    /// use loop_tasks::{LoopExt, yield_now};
    /// #[derive(Default)]
    /// struct Count(Cell<usize>);
    /// impl BaseProtocol for Count {}
    /// impl Protocol for Count {
    ///     fn data_received(&self, data: &[u8]) {
    ///         self.0.set(self.0.get() + data.len());
    ///     }
    /// }
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, far) = UnixStream::pair()?;
    ///     let count = Rc::new(Count::default());
    ///     let transport = Transport::new(near, Rc::clone(&count))?;
    ///     assert!(transport.can_write_eof());
    ///     far.write_all(&[0; 10_000]).await?;
    ///     drop(far);
    ///     while !transport.is_closing() {
    ///         yield_now().await;
    ///     }
    ///     assert_eq!(count.0.get(), 10_000);
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn new(connection: impl Connection, protocol: Rc<impl Protocol>) -> io::Result<Transport> {
        let channel = Channel::new(Rc::new(connection), None)?;
        let protocol = AnyProtocol::Plain(protocol);
        Ok(Transport::over(channel, protocol, Location::caller()))
    }

    /// As [`new`](Transport::new), with a protocol that gives the buffers.
    ///
    /// # Errors
    /// As [`new`](Transport::new).
    ///
    /// # Examples
    /// See [`BufferedProtocol`].
    #[track_caller]
    pub fn buffered(
        connection: impl Connection,
        protocol: Rc<impl BufferedProtocol>,
    ) -> io::Result<Transport> {
        let channel = Channel::new(Rc::new(connection), None)?;
        let protocol = AnyProtocol::Buffered(protocol);
        Ok(Transport::over(channel, protocol, Location::caller()))
    }

    pub(crate) fn over(channel: Rc<Channel>, protocol: AnyProtocol, place: Place) -> Transport {
        let transport = Transport(Hearing::new(channel, protocol, place));
        transport.0.begin(transport.clone());
        transport
    }

    pub(crate) fn channel(&self) -> &Rc<Channel> {
        &self.0.channel
    }

    /// Writes now what there is room for, and the rest later.
    ///
    /// # asyncio
    /// `transport.write(data)`.
    ///
    /// # Examples
    /// See [`create_connection`](crate::create_connection).
    pub fn write(&self, bytes: &[u8]) {
        self.0.channel.write(bytes);
    }

    /// As [`write`](Transport::write), of several parts one after the other.
    ///
    /// # asyncio
    /// `transport.writelines(list_of_data)`.
    ///
    /// # Examples
    /// As for [`StreamWriter::writelines`](crate::StreamWriter::writelines).
    pub fn writelines<T: AsRef<[u8]>>(&self, parts: impl IntoIterator<Item = T>) {
        let bytes = parts.into_iter().fold(Vec::new(), |mut bytes, part| {
            bytes.extend_from_slice(part.as_ref());
            bytes
        });
        self.write(&bytes);
    }

    /// Ends this direction when everything is written.
    ///
    /// # asyncio
    /// `transport.write_eof()`.
    ///
    /// # Examples
    /// As for [`StreamWriter::write_eof`](crate::StreamWriter::write_eof).
    pub fn write_eof(&self) {
        self.0.channel.write_eof();
    }

    /// Whether there is a direction to end: the reading end of a pipe has none, nor has what is closed.
    ///
    /// # asyncio
    /// `transport.can_write_eof()`, which is false of TLS; here each direction of that ends for itself.
    ///
    /// # Examples
    /// See [`new`](Transport::new).
    #[must_use]
    pub fn can_write_eof(&self) -> bool {
        let channel = &self.0.channel;
        !channel.is_lost() && channel.only() != Some(Direction::Read)
    }

    /// Reads no more, and closes when everything is written.
    ///
    /// # asyncio
    /// `transport.close()`.
    ///
    /// # Examples
    /// See [`create_connection`](crate::create_connection).
    pub fn close(&self) {
        self.0.pause_reading();
        self.0.channel.close();
    }

    /// Closes now; what waits to be written is lost.
    ///
    /// # asyncio
    /// `transport.abort()`.
    ///
    /// # Examples
    /// As for [`StreamWriter::abort`](crate::StreamWriter::abort).
    pub fn abort(&self) {
        self.0.channel.abort();
    }

    /// Whether it is closed, or closes.
    ///
    /// # asyncio
    /// `transport.is_closing()`.
    ///
    /// # Examples
    /// See [`new`](Transport::new).
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.0.channel.is_closing()
    }

    /// Reads nothing until [`resume_reading`](Transport::resume_reading).
    ///
    /// # asyncio
    /// `transport.pause_reading()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::{Transport, UnixStream};
    /// use loop_tasks::LoopExt;
    /// # struct Quiet;
    /// # impl loop_net::BaseProtocol for Quiet {}
    /// # impl loop_net::Protocol for Quiet {
    /// #     fn data_received(&self, _: &[u8]) {}
    /// # }
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (near, _far) = UnixStream::pair()?;
    ///     let transport = Transport::new(near, std::rc::Rc::new(Quiet))?;
    ///     transport.pause_reading();
    ///     assert!(!transport.is_reading());
    ///     transport.resume_reading();
    ///     assert!(transport.is_reading());
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause_reading(&self) {
        self.0.pause_reading();
    }

    /// Reads again.
    ///
    /// # asyncio
    /// `transport.resume_reading()`.
    ///
    /// # Examples
    /// See [`pause_reading`](Transport::pause_reading).
    pub fn resume_reading(&self) {
        if !self.is_closing() {
            self.0.resume_reading();
        }
    }

    /// Whether it reads.
    ///
    /// # asyncio
    /// `transport.is_reading()`.
    ///
    /// # Examples
    /// See [`pause_reading`](Transport::pause_reading).
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.0.is_reading() && !self.is_closing()
    }

    /// How many bytes wait to be written.
    ///
    /// # asyncio
    /// `transport.get_write_buffer_size()`.
    ///
    /// # Examples
    /// As for [`StreamWriter::set_write_buffer_limits`](crate::StreamWriter::set_write_buffer_limits).
    #[must_use]
    pub fn get_write_buffer_size(&self) -> usize {
        self.0.channel.waiting()
    }

    /// Sets the marks: strictly above `high` the protocol is told to pause, at `low` or under it to go on. By default,
    /// they are 64 KiB and a quarter of it.
    ///
    /// # Panics
    /// If `low` is greater than `high`.
    ///
    /// # asyncio
    /// `transport.set_write_buffer_limits(high, low)`.
    ///
    /// # Examples
    /// As for [`StreamWriter::set_write_buffer_limits`](crate::StreamWriter::set_write_buffer_limits).
    #[track_caller]
    pub fn set_write_buffer_limits(&self, high: usize, low: usize) {
        assert!(high >= low, "high ({high}) must be >= low ({low})");
        self.0.channel.set_marks(low, high);
    }

    /// From now on, another protocol hears of everything. A buffer that a buffered one has lent is filled once more.
    ///
    /// # asyncio
    /// `transport.set_protocol(protocol)`.
    ///
    /// # Examples
    /// ```no_run
    /// # fn switch(transport: &loop_net::Transport, next: impl loop_net::Protocol) {
    /// transport.set_protocol(std::rc::Rc::new(next));
    /// # }
    /// ```
    pub fn set_protocol(&self, protocol: Rc<impl Protocol>) {
        if !self.0.channel.is_lost() {
            self.0.set_protocol(AnyProtocol::Plain(protocol));
        }
    }

    /// What there is to know of the connection.
    ///
    /// # asyncio
    /// `transport.get_extra_info(name)`.
    ///
    /// # Examples
    /// As for [`StreamWriter::get_extra_info`](crate::StreamWriter::get_extra_info).
    #[must_use]
    pub fn get_extra_info(&self) -> ExtraInfo {
        ExtraInfo::of(&self.0.channel)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
