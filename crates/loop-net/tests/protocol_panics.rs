//! Protocols that panic: it is reported with all that there is to say, and harms nobody else.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use loop_core::{EventLoop, ExceptionContext};
use loop_net::{
    BaseProtocol, BufferedProtocol, DatagramProtocol, DatagramTransport, Protocol, Transport,
    UdpSocket, UnixStream, connect_read_pipe, connect_write_pipe, create_connection,
    create_datagram_endpoint, create_server, create_unix_connection, create_unix_server,
    open_connection, open_unix_connection,
};
use loop_tasks::{LoopExt, create_task, timeout, yield_now};

/// Runs a coroutine, and gives what the exception handler was told meanwhile.
fn reports_of(main: impl Future<Output = ()> + 'static) -> Vec<ExceptionContext> {
    let event_loop = EventLoop::new().unwrap();
    let reports = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&reports);
    event_loop.set_exception_handler(move |_, context| told.borrow_mut().push(context.clone()));
    let main = timeout(Duration::from_secs(120), main);
    let result = event_loop.run_until_complete(main);
    result.unwrap().expect("it hangs");
    event_loop.close().unwrap();
    reports.take()
}

/// What a protocol has heard of its end.
#[derive(Default)]
struct End {
    is_lost: Cell<bool>,
    error: RefCell<Option<String>>,
}

impl End {
    async fn wait(&self) {
        while !self.is_lost.get() {
            yield_now().await;
        }
    }
}

/// Panics in one of its methods.
#[derive(Clone)]
struct Panics {
    at: &'static str,
    end: Rc<End>,
}

impl Panics {
    fn at(at: &'static str) -> Panics {
        let end = Rc::default();
        Panics { at, end }
    }

    fn comes_to(&self, method: &str) {
        assert!(self.at != method, "it panics");
    }
}

impl BaseProtocol for Panics {
    fn connection_made(&self, _: Transport) {
        self.comes_to("connection_made");
    }

    fn connection_lost(&self, error: Option<&io::Error>) {
        self.end.error.replace(error.map(ToString::to_string));
        self.end.is_lost.set(true);
        self.comes_to("connection_lost");
    }

    fn pause_writing(&self) {
        self.comes_to("pause_writing");
    }

    fn resume_writing(&self) {
        self.comes_to("resume_writing");
    }
}

impl Protocol for Panics {
    fn data_received(&self, _: &[u8]) {
        self.comes_to("data_received");
    }

    fn eof_received(&self) -> bool {
        self.comes_to("eof_received");
        false
    }
}

impl BufferedProtocol for Panics {
    fn get_buffer(&self, size_hint: usize) -> Vec<u8> {
        self.comes_to("get_buffer");
        Vec::with_capacity(size_hint)
    }

    fn buffer_updated(&self, _: Vec<u8>, _: usize) {
        self.comes_to("buffer_updated");
    }

    fn eof_received(&self) -> bool {
        self.comes_to("eof_received");
        false
    }
}

const LENGTH: usize = 4 * 1024 * 1024;

/// Has a protocol hear everything that there is to be heard, unless it ends before.
async fn tell_everything(transport: Transport, far: UnixStream, end: Rc<End>) {
    yield_now().await;
    transport.write(&vec![1; LENGTH]);
    let other_side = create_task(async move {
        let mut all = Vec::new();
        while all.len() < LENGTH && far.read_buf(&mut all).await? > 0 {}
        far.write_all(b"x").await?;
        far.shutdown(std::net::Shutdown::Write)?;
        far.read_to_end(&mut Vec::new()).await
    });
    end.wait().await;
    let _how = other_side.await.unwrap();
}

/// What is reported of a panic, and why the connection is lost then.
fn check(reports: &[ExceptionContext], method: &str, is_end: bool, lost: Option<String>) {
    let [report] = reports else {
        panic!("one report of {method}: {reports:?}");
    };
    let (message, error) = match is_end {
        true => (
            format!("Fatal error: protocol.{method}() call failed"),
            Some(format!("protocol.{method}() call failed: it panics")),
        ),
        false => (format!("protocol.{method}() failed"), None),
    };
    assert_eq!(report.message, message);
    assert_eq!(report.exception.as_deref(), Some("it panics"));
    let callback = format!("{method} of protocol_panics::Panics");
    assert_eq!(report.callback.as_deref(), Some(&*callback));
    assert_eq!(report.place.unwrap().file(), file!());
    let transport = report.transport.as_deref().unwrap_or_default();
    if method != "connection_lost" {
        assert!(transport.contains("Transport <"), "{transport}");
    }
    assert_eq!(lost, error, "{method}");
}

