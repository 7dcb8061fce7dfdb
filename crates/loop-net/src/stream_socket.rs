//! What a stream needs from the socket inside it.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::AsFd;

/// What a `Stream` needs from the socket of the standard library in it. Nobody else implements it.
pub trait StreamSocket: AsFd + Sized + private::Sealed {
    /// How the ends of the connection are named.
    type Address: fmt::Debug;
    /// Whether a read that gives less than it could take has taken everything: then the next arrival is an edge.
    #[doc(hidden)]
    const SHORT_READ_DRAINS: bool;
    #[doc(hidden)]
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
    #[doc(hidden)]
    fn receive_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    #[doc(hidden)]
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;
    #[doc(hidden)]
    fn send_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;
    #[doc(hidden)]
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
    #[doc(hidden)]
    fn dont_block(&self) -> io::Result<()>;
    #[doc(hidden)]
    fn local_addr(&self) -> io::Result<Self::Address>;
    #[doc(hidden)]
    fn peer_addr(&self) -> io::Result<Self::Address>;
}

pub(crate) mod private {
    /// Keeps [`StreamSocket`](super::StreamSocket) and its kin to this crate.
    pub trait Sealed {}
}
