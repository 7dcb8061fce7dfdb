//! What a loop in debug mode says of whatever blocks it: the table of `docs/blocking.md`, row by row.
#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

#[path = "../../loop-core/tests/common/log.rs"]
#[allow(dead_code, reason = "another test needs the rest of it")]
mod log;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use asyncloop::net::{create_connection, create_datagram_endpoint, create_server, start_server};
use asyncloop::{
    EventLoop, LoopExt, RunningCallback, Signal, SignalExt, ThreadsafeRef, concurrent_future,
    get_running_loop, run_coroutine_threadsafe, subprocess_exec,
};
use log::Log;
use rustix::process::{getpid, kill_process};

const DOCS: &str = include_str!("../../../docs/blocking.md");
const SOURCE: &str = include_str!("reports.rs");

thread_local! {
    static LOG: Log = Log::default();
    /// What has blocked the loop since somebody last asked.
    static SEEN: RefCell<Option<RunningCallback>> = const { RefCell::new(None) };
}

/// Blocks the loop until it has been told of, the first time.
fn block() {
    let is_seen = SEEN.with_borrow(Option::is_some);
    let event_loop = get_running_loop().unwrap();
    let Some(running) = event_loop.handle().running_callback().filter(|_| !is_seen) else {
        return;
    };
    LOG.with(|log| log.wait_for(1, &format!("Executing {running} has taken ")));
    SEEN.set(Some(running));
}

mod app {
    use std::net::SocketAddr;

    use asyncloop::net::{BaseProtocol, DatagramProtocol, Protocol, StreamReader, StreamWriter};
    use asyncloop::{ConcurrentFuture, LoopFuture, SubprocessProtocol, Task};

    use super::block;

    pub(crate) fn work() {
        block();
    }

    pub(crate) fn used(_: &()) {
        block();
    }

    pub(crate) async fn coroutine() {
        block();
    }

    pub(crate) async fn client(_: StreamReader, _: StreamWriter) {
        block();
    }

    pub(crate) fn told(_: &LoopFuture<()>) {
        block();
    }

    pub(crate) fn ended(_: &Task<()>) {
        block();
    }

    pub(crate) fn answered(_: &ConcurrentFuture<()>) {
        block();
    }

    pub(crate) struct Blocks;

    impl BaseProtocol for Blocks {}

    impl Protocol for Blocks {
        fn data_received(&self, _: &[u8]) {
            block();
        }
    }

    impl DatagramProtocol for Blocks {
        fn datagram_received(&self, _: &[u8], _: SocketAddr) {
            block();
        }
    }

    impl SubprocessProtocol for Blocks {
        fn process_exited(&self) {
            block();
        }
    }
}

/// Begins what will block the loop.
type Begin = fn(&EventLoop);

