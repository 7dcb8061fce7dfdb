//! Transports that end before anybody has them: their makers give up, when nobody else could close them, or their
//! connections are lost.

mod common;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use loop_net::{
    BaseProtocol, DatagramProtocol, DatagramTransport, Protocol, Transport, connect_read_pipe,
    connect_write_pipe, create_connection, create_datagram_endpoint, create_server, start_server,
};
use loop_tasks::{AnyTask, TaskError, create_task, yield_now};

use common::run;

/// Has whoever makes its transport give up when it hears of that.
#[derive(Clone, Default)]
struct Fickle {
    making: Rc<RefCell<Option<AnyTask>>>,
    is_lost: Rc<Cell<bool>>,
}

impl Fickle {
    fn made(&self) {
        let making = self.making.take().expect("it is made once");
        assert!(making.cancel());
    }
}

impl BaseProtocol for Fickle {
    fn connection_made(&self, _: Transport) {
        self.made();
    }

    fn connection_lost(&self, _: Option<&io::Error>) {
        self.is_lost.set(true);
    }
}

impl Protocol for Fickle {
    fn data_received(&self, _: &[u8]) {}
}

impl DatagramProtocol for Fickle {
    fn connection_made(&self, _: DatagramTransport) {
        self.made();
    }

    fn datagram_received(&self, _: &[u8], _: std::net::SocketAddr) {}

    fn connection_lost(&self, _: Option<&io::Error>) {
        self.is_lost.set(true);
    }
}

async fn is_closed<T: 'static>(make: impl AsyncFnOnce(Fickle) -> io::Result<T> + 'static) {
    let fickle = Fickle::default();
    let (ours, is_lost) = (Rc::clone(&fickle.making), Rc::clone(&fickle.is_lost));
    let making = create_task(async move { make(fickle).await.map(drop) });
    ours.replace(Some(making.erase()));
    assert!(matches!(making.await, Err(TaskError::Cancelled(_))));
    while !is_lost.get() {
        yield_now().await;
    }
}

#[test]
fn a_pipe_that_nobody_has_got_is_closed() {
    run(async {
        let (reader, writer) = io::pipe().unwrap();
        is_closed(async move |fickle| connect_read_pipe(|| fickle, reader).await).await;
        let (reader, other_writer) = io::pipe().unwrap();
        is_closed(async move |fickle| connect_write_pipe(|| fickle, other_writer).await).await;
        drop((reader, writer)); // whose other ends have not ended
    });
}

#[test]
fn a_connection_that_nobody_has_got_is_closed() {
    run(async {
        let server = start_server(
            async |mut reader, _| drop(reader.read(1).await),
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].port().expect("it has one");
        is_closed(async move |fickle| create_connection(|| fickle, "127.0.0.1", port).await).await;
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn an_endpoint_that_nobody_has_got_is_closed() {
    run(is_closed(async |fickle| {
        let here = "127.0.0.1:0".parse().ok();
        create_datagram_endpoint(|| fickle, here, None).await
    }));
}

/// Tells of its beginning and its end.
struct Witness(Rc<RefCell<Vec<&'static str>>>);

impl BaseProtocol for Witness {
    fn connection_made(&self, transport: Transport) {
        assert!(transport.is_closing());
        self.0.borrow_mut().push("made");
    }

    fn connection_lost(&self, error: Option<&io::Error>) {
        assert!(error.is_none());
        self.0.borrow_mut().push("lost");
    }
}

impl Protocol for Witness {
    fn data_received(&self, _: &[u8]) {}
}

#[test]
fn a_protocol_whose_connection_is_lost_before_it_begins_hears_both() {
    run(async {
        let calls = Rc::default();
        let ours = Rc::clone(&calls);
        let factory = move || Witness(Rc::clone(&ours));
        let server = create_server(factory, "127.0.0.1", 0).await.unwrap();
        let port = server.sockets()[0].port().expect("it has one");
        let aborting = create_task({
            let server = server.clone();
            async move {
                // Also in the iteration between the accept and the protocol.
                loop {
                    server.abort_clients();
                    yield_now().await;
                }
            }
        });
        let far = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        while calls.borrow().is_empty() {
            yield_now().await;
        }
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(*calls.borrow(), ["made", "lost"]);
        aborting.cancel();
        drop((far, server));
    });
}
