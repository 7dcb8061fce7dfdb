//! Servers on the network that call a coroutine for each connection.

use std::cell::RefCell;
use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use loop_core::get_running_loop;

use crate::client_connected::Client;
use crate::server::Accepted;
use crate::tcp::not_bound;
#[cfg(feature = "tls")]
use crate::tls_options::TlsServer;
use crate::{
    ClientConnected, ClientOutcome, Server, StreamOptions, StreamReader, StreamWriter, TcpOptions,
    getaddrinfo,
};

/// Listens, and calls `client` with a reader and a writer for each connection; what it gives is run as a task.
///
/// A `host` that is empty is every address of this machine; a `port` of 0 is one that is free. A client's `Err` goes
/// to the loop's exception handler. When the last reference to its writer is gone, the connection is closed.
///
/// What it gives has options, and is awaited.
///
/// # Errors
/// As [`getaddrinfo`] and [`TcpListener::bind`](crate::TcpListener::bind).
///
/// # asyncio
/// `asyncio.start_server(client_connected_cb, host, port)`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::{open_connection, start_server};
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let server = start_server(
///         async |mut reader, writer| {
///             while let Some(line) = reader.next_line().await? {
///                 writer.writelines([&line[..], b"!\n"]);
///                 writer.drain().await?;
///             }
///             Ok::<_, std::io::Error>(())
///         },
///         "127.0.0.1",
///         0,
///     )
///     .await?;
///     let port = server.sockets()[0].port().unwrap();
///     let (mut reader, writer) = open_connection("127.0.0.1", port).await?;
///     writer.write(b"one\ntwo\n");
///     writer.write_eof();
///     assert_eq!(reader.read_all().await?, b"one!\ntwo!\n");
///     server.close();
///     server.wait_closed().await;
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn start_server<C, R>(client: C, host: impl Into<String>, port: u16) -> StartServer<C>
where
    C: FnMut(StreamReader, StreamWriter) -> R + 'static,
    R: Future<Output: ClientOutcome> + 'static,
{
    StartServer {
        client,
        hosts: vec![host.into()],
        port,
        sockets: TcpOptions::new().backlog(100),
        keep_alive: false,
        streams: StreamOptions::new(),
        start_serving: true,
        place: Location::caller(),
        #[cfg(feature = "tls")]
        tls: None,
    }
}

/// A server that is to be started: see [`start_server`].
///
/// # Examples
/// See [`start_server`].
#[must_use = "it does nothing unless it is awaited"]
pub struct StartServer<C> {
    client: C,
    hosts: Vec<String>,
    port: u16,
    sockets: TcpOptions,
    keep_alive: bool,
    streams: StreamOptions,
    start_serving: bool,
    place: &'static Location<'static>,
    #[cfg(feature = "tls")]
    tls: Option<TlsServer>,
}

impl<C: ClientConnected> StartServer<C> {
    /// One more host to listen on.
    ///
    /// # Examples
    /// ```
    /// let start = loop_net::start_server(async |_, _| (), "127.0.0.1", 0).host("::1");
    /// ```
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// The most bytes that a line may have. By default, 64 KiB.
    ///
    /// # Examples
    /// ```
    /// let start = loop_net::start_server(async |_, _| (), "127.0.0.1", 0).limit(1024);
    /// ```
    pub fn limit(mut self, limit: usize) -> Self {
        self.streams = self.streams.limit(limit);
        self
    }

    /// How many connections may wait to be accepted. By default, 100.
    ///
    /// # Examples
    /// ```
    /// let start = loop_net::start_server(async |_, _| (), "127.0.0.1", 0).backlog(1024);
    /// ```
    pub fn backlog(mut self, backlog: i32) -> Self {
        self.sockets = self.sockets.backlog(backlog);
        self
    }

    /// As [`TcpOptions::reuse_address`]. By default, it is.
    ///
    /// # Examples
    /// ```
    /// let start = loop_net::start_server(async |_, _| (), "127.0.0.1", 0).reuse_address(false);
    /// ```
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.sockets = self.sockets.reuse_address(reuse);
        self
    }

    /// As [`TcpOptions::reuse_port`]. By default, it is not.
    ///
    /// # Examples
    /// ```
    /// let start = loop_net::start_server(async |_, _| (), "127.0.0.1", 8080).reuse_port(true);
    /// ```
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.sockets = self.sockets.reuse_port(reuse);
        self
    }

    /// Whether the system asks after silent clients. By default, it does not.
    ///
    /// # Examples
    /// ```
    /// let start = loop_net::start_server(async |_, _| (), "127.0.0.1", 0).keep_alive(true);
    /// ```
    pub fn keep_alive(mut self, keep_alive: bool) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Whether it accepts connections at once. By default, it does.
    ///
    /// # Examples
    /// See [`Server::start_serving`].
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
    /// use std::sync::Arc;
    /// use loop_net::{Server, rustls::ServerConfig, start_server};
    /// async fn start(config: Arc<ServerConfig>) -> std::io::Result<Server> {
    ///     start_server(async |_, writer| writer.write(b"a secret\n"), "", 8443).tls(config).await
    /// }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: std::sync::Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(TlsServer::new(config));
        self
    }

    /// For how long both sides may take to know each other. Only with [`tls`](StartServer::tls), after it. By default,
    /// 60 s.
    ///
    /// # asyncio
    /// `ssl_handshake_timeout=`.
    ///
    /// # Examples
    /// As for [`tls`](StartServer::tls).
    #[cfg(feature = "tls")]
    pub fn ssl_handshake_timeout(mut self, most: std::time::Duration) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.timeouts.handshake = Some(most);
        }
        self
    }

    /// As [`TlsStream::set_ssl_shutdown_timeout`](crate::TlsStream::set_ssl_shutdown_timeout). Only with
    /// [`tls`](StartServer::tls), after it. By default, 30 s.
    ///
    /// # asyncio
    /// `ssl_shutdown_timeout=`.
    ///
    /// # Examples
    /// As for [`tls`](StartServer::tls).
    #[cfg(feature = "tls")]
    pub fn ssl_shutdown_timeout(mut self, most: std::time::Duration) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.timeouts.shutdown = Some(most);
        }
        self
    }

    async fn start(self) -> io::Result<Server> {
        let mut addresses = Vec::new();
        for host in &self.hosts {
            if host.is_empty() {
                addresses.push(SocketAddr::from(([0; 4], self.port)));
                addresses.push(SocketAddr::from(([0; 16], self.port)));
            } else {
                addresses.extend(getaddrinfo(host, self.port).await?);
            }
        }
        let mut seen = Vec::new();
        addresses.retain(|address| {
            let new = !seen.contains(address);
            seen.push(*address);
            new
        });
        let owner = get_running_loop().map_err(io::Error::other)?.loop_ref();
        let server = Server::new(owner.clone());
        let client = Client {
            owner,
            client: Rc::new(RefCell::new(self.client)),
            streams: self.streams,
            place: self.place,
            #[cfg(feature = "tls")]
            tls: self.tls,
        };
        let client: Rc<dyn Accepted> = Rc::new(client);
        let sockets = self.sockets.only_v6(true);
        let several = addresses.len() > 1;
        for address in addresses {
            let listener = match sockets.listen_on(address) {
                // A system without IPv6 has none to listen on.
                Err(error) if several && has_no_family(&error) => continue,
                result => result.map_err(|error| not_bound(address, &error))?,
            };
            let keep_alive = self.keep_alive;
            let prepare = move |stream: &crate::TcpStream| {
                // A connection that is gone already has no options: reading says so.
                let _ = stream.set_nodelay(true);
                if keep_alive {
                    let _ = socket2::SockRef::from(stream).set_keepalive(true);
                }
            };
            server.listen(listener, None, prepare, Rc::clone(&client))?;
        }
        if server.sockets().is_empty() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if self.start_serving {
            server.begin();
        }
        Ok(server)
    }
}

fn has_no_family(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
    )
}

impl<C: ClientConnected> IntoFuture for StartServer<C> {
    type Output = io::Result<Server>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl<C> fmt::Debug for StartServer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartServer")
            .field("hosts", &self.hosts)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
