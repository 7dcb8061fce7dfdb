//! The order of what happens on transports and streams, beside that of CPython 3.13: the same scenes, and what they say
//! there, written down as asyncio said it.
//!
//! Where the lines differ, the row says what asyncio says instead, and why.

mod common;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use loop_core::{EventLoop, get_running_loop};
use loop_net::{
    BaseProtocol, Protocol, StreamReader, StreamWriter, Transport, UnixStream, open_connection,
    start_server, streams_over,
};
use loop_tasks::{create_task, yield_now};

use common::run;

/// What was said so far.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn say(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }
}

/// What a protocol does in `data_received`, beside saying so.
type Hook = fn(&Says);

struct Says {
    name: &'static str,
    log: Log,
    keeps_open: bool,
    transport: RefCell<Option<Transport>>,
    on_data: Cell<Option<Hook>>,
    is_lost: Cell<bool>,
}

impl Says {
    fn new(name: &'static str, log: &Log, keeps_open: bool) -> Rc<Says> {
        Rc::new(Says {
            name,
            log: log.clone(),
            keeps_open,
            transport: RefCell::default(),
            on_data: Cell::new(None),
            is_lost: Cell::new(false),
        })
    }

    fn say(&self, what: &str) {
        self.log.say(format!("{} {what}", self.name));
    }

    async fn lost(&self) {
        while !self.is_lost.get() {
            yield_now().await;
        }
    }
}

impl BaseProtocol for Says {
    fn connection_made(&self, transport: Transport) {
        self.transport.replace(Some(transport));
        self.say("made");
    }

    fn connection_lost(&self, error: Option<&io::Error>) {
        let error = error.map_or("None".to_owned(), |error| format!("{:?}", error.kind()));
        self.say(&format!("lost {error}"));
        self.is_lost.set(true);
        self.transport.take();
    }

    fn pause_writing(&self) {
        self.say("pause");
    }

    fn resume_writing(&self) {
        self.say("resume");
    }
}

impl Protocol for Says {
    fn data_received(&self, data: &[u8]) {
        self.say(&format!("data {}", String::from_utf8_lossy(data)));
        if let Some(hook) = self.on_data.get() {
            hook(self);
        }
    }

    fn eof_received(&self) -> bool {
        self.say("eof");
        self.keeps_open
    }
}

/// As `connect_accepted_socket`, which waits until the protocol knows.
async fn transport(socket: UnixStream, protocol: &Rc<Says>) -> Transport {
    let transport = Transport::new(socket, Rc::clone(protocol)).unwrap();
    yield_now().await;
    transport
}

/// A transport whose protocol is called a, and its peer.
async fn one_side(log: &Log, keeps_open: bool) -> (Rc<Says>, Transport, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    let pa = Says::new("a", log, keeps_open);
    let ta = transport(a, &pa).await;
    (pa, ta, b)
}

async fn some_iterations() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Runs a scene, and compares what it says.
fn says<F: Future<Output = ()> + 'static>(scene: impl FnOnce(Log) -> F, expected: &[&str]) {
    let log = Log::default();
    run(scene(log.clone()));
    assert_eq!(*log.0.borrow(), expected);
}

#[test]
fn a_close_comes_behind_what_was_written() {
    let scene = |log: Log| async move {
        let (a, b) = UnixStream::pair().unwrap();
        let (pa, pb) = (Says::new("a", &log, false), Says::new("b", &log, false));
        let (ta, _tb) = (transport(a, &pa).await, transport(b, &pb).await);
        ta.write(b"one");
        ta.write(b"two");
        log.say(format!("closing {}", ta.is_closing()));
        ta.close();
        log.say(format!("closing {}", ta.is_closing()));
        pa.lost().await;
        pb.lost().await;
    };
    says(
        scene,
        &[
            "a made",
            "b made",
            "closing false",
            "closing true",
            "a lost None",
            "b data onetwo",
            "b eof",
            "b lost None",
        ],
    );
}

#[test]
fn an_end_leaves_the_other_direction_open() {
    let scene = |log: Log| async move {
        let (a, b) = UnixStream::pair().unwrap();
        let (pa, pb) = (Says::new("a", &log, false), Says::new("b", &log, true));
        let (ta, tb) = (transport(a, &pa).await, transport(b, &pb).await);
        ta.write(b"one");
        ta.write_eof();
        some_iterations().await;
        tb.write(b"answer");
        some_iterations().await;
        tb.close();
        pa.lost().await;
        pb.lost().await;
    };
    says(
        scene,
        &[
            "a made",
            "b made",
            "b data one",
            "b eof",
            "a data answer",
            "b lost None",
            "a eof",
            "a lost None",
        ],
    );
}

