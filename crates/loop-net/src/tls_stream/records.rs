//! What rustls makes of records, and where they wait.
//!
//! It turns plaintext into records and back, and never touches a connection. This carries them: what came and was not
//! decrypted yet waits in one buffer, what was encrypted and not sent in another.

use std::io::{self, BufRead, Write};
use std::task::{Context, Poll, ready};

use super::TlsInfo;
use crate::Connection;

/// Room that is made for records of the other side.
const ROOM: usize = 18 * 1024;

/// The most plaintext that is encrypted before it is sent.
const MOST: usize = 64 * 1024;

pub(super) struct Records {
    tls: rustls::Connection,
    /// Records that have come; what is before `read` is decrypted.
    incoming: Vec<u8>,
    read: usize,
    /// Records that are to be sent; what is before `sent` is.
    outgoing: Vec<u8>,
    sent: usize,
    /// The other side has ended its connection.
    ended: bool,
}

impl Records {
    pub(super) fn new(tls: rustls::Connection) -> Records {
        Records {
            tls,
            incoming: Vec::new(),
            read: 0,
            outgoing: Vec::new(),
            sent: 0,
            ended: false,
        }
    }

    /// Takes records that somebody else has read from the connection already.
    pub(super) fn has_come(&mut self, bytes: &[u8]) {
        self.incoming.extend_from_slice(bytes);
    }

    /// Waits until both sides know each other.
    pub(super) fn poll_handshake(
        &mut self,
        inner: &dyn Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(inner, cx))?;
            if !self.tls.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                let text = "the connection ended before TLS began";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
            }
            if self.incoming.len() == self.read {
                ready!(self.poll_receive(inner, cx))?;
            }
            if let Err(error) = self.decrypt() {
                // The other side is to hear what was wrong with what it said.
                self.encrypt();
                let _ = self.poll_send(inner, cx);
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Waits for plaintext, and hands it over; nothing is the end.
    pub(super) fn poll_plaintext(
        &mut self,
        inner: &dyn Connection,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(result) = self.take_plaintext(&mut take) {
                return Poll::Ready(result);
            }
            if self.read == self.incoming.len() && !self.ended {
                ready!(self.poll_receive(inner, cx))?;
            }
            let decrypted = self.decrypt();
            // Answers to what came; without room now, they go with whatever is written next.
            self.try_send(inner)?;
            decrypted?;
        }
    }

    /// Takes plaintext when everything before it is sent, and sends what there is room for.
    pub(super) fn poll_write(
        &mut self,
        inner: &dyn Connection,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(inner, cx))?;
        let taken = self.take(bytes)?;
        if let Poll::Ready(Err(error)) = self.poll_send(inner, cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    /// As [`poll_write`](Self::poll_write), without waiting.
    pub(super) fn try_write(&mut self, inner: &dyn Connection, bytes: &[u8]) -> io::Result<usize> {
        self.try_send(inner)?;
        if self.sent < self.outgoing.len() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = self.take(bytes)?;
        self.try_send(inner)?;
        Ok(taken)
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = bytes.len().min(MOST);
        self.tls.writer().write(&bytes[..most])
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.sent == self.outgoing.len() && !self.tls.wants_write()
    }

    /// Tells the other side that nothing more comes.
    pub(super) fn poll_shutdown(
        &mut self,
        inner: &dyn Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.tls.send_close_notify();
        self.poll_send(inner, cx)
    }

    pub(super) fn info(&self) -> Option<TlsInfo> {
        let certificates = self.tls.peer_certificates().unwrap_or_default();
        Some(TlsInfo {
            version: format!("{:?}", self.tls.protocol_version()?),
            cipher: format!("{:?}", self.tls.negotiated_cipher_suite()?.suite()),
            alpn: self.tls.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: certificates.iter().map(|one| one.to_vec()).collect(),
        })
    }

    /// Turns what is to be told into records.
    fn encrypt(&mut self) {
        while self.tls.wants_write() {
            // A vector takes everything.
            let _ = self.tls.write_tls(&mut self.outgoing);
        }
    }

    fn has_sent(&mut self, sent: usize) -> io::Result<()> {
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.sent += sent;
        if self.sent == self.outgoing.len() {
            self.sent = 0;
            self.outgoing.clear();
            self.outgoing.shrink_to(MOST * 2);
        }
        Ok(())
    }

    /// Sends all records.
    pub(super) fn poll_send(
        &mut self,
        inner: &dyn Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.encrypt();
        while self.sent < self.outgoing.len() {
            let sent = ready!(inner.poll_write(cx, &self.outgoing[self.sent..]))?;
            self.has_sent(sent)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what there is room for.
    fn try_send(&mut self, inner: &dyn Connection) -> io::Result<()> {
        self.encrypt();
        while self.sent < self.outgoing.len() {
            match inner.try_write(&self.outgoing[self.sent..]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                result => self.has_sent(result?)?,
            }
        }
        Ok(())
    }

    /// Takes records from the connection, or its end.
    fn poll_receive(
        &mut self,
        inner: &dyn Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read == self.incoming.len() {
            self.incoming.clear();
            self.read = 0;
        }
        self.incoming.reserve(ROOM);
        let polled = inner.poll_read(cx, &mut self.incoming);
        if polled.is_pending() && self.incoming.is_empty() {
            self.incoming = Vec::new(); // who waits needs no memory
        }
        self.ended = ready!(polled)? == 0;
        Poll::Ready(Ok(()))
    }

    /// Turns records into plaintext, of which rustls keeps a limited amount.
    fn decrypt(&mut self) -> io::Result<()> {
        while self.read < self.incoming.len() || self.ended {
            let mut records = &self.incoming[self.read..];
            let before = records.len();
            let taken = match self.tls.read_tls(&mut records) {
                Ok(_) => before - records.len(),
                Err(error) if error.kind() == io::ErrorKind::Other => break, // it is full
                Err(error) => return Err(error),
            };
            self.read += taken;
            let state = self.tls.process_new_packets();
            let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if taken == 0 || state.plaintext_bytes_to_read() > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Hands plaintext over, which says how much it takes; `None`: there is none yet.
    fn take_plaintext(
        &mut self,
        take: &mut impl FnMut(&[u8]) -> usize,
    ) -> Option<io::Result<usize>> {
        let mut reader = self.tls.reader();
        let taken = match reader.fill_buf() {
            Ok(plain) => take(plain),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => return Some(Err(error)),
        };
        reader.consume(taken);
        Some(Ok(taken))
    }
}