/// Checks what comes of a protocol that panics in `method`, over the transport that `make` makes.
fn check_over(
    method: &'static str,
    is_end: bool,
    make: impl FnOnce(UnixStream, Rc<Panics>) -> io::Result<Transport> + 'static,
) {
    let protocol = Panics::at(method);
    let end = Rc::clone(&protocol.end);
    let reports = reports_of(async move {
        let (near, far) = UnixStream::pair().unwrap();
        let end = Rc::clone(&protocol.end);
        let transport = make(near, Rc::new(protocol)).unwrap();
        tell_everything(transport, far, end).await;
    });
    check(&reports, method, is_end, end.error.take());
}

#[test]
fn a_panic_is_reported_and_ends_its_connection_alone() {
    let methods = [
        ("connection_made", true),
        ("data_received", true),
        ("eof_received", true),
        ("pause_writing", false),
        ("resume_writing", false),
        ("connection_lost", false),
    ];
    for (method, is_end) in methods {
        check_over(method, is_end, |near, protocol| {
            Transport::new(near, protocol)
        });
    }
}

#[test]
fn so_is_one_of_a_protocol_that_gives_the_buffers() {
    for method in ["get_buffer", "buffer_updated", "eof_received"] {
        check_over(method, true, |near, protocol| {
            Transport::buffered(near, protocol)
        });
    }
}

/// Once nothing was sent any more after it, and the connection was never closed.
#[test]
fn a_panic_about_holding_back_changes_nothing_for_what_is_sent() {
    for method in ["pause_writing", "resume_writing"] {
        let reports = reports_of(async move {
            let (near, far) = UnixStream::pair().unwrap();
            let protocol = Panics::at(method);
            let end = Rc::clone(&protocol.end);
            let transport = Transport::new(near, Rc::new(protocol)).unwrap();
            transport.write(&vec![1; LENGTH]);
            transport.write(b"and more");
            transport.close();
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert_eq!(all.len(), LENGTH + b"and more".len());
            end.wait().await;
        });
        check(&reports, method, false, None);
    }
}

/// A connection that describes itself with a panic: that is not the report's.
#[test]
fn a_report_survives_what_it_describes() {
    use std::task::{Context, Poll};

    struct Shy;
    impl std::fmt::Debug for Shy {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("it has no name");
        }
    }
    impl loop_net::Connection for Shy {
        fn poll_read(&self, _: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
            into.push(b'x');
            Poll::Ready(Ok(1))
        }
        fn poll_write(&self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }
        fn poll_shutdown(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn local_addr(&self) -> Option<loop_net::Address> {
            None
        }
        fn peer_addr(&self) -> Option<loop_net::Address> {
            None
        }
    }
    let reports = reports_of(async {
        let protocol = Panics::at("data_received");
        let end = Rc::clone(&protocol.end);
        let _transport = Transport::new(Shy, Rc::new(protocol)).unwrap();
        end.wait().await;
    });
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].transport, None);
    assert!(reports[0].message.contains("data_received"));
}

/// The text of the line in which the one report says that the transport was made.
fn place_of(main: impl Future<Output = ()> + 'static) -> String {
    let reports = reports_of(main);
    assert_eq!(reports.len(), 1, "{reports:?}");
    let place = reports[0].place.unwrap();
    assert_eq!(place.file(), file!());
    let lines = include_str!("protocol_panics.rs").lines();
    lines.skip(place.line() as usize - 1).take(1).collect()
}

/// A server's transports are of the place where the server was made.
#[test]
fn a_report_says_where_the_transport_was_made() {
    async fn quiet(_: loop_net::StreamReader, _: loop_net::StreamWriter) {}

    let bad = Panics::at("connection_made");
    let (first, second) = (bad.clone(), bad.clone());
    let place = place_of(async move {
        let server = create_server(move || first.clone(), "127.0.0.1", 0);
        let server = server.await.unwrap();
        let port = server.sockets()[0].port().unwrap();
        let _streams = open_connection("127.0.0.1", port).await.unwrap();
        bad.end.wait().await;
        server.close();
    });
    assert!(place.contains("create_server("), "{place}");
    second.end.is_lost.set(false);
    let place = place_of(async move {
        let server = loop_net::start_server(quiet, "127.0.0.1", 0).await.unwrap();
        let port = server.sockets()[0].port().unwrap();
        let factory = || second.clone();
        let _made = create_connection(factory, "127.0.0.1", port).await.unwrap();
        second.end.wait().await;
        server.close();
        server.wait_closed().await;
    });
    assert!(place.contains("create_connection("), "{place}");
}

