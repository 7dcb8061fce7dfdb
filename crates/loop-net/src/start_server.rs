//! Servers that call a coroutine for each connection.

use std::cell::RefCell;
use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;

use loop_core::{ExceptionContext, LoopRef, get_running_loop};
use loop_tasks::LoopExt;

use crate::channel::Channel;
use crate::server::Accepted;
use crate::{
    Address, Connection, Server, StreamOptions, StreamReader, StreamWriter, TcpOptions,
    UnixListener, getaddrinfo,
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
///     let port = server.sockets()[0].ip().unwrap().port();
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
        #[cfg(feature = "tls")]
        tls: None,
    }
}

/// What a server calls for each connection: a function that makes a coroutine, such as an `async` closure.
///
/// # Examples
/// See [`start_server`].
pub trait ClientConnected: 'static {
    /// Makes the coroutine for a connection.
    fn connected(
        &mut self,
        reader: StreamReader,
        writer: StreamWriter,
    ) -> impl Future<Output: ClientOutcome> + 'static;
}

impl<F, R> ClientConnected for F
where
    F: FnMut(StreamReader, StreamWriter) -> R + 'static,
    R: Future<Output: ClientOutcome> + 'static,
{
    fn connected(
        &mut self,
        reader: StreamReader,
        writer: StreamWriter,
    ) -> impl Future<Output: ClientOutcome> + 'static {
        self(reader, writer)
    }
}

/// What the coroutine of a connection may end with: nothing, or an error to be reported.
///
/// # Examples
/// See [`start_server`].
pub trait ClientOutcome: 'static {
    /// What there is to report.
    fn into_report(self) -> Option<String>;
}

impl ClientOutcome for () {
    fn into_report(self) -> Option<String> {
        None
    }
}

impl<E: fmt::Display + 'static> ClientOutcome for Result<(), E> {
    fn into_report(self) -> Option<String> {
        self.err().map(|error| error.to_string())
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
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// What TLS needs to know.
#[cfg(feature = "tls")]
#[derive(Clone)]
struct Tls {
    config: std::sync::Arc<rustls::ServerConfig>,
    handshake_timeout: Option<std::time::Duration>,
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
        let handshake_timeout = None;
        self.tls = Some(Tls {
            config,
            handshake_timeout,
        });
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
            tls.handshake_timeout = Some(most);
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
            #[cfg(feature = "tls")]
            tls: self.tls,
        };
        let client: Rc<dyn Accepted> = Rc::new(client);
        let sockets = self.sockets.only_v6(true);
        let several = addresses.len() > 1;
        for address in addresses {
            let listener = match sockets.listen(address) {
                // A system without IPv6 has none to listen on.
                Err(error) if several && has_no_family(&error) => continue,
                result => result.map_err(|error| explain(address, &error))?,
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

fn explain(address: SocketAddr, error: &io::Error) -> io::Error {
    let text = format!("error while attempting to bind on address {address}: {error}");
    io::Error::new(error.kind(), text)
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

/// Listens at a path, and calls `client` for each connection, as [`start_server`].
///
/// A socket that is there already is taken for a stale one and removed; so is this one when the server closes.
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
pub async fn start_unix_server<C, R>(client: C, path: impl AsRef<Path>) -> io::Result<Server>
where
    C: FnMut(StreamReader, StreamWriter) -> R + 'static,
    R: Future<Output: ClientOutcome> + 'static,
{
    let path = path.as_ref();
    if std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let owner = get_running_loop().map_err(io::Error::other)?.loop_ref();
    let server = Server::new(owner.clone());
    let client = Rc::new(Client {
        owner,
        client: Rc::new(RefCell::new(client)),
        streams: StreamOptions::new(),
        #[cfg(feature = "tls")]
        tls: None,
    });
    let listener = UnixListener::bind(path)?;
    server.listen(listener, Some(path.to_owned()), |_| {}, client)?;
    server.begin();
    Ok(server)
}

/// Makes a task for each connection.
struct Client<C> {
    owner: LoopRef,
    client: Rc<RefCell<C>>,
    streams: StreamOptions,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl<C: ClientConnected> Accepted for Client<C> {
    #[cfg(not(feature = "tls"))]
    fn accepted(&self, connection: Rc<dyn Connection>, peer: Address) -> io::Result<Rc<Channel>> {
        self.call(connection, peer, async || Ok(()))
    }

    #[cfg(feature = "tls")]
    fn accepted(&self, connection: Rc<dyn Connection>, peer: Address) -> io::Result<Rc<Channel>> {
        use crate::{TlsStream, tls_options};
        let Some(tls) = self.tls.clone() else {
            return self.call(connection, peer, async || Ok(()));
        };
        let stream = Rc::new(TlsStream::server(connection, tls.config)?);
        let connection: Rc<dyn Connection> = Rc::clone(&stream) as Rc<dyn Connection>;
        self.call(connection, peer, async move || {
            tls_options::handshake(&stream, tls.handshake_timeout).await
        })
    }
}

impl<C: ClientConnected> Client<C> {
    /// Makes the task of a connection, which calls the client when the connection is ready.
    fn call(
        &self,
        connection: Rc<dyn Connection>,
        peer: Address,
        ready: impl AsyncFnOnce() -> io::Result<()> + 'static,
    ) -> io::Result<Rc<Channel>> {
        let (reader, writer) = self.streams.streams(connection, Some(peer))?;
        let channel = Rc::clone(writer.channel());
        let (owner, client) = (self.owner.clone(), Rc::clone(&self.client));
        // The call is part of the task: what panics in it is reported as a task's panic is, and accepting goes on.
        let _task = self.owner.event_loop().create_task(async move {
            if let Err(error) = ready().await {
                writer.abort();
                return report(&owner, "SSL handshake failed", error.to_string());
            }
            let coroutine = client.borrow_mut().connected(reader, writer);
            if let Some(text) = coroutine.await.into_report() {
                report(&owner, "Unhandled exception in client_connected_cb", text);
            }
        });
        Ok(channel)
    }
}

fn report(owner: &LoopRef, what: &str, error: String) {
    let context = ExceptionContext::new(what).exception(error);
    owner.event_loop().call_exception_handler(&context);
}
