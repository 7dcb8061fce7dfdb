//! What a stream needs from the socket inside it.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, SendFlags};

/// That nobody will read it any more is an error for whoever sends, and no signal for the whole process.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;

/// The standard library says it to each socket, once, where sends cannot say it.
#[cfg(target_vendor = "apple")]
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::empty();

/// What a `Stream` needs from the socket of the standard library in it. Nobody else implements it.
pub trait StreamSocket: AsFd + Sized + private::Sealed {
    /// How the ends of the connection are named.
    type Address: fmt::Debug;
    /// Whether a read that gives less than it could take has taken everything: then the next arrival is an edge.
    #[doc(hidden)]
    const SHORT_READ_DRAINS: bool;
    #[doc(hidden)]
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
    #[doc(hidden)]
    fn local_addr(&self) -> io::Result<Self::Address>;
    #[doc(hidden)]
    fn peer_addr(&self) -> io::Result<Self::Address>;

    // Below, what is the same for all of them. It calls the system without libc, which looks for cancelled threads at
    // both ends of each call.

    #[doc(hidden)]
    #[inline]
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (_, read) = rustix::net::recv(self, buffer, RecvFlags::empty())?;
        Ok(read)
    }

    #[doc(hidden)]
    fn receive_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(rustix::io::readv(self, buffers)?)
    }

    #[doc(hidden)]
    #[inline]
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self, bytes, NO_SIGNAL)?)
    }

    #[doc(hidden)]
    fn send_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(self, bytes)?)
    }

    #[doc(hidden)]
    fn dont_block(&self) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(self, true)?)
    }
}

pub(crate) mod private {
    /// Keeps [`StreamSocket`](super::StreamSocket) and its kin to this crate.
    pub trait Sealed {}
}
