//! The turn of a file among what is written.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Channel, copy};
use crate::Connection;

/// The right to send a file. Until it is dropped, what others write and their end of the connection come behind it.
pub(crate) struct FileTurn(Rc<Channel>);

impl Channel {
    /// Takes the turn of a file, behind what was written before.
    pub(crate) fn file_turn(self: &Rc<Self>) -> io::Result<FileTurn> {
        let refusal = |kind, text: &str| Err(io::Error::new(kind, text));
        if self.is_closing() {
            let text = "Transport is closing";
            return self
                .error()
                .map_or_else(|| refusal(io::ErrorKind::NotConnected, text), Err);
        }
        if self.end_wanted.get() {
            let text = "Cannot call sendfile() after write_eof()";
            return refusal(io::ErrorKind::InvalidInput, text);
        }
        if self.file.replace(true) {
            let text = "another file is being sent";
            return refusal(io::ErrorKind::ResourceBusy, text);
        }
        Ok(FileTurn(Rc::clone(self)))
    }

    /// Whether a file is being sent.
    #[cfg(feature = "tls")]
    pub(crate) fn has_file(&self) -> bool {
        self.file.get()
    }

    /// Has whoever sends a file look again.
    pub(super) fn wake_sender(&self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }
}

impl FileTurn {
    /// Waits until what was written before is on its way.
    pub(crate) async fn come(&self) -> io::Result<()> {
        self.with(|_, _| match self.0.flushing.get() {
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
            let Some(connection) = channel.connection() else {
                let lost = || io::Error::new(io::ErrorKind::ConnectionReset, "Connection lost");
                return Poll::Ready(Err(channel.error().unwrap_or_else(lost)));
            };
            let polled = what(&*connection, cx);
            drop(connection);
            match &polled {
                Poll::Pending => {
                    let old = channel.sender.replace(Some(cx.waker().clone()));
                    drop(old);
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
        channel.file.set(false);
        let sender = channel.sender.take();
        drop(sender);
        let Some(connection) = channel.connection() else {
            return;
        };
        let mut behind = channel.behind.take();
        channel.out.borrow_mut().append(&mut behind);
        let is_last = channel.closing.get() || channel.end_wanted.get();
        if channel.unsent() > 0 || is_last || !connection.is_flushed() {
            channel.flush();
        }
    }
}
