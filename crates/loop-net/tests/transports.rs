//! Transports and protocols: which call comes when, and how often.

mod common;

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use loop_net::{
    BaseProtocol, BufferedProtocol, DatagramProtocol, DatagramTransport, Protocol, TcpListener,
    TcpStream, Transport, UnixStream, create_connection, create_datagram_endpoint, create_server,
    create_unix_connection, create_unix_server,
};
use loop_tasks::yield_now;

use common::run;

/// Notes every call.
#[derive(Default)]
struct Notes {
    transport: OnceCell<Transport>,
    calls: RefCell<Vec<String>>,
    keep_open: Cell<bool>,
    echo: Cell<bool>,
}

impl Notes {
    fn note(&self, call: impl Into<String>) {
        self.calls.borrow_mut().push(call.into());
    }

    fn has(&self, call: &str) -> bool {
        self.calls.borrow().iter().any(|other| other == call)
    }

    async fn wait_for(&self, call: &str) {
        while !self.has(call) {
            yield_now().await;
        }
    }
}

impl BaseProtocol for Notes {
    fn connection_made(&self, transport: Transport) {
        self.note("made");
        assert!(self.transport.set(transport).is_ok());
    }

    fn connection_lost(&self, error: Option<&io::Error>) {
        self.note(match error {
            Some(error) => format!("lost {:?}", error.kind()),
            None => "lost".to_owned(),
        });
    }

    fn pause_writing(&self) {
        self.note("pause");
    }

    fn resume_writing(&self) {
        self.note("resume");
    }
}

impl Protocol for Notes {
    fn data_received(&self, data: &[u8]) {
        self.note(String::from_utf8_lossy(data));
        if self.echo.get() {
            self.transport.get().unwrap().write(data);
        }
    }

    fn eof_received(&self) -> bool {
        self.note("eof");
        self.keep_open.get()
    }
}

fn noting() -> (Rc<Notes>, Transport, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let notes = Rc::new(Notes::default());
    let transport = Transport::new(near, Rc::clone(&notes)).unwrap();
    (notes, transport, far)
}

#[test]
fn calls_come_in_their_order_and_once() {
    run(async {
        let (notes, transport, far) = noting();
        assert_eq!(*notes.calls.borrow(), [""; 0]); // not before the next iteration
        far.write_all(b"one").await.unwrap();
        notes.wait_for("one").await;
        far.write_all(b"two").await.unwrap();
        drop(far);
        notes.wait_for("lost").await;
        transport.close();
        transport.abort();
        yield_now().await;
        assert_eq!(*notes.calls.borrow(), ["made", "one", "two", "eof", "lost"]);
    });
}

#[test]
fn a_protocol_may_keep_its_half_open() {
    run(async {
        let (notes, transport, far) = noting();
        notes.keep_open.set(true);
        far.shutdown(std::net::Shutdown::Write).unwrap();
        notes.wait_for("eof").await;
        for _ in 0..10 {
            yield_now().await;
        }
        transport.write(b"still here");
        transport.close();
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"still here");
        notes.wait_for("lost").await;
        assert_eq!(*notes.calls.borrow(), ["made", "eof", "lost"]);
    });
}

/// Synchronously, inside the write; and again when the other side has read.
#[test]
fn a_protocol_is_held_back_and_let_go() {
    run(async {
        let (notes, transport, far) = noting();
        transport.write(&vec![0; 1_000_000]);
        assert!(notes.has("pause"));
        transport.write(&[0; 1000]);
        let mut buffer = vec![0; 100_000];
        while !notes.has("resume") {
            far.read(&mut buffer).await.unwrap();
            yield_now().await;
        }
        assert!(transport.get_write_buffer_size() <= 16 * 1024);
        assert_eq!(*notes.calls.borrow(), ["pause", "made", "resume"]);
    });
}

