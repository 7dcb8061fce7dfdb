//! Every way out of a socket of packets on which two packets wait: what is sent, and what the protocol hears.
//!
//! The socket is a fake that does what it is told, since a real one hardly ever has no room.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loop_core::{EventLoop, get_running_loop};
use loop_tasks::{LoopExt, yield_now};

use super::DatagramTransport;
use super::endpoint::Endpoint;
use super::packets::Carrier;
use crate::DatagramProtocol;

#[derive(Clone, Copy)]
enum Does {
    Wait,
    It,
    Fail(io::ErrorKind),
}

/// What the test tells the socket, and what that was given to send.
struct Script {
    send: Cell<Does>,
    receive: Cell<Does>,
    sent: RefCell<Vec<String>>,
    wakers: RefCell<Vec<Waker>>,
}

impl Script {
    fn set(&self, what: &Cell<Does>, does: Does) {
        what.set(does);
        self.wakers.take().into_iter().for_each(Waker::wake);
    }

    fn flow(&self) {
        self.set(&self.send, Does::It);
    }

    /// Fails once.
    fn ask(&self, what: &Cell<Does>, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match what.get() {
            Does::Wait => {
                self.wakers.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
            Does::It => Poll::Ready(Ok(())),
            Does::Fail(kind) => {
                what.set(Does::It);
                Poll::Ready(Err(kind.into()))
            }
        }
    }
}

struct Fake(Rc<Script>);

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl Carrier for Fake {
    fn try_send(&self, data: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
        let cx = &mut Context::from_waker(Waker::noop());
        match self.poll_send(cx, data, to) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
        _: Option<SocketAddr>,
    ) -> Poll<io::Result<()>> {
        let polled = self.0.ask(&self.0.send, cx);
        if matches!(polled, Poll::Ready(Ok(()))) {
            let data = String::from_utf8(data.to_vec()).unwrap();
            self.0.sent.borrow_mut().push(data);
        }
        polled
    }

    /// One packet, and then it waits.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let polled = self.0.ask(&self.0.receive, cx);
        if polled.is_ready() {
            self.0.receive.set(Does::Wait);
        }
        into[0] = b'x';
        polled.map_ok(|()| (1, SocketAddr::from(([127, 0, 0, 1], 1))))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::AddrNotAvailable.into())
    }
}

/// Holds its transport, notes each call, and does something in the next one of a name.
struct Notes {
    transport: RefCell<Option<DatagramTransport>>,
    calls: Rc<RefCell<Vec<String>>>,
    meddling: Cell<Option<(&'static str, Meddling)>>,
}

type Meddling = fn(&DatagramTransport);

impl Notes {
    fn note(&self, call: &str) {
        self.calls.borrow_mut().push(call.to_owned());
        match self.meddling.take() {
            Some((at, meddling)) if call.starts_with(at) => {
                let transport = self.transport.borrow().clone();
                meddling(&transport.unwrap());
            }
            other => self.meddling.set(other),
        }
    }
}

impl DatagramProtocol for Notes {
    fn connection_made(&self, transport: DatagramTransport) {
        self.transport.replace(Some(transport));
    }

    fn datagram_received(&self, _: &[u8], _: SocketAddr) {
        self.note("packet");
    }

    fn error_received(&self, error: &io::Error) {
        self.note(&format!("error: {error}"));
    }

    fn connection_lost(&self, error: Option<&io::Error>) {
        assert!(error.is_none());
        self.note("lost");
    }

    fn pause_writing(&self) {
        self.note("pause");
    }

