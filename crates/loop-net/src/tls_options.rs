//! TLS for the streams of `open_connection` and `start_server`, and for those that begin without it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_tasks::timeout;
use rustls::{ClientConfig, ServerConfig};

use crate::channel::Channel;
use crate::{Connection, StreamReader, StreamWriter, TlsStream};

/// For how long both sides may take to know each other, by default.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// Which side of a TLS connection this is, and how it is configured.
///
/// # asyncio
/// The `ssl`, `server_hostname` and `server_side` of `start_tls`.
///
/// # Examples
/// See [`StreamWriter::start_tls`].
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

/// Waits for a handshake, but not for ever.
pub(crate) async fn handshake(stream: &TlsStream, most: Option<Duration>) -> io::Result<()> {
    let most = most.unwrap_or(HANDSHAKE);
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

impl StreamWriter {
    /// Goes over to TLS on a connection that began without it: everything that was written is sent first, everything
    /// from now on is encrypted.
    ///
    /// What the reader has in its buffer is taken for the beginning of TLS, and never for something that was said
    /// under its protection.
    ///
    /// # Errors
    /// As [`TlsStream::connect`]; [`TimedOut`](io::ErrorKind::TimedOut) after 60 s. The connection is closed then.
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
    pub async fn start_tls(&self, reader: &mut StreamReader, side: TlsSide) -> io::Result<()> {
        /// Closes what is neither the one nor the other.
        struct Abort<'a>(Option<&'a Rc<Channel>>);
        impl Drop for Abort<'_> {
            fn drop(&mut self) {
                if let Some(channel) = self.0 {
                    channel.abort();
                }
            }
        }
        let channel = self.channel();
        assert!(
            Rc::ptr_eq(channel, reader.channel()),
            "the reader is another connection's"
        );
        channel.flushed().await?;
        let Some(inner) = channel.connection() else {
            let text = "Connection lost";
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, text));
        };
        let stream = match side {
            TlsSide::Client {
                config,
                server_hostname,
            } => TlsStream::client(inner, config, &server_hostname)?,
            TlsSide::Server { config } => TlsStream::server(inner, config)?,
        };
        stream.has_come(&reader.take_buffer());
        let stream = Rc::new(stream);
        let connection: Rc<dyn Connection> = Rc::clone(&stream) as Rc<dyn Connection>;
        channel.replace(connection);
        let mut abort = Abort(Some(channel));
        let result = handshake(&stream, None).await;
        if result.is_ok() {
            abort.0 = None;
        }
        result
    }
}
