//! Streams to somebody on the network: `open_connection`.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::connect::{STAGGER, connect_any, interleave};
#[cfg(feature = "tls")]
use crate::tls_options::TlsClient;
use crate::{
    Address, StreamOptions, StreamReader, StreamWriter, TcpOptions, TcpStream, getaddrinfo,
};

/// Connects to a machine by name or address, and gives a reader and a writer.
///
/// What it gives has options, and is awaited.
///
/// # Errors
/// As [`getaddrinfo`]; [`ConnectErrors`](crate::ConnectErrors), inside an [`io::Error`].
///
/// # Cancel safety
/// Dropped, it gives up.
///
/// # asyncio
/// `asyncio.open_connection(host, port)`. There, happy eyeballs are off by default.
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
///             let line = reader.readline().await?;
///             writer.write(&line);
///             writer.drain().await
///         },
///         "127.0.0.1",
///         0,
///     )
///     .await?;
///     let port = server.sockets()[0].port().unwrap();
///     let (mut reader, writer) = open_connection("127.0.0.1", port).limit(1024).await?;
///     writer.write(b"ping\n");
///     assert_eq!(reader.read_all().await?, b"ping\n");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn open_connection(host: impl Into<String>, port: u16) -> OpenConnection {
    OpenConnection {
        host: host.into(),
        port,
        sockets: TcpOptions::new().nodelay(true),
        streams: StreamOptions::new(),
        happy_eyeballs_delay: Some(STAGGER),
        interleave: 1,
        #[cfg(feature = "tls")]
        tls: None,
    }
}

/// A connection that is to be opened: see [`open_connection`].
///
/// # Examples
/// See [`open_connection`].
#[derive(Clone, Debug)]
#[must_use = "it does nothing unless it is awaited"]
pub struct OpenConnection {
    host: String,
    port: u16,
    sockets: TcpOptions,
    streams: StreamOptions,
    happy_eyeballs_delay: Option<Duration>,
    interleave: usize,
    #[cfg(feature = "tls")]
    tls: Option<TlsClient>,
}

impl OpenConnection {
    /// The most bytes that a line may have. By default, 64 KiB.
    ///
    /// # Examples
    /// See [`open_connection`].
    pub fn limit(mut self, limit: usize) -> OpenConnection {
        self.streams = self.streams.limit(limit);
        self
    }

    /// From where to connect. By default, the system chooses.
    ///
    /// # Examples
    /// ```
    /// let open = loop_net::open_connection("example.org", 80).local_addr("127.0.0.1:0".parse().unwrap());
    /// ```
    pub fn local_addr(mut self, address: SocketAddr) -> OpenConnection {
        self.sockets = self.sockets.local_addr(address);
        self
    }

    /// Whether the system asks after a silent peer. By default, it does not.
    ///
    /// # Examples
    /// ```
    /// let open = loop_net::open_connection("example.org", 80).keep_alive(true);
    /// ```
    pub fn keep_alive(mut self, keep_alive: bool) -> OpenConnection {
        self.sockets = self.sockets.keep_alive(keep_alive);
        self
    }

    /// After how long without an answer the next address is tried too. `None`: only when one has failed. By default,
    /// 250 ms.
    ///
    /// # Examples
    /// ```
    /// let open = loop_net::open_connection("example.org", 80).happy_eyeballs_delay(None);
    /// ```
    pub fn happy_eyeballs_delay(mut self, delay: Option<Duration>) -> OpenConnection {
        self.happy_eyeballs_delay = delay;
        self
    }

    /// How many addresses of the first family come before one of the other; 0: the order is left as it is. By
    /// default, 1.
    ///
    /// # Examples
    /// ```
    /// let open = loop_net::open_connection("example.org", 80).interleave(2);
    /// ```
    pub fn interleave(mut self, first: usize) -> OpenConnection {
        self.interleave = first;
        self
    }

