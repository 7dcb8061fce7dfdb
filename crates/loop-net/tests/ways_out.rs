//! Every way out of a connection, and whoever waits on it then: nobody waits for ever, and each hears the answer that is
//! documented.
//!
//! The connection is a fake that does what it is told, so nothing here waits for the system.

mod common;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::File;
use std::io;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use loop_core::{EventLoop, get_running_loop};
use loop_net::{Address, Connection, StreamReader, StreamWriter, streams_over};
use loop_tasks::{LoopExt, Task, create_task, yield_now};

use common::run;

/// What the connection does when it is asked for something.
#[derive(Clone, Copy)]
enum Does {
    Wait,
    /// All of it; of a read, that is the end.
    It,
    Fail(io::ErrorKind),
    Panic,
}

/// What the test tells the connection to do.
struct Script {
    read: Cell<Does>,
    write: Cell<Does>,
    send_file: Cell<Does>,
    shut_down: Cell<Does>,
    part: Cell<Does>,
    wakers: RefCell<Vec<Waker>>,
}

impl Script {
    fn new() -> Rc<Script> {
        Rc::new(Script {
            read: Cell::new(Does::Wait),
            write: Cell::new(Does::Wait),
            send_file: Cell::new(Does::Wait),
            shut_down: Cell::new(Does::It),
            part: Cell::new(Does::It),
            wakers: RefCell::default(),
        })
    }

    fn set(&self, what: &Cell<Does>, does: Does) {
        what.set(does);
        self.wakers.take().into_iter().for_each(Waker::wake);
    }

    /// From now on everything is taken that is written.
    fn flow(&self) {
        self.set(&self.write, Does::It);
        self.set(&self.send_file, Does::It);
    }

    fn ask(&self, what: &Cell<Does>, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match what.get() {
            Does::Wait => {
                self.wakers.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
            Does::It => Poll::Ready(Ok(())),
            Does::Fail(kind) => Poll::Ready(Err(kind.into())),
            Does::Panic => panic!("it panics"),
        }
    }
}

struct Fake(Rc<Script>);

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

/// How long the file is of which everybody speaks here.
const FILE: usize = 3;

impl Connection for Fake {
    fn poll_read(&self, cx: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        self.0.ask(&self.0.read, cx).map_ok(|()| 0)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.ask(&self.0.write, cx).map_ok(|()| bytes.len())
    }

    fn poll_sendfile(
        &self,
        cx: &mut Context<'_>,
        _: &File,
        offset: u64,
        _: usize,
    ) -> Poll<io::Result<usize>> {
        ready!(self.0.ask(&self.0.send_file, cx))?;
        Poll::Ready(Ok(FILE - usize::try_from(offset).unwrap()))
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.ask(&self.0.shut_down, cx)
    }

    fn parting_timeout(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn poll_parted(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.ask(&self.0.part, cx).map(drop)
    }

    fn local_addr(&self) -> Option<Address> {
        None
    }

    fn peer_addr(&self) -> Option<Address> {
        None
    }
}

/// Who waits.
#[derive(Clone, Copy, Debug)]
enum Waiter {
    /// For room.
    Drain,
    /// For the end.
    WaitClosed,
    /// To send a file, behind bytes that wait.
    Turn,
    /// For more of a file to be sent.
    Midway,
    /// For something to read, which somebody does beside each of the others too.
    Read,
}

const WAITERS: [Waiter; 5] = [
    Waiter::Drain,
    Waiter::WaitClosed,
    Waiter::Turn,
    Waiter::Midway,
    Waiter::Read,
];

impl Waiter {
    async fn wait(self, writer: StreamWriter) -> io::Result<u64> {
        match self {
            Waiter::Drain => writer.drain().await.map(|()| 0),
            Waiter::WaitClosed => writer.wait_closed().await.map(|()| 0),
            Waiter::Turn | Waiter::Midway => {
                let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))?;
                let send = writer.sendfile(&file).count(FILE as u64);
                send.fallback(false).await
            }
            Waiter::Read => std::future::pending().await,
        }
    }
}

/// A connection on which two wait.
struct Scene {
    script: Rc<Script>,
    writer: StreamWriter,
    waiting: Task<io::Result<u64>>,
    reading: Task<io::Result<u64>>,
}

