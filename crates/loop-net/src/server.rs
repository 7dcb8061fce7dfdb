//! Servers: listeners, and the connections that they have accepted.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

use loop_core::{ExceptionContext, LoopRef};
use loop_tasks::{LoopExt, LoopFuture, TaskError, catch_cancel, sleep, yield_now};
use slab::Slab;

use crate::channel::{Channel, Watcher};
use crate::driver::{DriverHandle, drive};
use crate::{Address, Connection, Listener, ListenerSocket};

/// After an error that accepting should not meet, it goes on so much later.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// Where it listens, for as long as it does.
    ports: RefCell<Vec<Port>>,
    closed: Cell<bool>,
    serving: Cell<bool>,
    clients: RefCell<Slab<Weak<Channel>>>,
    /// Who waits for the last client to go.
    waiting: RefCell<Vec<LoopFuture<()>>>,
    /// Who serves for ever.
    forever: RefCell<Option<LoopFuture<()>>>,
}

/// Begins to accept.
type Begin = Box<dyn FnOnce(&Rc<State>) -> DriverHandle>;

/// One listener.
struct Port {
    address: Address,
    begin: Option<Begin>,
    driver: Option<DriverHandle>,
    /// A file to be removed at the end.
    file: Option<PathBuf>,
}

/// What is to be done with a connection.
pub(crate) trait Accepted: 'static {
    fn accepted(&self, connection: Rc<dyn Connection>, peer: Address) -> io::Result<Rc<Channel>>;
}

impl Server {
    pub(crate) fn new(owner: LoopRef) -> Server {
        Server(Rc::new(State {
            owner,
            ports: RefCell::default(),
            closed: Cell::new(false),
            serving: Cell::new(false),
            clients: RefCell::default(),
            waiting: RefCell::default(),
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
        let address = listener.local_addr()?.into();
        let begin = move |state: &Rc<State>| {
            let (owner, state) = (state.owner.clone(), Rc::downgrade(state));
            drive(&owner, async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, peer)) => {
                            prepare(&stream);
                            let accepted = client.accepted(Rc::new(stream), peer.into());
                            if let (Ok(channel), Some(state)) = (accepted, state.upgrade()) {
                                state.attach(&channel);
                            }
                        }
                        Err(error) => {
                            if let Some(state) = state.upgrade() {
                                state.report("Accept failed on a socket", &error);
                            }
                            sleep(PAUSE).await;
                        }
                    }
                }
            })
        };
        self.0.ports.borrow_mut().push(Port {
            address,
            begin: Some(Box::new(begin)),
            driver: None,
            file,
        });
        Ok(())
    }

    pub(crate) fn begin(&self) {
        if self.0.closed.get() || self.0.serving.replace(true) {
            return;
        }
        let keep = Rc::clone(&self.0);
        for port in &mut *self.0.ports.borrow_mut() {
            if let Some(begin) = port.begin.take() {
                port.driver = Some(begin(&keep));
            }
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
        ports.iter().map(|port| port.address.clone()).collect()
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
        self.0.serving.get()
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
        if self.0.closed.get() {
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
        if self.0.closed.replace(true) {
            return;
        }
        self.0.serving.set(false);
        let ports = self.0.ports.take();
        for port in ports {
            if let Some(driver) = port.driver {
                driver.stop();
            }
            drop(port.begin);
            if let Some(file) = port.file {
                // Whoever has taken the place in the meantime keeps it: that was asked before.
                let _ = std::fs::remove_file(file);
            }
        }
        if let Some(forever) = self.0.forever.take() {
            let _ = forever.set_result(());
        }
        self.0.wake_if_done();
    }

    /// Waits until it is closed and its last connection is.
    ///
    /// # asyncio
    /// `await server.wait_closed()`, as it is since 3.12.1.
    ///
    /// # Examples
    /// See [`close_clients`](Server::close_clients).
    pub async fn wait_closed(&self) {
        if self.0.closed.get() && self.0.clients.borrow().is_empty() {
            return;
        }
        let future = self.0.owner.event_loop().create_future();
        self.0.waiting.borrow_mut().push(future.clone());
        if let Err(TaskError::Cancelled(token)) = (&future).await {
            token.resume().await;
        }
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
    ///     let port = server.sockets()[0].ip().unwrap().port();
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
        for channel in self.0.channels() {
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
        for channel in self.0.channels() {
            channel.abort();
        }
    }
}

impl State {
    fn channels(&self) -> Vec<Rc<Channel>> {
        let clients = self.clients.borrow();
        clients
            .iter()
            .filter_map(|(_, client)| client.upgrade())
            .collect()
    }

    fn attach(self: &Rc<Self>, channel: &Rc<Channel>) {
        if !channel.is_lost() {
            let key = self.clients.borrow_mut().insert(Rc::downgrade(channel));
            let server = Rc::clone(self);
            channel.add_watcher(Rc::new(Client { server, key }));
        }
    }

    fn wake_if_done(&self) {
        if self.closed.get() && self.clients.borrow().is_empty() {
            for future in self.waiting.take() {
                // Refused if its wait was cancelled, or by a loop that is closed.
                let _ = future.set_result(());
            }
        }
    }

    fn report(&self, what: &str, error: &dyn fmt::Display) {
        let context = ExceptionContext::new(what).exception(error.to_string());
        self.owner.event_loop().call_exception_handler(&context);
    }
}

/// A connection of a server, which hears of its end.
struct Client {
    server: Rc<State>,
    key: usize,
}

impl Watcher for Client {
    fn lost(&self, _: Option<&io::Error>) {
        self.server.clients.borrow_mut().remove(self.key);
        self.server.wake_if_done();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<Server sockets={:?} clients={}>",
            self.sockets(),
            self.0.clients.borrow().len()
        )
    }
}
