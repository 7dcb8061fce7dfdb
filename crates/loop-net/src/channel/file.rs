//! The turn of a file among what is written.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::life::{End, Next};
use super::{Channel, copy};
use crate::Connection;

/// The right to send a file. Until it is dropped, what others write and their end of the connection come behind it.
pub(crate) struct FileTurn(Rc<Channel>);

impl Channel {
    /// Takes the turn of a file, behind what was written before.
    pub(crate) fn file_turn(self: &Rc<Self>) -> io::Result<FileTurn> {
        let refusal = |kind, text: &str| io::Error::new(kind, text);
        if self.is_closing() {
            let closing = || refusal(io::ErrorKind::NotConnected, "Transport is closing");
            return Err(self.error().unwrap_or_else(closing));
        }
        if self.alive(|life| life.end) != Some(End::No) {
            let text = "Cannot call sendfile() after write_eof()";
            return Err(refusal(io::ErrorKind::InvalidInput, text));
        }
        if self.alive(|life| life.out.begin_file()) != Some(true) {
            let text = "another file is being sent";
            return Err(refusal(io::ErrorKind::ResourceBusy, text));
        }
        Ok(FileTurn(Rc::clone(self)))
    }

    /// Whether a file is being sent.
    #[cfg(feature = "tls")]
    pub(crate) fn has_file(&self) -> bool {
        self.alive(|life| life.out.has_file()) == Some(true)
    }
}

impl FileTurn {
    /// Waits until what was written before is on its way.
    pub(crate) async fn come(&self) -> io::Result<()> {
        let is_flushing = || self.0.alive(|life| life.is_flushing()) == Some(true);
        self.with(|_, _| match is_flushing() {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        })
        .await
    }

    /// Waits for something of the connection's, or for its end. An error that can only be the connection's ends it; one
    /// that may be the file's does not.
    pub(crate) async fn with<T>(
        &self,
        mut what: impl FnMut(&dyn Connection, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        poll_fn(|cx| {
            let channel = &self.0;
            let lost = || {
                let lost = || io::Error::new(io::ErrorKind::ConnectionReset, "Connection lost");
                Poll::Ready(Err(channel.error().unwrap_or_else(lost)))
            };
            let Some(connection) = channel.connection() else {
                return lost();
            };
            let polled = channel.guard(|| what(&*connection, cx));
            drop(connection);
            match &polled {
                Poll::Pending => {
                    let waker = cx.waker().clone();
                    match channel.alive(|life| life.out.enter_sender(waker)) {
                        Some(old) => drop(old),
                        None => return lost(), // meanwhile
                    }
                }
                Poll::Ready(Err(error)) if is_the_end(error) => channel.lose(Some(copy(error))),
                Poll::Ready(_) => {}
            }
            polled
        })
        .await
    }
}

/// Whether nothing can be sent after this error.
fn is_the_end(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, HostUnreachable, InvalidData, NetworkDown,
        NetworkUnreachable, NotConnected, TimedOut, WriteZero,
    };
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | InvalidData
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
            | TimedOut
            | WriteZero
    )
}

impl Drop for FileTurn {
    fn drop(&mut self) {
        let channel = &self.0;
        let sender = channel.alive(|life| life.out.end_file());
        drop(sender);
        let Some(connection) = channel.connection() else {
            return;
        };
        let has_more = channel.alive(|life| life.out.waiting() > 0 || life.next() != Next::Nothing);
        if has_more == Some(true) || !connection.is_flushed() {
            channel.flush();
        }
    }
}