    fn resume_writing(&self) {
        self.note("resume");
    }
}

struct Scene {
    script: Rc<Script>,
    transport: DatagramTransport,
    protocol: Rc<Notes>,
    calls: Rc<RefCell<Vec<String>>>,
}

impl Scene {
    /// Two packets wait, and the protocol was told to pause.
    async fn new() -> Scene {
        get_running_loop()
            .unwrap()
            .set_exception_handler(|_: &EventLoop, _| {}); // its panics are expected
        let script = Rc::new(Script {
            send: Cell::new(Does::Wait),
            receive: Cell::new(Does::Wait),
            sent: RefCell::default(),
            wakers: RefCell::default(),
        });
        let calls = Rc::default();
        let protocol = Rc::new(Notes {
            transport: RefCell::default(),
            calls: Rc::clone(&calls),
            meddling: Cell::new(None),
        });
        let fake = Fake(Rc::clone(&script));
        let told = Rc::clone(&protocol) as Rc<dyn DatagramProtocol>;
        let endpoint = Endpoint::new(fake, told, Location::caller());
        let transport = DatagramTransport(endpoint.unwrap());
        transport.0.begin(transport.clone());
        settle().await;
        transport.set_write_buffer_limits(0, 0);
        transport.sendto(b"one", None);
        transport.sendto(b"two", None);
        settle().await;
        assert_eq!(transport.get_write_buffer_size(), 3 + 8 + 3 + 8);
        Scene {
            script,
            transport,
            protocol,
            calls,
        }
    }
}

/// Lets everything happen that can.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

const REFUSED: Does = Does::Fail(io::ErrorKind::ConnectionRefused);

/// A way out, and then what is sent, and what the protocol hears behind its pause.
type Way = (&'static str, fn(&Scene), &'static str, &'static str);

#[rustfmt::skip]
const WAYS: &[Way] = &[
    ("an abort", |scene| {
        scene.transport.abort();
    }, "", "lost"),
    ("two aborts and a close", |scene| {
        scene.transport.abort();
        scene.transport.abort();
        scene.transport.close();
    }, "", "lost"),
    ("a close with packets that nobody takes", |scene| {
        scene.transport.close();
    }, "", ""),
    ("a close, and all is sent", |scene| {
        scene.transport.close();
        scene.script.flow();
    }, "one two", "resume lost"),
    ("all is sent, and then a close", |scene| {
        scene.script.flow();
        scene.transport.close();
    }, "one two", "resume lost"),
    ("no way out", |scene| {
        scene.script.flow();
    }, "one two", "resume"),
    ("a close, and more that is sent", |scene| {
        scene.transport.close();
        scene.transport.sendto(b"three", None);
        scene.script.flow();
    }, "one two", "resume lost"),
    ("more that is sent, and a close", |scene| {
        scene.script.flow();
        scene.transport.sendto(b"three", None);
        scene.transport.close();
    }, "one two three", "resume lost"),
    ("a packet that is refused", |scene| {
        scene.script.set(&scene.script.send, REFUSED);
    }, "two", "error: connection refused resume"),
    ("a close, and a packet that is refused", |scene| {
        scene.transport.close();
        scene.script.set(&scene.script.send, REFUSED);
    }, "two", "error: connection refused resume lost"),
    ("a packet that comes", |scene| {
        scene.script.set(&scene.script.receive, Does::It);
    }, "", "packet"),
    ("a packet that comes after a close", |scene| {
        scene.transport.close();
        scene.script.set(&scene.script.receive, Does::It);
    }, "", ""),
    ("an error that comes", |scene| {
        scene.script.set(&scene.script.receive, REFUSED);
    }, "", "error: connection refused"),
    ("an abort by who hears of an error", |scene| {
        scene.protocol.meddling.set(Some(("error", DatagramTransport::abort)));
        scene.script.set(&scene.script.send, REFUSED);
    }, "", "error: connection refused lost"),
    ("a close by who hears of an error", |scene| {
        scene.protocol.meddling.set(Some(("error", DatagramTransport::close)));
        scene.script.set(&scene.script.send, REFUSED);
    }, "two", "error: connection refused resume lost"),
    ("more by who hears of an error", |scene| {
        scene.protocol.meddling.set(Some(("error", |it| it.sendto(b"three", None))));
        scene.script.set(&scene.script.send, REFUSED);
    }, "two three", "error: connection refused resume"),
    ("more by who may go on", |scene| {
        scene.protocol.meddling.set(Some(("resume", |it| it.sendto(b"three", None))));
        scene.script.flow();
    }, "one two three", "resume"),
    ("a close by who may go on", |scene| {
        scene.protocol.meddling.set(Some(("resume", DatagramTransport::close)));
        scene.script.flow();
    }, "one two", "resume lost"),
    ("an abort by who may go on", |scene| {
        scene.protocol.meddling.set(Some(("resume", DatagramTransport::abort)));
        scene.script.flow();
    }, "one two", "resume lost"),
    ("a panic of who hears of an error", |scene| {
        scene.protocol.meddling.set(Some(("error", |_| panic!("it panics"))));
        scene.script.set(&scene.script.send, REFUSED);
    }, "two", "error: connection refused resume"),
    ("an abort by who hears of a packet", |scene| {
        scene.protocol.meddling.set(Some(("packet", DatagramTransport::abort)));
        scene.script.set(&scene.script.receive, Does::It);
    }, "", "packet lost"),
    ("marks that move", |scene| {
        scene.transport.set_write_buffer_limits(100, 50);
        scene.transport.set_write_buffer_limits(0, 0);
    }, "", "resume pause"),
];

fn run(event_loop: &EventLoop, main: impl Future<Output = ()> + 'static) {
    event_loop.run_until_complete(main).unwrap();
}

#[test]
fn each_hears_its_answer() {
    let event_loop = EventLoop::new().unwrap();
    for (way, out, sent, heard) in WAYS {
        run(&event_loop, async move {
            let scene = Scene::new().await;
            out(&scene);
            settle().await;
            assert_eq!(
                scene.script.sent.borrow().join(" "),
                *sent,
                "sent after {way}"
            );
            let calls = scene.calls.borrow().join(" ");
            let expected = format!("pause {heard}");
            assert_eq!(calls, expected.trim_end(), "heard after {way}");
            scene.transport.abort();
        });
    }
    event_loop.close().unwrap();
}

/// Whatever went before, an abort ends it, once, and the circle of protocol and transport is opened.
#[test]
fn nothing_is_left_after_an_abort() {
    let event_loop = EventLoop::new().unwrap();
    for (way, out, ..) in WAYS {
        run(&event_loop, async move {
            let scene = Scene::new().await;
            out(&scene);
            settle().await;
            scene.transport.abort();
            settle().await;
            let is_end = |call: &&String| *call == "lost";
            assert_eq!(
                scene.calls.borrow().iter().filter(is_end).count(),
                1,
                "{way}"
            );
            assert!(scene.transport.is_closing() && scene.transport.get_write_buffer_size() == 0);
            assert_eq!(
                Rc::strong_count(&scene.script),
                1,
                "it is let go after {way}"
            );
            scene.protocol.transport.take();
            assert_eq!(
                Rc::strong_count(&scene.protocol),
                1,
                "so is the protocol after {way}"
            );
        });
    }
    event_loop.close().unwrap();
}

/// A loop that closes in the middle tells nobody, and leaves nothing.
#[test]
fn a_loop_that_closes_lets_go_of_everything() {
    for (way, out, ..) in WAYS {
        let event_loop = EventLoop::new().unwrap();
        let main = async move {
            let scene = Scene::new().await;
            out(&scene);
            scene
        };
        let Scene {
            script,
            transport,
            protocol,
            calls,
        } = event_loop.run_until_complete(main).unwrap();
        let heard = calls.borrow().len();
        event_loop.close().unwrap();
        transport.sendto(b"more", None);
        transport.close();
        transport.abort();
        assert_eq!(Rc::strong_count(&script), 1, "it is let go after {way}");
        protocol.transport.take();
        assert_eq!(
            Rc::strong_count(&protocol),
            1,
            "so is the protocol after {way}"
        );
        assert_eq!(calls.borrow().len(), heard, "nobody is told after {way}");
    }
}
