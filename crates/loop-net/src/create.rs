//! Transports to somebody, and for whoever connects.

use std::io;
use std::panic::Location;
use std::path::Path;
use std::rc::Rc;

use crate::closing::begun;
use crate::protocol::AnyProtocol;
use crate::telling::Place;
use crate::{
    OpenConnection, Protocol, Server, StartServer, StreamReader, StreamWriter, Transport,
    open_connection, open_unix_connection, start_server, start_unix_server,
};

/// Connects to a machine, and tells a protocol of what happens. For options there is
/// [`OpenConnection::create`].
///
/// # Errors
/// As [`open_connection`].
///
/// # asyncio
/// `loop.create_connection(protocol_factory, host, port)`.
///
/// # Examples
/// ```
/// use std::cell::{OnceCell, RefCell};
/// use loop_core::EventLoop;
/// use loop_net::{BaseProtocol, Protocol, Transport, create_connection, create_server};
/// use loop_tasks::{LoopExt, yield_now};
///
/// #[derive(Default)]
/// struct Echo(OnceCell<Transport>);
/// impl BaseProtocol for Echo {
///     fn connection_made(&self, transport: Transport) {
///         let _ = self.0.set(transport);
///     }
/// }
/// impl Protocol for Echo {
///     fn data_received(&self, data: &[u8]) {
///         self.0.get().unwrap().write(data);
///     }
/// }
///
/// #[derive(Default)]
/// struct Collect(RefCell<Vec<u8>>);
/// impl BaseProtocol for Collect {}
/// impl Protocol for Collect {
///     fn data_received(&self, data: &[u8]) {
///         self.0.borrow_mut().extend_from_slice(data);
///     }
/// }
///
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let server = create_server(Echo::default, "127.0.0.1", 0).await?;
///     let port = server.sockets()[0].port().unwrap();
///     let (transport, collect) = create_connection(Collect::default, "127.0.0.1", port).await?;
///     transport.write(b"ping");
///     while collect.0.borrow().len() < 4 {
///         yield_now().await;
///     }
///     transport.close();
///     server.close();
///     server.wait_closed().await;
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn create_connection<P: Protocol>(
    protocol_factory: impl FnOnce() -> P,
    host: impl Into<String>,
    port: u16,
) -> impl Future<Output = io::Result<(Transport, Rc<P>)>> {
    open_connection(host, port).create(protocol_factory)
}

impl OpenConnection {
    /// Connects, and tells a protocol of what happens, instead of giving a reader and a writer.
    ///
    /// # Errors
    /// As [`open_connection`].
    ///
    /// # asyncio
    /// `loop.create_connection(protocol_factory, ...)`.
    ///
    /// # Examples
    /// See [`create_connection`].
    #[track_caller]
    pub fn create<P: Protocol>(
        self,
        protocol_factory: impl FnOnce() -> P,
    ) -> impl Future<Output = io::Result<(Transport, Rc<P>)>> {
        begin(self, protocol_factory, Location::caller())
    }
}

/// Connects to the listener at a path, and tells a protocol of what happens.
///
/// # Errors
/// As [`open_unix_connection`].
///
/// # asyncio
/// `loop.create_unix_connection(protocol_factory, path)`.
///
/// # Examples
/// As for [`create_connection`].
#[track_caller]
pub fn create_unix_connection<P: Protocol>(
    protocol_factory: impl FnOnce() -> P,
    path: impl AsRef<Path>,
) -> impl Future<Output = io::Result<(Transport, Rc<P>)>> {
    begin(
        open_unix_connection(path),
        protocol_factory,
        Location::caller(),
    )
}

/// Connects, and waits until the protocol has heard of it.
async fn begin<P: Protocol>(
    open: impl IntoFuture<Output = io::Result<(StreamReader, StreamWriter)>>,
    protocol_factory: impl FnOnce() -> P,
    place: Place,
) -> io::Result<(Transport, Rc<P>)> {
    let (_, writer) = open.await?;
    let protocol = Rc::new(protocol_factory());
    let told = AnyProtocol::Plain(Rc::clone(&protocol) as _);
    let transport = Transport::over(writer.into_channel(), told, place);
    Ok((begun(transport, Transport::close).await, protocol))
}

/// Listens, and makes a protocol for each connection; as [`start_server`] in everything else.
///
/// # Errors
/// As [`start_server`].
///
/// # asyncio
/// `loop.create_server(protocol_factory, host, port)`.
///
/// # Examples
/// See [`create_connection`].
#[track_caller]
pub fn create_server<P: Protocol>(
    protocol_factory: impl FnMut() -> P + 'static,
    host: impl Into<String>,
    port: u16,
) -> StartServer<impl FnMut(StreamReader, StreamWriter) -> std::future::Ready<()> + 'static> {
    start_server(accept(protocol_factory, Location::caller()), host, port)
}

/// Listens at a path, and makes a protocol for each connection; as [`start_unix_server`] in everything else.
///
/// # Errors
/// As [`start_unix_server`].
///
/// # asyncio
/// `loop.create_unix_server(protocol_factory, path)`.
///
/// # Examples
/// As for [`create_connection`].
#[track_caller]
pub fn create_unix_server<P: Protocol>(
    protocol_factory: impl FnMut() -> P + 'static,
    path: impl AsRef<Path>,
) -> impl Future<Output = io::Result<Server>> {
    start_unix_server(accept(protocol_factory, Location::caller()), path).into_future()
}

fn accept<P: Protocol>(
    mut protocol_factory: impl FnMut() -> P + 'static,
    place: Place,
) -> impl FnMut(StreamReader, StreamWriter) -> std::future::Ready<()> + 'static {
    move |_, writer| {
        let protocol = AnyProtocol::Plain(Rc::new(protocol_factory()));
        let _transport = Transport::over(writer.into_channel(), protocol, place);
        std::future::ready(())
    }
}