/// asyncio puts more into the system at once; what is said is the same.
#[test]
fn whoever_writes_much_is_held_back() {
    const LENGTH: usize = 4_000_000;
    let scene = |log: Log| async move {
        let (pa, ta, b) = one_side(&log, false).await;
        ta.set_write_buffer_limits(100, 50);
        ta.write(&vec![b'x'; LENGTH]);
        log.say("after write");
        ta.write(b"more");
        ta.close();
        log.say("closed");
        let mut all = Vec::new();
        b.read_to_end(&mut all).await.unwrap();
        pa.lost().await;
        log.say(format!("got {}", all.len()));
    };
    says(
        scene,
        &[
            "a made",
            "a pause",
            "after write",
            "closed",
            "a resume",
            "a lost None",
            "got 4000004",
        ],
    );
}

#[test]
fn an_abort_forgets_what_waits() {
    let scene = |log: Log| async move {
        let (pa, ta, _b) = one_side(&log, false).await;
        ta.write(&vec![b'x'; 4_000_000]);
        ta.abort();
        log.say(format!(
            "{} {}",
            ta.is_closing(),
            ta.get_write_buffer_size()
        ));
        pa.lost().await;
    };
    says(scene, &["a made", "a pause", "true 0", "a lost None"]);
}

#[test]
fn a_write_to_nobody_is_the_end() {
    let scene = |log: Log| async move {
        let (pa, ta, b) = one_side(&log, true).await;
        drop(b);
        some_iterations().await;
        ta.write(b"one");
        log.say(format!("closing {}", ta.is_closing()));
        ta.write(b"two");
        pa.lost().await;
    };
    says(
        scene,
        &["a made", "a eof", "closing true", "a lost BrokenPipe"],
    );
}

#[test]
fn the_end_is_a_callback_in_its_turn() {
    let scene = |log: Log| async move {
        let (pa, ta, _b) = one_side(&log, false).await;
        let event_loop = get_running_loop().unwrap();
        let ours = log.clone();
        event_loop.call_soon(move || ours.say("before")).unwrap();
        ta.close();
        let ours = log.clone();
        event_loop.call_soon(move || ours.say("after")).unwrap();
        pa.lost().await;
        log.say("awaited");
    };
    says(
        scene,
        &["a made", "before", "a lost None", "after", "awaited"],
    );
}

#[test]
fn a_close_inside_of_a_call_comes_after_it() {
    let scene = |log: Log| async move {
        let (a, b) = UnixStream::pair().unwrap();
        let pa = Says::new("a", &log, false);
        pa.on_data.set(Some(|says| {
            let transport = says.transport.borrow().clone();
            transport.unwrap().close();
            says.log.say("closed inside");
        }));
        let _ta = transport(a, &pa).await;
        b.write_all(b"one").await.unwrap();
        pa.lost().await;
    };
    says(
        scene,
        &["a made", "a data one", "closed inside", "a lost None"],
    );
}

#[test]
fn a_pause_of_reading_holds_back_the_end_too() {
    let scene = |log: Log| async move {
        let (pa, ta, b) = one_side(&log, false).await;
        ta.pause_reading();
        log.say(ta.is_reading().to_string());
        b.write_all(b"one").await.unwrap();
        some_iterations().await;
        ta.resume_reading();
        log.say(ta.is_reading().to_string());
        some_iterations().await;
        ta.pause_reading();
        drop(b);
        some_iterations().await;
        log.say(format!("still {}", ta.is_closing()));
        ta.resume_reading();
        pa.lost().await;
        log.say(ta.is_reading().to_string());
    };
    says(
        scene,
        &[
            "a made",
            "false",
            "true",
            "a data one",
            "still false",
            "a eof",
            "a lost None",
            "false",
        ],
    );
}

#[test]
fn a_protocol_that_is_replaced_hears_no_more() {
    let scene = |log: Log| async move {
        let (a, b) = UnixStream::pair().unwrap();
        let (first, second) = (
            Says::new("first", &log, false),
            Says::new("second", &log, false),
        );
        let ta = transport(a, &first).await;
        b.write_all(b"one").await.unwrap();
        some_iterations().await;
        ta.set_protocol(Rc::clone(&second));
        b.write_all(b"two").await.unwrap();
        some_iterations().await;
        drop(b);
        second.lost().await;
        log.say(format!("first lost: {}", first.is_lost.get()));
    };
    says(
        scene,
        &[
            "first made",
            "first data one",
            "second data two",
            "second eof",
            "second lost None",
            "first lost: false",
        ],
    );
}

#[test]
fn a_bug_in_a_protocol_is_its_end() {
    let scene = |log: Log| async move {
        let (a, b) = UnixStream::pair().unwrap();
        let ours = log.clone();
        let event_loop = get_running_loop().unwrap();
        event_loop.set_exception_handler(move |_: &EventLoop, context| {
            ours.say(format!("handler {}", context.message));
        });
        let pa = Says::new("a", &log, false);
        pa.on_data.set(Some(|_| panic!("no")));
        let _ta = transport(a, &pa).await;
        b.write_all(b"one").await.unwrap();
        pa.lost().await;
    };
    says(
        scene,
        &[
            "a made",
            "a data one",
            "handler Fatal error: protocol.data_received() call failed",
            "a lost Other", // there, the exception itself
        ],
    );
}

