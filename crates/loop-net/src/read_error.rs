//! What can go wrong when a reader is asked for something in particular.

use std::fmt;
use std::io;

/// The stream ended before there was as much as was asked for.
///
/// # asyncio
/// `asyncio.IncompleteReadError`.
///
/// # Examples
/// See [`StreamReader::readexactly`](crate::StreamReader::readexactly).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncompleteRead {
    /// What there was.
    pub partial: Vec<u8>,
    /// How much was asked for, if that was a number.
    pub expected: Option<usize>,
}

/// There is no separator in as many bytes as the limit allows.
///
/// # asyncio
/// `asyncio.LimitOverrunError`.
///
/// # Examples
/// See [`StreamReader::readuntil`](crate::StreamReader::readuntil).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitOverrun {
    /// How many bytes at the beginning of the buffer do not belong to the separator: they can be read.
    pub consumed: usize,
    /// Whether the separator was found behind them.
    pub found: bool,
}

/// Why a reader has not given what it was asked for.
///
/// # Examples
/// See [`StreamReader::readuntil`](crate::StreamReader::readuntil).
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended first.
    Incomplete(IncompleteRead),
    /// There is more than the limit allows.
    Limit(LimitOverrun),
    /// The connection failed.
    Io(io::Error),
}

impl fmt::Display for IncompleteRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes read on a total of ", self.partial.len())?;
        match self.expected {
            Some(expected) => write!(f, "{expected} expected bytes"),
            None => f.write_str("undefined expected bytes"),
        }
    }
}

impl fmt::Display for LimitOverrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.found {
            true => "Separator is found, but chunk is longer than limit",
            false => "Separator is not found, and chunk exceed the limit",
        })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Incomplete(error) => error.fmt(f),
            ReadError::Limit(error) => error.fmt(f),
            ReadError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for IncompleteRead {}
impl std::error::Error for LimitOverrun {}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Incomplete(error) => error.source(),
            ReadError::Limit(error) => error.source(),
            ReadError::Io(error) => error.source(),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Io(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> io::Error {
        match error {
            ReadError::Incomplete(error) => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            ReadError::Limit(error) => io::Error::new(io::ErrorKind::InvalidData, error),
            ReadError::Io(error) => error,
        }
    }
}
