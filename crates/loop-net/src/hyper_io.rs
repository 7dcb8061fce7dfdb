//! hyper's traits for streams.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::{Stream, StreamSocket};

/// The most that one read takes.
const MOST: usize = 64 * 1024;

thread_local! {
    /// Where bytes are on their way into hyper's buffers, whose spare room only unsafe code could fill at once. A
    /// copy of what was read costs less than clearing all the room that there is.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<S: StreamSocket> Read for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut scratch = SCRATCH.take();
        scratch.resize(MOST, 0);
        let room = buffer.remaining().min(MOST);
        let polled = Stream::poll_read(&self, cx, &mut scratch[..room]);
        let polled = polled.map_ok(|read| buffer.put_slice(&scratch[..read]));
        SCRATCH.set(scratch);
        polled
    }
}

impl<S: StreamSocket> Write for Stream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Stream::poll_write(&self, cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Stream::poll_write_vectored(&self, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // what is written is the system's
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown(Shutdown::Write))
    }
}

#[cfg(feature = "tls")]
impl Read for crate::TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = self.poll_plaintext(cx, |plain| {
            let taken = plain.len().min(buffer.remaining());
            buffer.put_slice(&plain[..taken]);
            taken
        });
        polled.map_ok(|_| ())
    }
}

#[cfg(feature = "tls")]
impl Write for crate::TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        crate::Connection::poll_write(&*self, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        crate::Connection::poll_flush(&*self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        crate::Connection::poll_shutdown(&*self, cx)
    }
}