async fn read(log: Log, mut reader: StreamReader) {
    match reader.read(10).await {
        Ok(bytes) => log.say(format!("read {}", bytes.len())),
        Err(error) => log.say(format!("read {:?}", error.kind())),
    }
}

#[test]
fn whoever_reads_hears_of_the_end_before_whoever_waits_for_it() {
    let ends: [fn(&StreamWriter); 2] = [StreamWriter::close, StreamWriter::abort];
    for end in ends {
        let scene = |log: Log| async move {
            let (a, _b) = UnixStream::pair().unwrap();
            let (reader, writer) = streams_over(a).unwrap();
            let reading = create_task(read(log.clone(), reader));
            yield_now().await;
            end(&writer);
            log.say("ended");
            writer.wait_closed().await.unwrap();
            log.say("wait_closed");
            reading.await.unwrap();
        };
        says(scene, &["ended", "read 0", "wait_closed"]);
    }
}

#[test]
fn those_who_wait_hear_of_the_end_in_one_order() {
    let scene = |log: Log| async move {
        let (a, _b) = UnixStream::pair().unwrap();
        let (reader, writer) = streams_over(a).unwrap();
        writer.set_write_buffer_limits(0, 0);
        writer.write(&vec![b'x'; 4_000_000]);
        let (ours, draining) = (log.clone(), writer.clone());
        let draining = create_task(async move {
            let drained = draining.drain().await;
            ours.say(format!("drain {:?}", drained.unwrap_err().kind()));
        });
        let (ours, closing) = (log.clone(), writer.clone());
        let closing = create_task(async move {
            closing.wait_closed().await.unwrap();
            ours.say("closed");
        });
        let reading = create_task(read(log.clone(), reader));
        yield_now().await;
        writer.abort();
        draining.await.unwrap();
        closing.await.unwrap();
        reading.await.unwrap();
    };
    says(
        scene,
        &[
            "read 0",
            "closed",
            "drain ConnectionReset", // there, it has no error: nobody knows that nothing was sent
        ],
    );
}

/// What `drain` and `wait_closed` say when the other side has gone.
#[test]
fn a_writer_hears_why_nothing_is_written() {
    let scene = |log: Log| async move {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut reader, writer) = streams_over(a).unwrap();
        drop(b);
        log.say(format!("read {}", reader.read_all().await.unwrap().len()));
        log.say(format!("closing {}", writer.is_closing()));
        let said = |result: io::Result<()>| match result {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        };
        writer.write(b"x");
        log.say(format!("drain {}", said(writer.drain().await)));
        writer.write(b"x");
        log.say(format!("drain {}", said(writer.drain().await)));
        writer.close();
        log.say(format!("closed {}", said(writer.wait_closed().await)));
        log.say(format!("drain {}", said(writer.drain().await)));
    };
    says(
        scene,
        &[
            "read 0",
            "closing false",
            "drain BrokenPipe", // there, a ConnectionResetError the first time, which says less
            "drain BrokenPipe",
            "closed BrokenPipe",
            "drain BrokenPipe",
        ],
    );
}

#[test]
fn a_client_and_a_server_take_turns() {
    let scene = |log: Log| async move {
        let ours = log.clone();
        let client = move |mut reader: StreamReader, writer: StreamWriter| {
            let log = ours.clone();
            async move {
                log.say("client connected");
                let line = reader.readline().await.unwrap();
                log.say(format!("server got {} bytes", line.len()));
                writer.write(b"answer\n");
                writer.drain().await.unwrap();
                log.say("drained");
                writer.close();
                log.say(format!("closing {}", writer.is_closing()));
                writer.wait_closed().await.unwrap();
                log.say("server wait_closed");
            }
        };
        let server = start_server(client, "127.0.0.1", 0).await.unwrap();
        let port = server.sockets()[0].port().unwrap();
        let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
        writer.write(b"hello\n");
        writer.drain().await.unwrap();
        log.say(format!(
            "line of {}",
            reader.readline().await.unwrap().len()
        ));
        let rest = reader.read_all().await.unwrap();
        log.say(format!("eof {} {}", rest.is_empty(), reader.at_eof()));
        writer.close();
        writer.wait_closed().await.unwrap();
        log.say("closed");
        server.close();
        log.say(format!("serving {}", server.is_serving()));
        server.wait_closed().await;
        log.say("server closed");
    };
    says(
        scene,
        &[
            "client connected",
            "server got 6 bytes",
            "drained",
            "closing true",
            "server wait_closed",
            "line of 7",
            "eof true true",
            "closed",
            "serving false",
            "server closed",
        ],
    );
}
