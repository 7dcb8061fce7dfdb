//! What a server does with each connection: it calls a coroutine, as a task.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use loop_core::{ExceptionContext, LoopRef};
use loop_tasks::TaskBuilder;

use crate::channel::Channel;
use crate::server::Accepted;
#[cfg(feature = "tls")]
use crate::tls_options::TlsServer;
use crate::{Address, Connection, StreamOptions, StreamReader, StreamWriter};

/// What a server calls for each connection: a function that makes a coroutine, such as an `async` closure.
///
/// # Examples
/// See [`start_server`](crate::start_server).
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
/// See [`start_server`](crate::start_server).
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

/// Makes a task for each connection.
pub(crate) struct Client<C> {
    pub(crate) owner: LoopRef,
    pub(crate) client: Rc<RefCell<C>>,
    pub(crate) streams: StreamOptions,
    /// Where the server was made: its tasks are of that place.
    pub(crate) place: &'static Location<'static>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsServer>,
}

impl<C: ClientConnected> Accepted for Client<C> {
    #[cfg(not(feature = "tls"))]
    fn accepted(&self, connection: Rc<dyn Connection>, peer: Address) -> io::Result<Rc<Channel>> {
        self.call(connection, peer, async || Ok(()))
    }

    #[cfg(feature = "tls")]
    fn accepted(&self, connection: Rc<dyn Connection>, peer: Address) -> io::Result<Rc<Channel>> {
        use crate::TlsStream;
        let Some(tls) = self.tls.clone() else {
            return self.call(connection, peer, async || Ok(()));
        };
        let stream = Rc::new(TlsStream::server(connection, tls.config)?);
        let connection: Rc<dyn Connection> = Rc::clone(&stream) as Rc<dyn Connection>;
        self.call(connection, peer, async move || {
            tls.timeouts.handshake(&stream).await
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
        let task = TaskBuilder::new().place(self.place);
        let call = async move {
            if let Err(error) = ready().await {
                writer.abort();
                return report(&owner, "SSL handshake failed", error.to_string());
            }
            let coroutine = client.borrow_mut().connected(reader, writer);
            if let Some(text) = coroutine.await.into_report() {
                report(&owner, "Unhandled exception in client_connected_cb", text);
            }
        };
        // A loop that is closed has dropped whoever accepts.
        let _task = task.spawn_on(&self.owner.event_loop(), call);
        Ok(channel)
    }
}

fn report(owner: &LoopRef, what: &str, error: String) {
    let context = ExceptionContext::new(what).exception(error);
    owner.event_loop().call_exception_handler(&context);
}