#[test]
fn a_reset_is_told_with_its_error() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let notes = Rc::new(Notes::default());
        let transport = Transport::new(near, Rc::clone(&notes)).unwrap();
        notes.wait_for("made").await;
        far.set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        notes.wait_for("lost ConnectionReset").await;
        assert!(transport.is_closing());
        assert_eq!(*notes.calls.borrow(), ["made", "lost ConnectionReset"]);
    });
}

#[test]
fn a_pause_leaves_the_bytes_where_they_are() {
    run(async {
        let (notes, transport, far) = noting();
        notes.wait_for("made").await;
        yield_now().await;
        transport.pause_reading();
        far.write_all(b"later").await.unwrap();
        for _ in 0..50 {
            yield_now().await;
        }
        assert!(!notes.has("later"));
        transport.resume_reading();
        notes.wait_for("later").await;
        transport.pause_reading();
        transport.abort();
        notes.wait_for("lost").await;
    });
}

/// The new one hears of what comes, also of what the old one was waiting for.
#[test]
fn protocols_can_be_exchanged() {
    run(async {
        let (first, transport, far) = noting();
        far.write_all(b"one").await.unwrap();
        first.wait_for("one").await;
        yield_now().await;
        let second = Rc::new(Notes::default());
        transport.set_protocol(Rc::clone(&second));
        far.write_all(b"two").await.unwrap();
        drop(far);
        second.wait_for("lost").await;
        assert_eq!(*first.calls.borrow(), ["made", "one"]);
        assert_eq!(*second.calls.borrow(), ["two", "eof", "lost"]);
    });
}

#[test]
fn servers_make_a_protocol_for_each_connection() {
    fn echo() -> Notes {
        let notes = Notes::default();
        notes.echo.set(true);
        notes
    }
    run(async {
        let server = create_server(echo, "127.0.0.1", 0).await.unwrap();
        let port = server.sockets()[0].port().unwrap();
        for text in ["first", "second"] {
            let (transport, notes) = create_connection(Notes::default, "127.0.0.1", port)
                .await
                .unwrap();
            assert_eq!(*notes.calls.borrow(), ["made"]);
            let peer = transport.get_extra_info().peername.unwrap();
            assert_eq!(peer.port().unwrap(), port);
            transport.write(text.as_bytes());
            notes.wait_for(text).await;
            transport.write_eof();
            notes.wait_for("lost").await;
        }
        server.close();
        server.wait_closed().await;

        let path = std::env::temp_dir().join(format!("loop-net-transports-{}", std::process::id()));
        let server = create_unix_server(echo, &path).await.unwrap();
        let (transport, notes) = create_unix_connection(Notes::default, &path).await.unwrap();
        transport.writelines(["th", "ird"]);
        notes.wait_for("third").await;
        server.close();
        server.abort_clients();
        server.wait_closed().await;
        notes.wait_for("lost").await;
        assert!(!path.exists());
    });
}

/// A large transfer through buffers of the protocol's own.
#[test]
fn buffered_protocols_get_every_byte() {
    #[derive(Default)]
    struct Sum {
        bytes: Cell<usize>,
        sum: Cell<u64>,
        lost: Cell<bool>,
        buffer: RefCell<Vec<u8>>,
    }
    impl BaseProtocol for Sum {
        fn connection_lost(&self, error: Option<&io::Error>) {
            assert!(error.is_none());
            self.lost.set(true);
        }
    }
    impl BufferedProtocol for Sum {
        fn get_buffer(&self, size_hint: usize) -> Vec<u8> {
            let mut buffer = self.buffer.take();
            buffer.clear();
            buffer.reserve(size_hint);
            buffer
        }

        fn buffer_updated(&self, buffer: Vec<u8>, count: usize) {
            assert_eq!(buffer.len(), count);
            self.bytes.set(self.bytes.get() + count);
            let sum: u64 = buffer.iter().map(|byte| u64::from(*byte)).sum();
            self.sum.set(self.sum.get() + sum);
            self.buffer.replace(buffer);
        }
    }
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let sum = Rc::new(Sum::default());
        let _transport = Transport::buffered(near, Rc::clone(&sum)).unwrap();
        for number in 0..100u8 {
            far.write_all(&[number; 12_345]).await.unwrap();
        }
        drop(far);
        while !sum.lost.get() {
            yield_now().await;
        }
        assert_eq!(sum.bytes.get(), 1_234_500);
        assert_eq!(sum.sum.get(), 4950 * 12_345);
    });
}

