//! The transports' ways out: what the protocol hears of the end, and who sends a file.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use loop_core::EventLoop;
use loop_net::{BaseProtocol, Protocol, Transport};
use loop_tasks::{LoopExt, Task, create_task};

use crate::{
    BROKEN, Does, FAILED, FILE, Fake, LOST, PANICKED, REFUSED, RESET, Script, expect_panics, file,
    outcome, run, settle,
};

/// What a protocol does when the other side ends.
#[derive(Clone, Copy)]
enum AtEof {
    Close,
    KeepOpen,
    Panic,
}

/// Holds its transport, as most protocols do, and notes each end that it hears of.
struct Notes {
    at_eof: AtEof,
    transport: RefCell<Option<Transport>>,
    ends: Rc<RefCell<Vec<String>>>,
}

impl BaseProtocol for Notes {
    fn connection_made(&self, transport: Transport) {
        self.transport.replace(Some(transport));
    }

    fn connection_lost(&self, error: Option<&io::Error>) {
        let end = error.map_or("clean".into(), ToString::to_string);
        self.ends.borrow_mut().push(end);
    }
}

impl Protocol for Notes {
    fn data_received(&self, _: &[u8]) {
        unreachable!("nothing comes but the end");
    }

    fn eof_received(&self) -> bool {
        match self.at_eof {
            AtEof::Close => false,
            AtEof::KeepOpen => true,
            AtEof::Panic => panic!("it panics"),
        }
    }
}

/// When a file is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sends {
    /// Behind bytes that wait.
    Turn,
    Midway,
}

struct Scene {
    script: Rc<Script>,
    transport: Transport,
    sending: Task<io::Result<u64>>,
    ends: Rc<RefCell<Vec<String>>>,
}

impl Scene {
    async fn new(sends: Sends, at_eof: AtEof) -> Scene {
        expect_panics();
        let script = Script::new();
        let ends = Rc::default();
        let notes = Notes {
            at_eof,
            transport: RefCell::default(),
            ends: Rc::clone(&ends),
        };
        let transport = Transport::new(Fake(Rc::clone(&script)), Rc::new(notes)).unwrap();
        if sends == Sends::Turn {
            transport.write(b"before");
        }
        let ours = transport.clone();
        let sending = create_task(async move {
            let file = file();
            let send = ours.sendfile(&file).count(FILE as u64);
            send.fallback(false).await
        });
        settle().await;
        transport.write(b"behind");
        settle().await;
        assert!(!sending.done() && ends.borrow().is_empty());
        Scene {
            script,
            transport,
            sending,
            ends,
        }
    }

    /// The one end that its protocol has heard of.
    fn end(&self) -> String {
        match &self.ends.borrow()[..] {
            [] => "waits".into(),
            [end] => end.clone(),
            ends => format!("lost more than once: {ends:?}"),
        }
    }
}

