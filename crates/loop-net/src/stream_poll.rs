//! Streams in futures made by hand.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use crate::{Stream, StreamSocket};

impl<S: StreamSocket> Stream<S> {
    /// As [`read`](Stream::read), for futures made by hand. A second waker replaces the first.
    ///
    /// # Errors
    /// As [`read`](Stream::read).
    ///
    /// # Examples
    /// See [`AsyncFd::poll_read_with`](crate::AsyncFd::poll_read_with).
    #[inline]
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.fd.poll_read_with(cx, |_| self.receive(buffer))
    }

    /// As [`read_buf`](Stream::read_buf), for futures made by hand. A second waker replaces the first.
    ///
    /// # Errors
    /// As [`read`](Stream::read).
    ///
    /// # Examples
    /// See [`AsyncFd::poll_read_with`](crate::AsyncFd::poll_read_with).
    #[inline]
    pub fn poll_read_buf(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        self.fd
            .poll_read_with(cx, |_| self.receive_to_end_of(buffer))
    }

    /// As [`write`](Stream::write), for futures made by hand. A second waker replaces the first.
    ///
    /// # Errors
    /// As [`write`](Stream::write).
    ///
    /// # Examples
    /// See [`AsyncFd::poll_read_with`](crate::AsyncFd::poll_read_with).
    #[inline]
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.fd.poll_write_with(cx, |socket| socket.send(bytes))
    }

    /// As [`write_vectored`](Stream::write_vectored), for futures made by hand. A second waker replaces the first.
    ///
    /// # Errors
    /// As [`write`](Stream::write).
    ///
    /// # Examples
    /// See [`AsyncFd::poll_read_with`](crate::AsyncFd::poll_read_with).
    #[inline]
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.fd
            .poll_write_with(cx, |socket| socket.send_vectored(bytes))
    }
}
