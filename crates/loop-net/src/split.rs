//! Halves of a stream.

use std::fmt;
use std::net::Shutdown;
use std::ops::Deref;
use std::rc::Rc;

use crate::{Stream, StreamSocket};

/// The half of a borrowed stream to read from: see [`Stream::split`].
///
/// # Examples
/// See [`Stream::split`].
pub struct ReadHalf<'a, S: StreamSocket>(pub(crate) &'a Stream<S>);

/// The half of a borrowed stream to write to: see [`Stream::split`].
///
/// # Examples
/// See [`Stream::split`].
pub struct WriteHalf<'a, S: StreamSocket>(pub(crate) &'a Stream<S>);

/// The half of a stream to read from: see [`Stream::into_split`].
///
/// # Examples
/// See [`Stream::into_split`].
pub struct OwnedReadHalf<S: StreamSocket>(pub(crate) Rc<Stream<S>>);

/// The half of a stream to write to: see [`Stream::into_split`]. Its drop tells the other side that nothing more comes.
///
/// # Examples
/// See [`Stream::into_split`].
pub struct OwnedWriteHalf<S: StreamSocket>(pub(crate) Option<Rc<Stream<S>>>);

/// The halves are not of one stream: both come back.
///
/// # Examples
/// See [`OwnedReadHalf::reunite`].
pub struct ReuniteError<S: StreamSocket>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

impl<S: StreamSocket> OwnedReadHalf<S> {
    /// Makes two halves the stream again that they were.
    ///
    /// # Errors
    /// [`ReuniteError`] with both if they were not one.
    ///
    /// # Examples
    /// ```
    /// use loop_net::UnixStream;
    /// let (near, far) = UnixStream::pair()?;
    /// let (near_reader, near_writer) = near.into_split();
    /// let (far_reader, far_writer) = far.into_split();
    /// let error = near_reader.reunite(far_writer).unwrap_err();
    /// let near = error.0.reunite(near_writer)?;
    /// # drop((near, far_reader));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reunite(self, mut writer: OwnedWriteHalf<S>) -> Result<Stream<S>, ReuniteError<S>> {
        match writer.0.take() {
            Some(stream) if Rc::ptr_eq(&stream, &self.0) => {
                drop(stream);
                Rc::try_unwrap(self.0)
                    .map_err(|stream| ReuniteError(OwnedReadHalf(stream), OwnedWriteHalf(None)))
            }
            other => Err(ReuniteError(self, OwnedWriteHalf(other))),
        }
    }
}

impl<S: StreamSocket> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            // A connection that is no more needs no end.
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}

impl<S: StreamSocket> Deref for ReadHalf<'_, S> {
    type Target = Stream<S>;

    fn deref(&self) -> &Stream<S> {
        self.0
    }
}

impl<S: StreamSocket> Deref for WriteHalf<'_, S> {
    type Target = Stream<S>;

    fn deref(&self) -> &Stream<S> {
        self.0
    }
}

impl<S: StreamSocket> Deref for OwnedReadHalf<S> {
    type Target = Stream<S>;

    fn deref(&self) -> &Stream<S> {
        &self.0
    }
}

impl<S: StreamSocket> Deref for OwnedWriteHalf<S> {
    type Target = Stream<S>;

    fn deref(&self) -> &Stream<S> {
        self.0.as_ref().expect("only `reunite` takes it, by value")
    }
}

impl<S: StreamSocket> fmt::Debug for ReadHalf<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadHalf").field(self.0).finish()
    }
}

impl<S: StreamSocket> fmt::Debug for WriteHalf<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteHalf").field(self.0).finish()
    }
}

impl<S: StreamSocket> fmt::Debug for OwnedReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedReadHalf").field(&self.0).finish()
    }
}

impl<S: StreamSocket> fmt::Debug for OwnedWriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedWriteHalf").field(&self.0).finish()
    }
}

impl<S: StreamSocket> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReuniteError")
            .field(&self.0)
            .field(&self.1)
            .finish()
    }
}

impl<S: StreamSocket> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of one stream")
    }
}

impl<S: StreamSocket> std::error::Error for ReuniteError<S> {}
