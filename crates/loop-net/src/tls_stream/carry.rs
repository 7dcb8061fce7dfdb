//! Records, carried over a connection.
//!
//! The connection may be anybody's, and may do anything when it is asked for something, also use the stream above it. So
//! nothing is borrowed then: the records that it is to send, or the buffer that it is to fill, are lent. What is written
//! meanwhile is encrypted and comes behind; who would send or read meanwhile is woken, and looks again when this is over.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::task::{Context, Poll, ready};

use super::TlsStream;
use super::buffer::{Buffer, Lent};
use super::records::Records;

/// Room that is made for records of the other side.
const ROOM: usize = 18 * 1024;

/// Which of the buffers.
type Which = fn(&mut Records) -> &mut Buffer;

/// Records that are with the connection; they come back also if it panics.
struct Carried<'a> {
    lent: Lent,
    of: &'a TlsStream,
    which: Which,
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        let lent = mem::take(&mut self.lent);
        (self.which)(&mut self.of.records.borrow_mut()).give_back(lent);
    }
}

/// What was lent is back at the end of the call in which this one comes.
fn poll_back<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl TlsStream {
    /// `None`: they are lent already.
    fn lend(&self, which: Which) -> Option<Carried<'_>> {
        let lent = which(&mut self.records.borrow_mut()).lend()?;
        Some(Carried {
            lent,
            of: self,
            which,
        })
    }

    /// Waits until both sides know each other.
    pub(crate) async fn handshake(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = self.poll_send(cx)?;
            let (is_over, ended) = {
                let records = self.records.borrow();
                (!records.is_handshaking(), records.ended)
            };
            if is_over {
                return sent.map(Ok);
            }
            if ended {
                let text = "the connection ended before TLS began";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
            }
            // Also if it has to wait with sending: the other side may wait too, until somebody reads.
            ready!(self.poll_records(cx))?;
            let decrypted = self.records.borrow_mut().decrypt();
            if let Err(error) = decrypted {
                // The other side is to hear what was wrong with what it said.
                let _ = self.poll_send(cx);
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Waits for plaintext, and hands it over; nothing is the end. `take` only copies it: the records are borrowed.
    pub(crate) fn poll_plaintext(
        &self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            let taken = self.records.borrow_mut().take_plaintext(&mut take);
            if let Some(result) = taken {
                return Poll::Ready(result);
            }
            ready!(self.poll_records(cx))?;
            let decrypted = self.records.borrow_mut().decrypt();
            // Answers to what came; without room now, they go with whatever is written next.
            self.try_send()?;
            decrypted?;
        }
    }

    /// Waits for records of the other side, or for its end, unless some have come.
    fn poll_records(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let has_come = {
            let records = self.records.borrow();
            records.ended || !records.incoming.rest().is_empty()
        };
        if has_come {
            return Poll::Ready(Ok(()));
        }
        let Some(mut carried) = self.lend(|records| &mut records.incoming) else {
            return poll_back(cx);
        };
        let buffer = &mut carried.lent.bytes;
        buffer.reserve(ROOM);
        let polled = self.inner.poll_read(cx, buffer);
        if polled.is_pending() && buffer.is_empty() {
            *buffer = Vec::new(); // who waits needs no memory
        }
        drop(carried);
        if ready!(polled)? == 0 {
            self.records.borrow_mut().ended = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends all records.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_to_send() {
            let Some(carried) = self.lend(|records| &mut records.outgoing) else {
                return poll_back(cx);
            };
            let sent = ready!(self.inner.poll_write(cx, carried.lent.rest()))?;
            drop(carried);
            self.has_sent(sent)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what there is room for.
    pub(super) fn try_send(&self) -> io::Result<()> {
        while self.has_to_send() {
            let Some(carried) = self.lend(|records| &mut records.outgoing) else {
                break; // whoever sends them goes on until there is nothing
            };
            let sent = match self.inner.try_write(carried.lent.rest()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                result => result?,
            };
            drop(carried);
            self.has_sent(sent)?;
        }
        Ok(())
    }

    fn has_to_send(&self) -> bool {
        let mut records = self.records.borrow_mut();
        records.encrypt();
        !records.outgoing.is_empty()
    }

    fn has_sent(&self, sent: usize) -> io::Result<()> {
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.records.borrow_mut().outgoing.consume(sent);
        Ok(())
    }
}
