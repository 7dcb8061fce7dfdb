//! Streams that begin without TLS and go over to it.

use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::channel::Channel;
use crate::tls_options::Timeouts;
use crate::{Connection, StreamReader, StreamWriter, TlsSide, TlsStream, closing};

impl StreamWriter {
    /// Goes over to TLS on a connection that began without it: everything that was written is sent first, everything
    /// from now on is encrypted.
    ///
    /// What the reader has in its buffer is taken for the beginning of TLS, and never for something that was said
    /// under its protection. What it gives has options, and is awaited.
    ///
    /// # Errors
    /// As [`TlsStream::connect`]; [`TimedOut`](io::ErrorKind::TimedOut) after 60 s; what ended the connection before. It is
    /// closed then. [`ResourceBusy`](io::ErrorKind::ResourceBusy) if a file is being sent, which goes on.
    ///
    /// # Panics
    /// If the reader is another connection's.
    ///
    /// # Cancel safety
    /// Dropped before its end, it closes the connection.
    ///
    /// # asyncio
    /// `await writer.start_tls(sslcontext)`.
    ///
    /// # Examples
    /// ```
    /// use loop_net::{StreamReader, StreamWriter, TlsSide};
    /// async fn upgrade(
    ///     mut reader: StreamReader,
    ///     writer: StreamWriter,
    ///     side: TlsSide,
    /// ) -> Result<(), Box<dyn std::error::Error>> {
    ///     writer.write(b"STARTTLS\r\n");
    ///     assert!(reader.readline().await?.starts_with(b"220 "));
    ///     writer.start_tls(&mut reader, side).await?;
    ///     writer.write(b"nobody else can read this\r\n");
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn start_tls<'a>(&'a self, reader: &'a mut StreamReader, side: TlsSide) -> StartTls<'a> {
        assert!(
            Rc::ptr_eq(self.channel(), reader.channel()),
            "the reader is another connection's"
        );
        StartTls {
            channel: self.channel(),
            reader,
            side,
            timeouts: Timeouts::default(),
        }
    }
}

/// A connection that is to go over to TLS: see [`StreamWriter::start_tls`].
///
/// # Examples
/// See [`StreamWriter::start_tls`].
#[must_use = "it does nothing unless it is awaited"]
pub struct StartTls<'a> {
    channel: &'a Rc<Channel>,
    reader: &'a mut StreamReader,
    side: TlsSide,
    timeouts: Timeouts,
}

impl StartTls<'_> {
    /// For how long both sides may take to know each other. By default, 60 s.
    ///
    /// # asyncio
    /// `ssl_handshake_timeout=`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_net::{StreamReader, StreamWriter, TlsSide};
    /// async fn upgrade(mut reader: StreamReader, writer: StreamWriter, side: TlsSide) -> std::io::Result<()> {
    ///     let most = Duration::from_secs(5);
    ///     let start = writer.start_tls(&mut reader, side);
    ///     start.ssl_handshake_timeout(most).ssl_shutdown_timeout(most).await
    /// }
    /// ```
    pub fn ssl_handshake_timeout(mut self, most: Duration) -> Self {
        self.timeouts.handshake = Some(most);
        self
    }

    /// As [`TlsStream::set_ssl_shutdown_timeout`]. By default, 30 s.
    ///
    /// # Examples
    /// See [`ssl_handshake_timeout`](StartTls::ssl_handshake_timeout).
    pub fn ssl_shutdown_timeout(mut self, most: Duration) -> Self {
        self.timeouts.shutdown = Some(most);
        self
    }

    async fn start(self) -> io::Result<()> {
        let channel = self.channel;
        if channel.has_file() {
            let text = "a file is being sent";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        // What is neither the one nor the other is closed.
        let between = closing(Rc::clone(channel), |channel| channel.abort());
        channel.flushed().await?;
        let Some(inner) = channel.connection() else {
            let text = "Connection lost";
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, text));
        };
        let stream = match self.side {
            TlsSide::Client {
                config,
                server_hostname,
            } => TlsStream::client(inner, config, &server_hostname)?,
            TlsSide::Server { config } => TlsStream::server(inner, config)?,
        };
        stream.has_come(&self.reader.take_buffer());
        let stream = Rc::new(stream);
        let connection: Rc<dyn Connection> = Rc::clone(&stream) as Rc<dyn Connection>;
        channel.replace(connection);
        self.timeouts.handshake(&stream).await?;
        drop(between.into_inner());
        Ok(())
    }
}

impl<'a> IntoFuture for StartTls<'a> {
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl fmt::Debug for StartTls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTls")
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}