/// A way out, and then what the protocol hears and who sends a file: behind bytes that wait, and midway.
type Way = (
    &'static str,
    AtEof,
    fn(&Script, &Transport),
    [[&'static str; 2]; 2],
);

#[rustfmt::skip]
const WAYS: &[Way] = &[
    //                                      protocol   turn         protocol   midway
    ("an abort", AtEof::Close, |_, transport| {
        transport.abort();
    },                                    [["clean",   LOST],     ["clean",    LOST]]),
    ("a close with bytes that nobody takes", AtEof::Close, |_, transport| {
        transport.close();
    },                                    [["waits",   "waits"],  ["waits",    "waits"]]),
    ("a close, and all is written", AtEof::Close, |script, transport| {
        transport.close();
        script.flow();
    },                                    [["clean",   "ok 3"],   ["clean",    "ok 3"]]),
    ("an end, and then a close", AtEof::Close, |script, transport| {
        transport.write_eof();
        script.flow();
        transport.close();
    },                                    [["clean",   "ok 3"],   ["clean",    "ok 3"]]),
    ("the other side's end", AtEof::Close, |script, _| {
        script.set(&script.read, Does::It);
        script.flow();
    },                                    [["clean",   "ok 3"],   ["clean",    "ok 3"]]),
    ("the other side's end, with bytes that nobody takes", AtEof::Close, |script, _| {
        script.set(&script.read, Does::It);
    },                                    [["waits",   "waits"],  ["waits",    "waits"]]),
    ("the other side's end, of which the protocol keeps its half", AtEof::KeepOpen, |script, _| {
        script.set(&script.read, Does::It);
        script.flow();
    },                                    [["waits",   "ok 3"],   ["waits",    "ok 3"]]),
    ("an error in a read", AtEof::Close, |script, _| {
        script.set(&script.read, Does::Fail(io::ErrorKind::ConnectionReset));
    },                                    [[RESET,     RESET],    [RESET,      RESET]]),
    ("an error in a write", AtEof::Close, |script, _| {
        script.set(&script.write, Does::Fail(io::ErrorKind::BrokenPipe));
        script.set(&script.send_file, Does::Fail(io::ErrorKind::BrokenPipe));
    },                                    [[BROKEN,    BROKEN],   [BROKEN,     BROKEN]]),
    ("an end that cannot be told", AtEof::Close, |script, transport| {
        script.set(&script.shut_down, Does::Fail(io::ErrorKind::BrokenPipe));
        transport.close();
        script.flow();
    },                                    [[BROKEN,    "ok 3"],   [BROKEN,     "ok 3"]]),
    ("a panic of the protocol", AtEof::Panic, |script, _| {
        script.set(&script.read, Does::It);
    },                                    [[FAILED,    FAILED],   [FAILED,     FAILED]]),
    ("a panic in a read", AtEof::Close, |script, _| {
        script.set(&script.read, Does::Panic);
    },                                    [[PANICKED,  PANICKED], [PANICKED,   PANICKED]]),
    ("a panic in a write", AtEof::Close, |script, _| {
        script.set(&script.write, Does::Panic);
    },                                    [[PANICKED,  PANICKED], ["waits",    "waits"]]),
    ("a panic as a file is sent", AtEof::Close, |script, _| {
        script.set(&script.send_file, Does::Panic);
        script.set(&script.write, Does::It);
    },                                    [[PANICKED,  "panics"], [PANICKED,   "panics"]]),
    ("a file that the system does not send, and a close", AtEof::Close, |script, transport| {
        script.set(&script.send_file, Does::Fail(io::ErrorKind::Unsupported));
        transport.close();
        script.set(&script.write, Does::It);
    },                                    [["clean",   REFUSED],  ["clean",    REFUSED]]),
];

const SENDS: [Sends; 2] = [Sends::Turn, Sends::Midway];

#[test]
fn each_hears_its_answer() {
    for (way, at_eof, out, answers) in WAYS {
        for (sends, answer) in SENDS.into_iter().zip(answers) {
            run(async move {
                let scene = Scene::new(sends, *at_eof).await;
                out(&scene.script, &scene.transport);
                settle().await;
                let heard = [scene.end(), outcome(&scene.sending).await];
                assert_eq!(heard, *answer, "{sends:?} after {way}");
            });
        }
    }
}

/// Whatever went before, an abort ends it for everybody, and the circle of protocol and transport is opened.
#[test]
fn nothing_is_left_after_an_abort() {
    for (way, at_eof, out, _) in WAYS {
        for sends in SENDS {
            run(async move {
                let scene = Scene::new(sends, *at_eof).await;
                out(&scene.script, &scene.transport);
                settle().await;
                scene.transport.abort();
                settle().await;
                assert!(scene.sending.done(), "{sends:?} after {way}");
                assert_ne!(scene.end(), "waits", "{sends:?} after {way}");
                let (connection, ends) = (Rc::downgrade(&scene.script), Rc::clone(&scene.ends));
                drop(scene);
                settle().await;
                assert!(connection.upgrade().is_none(), "it is let go after {way}");
                assert_eq!(Rc::strong_count(&ends), 1, "so is the protocol after {way}");
            });
        }
    }
}

/// A loop that closes in the middle tells nobody, and leaves nothing.
#[test]
fn a_loop_that_closes_lets_go_of_everything() {
    for (way, at_eof, out, _) in WAYS {
        for sends in SENDS {
            let event_loop = EventLoop::new().unwrap();
            let main = async move {
                let scene = Scene::new(sends, *at_eof).await;
                out(&scene.script, &scene.transport);
                (Rc::downgrade(&scene.script), scene.transport, scene.ends)
            };
            let (connection, transport, ends) = event_loop.run_until_complete(main).unwrap();
            let heard = ends.borrow().len();
            event_loop.close().unwrap();
            transport.write(b"more");
            transport.close();
            transport.abort();
            assert!(connection.upgrade().is_none(), "{sends:?} after {way}");
            drop(transport);
            assert_eq!(Rc::strong_count(&ends), 1, "{sends:?} after {way}");
            assert_eq!(ends.borrow().len(), heard, "{sends:?} after {way}");
        }
    }
}