/// How each row of the table comes about.
const ROWS: &[(&str, Begin)] = &[
    ("a callback of the loop", |event_loop| {
        event_loop.call_soon(app::work).unwrap();
    }),
    ("a timer", |event_loop| {
        event_loop.call_later(Duration::ZERO, app::work).unwrap();
    }),
    ("a call from another thread", |event_loop| {
        let handle = event_loop.handle();
        elsewhere(move || handle.call_soon_threadsafe(app::work).unwrap());
    }),
    (
        "a call from another thread that can be taken back",
        |event_loop| {
            let handle = event_loop.handle();
            elsewhere(move || {
                asyncloop::call_soon_threadsafe(&handle, app::work).unwrap();
            });
        },
    ),
    (
        "a call from another thread with a value of the loop",
        |event_loop| {
            let there = ThreadsafeRef::new(event_loop, ());
            elsewhere(move || {
                there.call_soon_threadsafe(app::used).unwrap();
            });
        },
    ),
    ("a coroutine", |event_loop| {
        event_loop.create_task(app::coroutine());
    }),
    ("a coroutine from another thread", |event_loop| {
        let handle = event_loop.handle();
        elsewhere(move || {
            run_coroutine_threadsafe(&handle, app::coroutine).unwrap();
        });
    }),
    ("a done callback of a future", |event_loop| {
        let future = event_loop.create_future();
        future.add_done_callback(app::told);
        future.set_result(()).unwrap();
    }),
    ("a done callback of a task", |event_loop| {
        let task = event_loop.create_task(async {});
        task.add_done_callback(app::ended);
    }),
    ("a done callback of a concurrent future", |event_loop| {
        let (promise, future) = concurrent_future();
        future.add_done_callback(app::answered);
        let settle = move || promise.set_result(()).unwrap();
        event_loop.call_soon(settle).unwrap();
    }),
    ("a reader", |event_loop| {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"x").unwrap();
        event_loop.add_reader(&near, app::work).unwrap();
        run_until_seen(event_loop);
        assert!(event_loop.remove_reader(&near));
    }),
    ("a writer", |event_loop| {
        let (near, _far) = UnixStream::pair().unwrap();
        event_loop.add_writer(&near, app::work).unwrap();
        run_until_seen(event_loop);
        assert!(event_loop.remove_writer(&near));
    }),
    ("a handler of a signal", |event_loop| {
        let signal = Signal::USR2;
        event_loop.add_signal_handler(signal, app::work).unwrap();
        kill_process(getpid(), rustix::process::Signal::USR2).unwrap();
    }),
    ("a client of a server", |event_loop| {
        event_loop.create_task(async {
            let server = start_server(app::client, "127.0.0.1", 0).await.unwrap();
            let port = server.sockets()[0].port().unwrap();
            let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            server.serve_forever().await.ok();
            drop(client);
        });
    }),
    ("a protocol", |event_loop| {
        event_loop.create_task(async {
            let server = create_server(|| app::Blocks, "127.0.0.1", 0).await.unwrap();
            let port = server.sockets()[0].port().unwrap();
            let (transport, _) = create_connection(|| app::Blocks, "127.0.0.1", port)
                .await
                .unwrap();
            transport.write(b"x");
            server.serve_forever().await.ok();
        });
    }),
    ("a protocol of packets", |event_loop| {
        event_loop.create_task(async {
            let here: SocketAddr = "127.0.0.1:0".parse().unwrap();
            let (transport, _) = create_datagram_endpoint(|| app::Blocks, Some(here), None)
                .await
                .unwrap();
            transport.sendto(b"x", Some(transport.local_addr().unwrap()));
        });
    }),
    ("a protocol of a child", |event_loop| {
        event_loop.create_task(async {
            let no_arguments: [&str; 0] = [];
            let child = subprocess_exec(|| app::Blocks, "true", no_arguments).await;
            child.unwrap().0.wait().await.unwrap();
        });
    }),
];

fn elsewhere(call: impl FnOnce() + Send + 'static) {
    std::thread::spawn(call).join().unwrap();
}

fn run_until_seen(event_loop: &EventLoop) {
    while SEEN.with_borrow(Option::is_none) {
        event_loop.run_once(None).unwrap();
    }
}

/// What the table says of each kind: what it is called, and by whose call it was handed in.
fn table() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let cells = |line: &'static str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix('|')?.split(" | ");
        let kind = cells.next()?;
        let (what, call) = (cells.next()?, cells.next()?);
        let what = what.strip_prefix('`')?.strip_suffix('`')?;
        Some((kind, (what, call.trim().trim_matches('`'))))
    };
    DOCS.lines().filter_map(cells).collect()
}

/// Numbers, and places in this file, as the table has them.
fn as_in_the_table(description: &str) -> String {
    let text = description.replace("reports::app::", "app::");
    let text = text.replace(file!(), "src/main.rs");
    let numbered = ["'Task-", " fd ", "src/main.rs:", "src/main.rs:1:"];
    numbered
        .iter()
        .fold(text, |text, before| with_one(&text, before))
}

/// Makes the number behind `before` a one.
fn with_one(text: &str, before: &str) -> String {
    let Some((head, tail)) = text.split_once(before) else {
        return text.to_owned();
    };
    let tail = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{head}{before}1{tail}")
}

#[test]
fn the_table_says_what_is_said() {
    let log = LOG.with(Log::clone);
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let table = table();
    let rows: Vec<&str> = ROWS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(table.len(), rows.len(), "{table:?}");
    for (kind, begin) in ROWS {
        let event_loop = EventLoop::builder()
            .debug(true)
            .slow_callback_duration(Duration::ZERO)
            .blocked_after(Duration::from_millis(1))
            .build()
            .unwrap();
        event_loop.set_exception_handler(|_, _| {});
        begin(&event_loop);
        run_until_seen(&event_loop);
        event_loop.close().unwrap();
        let seen = SEEN.take().unwrap();
        let (what, call) = table[kind];
        assert_eq!(as_in_the_table(&seen.description), what, "{kind}");
        let handed_in_by = seen.place.map_or("", |place| {
            assert_eq!(place.file(), file!(), "{kind}");
            SOURCE.lines().nth(place.line() as usize - 1).unwrap()
        });
        assert_eq!(handed_in_by.is_empty(), call.is_empty(), "{kind}");
        assert!(
            handed_in_by.contains(&format!("{call}(")) || call.is_empty(),
            "{kind}: {handed_in_by}"
        );
        // The same is said when it has ended.
        let ended = log.of(&format!("Executing {seen} took "));
        assert!(!ended.is_empty(), "{kind}");
    }
}
