//! The streams' ways out: who drains, waits for the end, sends a file, reads.

use std::io;
use std::rc::{Rc, Weak};

use loop_core::EventLoop;
use loop_net::{StreamReader, StreamWriter, streams_over};
use loop_tasks::{LoopExt, Task, create_task};

use crate::{
    BROKEN, Does, FILE, Fake, LOST, PANICKED, REFUSED, RESET, Script, expect_panics, file, outcome,
    run, settle,
};

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
                let file = file();
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
        expect_panics();
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
        outcome(match waiter {
            Waiter::Read => &self.reading,
            _ => &self.waiting,
        })
        .await
    }
}

async fn read(mut reader: StreamReader) -> io::Result<u64> {
    let read = reader.read(1).await?;
    Ok(read.len() as u64)
}

/// A way out, and what each of the waiters hears.
type Way = (&'static str, fn(&Script, &StreamWriter), [&'static str; 5]);

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
    },                                       [PANICKED, PANICKED, PANICKED, PANICKED, "panics"]),
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
