//! TLS over any connection.
//!
//! rustls turns plaintext into records and back, and never touches a socket. This carries records: what came from the
//! connection and was not decrypted yet waits in one buffer, what was encrypted and not sent in another.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, BufRead, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use crate::{Address, Connection};

/// Room that is made for records of the other side.
const ROOM: usize = 18 * 1024;

/// The most plaintext that is encrypted before it is sent.
const MOST: usize = 64 * 1024;

/// For how long the other side may take to say that it closes too, by default.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// A TLS connection over another connection: a socket, or anything else.
///
/// It is a [`Connection`], so that [`streams_over`](crate::streams_over) makes a reader and a writer of it; with the
/// features for them, hyper and `futures-io` take it as it is. `shutdown` tells the other side that nothing more comes
/// (`close_notify`). An end that comes without it is an error, since anybody on the way could have made it.
///
/// # Examples
/// See [`OpenConnection::tls`](crate::OpenConnection::tls).
pub struct TlsStream {
    inner: Rc<dyn Connection>,
    state: RefCell<State>,
    shutdown_timeout: Cell<Duration>,
}

struct State {
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

/// What is negotiated on a TLS connection.
///
/// # asyncio
/// `get_extra_info("cipher")` and its kin.
///
/// # Examples
/// See [`OpenConnection::tls`](crate::OpenConnection::tls).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// Such as `TLSv1_3`.
    pub version: String,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The protocol that both sides want to speak, if they agreed on one.
    pub alpn: Option<Vec<u8>>,
    /// The certificates of the other side, its own first, in DER.
    pub peer_certificates: Vec<Vec<u8>>,
}

impl TlsStream {
    /// Begins a connection to a server, and waits until both sides know each other.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `server_hostname` is none;
    /// [`InvalidData`](io::ErrorKind::InvalidData) if the sides do not agree, or the certificate is not good; what
    /// the connection says.
    ///
    /// # Cancel safety
    /// Dropped, it drops the connection.
    ///
    /// # asyncio
    /// `loop.start_tls(transport, protocol, sslcontext, server_hostname=...)`.
    ///
    /// # Examples
    /// See [`OpenConnection::tls`](crate::OpenConnection::tls).
    pub async fn connect(
        inner: impl Connection,
        config: Arc<ClientConfig>,
        server_hostname: &str,
    ) -> io::Result<TlsStream> {
        let stream = TlsStream::client(Rc::new(inner), config, server_hostname)?;
        stream.handshake().await?;
        Ok(stream)
    }

    /// Begins a connection to a client, and waits until both sides know each other.
    ///
    /// # Errors
    /// As [`connect`](TlsStream::connect).
    ///
    /// # Cancel safety
    /// Dropped, it drops the connection.
    ///
    /// # Examples
    /// See [`StartServer::tls`](crate::StartServer::tls).
    pub async fn accept(
        inner: impl Connection,
        config: Arc<ServerConfig>,
    ) -> io::Result<TlsStream> {
        let stream = TlsStream::server(Rc::new(inner), config)?;
        stream.handshake().await?;
        Ok(stream)
    }

    pub(crate) fn client(
        inner: Rc<dyn Connection>,
        config: Arc<ClientConfig>,
        server_hostname: &str,
    ) -> io::Result<TlsStream> {
        let name = ServerName::try_from(server_hostname.to_owned());
        let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(TlsStream::new(inner, tls.into()))
    }

    pub(crate) fn server(
        inner: Rc<dyn Connection>,
        config: Arc<ServerConfig>,
    ) -> io::Result<TlsStream> {
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(TlsStream::new(inner, tls.into()))
    }

    fn new(inner: Rc<dyn Connection>, tls: rustls::Connection) -> TlsStream {
        TlsStream {
            inner,
            shutdown_timeout: Cell::new(SHUTDOWN),
            state: RefCell::new(State {
                tls,
                incoming: Vec::new(),
                read: 0,
                outgoing: Vec::new(),
                sent: 0,
                ended: false,
            }),
        }
    }

