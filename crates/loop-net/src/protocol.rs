//! Protocols: what hears of a transport's events.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::{DatagramTransport, Transport};

/// What all protocols of streams hear: the beginning, the end, and when to hold back.
///
/// Methods take `&self`, since a call may come inside another one: writing too much inside
/// [`data_received`](Protocol::data_received) calls [`pause_writing`](BaseProtocol::pause_writing) there and then. What changes is in
/// a `Cell` or a `RefCell`.
///
/// # Ordering
/// `connection_made`, then everything else, then `connection_lost`, once each.
///
/// # asyncio
/// `asyncio.BaseProtocol`.
///
/// # Examples
/// See [`create_connection`](crate::create_connection).
pub trait BaseProtocol: 'static {
    /// What reports of the loop call it: by default, the name of its type.
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// There is a connection. By default, that changes nothing.
    fn connection_made(&self, transport: Transport) {
        let _ = transport;
    }

    /// The connection is no more: with an error, or because it was closed. By default, nobody cares.
    fn connection_lost(&self, error: Option<&io::Error>) {
        let _ = error;
    }

    /// More than the high mark waits to be written.
    fn pause_writing(&self) {}

    /// No more than the low mark waits to be written.
    fn resume_writing(&self) {}
}

/// A protocol that is given what comes.
///
/// # asyncio
/// `asyncio.Protocol`.
///
/// # Examples
/// See [`create_connection`](crate::create_connection).
pub trait Protocol: BaseProtocol {
    /// Something has come.
    fn data_received(&self, data: &[u8]);

    /// The other side will send no more. `false`, which is the default: the transport closes itself when everything is
    /// written. `true`: it stays open for writing.
    fn eof_received(&self) -> bool {
        false
    }
}

/// A protocol that gives the buffers into which is read.
///
/// # asyncio
/// `asyncio.BufferedProtocol`, where the protocol keeps its buffer while it is read into.
///
/// # Examples
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use loop_core::EventLoop;
/// use loop_net::{BaseProtocol, BufferedProtocol, Transport, UnixStream};
/// use loop_tasks::{LoopExt, yield_now};
/// #[derive(Default)]
/// struct Collect(RefCell<Vec<u8>>);
/// impl BaseProtocol for Collect {}
/// impl BufferedProtocol for Collect {
///     fn get_buffer(&self, size_hint: usize) -> Vec<u8> {
///         let mut buffer = self.0.take();
///         buffer.reserve(size_hint);
///         buffer
///     }
///     fn buffer_updated(&self, buffer: Vec<u8>, _: usize) {
///         self.0.replace(buffer);
///     }
/// }
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let (near, far) = UnixStream::pair()?;
///     let collect = Rc::new(Collect::default());
///     let transport = Transport::buffered(near, Rc::clone(&collect))?;
///     far.write_all(b"one ").await?;
///     yield_now().await;
///     far.write_all(b"two").await?;
///     drop(far);
///     while !transport.is_closing() {
///         yield_now().await;
///     }
///     assert_eq!(collect.0.take(), b"one two");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait BufferedProtocol: BaseProtocol {
    /// Gives a buffer with room beyond its length, best for `size_hint` bytes.
    fn get_buffer(&self, size_hint: usize) -> Vec<u8>;

    /// Takes the buffer back, with `count` bytes more in it. None: nothing had come.
    fn buffer_updated(&self, buffer: Vec<u8>, count: usize);

    /// As [`Protocol::eof_received`].
    fn eof_received(&self) -> bool {
        false
    }
}

/// A protocol of packets.
///
/// # asyncio
/// `asyncio.DatagramProtocol`.
///
/// # Examples
/// See [`create_datagram_endpoint`](crate::create_datagram_endpoint).
pub trait DatagramProtocol: 'static {
    /// What reports of the loop call it: by default, the name of its type.
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// There is a socket. By default, that changes nothing.
    fn connection_made(&self, transport: DatagramTransport) {
        let _ = transport;
    }

    /// A packet has come.
    fn datagram_received(&self, data: &[u8], from: SocketAddr);

    /// The system says that an earlier packet did not arrive, or the like. By default, nobody cares.
    fn error_received(&self, error: &io::Error) {
        let _ = error;
    }

    /// The socket is closed. By default, nobody cares.
    fn connection_lost(&self, error: Option<&io::Error>) {
        let _ = error;
    }

    /// More than the high mark waits to be sent.
    fn pause_writing(&self) {}

    /// No more than the low mark waits to be sent.
    fn resume_writing(&self) {}
}

/// One of the three kinds.
#[derive(Clone)]
pub(crate) enum AnyProtocol {
    /// Of a connection that is only written to.
    Base(Rc<dyn BaseProtocol>),
    Plain(Rc<dyn Protocol>),
    Buffered(Rc<dyn BufferedProtocol>),
}

impl AnyProtocol {
    pub(crate) fn base(&self) -> &dyn BaseProtocol {
        match self {
            AnyProtocol::Base(protocol) => &**protocol,
            AnyProtocol::Plain(protocol) => &**protocol,
            AnyProtocol::Buffered(protocol) => &**protocol,
        }
    }
}