    /// Speaks TLS, with a server whose certificate is for the host. By default, it does not.
    ///
    /// Whom to trust is up to the configuration.
    ///
    /// # asyncio
    /// `ssl=`.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use loop_net::{open_connection, rustls::ClientConfig};
    /// async fn home_page(config: Arc<ClientConfig>) -> std::io::Result<Vec<u8>> {
    ///     let (mut reader, writer) = open_connection("example.org", 443).tls(config).await?;
    ///     writer.write(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n");
    ///     println!("{:?}", writer.get_extra_info().tls);
    ///     reader.read_all().await
    /// }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: std::sync::Arc<rustls::ClientConfig>) -> OpenConnection {
        self.tls = Some(TlsClient::new(config));
        self
    }

    /// For whom the certificate has to be, where that is not the host. Only with [`tls`](OpenConnection::tls), after
    /// it. By default, the host.
    ///
    /// # asyncio
    /// `server_hostname=`.
    ///
    /// # Examples
    /// ```
    /// # fn options(config: std::sync::Arc<loop_net::rustls::ClientConfig>) -> loop_net::OpenConnection {
    /// loop_net::open_connection("127.0.0.1", 443).tls(config).server_hostname("example.org")
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn server_hostname(mut self, name: impl Into<String>) -> OpenConnection {
        if let Some(tls) = &mut self.tls {
            tls.server_hostname = Some(name.into());
        }
        self
    }

    /// For how long both sides may take to know each other. Only with [`tls`](OpenConnection::tls), after it. By
    /// default, 60 s.
    ///
    /// # asyncio
    /// `ssl_handshake_timeout=`.
    ///
    /// # Examples
    /// ```
    /// # fn options(config: std::sync::Arc<loop_net::rustls::ClientConfig>) -> loop_net::OpenConnection {
    /// let most = std::time::Duration::from_secs(5);
    /// loop_net::open_connection("example.org", 443).tls(config).ssl_handshake_timeout(most)
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn ssl_handshake_timeout(mut self, most: Duration) -> OpenConnection {
        if let Some(tls) = &mut self.tls {
            tls.timeouts.handshake = Some(most);
        }
        self
    }

    /// As [`TlsStream::set_ssl_shutdown_timeout`](crate::TlsStream::set_ssl_shutdown_timeout). Only with
    /// [`tls`](OpenConnection::tls), after it. By default, 30 s.
    ///
    /// # asyncio
    /// `ssl_shutdown_timeout=`.
    ///
    /// # Examples
    /// ```
    /// # fn options(config: std::sync::Arc<loop_net::rustls::ClientConfig>) -> loop_net::OpenConnection {
    /// let most = std::time::Duration::from_secs(1);
    /// loop_net::open_connection("example.org", 443).tls(config).ssl_shutdown_timeout(most)
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn ssl_shutdown_timeout(mut self, most: Duration) -> OpenConnection {
        if let Some(tls) = &mut self.tls {
            tls.timeouts.shutdown = Some(most);
        }
        self
    }

    /// Connects, and gives the socket itself.
    ///
    /// # Errors
    /// As [`open_connection`].
    ///
    /// # asyncio
    /// `loop.create_connection(...)` and `sock_connect` are made of this.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::open_connection;
    /// use loop_tasks::LoopExt;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let port = listener.local_addr()?.port();
    /// let event_loop = EventLoop::new()?;
    /// let stream = event_loop.run_until_complete(open_connection("localhost", port).connect())??;
    /// assert!(stream.nodelay()?);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn connect(self) -> io::Result<TcpStream> {
        let mut addresses = getaddrinfo(&self.host, self.port).await?;
        if self.interleave > 0 {
            addresses = interleave(addresses, self.interleave);
        }
        connect_any(addresses, &self.sockets, self.happy_eyeballs_delay).await
    }

    async fn open(self) -> io::Result<(StreamReader, StreamWriter)> {
        let options = self.streams.clone();
        #[cfg(feature = "tls")]
        let (tls, host) = (self.tls.clone(), self.host.clone());
        let stream = self.connect().await?;
        let peer = stream.peer_addr().ok().map(Address::from);
        #[cfg(feature = "tls")]
        if let Some(tls) = tls {
            return options.streams(tls.begin(Rc::new(stream), &host).await?, peer);
        }
        options.streams(Rc::new(stream), peer)
    }
}

impl IntoFuture for OpenConnection {
    type Output = io::Result<(StreamReader, StreamWriter)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