    /// Sets for how long the other side may take to say that it closes too (`close_notify`), when a writer or a
    /// transport over this closes. Then the connection is dropped, and `wait_closed` says
    /// [`TimedOut`](io::ErrorKind::TimedOut). With zero, it is not waited for. By default, 30 s.
    ///
    /// # asyncio
    /// `ssl_shutdown_timeout=`. There, the time includes that for sending what was written before; here it begins when
    /// all of that is sent, so that a slow reader loses nothing.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_net::{StreamReader, StreamWriter, TlsStream, streams_over};
    /// fn streams(stream: TlsStream) -> std::io::Result<(StreamReader, StreamWriter)> {
    ///     stream.set_ssl_shutdown_timeout(Duration::from_secs(2));
    ///     streams_over(stream)
    /// }
    /// ```
    pub fn set_ssl_shutdown_timeout(&self, most: Duration) {
        self.shutdown_timeout.set(most);
    }

    /// Takes records that somebody else has read from the connection already.
    pub(crate) fn has_come(&self, bytes: &[u8]) {
        self.state.borrow_mut().incoming.extend_from_slice(bytes);
    }

    pub(crate) async fn handshake(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.state.borrow_mut();
        loop {
            ready!(state.poll_send(&*self.inner, cx))?;
            if !state.tls.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if state.ended {
                let text = "the connection ended before TLS began";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
            }
            if state.incoming.len() == state.read {
                ready!(state.poll_receive(&*self.inner, cx))?;
            }
            if let Err(error) = state.decrypt() {
                // The other side is to hear what was wrong with what it said.
                state.encrypt();
                let _ = state.poll_send(&*self.inner, cx);
                return Poll::Ready(Err(error));
            }
        }
    }
}

impl TlsStream {
    /// Waits for plaintext, and hands it over; nothing is the end.
    pub(crate) fn poll_plaintext(
        &self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        let state = &mut *self.state.borrow_mut();
        loop {
            if let Some(result) = state.take_plaintext(&mut take) {
                return Poll::Ready(result);
            }
            if state.read == state.incoming.len() && !state.ended {
                ready!(state.poll_receive(&*self.inner, cx))?;
            }
            let decrypted = state.decrypt();
            // Answers to what came; without room now, they go with whatever is written next.
            state.try_send(&*self.inner)?;
            decrypted?;
        }
    }
}

impl State {
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
    fn poll_send(&mut self, inner: &dyn Connection, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

impl Connection for TlsStream {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(4096);
        }
        self.poll_plaintext(cx, |plain| {
            let room = buffer.capacity() - buffer.len();
            let taken = plain.len().min(room);
            buffer.extend_from_slice(&plain[..taken]);
            taken
        })
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let state = &mut *self.state.borrow_mut();
        ready!(state.poll_send(&*self.inner, cx))?;
        let most = bytes.len().min(MOST);
        let taken = state.tls.writer().write(&bytes[..most])?;
        if let Poll::Ready(Err(error)) = state.poll_send(&*self.inner, cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        state.try_send(&*self.inner)?;
        if state.sent < state.outgoing.len() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = bytes.len().min(MOST);
        let taken = state.tls.writer().write(&bytes[..most])?;
        state.try_send(&*self.inner)?;
        Ok(taken)
    }

    fn is_flushed(&self) -> bool {
        let state = self.state.borrow();
        state.sent == state.outgoing.len() && !state.tls.wants_write()
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.borrow_mut().poll_send(&*self.inner, cx)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.state.borrow_mut();
        state.tls.send_close_notify();
        state.poll_send(&*self.inner, cx)
    }

    fn parting_timeout(&self) -> Duration {
        self.shutdown_timeout.get()
    }

    fn poll_parted(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is an end too.
        while let Ok(1..) = ready!(self.poll_plaintext(cx, |plain| plain.len())) {}
        Poll::Ready(())
    }

    fn discard(&self) {
        self.inner.discard();
    }

    fn local_addr(&self) -> Option<Address> {
        self.inner.local_addr()
    }

    fn peer_addr(&self) -> Option<Address> {
        self.inner.peer_addr()
    }

    fn tls_info(&self) -> Option<TlsInfo> {
        let state = self.state.borrow();
        let certificates = state.tls.peer_certificates().unwrap_or_default();
        Some(TlsInfo {
            version: format!("{:?}", state.tls.protocol_version()?),
            cipher: format!("{:?}", state.tls.negotiated_cipher_suite()?.suite()),
            alpn: state.tls.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: certificates.iter().map(|one| one.to_vec()).collect(),
        })
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsStream").field(&self.inner).finish()
    }
}