impl Scene {
    async fn new(waiter: Waiter) -> Scene {
        let event_loop = get_running_loop().unwrap();
        event_loop.set_exception_handler(|_: &EventLoop, _| {}); // panics are expected
        let script = Script::new();
        let (reader, writer) = streams_over(Fake(Rc::clone(&script))).unwrap();
        writer.set_write_buffer_limits(0, 0);
        let reading = create_task(read(reader));
        if !matches!(waiter, Waiter::Midway) {
            writer.write(b"before");
        }
        let waiting = create_task(waiter.wait(writer.clone()));
        settle().await;
        writer.write(b"behind");
        settle().await;
        assert!(!waiting.done() && !reading.done(), "{waiter:?} waits");
        Scene {
            script,
            writer,
            waiting,
            reading,
        }
    }

    /// What whoever waits has heard.
    async fn heard(&self, waiter: Waiter) -> String {
        settle().await;
        let task = match waiter {
            Waiter::Read => &self.reading,
            _ => &self.waiting,
        };
        if !task.done() {
            return "waits".into();
        }
        match task.clone().await {
            Ok(Ok(count)) => format!("ok {count}"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "panics".into(),
        }
    }
}

async fn read(mut reader: StreamReader) -> io::Result<u64> {
    let read = reader.read(1).await?;
    Ok(read.len() as u64)
}

/// Lets everything happen that can.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

/// A way out, and what each of the waiters hears.
type Way = (&'static str, fn(&Script, &StreamWriter), [&'static str; 5]);

const LOST: &str = "Connection lost";
const RESET: &str = "connection reset";
const BROKEN: &str = "broken pipe";
const PANICKED: &str = "the connection panicked: it panics";
const REFUSED: &str = "fallback is disabled and native sendfile is not supported here";

#[rustfmt::skip]
const WAYS: &[Way] = &[
    //                                        drain     closed    turn      midway    read
    ("an abort", |_, writer| {
        writer.abort();
    },                                       [LOST,     "ok 0",   LOST,     LOST,     "ok 0"]),
    ("a close with bytes that nobody takes", |_, writer| {
        writer.close();
    },                                       ["waits",  "waits",  "waits",  "waits",  "waits"]),
    ("a close, and all is written", |script, writer| {
        writer.close();
        script.flow();
    },                                       [LOST,     "ok 0",   "ok 3",   "ok 3",   "ok 0"]),
    ("all is written, and then a close", |script, writer| {
        script.flow();
        writer.close();
    },                                       [LOST,     "ok 0",   "ok 3",   "ok 3",   "ok 0"]),
    ("an end, and then a close", |script, writer| {
        writer.write_eof();
        script.flow();
        writer.close();
    },                                       [LOST,     "ok 0",   "ok 3",   "ok 3",   "ok 0"]),
    ("an end alone", |script, writer| {
        writer.write_eof();
        script.flow();
    },                                       ["ok 0",   "waits",  "ok 3",   "ok 3",   "waits"]),
    ("the other side's end, and then a close", |script, writer| {
        script.set(&script.read, Does::It);
        script.flow();
        writer.close();
    },                                       [LOST,     "ok 0",   "ok 3",   "ok 3",   "ok 0"]),
    ("an error in a read", |script, _| {
        script.set(&script.read, Does::Fail(io::ErrorKind::ConnectionReset));
    },                                       [RESET,    RESET,    RESET,    RESET,    RESET]),
    ("an error in a write", |script, _| {
        script.set(&script.write, Does::Fail(io::ErrorKind::BrokenPipe));
        script.set(&script.send_file, Does::Fail(io::ErrorKind::BrokenPipe));
    },                                       [BROKEN,   BROKEN,   BROKEN,   BROKEN,   BROKEN]),
    ("an error in a write after a close", |script, writer| {
        writer.close();
        script.set(&script.write, Does::Fail(io::ErrorKind::BrokenPipe));
        script.set(&script.send_file, Does::Fail(io::ErrorKind::BrokenPipe));
    },                                       [BROKEN,   BROKEN,   BROKEN,   BROKEN,   BROKEN]),
    ("an end that cannot be told", |script, writer| {
        script.set(&script.shut_down, Does::Fail(io::ErrorKind::BrokenPipe));
        writer.close();
        script.flow();
    },                                       [BROKEN,   BROKEN,   "ok 3",   "ok 3",   BROKEN]),
    ("a panic in a write", |script, _| {
        script.set(&script.write, Does::Panic);
    },                                       [PANICKED, PANICKED, PANICKED, "waits",  PANICKED]),
    ("a panic as the end is told", |script, writer| {
        script.set(&script.shut_down, Does::Panic);
        writer.close();
        script.flow();
    },                                       [PANICKED, PANICKED, "ok 3",   "ok 3",   PANICKED]),
    ("a panic in a read", |script, _| {
        script.set(&script.read, Does::Panic);
    },                                       ["waits",  "waits",  "waits",  "waits",  "panics"]),
    ("a panic as a file is sent", |script, _| {
        script.set(&script.send_file, Does::Panic);
        script.set(&script.write, Does::It);
    },                                       ["ok 0",   "waits",  "panics", "panics", "waits"]),
    ("a file that the system does not send", |script, _| {
        script.set(&script.send_file, Does::Fail(io::ErrorKind::Unsupported));
        script.set(&script.write, Does::It);
    },                                       ["ok 0",   "waits",  REFUSED,  REFUSED,  "waits"]),
    ("a file that the system does not send, and a close", |script, writer| {
        script.set(&script.send_file, Does::Fail(io::ErrorKind::Unsupported));
        writer.close();
        script.set(&script.write, Does::It);
    },                                       [LOST,     "ok 0",   REFUSED,  REFUSED,  "ok 0"]),
];

