//! Servers: listeners, and the connections that they have accepted.

mod clients;
mod port;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use loop_core::LoopRef;
use loop_tasks::{LoopExt, LoopFuture, catch_cancel, yield_now};

use crate::{Address, Listener, ListenerSocket};
use clients::Clients;
pub(crate) use port::Accepted;
use port::Port;

/// A server: made by [`start_server`](crate::start_server) and its kin.
///
/// A cheap reference. Dropping it stops nothing: [`close`](Server::close) does, and the loop's end.
///
/// # asyncio
/// `asyncio.Server`.
///
/// # Examples
/// See [`start_server`](crate::start_server).
#[derive(Clone)]
pub struct Server(Rc<State>);

struct State {
    owner: LoopRef,
    stage: Cell<Stage>,
    /// Where it listens, until it is closed.
    ports: RefCell<Vec<Port>>,
    clients: Rc<Clients>,
    /// Who serves for ever.
    forever: RefCell<Option<LoopFuture<()>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// It listens, and does not accept yet.
    Listening,
    Serving,
    Closed,
}

impl Server {
    pub(crate) fn new(owner: LoopRef) -> Server {
        Server(Rc::new(State {
            owner,
            stage: Cell::new(Stage::Listening),
            ports: RefCell::default(),
            clients: Rc::default(),
            forever: RefCell::default(),
        }))
    }

    /// Adds a listener, which does not accept yet.
    pub(crate) fn listen<L>(
        &self,
        listener: Listener<L>,
        file: Option<PathBuf>,
        prepare: impl Fn(&crate::Stream<L::Socket>) + 'static,
        client: Rc<dyn Accepted>,
    ) -> io::Result<()>
    where
        L: ListenerSocket<Address: Into<Address>> + 'static,
        L::Socket: 'static,
    {
        let port = Port::new(listener, file, prepare, client)?;
        self.0.ports.borrow_mut().push(port);
        Ok(())
    }

    pub(crate) fn begin(&self) {
        if self.0.stage.get() == Stage::Listening {
            self.0.stage.set(Stage::Serving);
            let ports = self.0.ports.take().into_iter();
            let ports = ports.map(|port| port.begin(&self.0.owner, &self.0.clients));
            self.0.ports.replace(ports.collect());
        }
    }

    /// Where it listens: nowhere once it is closed.
    ///
    /// # asyncio
    /// `server.sockets`, of which one asks `getsockname()`.
    ///
    /// # Examples
    /// See [`start_server`](crate::start_server).
    #[must_use]
    pub fn sockets(&self) -> Vec<Address> {
        let ports = self.0.ports.borrow();
        ports.iter().map(Port::address).collect()
    }

    /// Whether it accepts connections.
    ///
    /// # asyncio
    /// `server.is_serving()`.
    ///
    /// # Examples
    /// See [`start_serving`](Server::start_serving).
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.0.stage.get() == Stage::Serving
    }

    /// Begins to accept connections, if it was made not to at once.
    ///
    /// # asyncio
    /// `await server.start_serving()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::start_server;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let server = start_server(async |_, _| (), "127.0.0.1", 0).start_serving(false).await?;
    ///     assert!(!server.is_serving());
    ///     server.start_serving().await;
    ///     assert!(server.is_serving());
    ///     server.close();
    ///     assert!(!server.is_serving());
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn start_serving(&self) {
        self.begin();
        yield_now().await;
    }

    /// Accepts connections until it is cancelled, which closes the server and waits for its clients, or until
    /// [`close`](Server::close) is called.
    ///
    /// # Errors
    /// If it is closed, or if somebody is in here already.
    ///
    /// # asyncio
    /// `await server.serve_forever()`, which also a close ends with a cancellation.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::start_server;
    /// use loop_tasks::{LoopExt, create_task, yield_now};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let server = start_server(async |_, _| (), "127.0.0.1", 0).await?;
    ///     let serving = create_task({
    ///         let server = server.clone();
    ///         async move { server.serve_forever().await }
    ///     });
    ///     yield_now().await;
    ///     serving.cancel();
    ///     assert!(serving.await.is_err());
    ///     assert!(!server.is_serving());
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn serve_forever(&self) -> io::Result<()> {
        /// Whoever comes after whoever served may serve.
        struct Leave<'a>(&'a State);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                let future = self.0.forever.take();
                drop(future);
            }
        }
        if self.0.forever.borrow().is_some() {
            let text = format!("server {self:?} is already being awaited on serve_forever()");
            return Err(io::Error::other(text));
        }
        if self.is_closed() {
            return Err(io::Error::other(format!("server {self:?} is closed")));
        }
        self.begin();
        let future = self.0.owner.event_loop().create_future();
        self.0.forever.replace(Some(future.clone()));
        let _leave = Leave(&self.0);
        match catch_cancel(future).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(io::Error::other(error)),
            Err(cancelled) => {
                self.close();
                self.wait_closed().await;
                cancelled.resume().await
            }
        }
    }

    /// Stops listening. Connections go on.
    ///
    /// # asyncio
    /// `server.close()`.
    ///
    /// # Examples
    /// See [`start_serving`](Server::start_serving).
    pub fn close(&self) {
        if self.is_closed() {
            return;
        }
        self.0.stage.set(Stage::Closed);
        let ports = self.0.ports.take();
        ports.into_iter().for_each(Port::close);
        if let Some(forever) = self.0.forever.take() {
            let _ = forever.set_result(());
        }
        self.0.clients.no_more_come();
    }

    fn is_closed(&self) -> bool {
        self.0.stage.get() == Stage::Closed
    }

    /// Waits until it is closed and its last connection is.
    ///
    /// # asyncio
    /// `await server.wait_closed()`, as it is since 3.12.1.
    ///
    /// # Examples
    /// See [`close_clients`](Server::close_clients).
    pub async fn wait_closed(&self) {
        self.0.clients.all_gone(&self.0.owner).await;
    }

    /// Closes all connections when what they have to write is written.
    ///
    /// # asyncio
    /// `server.close_clients()`.
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
    ///             writer.write(b"hello\n");
    ///             reader.read_all().await.map(drop) // for ever, if nobody ends it
    ///         },
    ///         "127.0.0.1",
    ///         0,
    ///     )
    ///     .await?;
    ///     let port = server.sockets()[0].port().unwrap();
    ///     let (mut reader, _writer) = open_connection("127.0.0.1", port).await?;
    ///     assert_eq!(reader.readline().await?, b"hello\n");
    ///     server.close();
    ///     server.close_clients();
    ///     server.wait_closed().await;
    ///     assert_eq!(reader.readline().await?, b"");
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_clients(&self) {
        for channel in self.0.clients.channels() {
            channel.close();
        }
    }

    /// Closes all connections now.
    ///
    /// # asyncio
    /// `server.abort_clients()`.
    ///
    /// # Examples
    /// As for [`close_clients`](Server::close_clients).
    pub fn abort_clients(&self) {
        for channel in self.0.clients.channels() {
            channel.abort();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<Server sockets={:?} clients={}>",
            self.sockets(),
            self.0.clients.len()
        )
    }
}
