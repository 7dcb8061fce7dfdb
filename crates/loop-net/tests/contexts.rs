//! Context variables: what a server and a transport call finds those of whoever made them.

mod common;

use std::cell::{OnceCell, RefCell};
use std::io;
use std::rc::Rc;

use loop_net::{
    BaseProtocol, DatagramProtocol, DatagramTransport, Protocol, Server, Transport,
    create_connection, create_datagram_endpoint, create_server, open_connection, start_server,
};
use loop_tasks::{ContextVar, yield_now};

use common::run;

static VARIABLE: ContextVar<&str> = ContextVar::new();

/// Notes what every call finds.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    fn note(&self, call: &str) {
        let found = VARIABLE.get().unwrap_or("nothing");
        self.0.borrow_mut().push(format!("{call}: {found}"));
    }

    /// All of them, once that of the end is among them.
    async fn until(&self, last: &str) -> Vec<String> {
        while !self.0.borrow().iter().any(|note| note.starts_with(last)) {
            yield_now().await;
        }
        self.0.take()
    }
}

/// Closes when something has come.
#[derive(Default)]
struct CloseAtOnce(Notes, OnceCell<Transport>, OnceCell<DatagramTransport>);

impl BaseProtocol for CloseAtOnce {
    fn connection_made(&self, transport: Transport) {
        self.0.note("made");
        assert!(self.1.set(transport).is_ok());
    }

    fn connection_lost(&self, _: Option<&io::Error>) {
        self.0.note("lost");
    }
}

impl Protocol for CloseAtOnce {
    fn data_received(&self, _: &[u8]) {
        self.0.note("data");
        self.1.get().unwrap().close();
    }
}

impl DatagramProtocol for CloseAtOnce {
    fn connection_made(&self, transport: DatagramTransport) {
        self.0.note("made");
        assert!(self.2.set(transport).is_ok());
    }

    fn datagram_received(&self, _: &[u8], _: std::net::SocketAddr) {
        self.0.note("data");
        self.2.get().unwrap().close();
    }

    fn connection_lost(&self, _: Option<&io::Error>) {
        self.0.note("lost");
    }
}

fn port(server: &Server) -> u16 {
    server.sockets()[0].port().unwrap()
}

#[test]
fn a_client_of_a_server_finds_those_of_whoever_started_it() {
    run(async {
        let notes = Notes::default();
        let ours = notes.clone();
        VARIABLE.set("server");
        let serve = move |_, _| {
            let ours = ours.clone();
            async move { ours.note("client") }
        };
        let server = start_server(serve, "127.0.0.1", 0).await.unwrap();
        VARIABLE.set("later");
        let (mut reader, _writer) = open_connection("127.0.0.1", port(&server)).await.unwrap();
        assert!(reader.read(1).await.unwrap().is_empty());
        assert_eq!(notes.0.take(), ["client: server"]);
        server.close();
    });
}

#[test]
fn a_protocol_finds_those_of_whoever_made_its_server_or_transport() {
    run(async {
        let (near, far) = (Notes::default(), Notes::default());
        let (near_notes, far_notes) = (near.clone(), far.clone());
        VARIABLE.set("server");
        let factory = move || {
            far.note("factory");
            CloseAtOnce(far.clone(), OnceCell::new(), OnceCell::new())
        };
        let server = create_server(factory, "127.0.0.1", 0).await.unwrap();
        VARIABLE.set("client");
        let factory = || CloseAtOnce(near, OnceCell::new(), OnceCell::new());
        let client = create_connection(factory, "127.0.0.1", port(&server)).await;
        let (transport, _) = client.unwrap();
        VARIABLE.set("later");
        transport.write(b"data");
        assert_eq!(
            far_notes.until("lost").await,
            [
                "factory: server",
                "made: server",
                "data: server",
                "lost: server"
            ]
        );
        assert_eq!(
            near_notes.until("lost").await,
            ["made: client", "lost: client"]
        );
        server.close();
    });
}

#[test]
fn a_protocol_of_packets_finds_those_of_whoever_made_its_endpoint() {
    run(async {
        let notes = Notes::default();
        let ours = notes.clone();
        VARIABLE.set("endpoint");
        let factory = || CloseAtOnce(ours, OnceCell::new(), OnceCell::new());
        let here = "127.0.0.1:0".parse().ok();
        let (transport, _) = create_datagram_endpoint(factory, here, None).await.unwrap();
        VARIABLE.set("later");
        transport.sendto(b"data", transport.local_addr().ok());
        assert_eq!(
            notes.until("lost").await,
            ["made: endpoint", "data: endpoint", "lost: endpoint"]
        );
    });
}