#[test]
fn each_waiter_hears_its_answer() {
    for (way, out, answers) in WAYS {
        for (waiter, answer) in WAITERS.into_iter().zip(answers) {
            run(async move {
                let scene = Scene::new(waiter).await;
                out(&scene.script, &scene.writer);
                let heard = scene.heard(waiter).await;
                assert_eq!(heard, *answer, "{waiter:?} after {way}");
            });
        }
    }
}

/// Whatever went before, an abort ends it for everybody.
#[test]
fn nobody_waits_after_an_abort() {
    for (way, out, _) in WAYS {
        for waiter in WAITERS {
            run(async move {
                let scene = Scene::new(waiter).await;
                out(&scene.script, &scene.writer);
                settle().await;
                scene.writer.abort();
                let heard = scene.heard(Waiter::Read).await;
                assert_ne!(heard, "waits", "Read beside {waiter:?} after {way}");
                if !matches!(waiter, Waiter::Read) {
                    let heard = scene.heard(waiter).await;
                    assert_ne!(heard, "waits", "{waiter:?} after {way}");
                }
                let connection = Rc::downgrade(&scene.script);
                drop(scene);
                settle().await;
                assert!(connection.upgrade().is_none(), "it is let go after {way}");
            });
        }
    }
}

/// Those who wait are cancelled, and with them go the last handles: what waits to be written is written, and then the
/// connection is let go.
#[test]
fn nobody_is_needed_for_the_rest() {
    for waiter in WAITERS {
        run(async move {
            let scene = Scene::new(waiter).await;
            let Scene {
                script,
                writer,
                waiting,
                reading,
            } = scene;
            waiting.cancel();
            reading.cancel();
            drop((waiting, reading, writer));
            settle().await;
            assert_eq!(Rc::strong_count(&script), 2, "beside {waiter:?} bytes wait");
            script.flow();
            settle().await;
            assert_eq!(Rc::strong_count(&script), 1, "{waiter:?} keeps it");
        });
    }
}

/// A close waits for the other side's end, also if this one was told long before.
#[test]
fn a_close_waits_for_the_other_side() {
    for ends_first in [false, true] {
        run(async move {
            let scene = Scene::new(Waiter::WaitClosed).await;
            let script = &scene.script;
            script.set(&script.part, Does::Wait);
            script.flow();
            if ends_first {
                scene.writer.write_eof();
                settle().await;
            }
            scene.writer.close();
            assert_eq!(scene.heard(Waiter::WaitClosed).await, "waits");
            script.set(&script.part, Does::It);
            assert_eq!(scene.heard(Waiter::WaitClosed).await, "ok 0");
            assert_eq!(scene.heard(Waiter::Read).await, "ok 0");
        });
    }
}

/// A loop that closes in the middle leaves nothing, and who has a handle still may do with it what he likes.
#[test]
fn a_loop_that_closes_lets_go_of_everything() {
    for (way, out, _) in WAYS {
        for waiter in WAITERS {
            let event_loop = EventLoop::new().unwrap();
            let main = async move {
                let scene = Scene::new(waiter).await;
                out(&scene.script, &scene.writer);
                (Rc::downgrade(&scene.script), scene.writer)
            };
            let (connection, writer): (Weak<Script>, StreamWriter) =
                event_loop.run_until_complete(main).unwrap();
            event_loop.close().unwrap();
            writer.write(b"more");
            writer.close();
            writer.abort();
            assert!(connection.upgrade().is_none(), "{waiter:?} after {way}");
        }
    }
}
