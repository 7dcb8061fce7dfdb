//! How TLS is spoken: which side, whom to trust, how long it may take.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_tasks::timeout;
use rustls::{ClientConfig, ServerConfig};

use crate::{Connection, TlsStream};

/// For how long both sides may take to know each other, by default.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// Which side of a TLS connection this is, and how it is configured.
///
/// # asyncio
/// The `ssl`, `server_hostname` and `server_side` of `start_tls`.
///
/// # Examples
/// See [`StreamWriter::start_tls`](crate::StreamWriter::start_tls).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TlsSide {
    /// The one that begins.
    Client {
        /// Whom to trust, and so on.
        config: Arc<ClientConfig>,
        /// Whose certificate the other side must have.
        server_hostname: String,
    },
    /// The one that has a certificate.
    Server {
        /// The certificate, and so on.
        config: Arc<ServerConfig>,
    },
}

/// For how long the other side may take to begin and to end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeouts {
    pub(crate) handshake: Option<Duration>,
    pub(crate) shutdown: Option<Duration>,
}

impl Timeouts {
    /// Waits for a handshake, but not for ever.
    pub(crate) async fn handshake(self, stream: &TlsStream) -> io::Result<()> {
        if let Some(most) = self.shutdown {
            stream.set_ssl_shutdown_timeout(most);
        }
        let most = self.handshake.unwrap_or(HANDSHAKE);
        match timeout(most, stream.handshake()).await {
            Ok(result) => result,
            Err(_) => {
                let text = format!(
                    "SSL handshake is taking longer than {} seconds: aborting the connection",
                    most.as_secs_f64()
                );
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }
}

/// What the client's side of TLS needs to know.
#[derive(Clone, Debug)]
pub(crate) struct TlsClient {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_hostname: Option<String>,
    pub(crate) timeouts: Timeouts,
}

impl TlsClient {
    pub(crate) fn new(config: Arc<ClientConfig>) -> TlsClient {
        TlsClient {
            config,
            server_hostname: None,
            timeouts: Timeouts::default(),
        }
    }

    /// Begins TLS on a connection; the certificate has to be for `host` if nobody has said for whom.
    pub(crate) async fn begin(
        self,
        inner: Rc<dyn Connection>,
        host: &str,
    ) -> io::Result<Rc<dyn Connection>> {
        let name = self.server_hostname.as_deref().unwrap_or(host);
        let stream = TlsStream::client(inner, self.config, name)?;
        self.timeouts.handshake(&stream).await?;
        Ok(Rc::new(stream))
    }
}

/// What the server's side of TLS needs to know.
#[derive(Clone, Debug)]
pub(crate) struct TlsServer {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) timeouts: Timeouts,
}

impl TlsServer {
    pub(crate) fn new(config: Arc<ServerConfig>) -> TlsServer {
        TlsServer {
            config,
            timeouts: Timeouts::default(),
        }
    }
}
