//! Protocols of children: which call comes when. The traces are those of CPython 3.13, call by call.

#[path = "../common/mod.rs"]
mod common;
mod python;

use std::cell::{OnceCell, RefCell};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::rc::{Rc, Weak};

use loop_core::{EventLoop, get_running_loop};
use loop_process::{
    CreateSubprocess, SubprocessProtocol, SubprocessTransport, create_subprocess_exec,
    create_subprocess_shell, subprocess_exec, subprocess_shell,
};
use loop_tasks::{AnyTask, ContextVar, LoopExt, LoopFuture, TaskError, create_task, yield_now};

use common::run;

type Then = fn(&SubprocessTransport);

/// Notes every call, and does something at one of them.
struct Notes {
    transport: OnceCell<SubprocessTransport>,
    calls: RefCell<Vec<String>>,
    at: &'static str,
    then: Then,
}

impl Notes {
    fn new(at: &'static str, then: Then) -> Notes {
        Notes {
            transport: OnceCell::new(),
            calls: RefCell::default(),
            at,
            then,
        }
    }

    fn note(&self, call: impl Into<String>) {
        let call = call.into();
        let is_it = call == self.at;
        self.calls.borrow_mut().push(call);
        if is_it {
            (self.then)(self.transport.get().unwrap());
        }
    }

    async fn until_lost(&self) -> Vec<String> {
        while self.calls.borrow().last().is_none_or(|last| last != "lost") {
            yield_now().await;
        }
        for _ in 0..10 {
            yield_now().await; // nothing comes behind it
        }
        self.calls.take()
    }
}

impl SubprocessProtocol for Notes {
    fn connection_made(&self, transport: SubprocessTransport) {
        assert!(self.transport.set(transport).is_ok());
        self.note("made");
    }

    fn pipe_data_received(&self, fd: u8, data: &[u8]) {
        self.note(format!("data {fd} {}", String::from_utf8_lossy(data)));
    }

    fn pipe_connection_lost(&self, fd: u8, error: Option<&io::Error>) {
        self.note(format!("pipe lost {fd} {:?}", error.map(io::Error::kind)));
    }

    fn process_exited(&self) {
        let status = self.transport.get().unwrap().get_returncode().unwrap();
        let code = status.code().or(status.signal().map(|signal| -signal));
        self.note(format!("exited {}", code.unwrap()));
    }

    fn connection_lost(&self) {
        self.note("lost");
    }

    fn pause_writing(&self) {
        self.note("pause");
    }

    fn resume_writing(&self) {
        self.note("resume");
    }
}

/// The whole trace of a child.
fn trace(child: CreateSubprocess, at: &'static str, then: Then) -> Vec<String> {
    run(async move {
        let (transport, notes) = child.create(|| Notes::new(at, then)).await.unwrap();
        let calls = notes.until_lost().await;
        assert!(transport.get_returncode().is_some());
        calls
    })
}

fn say(transport: &SubprocessTransport, text: &[u8]) {
    let stdin = transport.get_pipe_transport(0).unwrap();
    stdin.write(text);
    stdin.write_eof();
}

