//! Why a queue takes or gives nothing.
//!
//! With `?` each becomes an [`io::Error`] too, with itself inside, but for an item, which need not be `Send`.

use std::error::Error;
use std::fmt;
use std::io;

/// The queue is shut down; `put` hands the item back.
///
/// # asyncio
/// `QueueShutDown`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueShutDown<T = ()>(pub T);

const SHUT_DOWN: &str = "the queue is shut down";

impl<T> fmt::Debug for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueShutDown(..)")
    }
}

impl<T> fmt::Display for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl<T> Error for QueueShutDown<T> {}

impl<T> From<QueueShutDown<T>> for io::Error {
    fn from(_: QueueShutDown<T>) -> io::Error {
        io::Error::other(QueueShutDown(()))
    }
}

/// Why [`put_nowait`](crate::Queue::put_nowait) did not take the item, which it hands back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PutNowaitError<T> {
    /// There is no room for it now.
    QueueFull(T),
    /// The queue is shut down.
    QueueShutDown(T),
}

impl<T> PutNowaitError<T> {
    /// The item.
    ///
    /// # Examples
    /// ```
    /// let queue = loop_sync::Queue::new(1);
    /// queue.put_nowait(1).unwrap();
    /// assert_eq!(queue.put_nowait(2).unwrap_err().into_inner(), 2);
    /// ```
    #[must_use]
    pub fn into_inner(self) -> T {
        match self {
            PutNowaitError::QueueFull(item) | PutNowaitError::QueueShutDown(item) => item,
        }
    }
}

impl<T> fmt::Debug for PutNowaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutNowaitError::QueueFull(_) => "QueueFull(..)",
            PutNowaitError::QueueShutDown(_) => "QueueShutDown(..)",
        })
    }
}

impl<T> fmt::Display for PutNowaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutNowaitError::QueueFull(_) => "the queue is full: `put` waits until there is room",
            PutNowaitError::QueueShutDown(_) => SHUT_DOWN,
        })
    }
}

impl<T> Error for PutNowaitError<T> {}

impl<T> From<PutNowaitError<T>> for io::Error {
    fn from(error: PutNowaitError<T>) -> io::Error {
        io::Error::other(match error {
            PutNowaitError::QueueFull(_) => PutNowaitError::QueueFull(()),
            PutNowaitError::QueueShutDown(_) => PutNowaitError::QueueShutDown(()),
        })
    }
}

/// Why [`get_nowait`](crate::Queue::get_nowait) gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetNowaitError {
    /// There is nothing now.
    QueueEmpty,
    /// There is nothing and never will be: the queue is shut down.
    QueueShutDown,
}

impl fmt::Display for GetNowaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GetNowaitError::QueueEmpty => "the queue is empty: `get` waits until there is an item",
            GetNowaitError::QueueShutDown => SHUT_DOWN,
        })
    }
}

impl Error for GetNowaitError {}

impl From<GetNowaitError> for io::Error {
    fn from(error: GetNowaitError) -> io::Error {
        io::Error::other(error)
    }
}

/// [`task_done`](crate::Queue::task_done) was called more often than items were put in.
///
/// # asyncio
/// `ValueError: task_done() called too many times`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyTaskDone;

impl fmt::Display for TooManyTaskDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done() called too many times")
    }
}

impl Error for TooManyTaskDone {}

impl From<TooManyTaskDone> for io::Error {
    fn from(error: TooManyTaskDone) -> io::Error {
        io::Error::other(error)
    }
}
