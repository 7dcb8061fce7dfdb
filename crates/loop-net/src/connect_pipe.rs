//! Pipes under streams and transports, each for its one direction.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use loop_core::Direction;

use crate::channel::Channel;
use crate::closing::begun;
use crate::protocol::AnyProtocol;
use crate::{Address, BaseProtocol, Connection, PipeReader, PipeWriter, Protocol, Transport};

/// Has a protocol told of what comes out of a pipe: see [`PipeReader`] for what that may be.
///
/// The transport has one direction. Its end is the pipe's, whatever the protocol's
/// [`eof_received`](Protocol::eof_received) says; one that is written to is lost with an error.
///
/// # Errors
/// As [`PipeReader::new`].
///
/// # Ordering
/// The protocol has heard of its transport when this returns.
///
/// # asyncio
/// `loop.connect_read_pipe(protocol_factory, pipe)`, with `StreamReaderProtocol`:
/// [`StreamReader::over`](crate::StreamReader::over).
///
/// # Examples
/// ```
/// use std::cell::RefCell;
/// use std::io::Write;
/// use loop_core::EventLoop;
/// use loop_net::{BaseProtocol, Protocol, connect_read_pipe};
/// use loop_tasks::{LoopExt, yield_now};
/// #[derive(Default)]
/// struct Collect(RefCell<Vec<u8>>);
/// impl BaseProtocol for Collect {}
/// impl Protocol for Collect {
///     fn data_received(&self, data: &[u8]) {
///         self.0.borrow_mut().extend_from_slice(data);
///     }
/// }
/// let (reader, mut writer) = std::io::pipe()?;
/// writer.write_all(b"ping")?;
/// drop(writer);
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async move {
///     let (transport, collect) = connect_read_pipe(Collect::default, reader).await?;
///     while !transport.is_closing() {
///         yield_now().await;
///     }
///     assert_eq!(collect.0.take(), b"ping");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn connect_read_pipe<P: Protocol>(
    protocol_factory: impl FnOnce() -> P,
    pipe: impl Into<OwnedFd>,
) -> impl Future<Output = io::Result<(Transport, Rc<P>)>> {
    let place = Location::caller();
    async move {
        let channel = Channel::new(Rc::new(PipeReader::new(pipe)?), None)?;
        let protocol = Rc::new(protocol_factory());
        let told = AnyProtocol::Plain(Rc::clone(&protocol) as _);
        let transport = Transport::over(channel, told, place);
        Ok((begun(transport, Transport::close).await, protocol))
    }
}

/// Gives a transport that writes into a pipe: see [`PipeWriter`] for what that may be.
///
/// When nobody is left who reads, the protocol hears `connection_lost` at once: with
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if something waited to be written, without an error otherwise.
/// [`write_eof`](Transport::write_eof) is [`close`](Transport::close): there is no other direction.
///
/// # Errors
/// As [`PipeWriter::new`].
///
/// # Ordering
/// The protocol has heard of its transport when this returns.
///
/// # asyncio
/// `loop.connect_write_pipe(protocol_factory, pipe)`; for a `StreamWriter` there is
/// [`StreamWriter::over`](crate::StreamWriter::over).
///
/// # Examples
/// ```
/// use std::io::Read;
/// use loop_core::EventLoop;
/// use loop_net::{BaseProtocol, connect_write_pipe};
/// use loop_tasks::LoopExt;
/// struct Quiet;
/// impl BaseProtocol for Quiet {}
/// let (mut reader, writer) = std::io::pipe()?;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async move {
///     let (transport, _) = connect_write_pipe(|| Quiet, writer).await?;
///     transport.write(b"ping");
///     transport.write_eof();
///     Ok::<_, std::io::Error>(())
/// })??;
/// let mut all = Vec::new();
/// reader.read_to_end(&mut all)?;
/// assert_eq!(all, b"ping");
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn connect_write_pipe<P: BaseProtocol>(
    protocol_factory: impl FnOnce() -> P,
    pipe: impl Into<OwnedFd>,
) -> impl Future<Output = io::Result<(Transport, Rc<P>)>> {
    let place = Location::caller();
    async move {
        let channel = Channel::new(Rc::new(PipeWriter::new(pipe)?), None)?;
        let protocol = Rc::new(protocol_factory());
        let told = AnyProtocol::Base(Rc::clone(&protocol) as _);
        let transport = Transport::over(channel, told, place);
        Ok((begun(transport, Transport::close).await, protocol))
    }
}

impl Connection for PipeReader {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        self.poll_read_buf(cx, buffer)
    }

    fn poll_write(&self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(wrong_end("reading end", "written")))
    }

    fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        Err(wrong_end("reading end", "written"))
    }

    fn poll_shutdown(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn closes_at_once(&self) -> bool {
        true
    }

    fn only(&self) -> Option<Direction> {
        Some(Direction::Read)
    }

    fn local_addr(&self) -> Option<Address> {
        None
    }

    fn peer_addr(&self) -> Option<Address> {
        None
    }
}

impl Connection for PipeWriter {
    fn poll_read(&self, _: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(wrong_end("writing end", "read")))
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.async_fd()
            .poll_write_with(cx, |fd| Ok(rustix::io::write(fd, bytes)?))
    }

    /// Asks the system even if the loop has not: it watches from the beginning, and may not have seen yet that there is
    /// room.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::io::write(self, bytes)
        })?)
    }

    fn poll_shutdown(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // closing it says so
    }

    fn closes_at_once(&self) -> bool {
        true
    }

    fn poll_parted(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_closed(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            // What cannot be watched, such as the null device, has no reader to go.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }

    fn only(&self) -> Option<Direction> {
        Some(Direction::Write)
    }

    fn local_addr(&self) -> Option<Address> {
        None
    }

    fn peer_addr(&self) -> Option<Address> {
        None
    }
}

fn wrong_end(end: &str, what: &str) -> io::Error {
    let text = format!("the {end} of a pipe cannot be {what}");
    io::Error::new(io::ErrorKind::Unsupported, text)
}
