//! What carries the bytes of streams and transports.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll};
use std::time::Duration;

use loop_core::Direction;

use crate::stream_sendfile::send_from;
use crate::{Address, Stream, StreamSocket};

/// What carries bytes in both directions in order: a socket, or something on top of one.
///
/// One task reads and one writes at a time: for each direction there is one place for a waker.
///
/// Under streams and transports, it is lost when it panics: everybody who waits for it hears why.
///
/// # Examples
/// See [`streams_over`](crate::streams_over).
pub trait Connection: fmt::Debug + 'static {
    /// Reads to the end of `buffer`, into the room that it has beyond its length, and says how much: 0 is the end.
    ///
    /// # Errors
    /// What keeps it from ever reading more.
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>>;

    /// Writes at least one byte, and says how much.
    ///
    /// # Errors
    /// What keeps it from ever writing more.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes without waiting.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), which is what it always says by default; or as
    /// [`poll_write`](Connection::poll_write).
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let _ = bytes;
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Has the system send at most `most` bytes of a file from `offset` on, and says how many it were: 0 is the end of
    /// the file. By default, it cannot.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported) if it cannot send this file over this connection; or as
    /// [`poll_write`](Connection::poll_write).
    fn poll_sendfile(
        &self,
        cx: &mut Context<'_>,
        file: &File,
        offset: u64,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let _ = (cx, file, offset, most);
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Whether what was written is on its way. By default, it is.
    fn is_flushed(&self) -> bool {
        true
    }

    /// Sends what was written and is not on its way. By default, there is nothing.
    ///
    /// # Errors
    /// As [`poll_write`](Connection::poll_write).
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Tells the other side that nothing more comes.
    ///
    /// # Errors
    /// What keeps it from that.
    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The one direction in which it carries bytes, if it is only one, as of a pipe. By default, it is both.
    fn only(&self) -> Option<Direction> {
        None
    }

    /// Whether there is nothing to say before it is dropped. By default there is: [`poll_shutdown`](Self::poll_shutdown).
    fn closes_at_once(&self) -> bool {
        false
    }

    /// For how long the other side may take to end its direction when this one is closed and has said so, before the
    /// connection is dropped with an error. By default no time at all: it is not waited for.
    fn parting_timeout(&self) -> Duration {
        Duration::ZERO
    }

    /// Waits until the other side has ended its direction, and drops what still comes.
    fn poll_parted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }

    /// It is about to be dropped: takes what has arrived and nobody will read, since a socket that is closed with unread
    /// bytes resets its connection, and what was written last may be lost. By default, nothing.
    fn discard(&self) {}

    /// What TLS has negotiated, if it is spoken. By default, it is not.
    #[cfg(feature = "tls")]
    fn tls_info(&self) -> Option<crate::TlsInfo> {
        None
    }

    /// The address of this end, if it has one.
    fn local_addr(&self) -> Option<Address>;

    /// The address of the other end, if it has one.
    fn peer_addr(&self) -> Option<Address>;
}

impl<S> Connection for Stream<S>
where
    S: StreamSocket<Address: Into<Address>> + 'static,
{
    #[inline]
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        self.poll_read_buf(cx, buffer)
    }

    #[inline]
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Stream::poll_write(self, cx, bytes)
    }

    #[inline]
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Stream::try_write(self, bytes)
    }

    fn poll_sendfile(
        &self,
        cx: &mut Context<'_>,
        file: &File,
        offset: u64,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        self.fd
            .poll_write_with(cx, |socket| send_from(socket, file, offset, most))
    }

    fn poll_shutdown(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown(Shutdown::Write))
    }

    fn closes_at_once(&self) -> bool {
        true
    }

    fn discard(&self) {
        /// Whoever has sent more than this will not be listened to.
        const MOST: usize = 256 * 1024;
        let (mut buffer, mut left) = ([0; 4096], MOST);
        while let Ok(read @ 1..) = self.try_read(&mut buffer) {
            left = left.saturating_sub(read);
            if left == 0 {
                break;
            }
        }
    }

    fn local_addr(&self) -> Option<Address> {
        Stream::local_addr(self).ok().map(Into::into)
    }

    fn peer_addr(&self) -> Option<Address> {
        Stream::peer_addr(self).ok().map(Into::into)
    }
}