/// A protocol and its transport hold each other: the loop's end lets both go.
#[test]
fn a_loop_that_closes_leaves_no_circle() {
    let left: Rc<RefCell<Vec<Weak<Notes>>>> = Rc::default();
    let ours = Rc::clone(&left);
    run(async move {
        let (late, _, other) = noting();
        late.wait_for("made").await;
        let (ended, _, last) = noting();
        drop(last);
        ended.wait_for("lost").await;
        let (early, _, far) = noting(); // nobody has told it of anything
        ours.borrow_mut()
            .extend([early, late, ended].map(|notes| Rc::downgrade(&notes)));
        drop((far, other));
    });
    assert!(left.borrow().iter().all(|notes| notes.upgrade().is_none()));
}

#[derive(Default)]
struct Packets {
    transport: OnceCell<DatagramTransport>,
    packets: RefCell<Vec<(Vec<u8>, SocketAddr)>>,
    errors: RefCell<Vec<io::ErrorKind>>,
    lost: Cell<u32>,
}

impl DatagramProtocol for Packets {
    fn connection_made(&self, transport: DatagramTransport) {
        assert!(self.transport.set(transport).is_ok());
    }

    fn datagram_received(&self, data: &[u8], from: SocketAddr) {
        self.packets.borrow_mut().push((data.to_vec(), from));
    }

    fn error_received(&self, error: &io::Error) {
        self.errors.borrow_mut().push(error.kind());
    }

    fn connection_lost(&self, error: Option<&io::Error>) {
        assert!(error.is_none());
        self.lost.set(self.lost.get() + 1);
    }
}

#[test]
fn packets_keep_their_ends() {
    run(async {
        let here: Option<SocketAddr> = "127.0.0.1:0".parse().ok();
        let (near, near_packets) = create_datagram_endpoint(Packets::default, here, None)
            .await
            .unwrap();
        let there = near.local_addr().unwrap();
        let (far, far_packets) = create_datagram_endpoint(Packets::default, None, Some(there))
            .await
            .unwrap();
        for length in [1, 0, 500, 3] {
            far.sendto(&vec![length as u8; length], None);
        }
        while near_packets.packets.borrow().len() < 4 {
            yield_now().await;
        }
        let lengths: Vec<_> = near_packets
            .packets
            .borrow()
            .iter()
            .map(|(data, _)| data.len())
            .collect();
        assert_eq!(lengths, [1, 0, 500, 3]);
        let from = near_packets.packets.borrow()[0].1;
        near.sendto(b"back", Some(from));
        while far_packets.packets.borrow().is_empty() {
            yield_now().await;
        }
        assert_eq!(*far_packets.packets.borrow(), [(b"back".to_vec(), there)]);
        near.close();
        near.close();
        while near_packets.lost.get() == 0 {
            yield_now().await;
        }
        // Nobody takes it any more, and the system says so.
        while far_packets.errors.borrow().is_empty() {
            far.sendto(b"into the void", None);
            yield_now().await;
        }
        assert_eq!(
            far_packets.errors.borrow()[0],
            io::ErrorKind::ConnectionRefused
        );
        far.abort();
        yield_now().await;
        yield_now().await;
        assert_eq!((near_packets.lost.get(), far_packets.lost.get()), (1, 1));
        assert!(
            create_datagram_endpoint(Packets::default, None, None)
                .await
                .is_err()
        );
    });
}