#[test]
fn so_it_is_of_unix_sockets() {
    let folder = std::env::temp_dir().join(format!("loop-net-panics-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let ours = path.clone();
    let place = place_of(async move {
        let bad = Panics::at("connection_made");
        let end = Rc::clone(&bad.end);
        let server = create_unix_server(move || bad.clone(), &ours);
        let server = server.await.unwrap();
        let _streams = open_unix_connection(&ours).await.unwrap();
        end.wait().await;
        server.close();
    });
    assert!(place.contains("create_unix_server("), "{place}");
    let place = place_of(async move {
        let listener = loop_net::UnixListener::bind(&path).unwrap();
        let bad = Panics::at("connection_made");
        let end = Rc::clone(&bad.end);
        let _made = create_unix_connection(|| bad, &path).await.unwrap();
        end.wait().await;
        drop(listener);
    });
    assert!(place.contains("create_unix_connection("), "{place}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn so_it_is_of_pipes() {
    let place = place_of(async {
        let (reader, _writer) = io::pipe().unwrap();
        let bad = Panics::at("connection_made");
        let end = Rc::clone(&bad.end);
        let _made = connect_read_pipe(|| bad, reader).await.unwrap();
        end.wait().await;
    });
    assert!(place.contains("connect_read_pipe("), "{place}");
    let place = place_of(async {
        let (_reader, writer) = io::pipe().unwrap();
        let bad = Panics::at("connection_made");
        let end = Rc::clone(&bad.end);
        let _made = connect_write_pipe(|| bad, writer).await.unwrap();
        end.wait().await;
    });
    assert!(place.contains("connect_write_pipe("), "{place}");
}

impl DatagramProtocol for Panics {
    fn connection_made(&self, _: DatagramTransport) {
        self.comes_to("connection_made");
    }

    fn datagram_received(&self, _: &[u8], _: SocketAddr) {
        self.comes_to("datagram_received");
        self.end.is_lost.set(true);
    }

    fn error_received(&self, _: &io::Error) {
        self.end.is_lost.set(true);
        self.comes_to("error_received");
    }

    fn connection_lost(&self, _: Option<&io::Error>) {
        self.comes_to("connection_lost");
    }
}

/// asyncio: so is its reader, which stays.
#[test]
fn a_panic_over_a_packet_is_reported_and_the_next_one_comes() {
    struct Picky(RefCell<Vec<Vec<u8>>>);
    impl DatagramProtocol for Picky {
        fn datagram_received(&self, data: &[u8], _: SocketAddr) {
            assert_ne!(data, b"bad", "it cannot be parsed");
            self.0.borrow_mut().push(data.to_vec());
        }
    }
    let reports = reports_of(async {
        let local = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let picky = || Picky(RefCell::default());
        let (near, picky) = create_datagram_endpoint(picky, local, None).await.unwrap();
        let to = Some(near.local_addr().unwrap());
        for packet in [b"bad", b"odd"] {
            near.sendto(packet, to);
        }
        while picky.0.borrow().is_empty() {
            yield_now().await;
        }
        assert_eq!(*picky.0.borrow(), [b"odd"]);
        near.close();
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0].message, "protocol.datagram_received() failed");
}

#[test]
fn a_panic_of_a_protocol_of_packets_is_reported_and_changes_nothing() {
    for method in ["connection_made", "error_received", "connection_lost"] {
        let reports = reports_of(async move {
            let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let to = nobody.local_addr().unwrap();
            let bad = Panics::at(method);
            let end = Rc::clone(&bad.end);
            let (near, _) = create_datagram_endpoint(|| bad, None, Some(to))
                .await
                .unwrap();
            if method == "error_received" {
                drop(nobody);
                near.sendto(b"x", None); // refused
                near.sendto(b"x", None); // whoever is asked next says so
            } else {
                nobody
                    .send_to(b"x", &near.local_addr().unwrap())
                    .await
                    .unwrap();
            }
            end.wait().await; // a packet came, or the error
            near.close();
            yield_now().await;
            yield_now().await;
        });
        check(&reports, method, false, None);
    }
}
