//! Servers on this machine that call a coroutine for each connection.

use std::cell::RefCell;
use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
#[cfg(feature = "tls")]
use std::{sync::Arc, time::Duration};

use loop_core::get_running_loop;

use crate::client_connected::Client;
#[cfg(feature = "tls")]
use crate::tls_options::TlsServer;
use crate::{
    ClientConnected, ClientOutcome, Server, StreamOptions, StreamReader, StreamWriter, UnixListener,
};

/// Listens at a path, and calls `client` for each connection, as [`start_server`](crate::start_server).
///
/// A socket that is there already is taken for a stale one and removed; so is this one when the server closes.
///
/// What it gives has options, and is awaited.
///
/// # Errors
/// As [`UnixListener::bind`].
///
/// # asyncio
/// `asyncio.start_unix_server(client_connected_cb, path)`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::{open_unix_connection, start_unix_server};
/// use loop_tasks::LoopExt;
/// # let folder = std::env::temp_dir().join(format!("loop-net-doc-server-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("socket");
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async move {
///     let server = start_unix_server(async |_, writer| writer.write(b"hello\n"), &path).await?;
///     let (mut reader, _writer) = open_unix_connection(&path).await?;
///     assert_eq!(reader.read_all().await?, b"hello\n");
///     server.close();
///     assert!(!path.exists());
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn start_unix_server<C, R>(client: C, path: impl AsRef<Path>) -> StartUnixServer<C>
where
    C: FnMut(StreamReader, StreamWriter) -> R + 'static,
    R: Future<Output: ClientOutcome> + 'static,
{
    StartUnixServer {
        client,
        path: path.as_ref().to_owned(),
        streams: StreamOptions::new(),
        start_serving: true,
        place: Location::caller(),
        #[cfg(feature = "tls")]
        tls: None,
    }
}

/// A server that is to be started: see [`start_unix_server`].
///
/// # Examples
/// See [`start_unix_server`].
#[must_use = "it does nothing unless it is awaited"]
pub struct StartUnixServer<C> {
    client: C,
    path: PathBuf,
    streams: StreamOptions,
    start_serving: bool,
    place: &'static Location<'static>,
    #[cfg(feature = "tls")]
    tls: Option<TlsServer>,
}

impl<C: ClientConnected> StartUnixServer<C> {
    /// The most bytes that a line may have. By default, 64 KiB.
    ///
    /// # Examples
    /// ```
    /// let start = loop_net::start_unix_server(async |_, _| (), "/run/service").limit(1024);
    /// ```
    pub fn limit(mut self, limit: usize) -> Self {
        self.streams = self.streams.limit(limit);
        self
    }

    /// Whether it accepts connections at once. By default, it does.
    ///
    /// # Examples
    /// ```
    /// let start = loop_net::start_unix_server(async |_, _| (), "/run/service").start_serving(false);
    /// ```
    pub fn start_serving(mut self, start: bool) -> Self {
        self.start_serving = start;
        self
    }

    /// Speaks TLS: `client` is called when both sides know each other. By default, it does not.
    ///
    /// # asyncio
    /// `ssl=`.
    ///
    /// # Examples
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use loop_net::{Server, rustls::ServerConfig, start_unix_server};
    /// async fn start(config: Arc<ServerConfig>) -> std::io::Result<Server> {
    ///     start_unix_server(async |_, writer| writer.write(b"a secret\n"), "/run/service")
    ///         .tls(config)
    ///         .ssl_handshake_timeout(Duration::from_secs(5))
    ///         .ssl_shutdown_timeout(Duration::from_secs(1))
    ///         .await
    /// }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(TlsServer::new(config));
        self
    }

    /// For how long both sides may take to know each other. Only with [`tls`](StartUnixServer::tls), after it. By
    /// default, 60 s.
    ///
    /// # Examples
    /// See [`tls`](StartUnixServer::tls).
    #[cfg(feature = "tls")]
    pub fn ssl_handshake_timeout(mut self, most: Duration) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.timeouts.handshake = Some(most);
        }
        self
    }

    /// As [`TlsStream::set_ssl_shutdown_timeout`](crate::TlsStream::set_ssl_shutdown_timeout). Only with
    /// [`tls`](StartUnixServer::tls), after it. By default, 30 s.
    ///
    /// # Examples
    /// See [`tls`](StartUnixServer::tls).
    #[cfg(feature = "tls")]
    pub fn ssl_shutdown_timeout(mut self, most: Duration) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.timeouts.shutdown = Some(most);
        }
        self
    }

    fn start(self) -> io::Result<Server> {
        let path = self.path;
        if std::fs::symlink_metadata(&path).is_ok_and(|file| file.file_type().is_socket()) {
            std::fs::remove_file(&path)?;
        }
        let owner = get_running_loop().map_err(io::Error::other)?.loop_ref();
        let server = Server::new(owner.clone());
        let client = Rc::new(Client {
            owner,
            client: Rc::new(RefCell::new(self.client)),
            streams: self.streams,
            place: self.place,
            #[cfg(feature = "tls")]
            tls: self.tls,
        });
        let listener = UnixListener::bind(&path)?;
        server.listen(listener, Some(path), |_| {}, client)?;
        if self.start_serving {
            server.begin();
        }
        Ok(server)
    }
}

impl<C: ClientConnected> IntoFuture for StartUnixServer<C> {
    type Output = io::Result<Server>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.start() })
    }
}

impl<C> fmt::Debug for StartUnixServer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartUnixServer")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
