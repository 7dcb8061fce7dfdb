//! One listener of a server.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use loop_core::{ExceptionContext, LoopRef};
use loop_tasks::sleep;

use super::clients::Clients;
use crate::channel::Channel;
use crate::driver::{DriverHandle, drive};
use crate::{Address, Connection, Listener, ListenerSocket, Stream};

/// After an error that accepting should not meet, it goes on so much later.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Port {
    address: Address,
    accepting: Accepting,
    /// A file to be removed at the end.
    file: Option<PathBuf>,
}

enum Accepting {
    /// It has not begun.
    No(Begin),
    By(DriverHandle),
}

/// Begins to accept.
type Begin = Box<dyn FnOnce(&LoopRef, &Rc<Clients>) -> DriverHandle>;

/// What is to be done with a connection.
pub(crate) trait Accepted: 'static {
    fn accepted(&self, connection: Rc<dyn Connection>, peer: Address) -> io::Result<Rc<Channel>>;
}

impl Port {
    pub(super) fn new<L>(
        listener: Listener<L>,
        file: Option<PathBuf>,
        prepare: impl Fn(&Stream<L::Socket>) + 'static,
        client: Rc<dyn Accepted>,
    ) -> io::Result<Port>
    where
        L: ListenerSocket<Address: Into<Address>> + 'static,
        L::Socket: 'static,
    {
        let address = listener.local_addr()?.into();
        let begin = |owner: &LoopRef, clients: &Rc<Clients>| {
            let (ours, clients) = (owner.clone(), Rc::clone(clients));
            drive(owner, async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, peer)) => {
                            prepare(&stream);
                            let accepted = client.accepted(Rc::new(stream), peer.into());
                            if let Ok(channel) = accepted {
                                clients.attach(&channel);
                            }
                        }
                        Err(error) => {
                            report(&ours, &error);
                            sleep(PAUSE).await;
                        }
                    }
                }
            })
        };
        Ok(Port {
            address,
            accepting: Accepting::No(Box::new(begin)),
            file,
        })
    }

    pub(super) fn address(&self) -> Address {
        self.address.clone()
    }

    /// Accepts connections from now on.
    pub(super) fn begin(self, owner: &LoopRef, clients: &Rc<Clients>) -> Port {
        let accepting = match self.accepting {
            Accepting::No(begin) => Accepting::By(begin(owner, clients)),
            by => by,
        };
        Port { accepting, ..self }
    }

    pub(super) fn close(self) {
        match self.accepting {
            Accepting::No(begin) => drop(begin),
            Accepting::By(driver) => driver.stop(),
        }
        if let Some(file) = self.file {
            // Whoever has taken the place in the meantime keeps it: that was asked before.
            let _ = std::fs::remove_file(file);
        }
    }
}

fn report(owner: &LoopRef, error: &io::Error) {
    let context = ExceptionContext::new("Accept failed on a socket").exception(error.to_string());
    owner.event_loop().call_exception_handler(&context);
}