#[test]
fn pipes_may_end_before_the_child() {
    let child = create_subprocess_shell("exec >&-; read line; exit $line");
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped());
    let calls = trace(child, "pipe lost 1 None", |t| say(t, b"3\n"));
    let expected = [
        "made",
        "pipe lost 1 None",
        "pipe lost 0 None",
        "exited 3",
        "lost",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn a_child_may_end_before_its_pipes() {
    // A grandchild holds them.
    let child = create_subprocess_shell("exec 3<&0; cat <&3 & exit 5");
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped());
    let calls = trace(child, "exited 5", |t| say(t, b"late"));
    let expected = [
        "made",
        "exited 5",
        "pipe lost 0 None",
        "data 1 late",
        "pipe lost 1 None",
        "lost",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn a_pipe_is_lost_with_what_the_system_says() {
    // It reads one line of two.
    let child = create_subprocess_shell("read line").stdin(Stdio::piped());
    let calls = trace(child, "made", |t| {
        say(t, &[&b"one\n"[..], &[7; 1_000_000]].concat())
    });
    let broken = "pipe lost 0 Some(BrokenPipe)".to_owned();
    assert!(calls.contains(&broken), "{calls:?}");
}

/// A child that ends before the loop looks at it for the first time: then its pipe is lost after its status is known, and
/// before anybody has been told.
#[test]
fn a_child_that_ends_at_once_has_exited_before_it_is_lost() {
    let until_it_has_ended = || {
        let zombie = format!(" (printf) Z {} ", std::process::id());
        let has_ended = || {
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            processes
                .filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok())
                .any(|stat| stat.contains(&zombie))
        };
        while !has_ended() {
            std::thread::yield_now();
        }
    };
    run(async move {
        let child = create_subprocess_exec("printf")
            .arg("")
            .stdin(Stdio::piped());
        let made = child.create(|| {
            until_it_has_ended();
            Notes::new("", |_| ())
        });
        let (_, notes) = made.await.unwrap();
        let mut calls = notes.until_lost().await;
        calls[1..3].sort(); // either may be first
        assert_eq!(calls, ["made", "exited 0", "pipe lost 0 None", "lost"]);
    });
}

#[test]
fn a_protocol_is_let_go_of_at_the_end() {
    run(async {
        let child = create_subprocess_exec("true").stdout(Stdio::piped());
        let made = child.create(|| Notes::new("", |_| ())).await;
        let (transport, notes) = made.unwrap();
        notes.until_lost().await;
        let weak = Rc::downgrade(&notes);
        drop((transport, notes)); // which hold each other
        assert!(weak.upgrade().is_none());
    });
}

#[test]
fn without_pipes_the_exit_is_the_end() {
    let child = create_subprocess_exec("sleep").arg("600");
    let calls = trace(child, "made", |t| t.kill().unwrap());
    assert_eq!(calls, ["made", "exited -9", "lost"]);
}

#[test]
fn a_transport_that_is_closed_kills_its_child() {
    run(async {
        let notes = || Notes::new("made", SubprocessTransport::close);
        let child = subprocess_shell(notes, "exec sleep 600").await;
        let (transport, notes) = child.unwrap();
        assert!(transport.is_closing());
        let expected = [
            "made",
            "pipe lost 0 None",
            "pipe lost 1 None",
            "pipe lost 2 None",
            "exited -9",
            "lost",
        ];
        assert_eq!(notes.until_lost().await, expected);
        transport.close(); // once more
    });
}

#[test]
fn a_protocol_finds_the_context_variables_of_whoever_made_it() {
    static VARIABLE: ContextVar<&str> = ContextVar::new();
    struct Look(LoopFuture<()>);
    impl Look {
        fn look(&self) {
            assert_eq!(VARIABLE.get(), Some("maker"));
        }
    }
    impl SubprocessProtocol for Look {
        fn connection_made(&self, _: SubprocessTransport) {
            self.look();
        }
        fn pipe_data_received(&self, _: u8, _: &[u8]) {
            self.look();
        }
        fn pipe_connection_lost(&self, _: u8, _: Option<&io::Error>) {
            self.look();
        }
        fn process_exited(&self) {
            self.look();
        }
        fn connection_lost(&self) {
            self.look();
            self.0.set_result(()).expect("it is lost once");
        }
    }
    run(async {
        let event_loop = get_running_loop().unwrap();
        let reports = Rc::new(RefCell::new(Vec::new()));
        let ours = Rc::clone(&reports);
        event_loop.set_exception_handler(move |_, report| ours.borrow_mut().push(report.clone()));
        let lost = event_loop.create_future();
        VARIABLE.set("maker");
        let look = Look(lost.clone());
        let child = subprocess_shell(|| look, "echo text").await.unwrap();
        VARIABLE.set("later");
        lost.await.unwrap();
        assert!(reports.borrow().is_empty(), "{:?}", reports.borrow());
        drop(child);
    });
}

#[test]
fn a_transport_that_nobody_has_got_is_closed() {
    struct Fickle(Rc<RefCell<Option<AnyTask>>>, LoopFuture<()>);
    impl SubprocessProtocol for Fickle {
        fn connection_made(&self, _: SubprocessTransport) {
            let making = self.0.take().expect("it is made once");
            assert!(making.cancel());
        }
        fn connection_lost(&self) {
            self.1.set_result(()).expect("it is lost once");
        }
    }
    run(async {
        let making = Rc::new(RefCell::new(None));
        let lost = get_running_loop().unwrap().create_future();
        let fickle = Fickle(Rc::clone(&making), lost.clone());
        let task = create_task(async {
            let sleeper = subprocess_exec(|| fickle, "sleep", ["600"]).await;
            sleeper.map(drop)
        });
        making.replace(Some(task.erase()));
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
        lost.await.unwrap();
    });
}

#[test]
fn a_protocol_is_told_to_hold_back() {
    run(async {
        let notes = || Notes::new("", |_| ());
        let child = subprocess_shell(notes, "cat >/dev/null").await;
        let (transport, notes) = child.unwrap();
        say(&transport, &[7; 1_000_000]);
        assert!(notes.calls.borrow().contains(&"pause".to_owned()));
        let calls = notes.until_lost().await;
        assert!(calls.contains(&"resume".to_owned()), "{calls:?}");
        assert!(calls.contains(&"exited 0".to_owned()), "{calls:?}");
    });
}

#[test]
fn there_are_transports_for_what_is_a_pipe() {
    run(async {
        let child = create_subprocess_exec("true").stdout(Stdio::piped());
        let (transport, notes) = child.create(|| Notes::new("", |_| ())).await.unwrap();
        let pipes = [0, 1, 2, 3].map(|fd| transport.get_pipe_transport(fd).is_some());
        assert_eq!(pipes, [false, true, false, false]);
        assert_eq!(transport.get_pid(), transport.pid());
        notes.until_lost().await;
    });
}

#[test]
fn a_loop_that_closes_lets_go_of_its_protocols() {
    fn on_a_closed_loop(line: &'static str, stdio: fn() -> Stdio) -> Weak<Notes> {
        let event_loop = EventLoop::new().unwrap();
        let notes = event_loop.run_until_complete(async move {
            let child = create_subprocess_shell(line).stdin(stdio()).stdout(stdio());
            let made = child.create(|| Notes::new("", |_| ())).await;
            let (transport, notes) = made.unwrap();
            if line.contains("exit") {
                transport.wait().await.unwrap();
            }
            Rc::downgrade(&notes)
        });
        event_loop.close().unwrap();
        notes.unwrap()
    }
    // While the child runs, with pipes and without; and when only its pipes are open still.
    for (line, stdio) in [
        ("exec sleep 600", Stdio::piped as fn() -> Stdio),
        ("exec sleep 600", Stdio::null),
        ("exec 3<&0; cat <&3 & exit 5", Stdio::piped),
    ] {
        assert!(on_a_closed_loop(line, stdio).upgrade().is_none(), "{line}");
    }
}
