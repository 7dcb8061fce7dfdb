//! What rustls makes of records, and where they wait.
//!
//! It turns plaintext into records and back, and never touches a connection: what came and was not decrypted yet waits in
//! one buffer, what was encrypted and not sent in another. Whoever carries them is [`carry`](super::carry).

use std::io::{self, BufRead, Write};

use super::TlsInfo;
use super::buffer::Buffer;

/// The most plaintext that is encrypted before it is sent.
const MOST: usize = 64 * 1024;

pub(super) struct Records {
    tls: rustls::Connection,
    /// What has come and is not decrypted.
    pub(super) incoming: Buffer,
    /// What is to be sent.
    pub(super) outgoing: Buffer,
    /// The other side has ended its connection.
    pub(super) ended: bool,
}

impl Records {
    pub(super) fn new(tls: rustls::Connection) -> Records {
        Records {
            tls,
            incoming: Buffer::default(),
            outgoing: Buffer::default(),
            ended: false,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.outgoing.is_empty() && !self.tls.wants_write()
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

    /// Takes plaintext to be encrypted, and says how much.
    pub(super) fn take(&mut self, plain: &[u8]) -> io::Result<usize> {
        let most = plain.len().min(MOST);
        self.tls.writer().write(&plain[..most])
    }

    /// Has the other side told that nothing more comes.
    pub(super) fn take_end(&mut self) {
        self.tls.send_close_notify();
    }

    /// Turns what is to be told into records.
    pub(super) fn encrypt(&mut self) {
        while self.tls.wants_write() {
            // A vector takes everything.
            let _ = self.tls.write_tls(self.outgoing.end());
        }
    }

    /// Turns records into plaintext, of which rustls keeps a limited amount.
    pub(super) fn decrypt(&mut self) -> io::Result<()> {
        while !self.incoming.rest().is_empty() || self.ended {
            let mut records = self.incoming.rest();
            let before = records.len();
            let taken = match self.tls.read_tls(&mut records) {
                Ok(_) => before - records.len(),
                Err(error) if error.kind() == io::ErrorKind::Other => break, // it is full
                Err(error) => return Err(error),
            };
            self.incoming.consume(taken);
            let state = self.tls.process_new_packets();
            let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if taken == 0 || state.plaintext_bytes_to_read() > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Hands plaintext over, which says how much it takes; `None`: there is none yet.
    pub(super) fn take_plaintext(
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
