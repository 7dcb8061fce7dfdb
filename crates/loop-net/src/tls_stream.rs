//! TLS over any connection.

mod buffer;
mod carry;
mod records;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use crate::{Address, Connection};
use records::Records;

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
    records: RefCell<Records>,
    shutdown_timeout: Cell<Duration>,
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
            records: RefCell::new(Records::new(tls)),
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
        self.records
            .borrow_mut()
            .incoming
            .end()
            .extend_from_slice(bytes);
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

    /// Takes plaintext when everything before it is sent, and sends what there is room for.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let taken = self.records.borrow_mut().take(bytes)?;
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_send()?;
        let mut records = self.records.borrow_mut();
        if !records.outgoing.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = records.take(bytes)?;
        drop(records);
        self.try_send()?;
        Ok(taken)
    }

    fn is_flushed(&self) -> bool {
        self.records.borrow().is_flushed()
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.records.borrow_mut().take_end();
        self.poll_send(cx)
    }

    fn parting_timeout(&self) -> Duration {
        self.shutdown_timeout.get()
    }

    fn poll_parted(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is an end too.
        while let Ok(1..) = ready!(self.poll_plaintext(cx, <[u8]>::len)) {}
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
        self.records.borrow().info()
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsStream").field(&self.inner).finish()
    }
}
