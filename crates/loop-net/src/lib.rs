//! Sockets, streams and servers for the tasks of one event loop.
//!
//! A task that reads from a socket must not block its loop, and must hear of every byte and of the end. Here an
//! operation is *tried* first; only if it would block does the task *wait*, and the loop *watches* the descriptor from
//! then on: it reports each edge once, and the flag that it leaves is taken back only by an attempt that would block.
//!
//! ```
//! use loop_core::EventLoop;
//! use loop_net::{TcpListener, TcpStream};
//! use loop_tasks::{LoopExt, create_task};
//!
//! let event_loop = EventLoop::new()?;
//! event_loop.run_until_complete(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = create_task(async move {
//!         let (stream, _) = listener.accept().await?;
//!         let mut bytes = [0; 5];
//!         stream.read_exact(&mut bytes).await?;
//!         stream.write_all(&bytes).await
//!     });
//!     let stream = TcpStream::connect(address).await?;
//!     stream.write_all(b"hello").await?;
//!     let mut bytes = [0; 5];
//!     stream.read_exact(&mut bytes).await?;
//!     assert_eq!(&bytes, b"hello");
//!     server.await.unwrap()
//! })??;
//! event_loop.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - Any descriptor: [`AsyncFd`].
//! - Streams with buffers: [`open_connection`], [`start_server`], [`StreamReader`], [`StreamWriter`].
//! - Callbacks instead of coroutines: [`Transport`] and [`Protocol`], [`create_connection`], [`create_server`],
//!   [`create_datagram_endpoint`].
//! - Sockets of others: [`LoopNetExt`] with `sock_recv` and its kin.
//! - Pipes: [`PipeReader`], [`PipeWriter`], [`connect_read_pipe`], [`connect_write_pipe`].
//! - Names: [`getaddrinfo`], [`getnameinfo`].
//! - Sockets: [`TcpStream`], [`TcpListener`], [`UdpSocket`], [`UnixStream`], [`UnixListener`], [`UnixDatagram`];
//!   [`ToSocketAddrs`] says what stands for their addresses.
//!
//! # Features
//! - `futures-io`: its `AsyncRead` and `AsyncWrite` for streams.
//! - `tls`: TLS by rustls with *ring*: `TlsStream`, `OpenConnection::tls`, `StartServer::tls`, `StreamWriter::start_tls`.
//! - `hyper`: its `Read` and `Write` for streams, `HyperExecutor`, `HyperTimer`.
//!
//! # Invariants
//! - An operation that succeeds at once makes no call but its own, and a wait allocates nothing.
//! - A wait that is cancelled or dropped has taken nothing from its descriptor.
//! - A task whose operations always succeed lets the others run after 64 of them.
//! - A descriptor is closed only after the loop has stopped watching it.
//!
//! # Not here
//! Child processes and signals. Systems that are not Unix: this crate is empty there.

#![forbid(unsafe_code)]
#![cfg(unix)]

mod address;
mod async_fd;
mod attempt;
mod channel;
mod client_connected;
mod closing;
mod connect;
mod connect_pipe;
mod connection;
mod create;
mod datagram;
mod datagram_transport;
mod driver;
mod file_sink;
#[cfg(feature = "futures-io")]
mod futures_traits;
#[cfg(feature = "hyper")]
mod hyper_io;
#[cfg(feature = "hyper")]
mod hyper_rt;
mod line;
mod listener;
mod marks;
mod names;
mod open_connection;
mod open_unix_connection;
mod pipe;
mod protocol;
mod read_error;
mod send_file;
mod server;
mod sock;
mod split;
mod start_server;
#[cfg(feature = "tls")]
mod start_tls;
mod start_unix_server;
mod stream;
mod stream_options;
mod stream_poll;
mod stream_read;
mod stream_reader;
mod stream_sendfile;
mod stream_socket;
mod stream_write;
mod stream_writer;
mod tcp;
mod telling;
#[cfg(feature = "tls")]
mod tls_options;
#[cfg(feature = "tls")]
mod tls_stream;
mod to_socket_addrs;
mod transport;
mod udp;
mod unix;

pub use address::Address;
pub use async_fd::AsyncFd;
pub use attempt::Attempt;
pub use client_connected::{ClientConnected, ClientOutcome};
pub use closing::{Closing, closing};
pub use connect::ConnectErrors;
pub use connect_pipe::{connect_read_pipe, connect_write_pipe};
pub use connection::Connection;
pub use create::{create_connection, create_server, create_unix_connection, create_unix_server};
pub use datagram::{Datagram, DatagramSocket};
pub use datagram_transport::{DatagramTransport, create_datagram_endpoint};
#[cfg(feature = "hyper")]
pub use hyper_rt::{HyperExecutor, HyperTimer};
pub use listener::{Listener, ListenerSocket};
pub use loop_core::Direction;
pub use names::{NumericNames, getaddrinfo, getnameinfo};
pub use open_connection::{OpenConnection, open_connection};
pub use open_unix_connection::{OpenUnixConnection, open_unix_connection};
pub use pipe::{PipeReader, PipeWriter};
pub use protocol::{BaseProtocol, BufferedProtocol, DatagramProtocol, Protocol};
pub use read_error::{IncompleteRead, LimitOverrun, ReadError};
#[cfg(feature = "tls")]
pub use rustls;
pub use send_file::SendFile;
pub use server::Server;
pub use sock::LoopNetExt;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use start_server::{StartServer, start_server};
#[cfg(feature = "tls")]
pub use start_tls::StartTls;
pub use start_unix_server::{StartUnixServer, start_unix_server};
pub use stream::Stream;
pub use stream_options::{StreamOptions, streams_over};
pub use stream_reader::StreamReader;
pub use stream_socket::StreamSocket;
pub use stream_writer::{ExtraInfo, StreamWriter};
pub use tcp::{TcpListener, TcpOptions, TcpStream};
#[cfg(feature = "tls")]
pub use tls_options::TlsSide;
#[cfg(feature = "tls")]
pub use tls_stream::{TlsInfo, TlsStream};
pub use to_socket_addrs::ToSocketAddrs;
pub use transport::Transport;
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
