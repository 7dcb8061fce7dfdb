//! Streams to somebody on this machine: `open_unix_connection`.

use std::future::IntoFuture;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
#[cfg(feature = "tls")]
use std::{sync::Arc, time::Duration};

#[cfg(feature = "tls")]
use crate::tls_options::TlsClient;
use crate::{Address, Connection, StreamOptions, StreamReader, StreamWriter, UnixStream};

/// Connects to the listener at a path, and gives a reader and a writer.
///
/// What it gives has options, and is awaited.
///
/// # Errors
/// As [`UnixStream::connect`].
///
/// # Cancel safety
/// Dropped, it gives up.
///
/// # asyncio
/// `asyncio.open_unix_connection(path)`.
///
/// # Examples
/// See [`start_unix_server`](crate::start_unix_server).
pub fn open_unix_connection(path: impl AsRef<Path>) -> OpenUnixConnection {
    OpenUnixConnection {
        path: path.as_ref().to_owned(),
        streams: StreamOptions::new(),
        #[cfg(feature = "tls")]
        tls: None,
    }
}

/// A connection that is to be opened: see [`open_unix_connection`].
///
/// # Examples
/// See [`start_unix_server`](crate::start_unix_server).
#[derive(Clone, Debug)]
#[must_use = "it does nothing unless it is awaited"]
pub struct OpenUnixConnection {
    path: PathBuf,
    streams: StreamOptions,
    #[cfg(feature = "tls")]
    tls: Option<TlsClient>,
}

impl OpenUnixConnection {
    /// The most bytes that a line may have. By default, 64 KiB.
    ///
    /// # Examples
    /// ```
    /// let open = loop_net::open_unix_connection("/run/service").limit(1024);
    /// ```
    pub fn limit(mut self, limit: usize) -> OpenUnixConnection {
        self.streams = self.streams.limit(limit);
        self
    }

    /// Speaks TLS with a server whose certificate is for `server_hostname`: a path has no host. By default, it does
    /// not.
    ///
    /// # asyncio
    /// `ssl=`, `server_hostname=`.
    ///
    /// # Examples
    /// ```
    /// # fn options(config: std::sync::Arc<loop_net::rustls::ClientConfig>) -> loop_net::OpenUnixConnection {
    /// let most = std::time::Duration::from_secs(5);
    /// loop_net::open_unix_connection("/run/service")
    ///     .tls(config, "example.org")
    ///     .ssl_handshake_timeout(most)
    ///     .ssl_shutdown_timeout(most)
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(
        mut self,
        config: Arc<rustls::ClientConfig>,
        server_hostname: impl Into<String>,
    ) -> OpenUnixConnection {
        let mut tls = TlsClient::new(config);
        tls.server_hostname = Some(server_hostname.into());
        self.tls = Some(tls);
        self
    }

    /// For how long both sides may take to know each other. Only with [`tls`](OpenUnixConnection::tls), after it. By
    /// default, 60 s.
    ///
    /// # Examples
    /// See [`tls`](OpenUnixConnection::tls).
    #[cfg(feature = "tls")]
    pub fn ssl_handshake_timeout(mut self, most: Duration) -> OpenUnixConnection {
        if let Some(tls) = &mut self.tls {
            tls.timeouts.handshake = Some(most);
        }
        self
    }

    /// As [`TlsStream::set_ssl_shutdown_timeout`](crate::TlsStream::set_ssl_shutdown_timeout). Only with
    /// [`tls`](OpenUnixConnection::tls), after it. By default, 30 s.
    ///
    /// # Examples
    /// See [`tls`](OpenUnixConnection::tls).
    #[cfg(feature = "tls")]
    pub fn ssl_shutdown_timeout(mut self, most: Duration) -> OpenUnixConnection {
        if let Some(tls) = &mut self.tls {
            tls.timeouts.shutdown = Some(most);
        }
        self
    }

    async fn open(self) -> io::Result<(StreamReader, StreamWriter)> {
        let stream = UnixStream::connect(&self.path).await?;
        let connection: Rc<dyn Connection> = Rc::new(stream);
        #[cfg(feature = "tls")]
        let connection = match self.tls {
            Some(tls) => tls.begin(connection, "").await?,
            None => connection,
        };
        self.streams
            .streams(connection, Some(Address::Path(self.path)))
    }
}

impl IntoFuture for OpenUnixConnection {
    type Output = io::Result<(StreamReader, StreamWriter)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
