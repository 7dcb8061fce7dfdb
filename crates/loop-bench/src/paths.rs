//! The hot paths of this library, each so many times over: what [`crate::count`] counts.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use asyncloop::net::{BaseProtocol, Protocol, Transport, streams_over};
use asyncloop::prelude::*;
use asyncloop::{EventLoop, Queue};

use crate::latch::{Latch, yield_once};
use crate::workloads::{PAGE, REQUEST, buffer, listener, serve_connection};

/// A path: its name, and what runs it so many times.
type Path = (&'static str, fn(usize));

pub(crate) const ALL: &[Path] = &[
    ("call-soon", call_soon),
    ("call-later-cancel", call_later_and_cancel),
    ("call-soon-threadsafe", call_soon_threadsafe),
    ("spawn-await", spawn_and_await),
    ("spawn-detached", spawn_detached),
    ("yield", yield_there),
    ("wake", wake),
    ("sleep", sleep_to_the_end),
    ("sleep-drop", sleep_and_drop),
    ("timeout", timeout_in_time),
    ("one-shot-ready", one_shot_ready),
    ("one-shot-waited", one_shot_waited),
    ("queue-ping-pong", queue_ping_pong),
    ("queue-stream", queue_stream),
    ("gather", gather_all),
    ("wait-first", wait_for_the_first),
    ("tcp-echo", tcp_echo),
    ("stream-echo", stream_echo),
    ("transport-echo", transport_echo),
    ("http-page", http_page),
];

/// Runs one path.
pub(crate) fn run(name: &str, count: usize) -> Result<(), String> {
    let path = ALL.iter().find(|(other, _)| *other == name);
    let (_, path) = path.ok_or_else(|| format!("there is no path `{name}`"))?;
    path(count);
    Ok(())
}

fn event_loop() -> EventLoop {
    EventLoop::new().expect("the system gives a loop")
}

fn on_loop<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
    let done = event_loop().run_until_complete(main);
    done.expect("the main task ends well")
}

fn call_soon(count: usize) {
    let event_loop = event_loop();
    let ran = Rc::new(Cell::new(0));
    for _ in 0..count {
        let ran = Rc::clone(&ran);
        let scheduled = event_loop.call_soon(move || ran.set(ran.get() + 1));
        assert!(scheduled.is_ok());
    }
    event_loop
        .run_once(Some(Duration::ZERO))
        .expect("it can run");
    assert_eq!(ran.get(), count);
}

fn call_later_and_cancel(count: usize) {
    let event_loop = event_loop();
    for i in 0..count {
        let timer = event_loop.call_later(Duration::from_secs(60 + i as u64 % 60), || {});
        timer.expect("it is open").cancel();
    }
    assert_eq!(event_loop.next_deadline(), None);
}

fn call_soon_threadsafe(count: usize) {
    let event_loop = event_loop();
    let handle = event_loop.handle();
    std::thread::spawn(move || {
        for _ in 0..count {
            assert!(handle.call_soon_threadsafe(|| {}).is_ok());
        }
    })
    .join()
    .expect("it only posts");
    event_loop
        .run_once(Some(Duration::ZERO))
        .expect("it can run");
}

fn spawn_and_await(count: usize) {
    let sum = on_loop(async move {
        let mut sum = 0;
        for _ in 0..count / 100 {
            let tasks: Vec<_> = (0..100).map(|i| create_task(async move { i })).collect();
            for task in tasks {
                sum += task.await.expect("it ends well");
            }
        }
        sum
    });
    assert_eq!(sum, count / 100 * 4950);
}

fn spawn_detached(count: usize) {
    on_loop(async move {
        for _ in 0..count / 100 {
            let latch = Latch::new(100);
            for _ in 0..100 {
                let latch = latch.clone();
                drop(create_task(async move { latch.count_down() }));
            }
            latch.wait().await;
        }
    });
}

fn in_ten_tasks<F: Future<Output = ()> + 'static>(count: usize, make: fn() -> F) {
    on_loop(async move {
        let latch = Latch::new(10);
        for _ in 0..10 {
            let latch = latch.clone();
            drop(create_task(async move {
                for _ in 0..count / 10 {
                    make().await;
                }
                latch.count_down();
            }));
        }
        latch.wait().await;
    });
}

fn yield_there(count: usize) {
    in_ten_tasks(count, yield_now);
}

fn wake(count: usize) {
    in_ten_tasks(count, yield_once);
}

fn sleep_to_the_end(count: usize) {
    let runner = asyncloop::Runner::with_builder(EventLoop::builder().virtual_clock());
    let ran = runner.run(async move {
        for i in 0..count {
            sleep(Duration::from_millis(1 + i as u64 % 7)).await;
        }
    });
    ran.expect("the main task ends well");
}

fn sleep_and_drop(count: usize) {
    on_loop(async move {
        for i in 0..count {
            let mut timer = pin!(sleep(Duration::from_secs(60 + i as u64 % 60)));
            let ready = poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx).is_ready())).await;
            assert!(!ready);
        }
    });
}

fn timeout_in_time(count: usize) {
    on_loop(async move {
        for _ in 0..count {
            let ended = timeout(Duration::from_secs(10), yield_now()).await;
            assert!(ended.is_ok());
        }
    });
}

fn one_shot_ready(count: usize) {
    on_loop(async move {
        let event_loop = asyncloop::get_running_loop().expect("it runs");
        for i in 0..count {
            let future = event_loop.create_future();
            assert!(future.set_result(i).is_ok());
            assert_eq!(future.await.ok(), Some(i));
        }
    });
}

fn one_shot_waited(count: usize) {
    on_loop(async move {
        let event_loop = asyncloop::get_running_loop().expect("it runs");
        for i in 0..count {
            let future = event_loop.create_future();
            let sender = future.clone();
            drop(event_loop.create_task(async move { sender.set_result(i) }));
            assert_eq!(future.await.ok(), Some(i));
        }
    });
}

fn queue_ping_pong(count: usize) {
    on_loop(async move {
        let (ping, pong) = (Queue::new(0), Queue::new(0));
        let (pings, pongs) = (ping.clone(), pong.clone());
        drop(create_task(async move {
            for _ in 0..count {
                let value: usize = pings.get().await.expect("nobody shuts it down");
                assert!(pong.put_nowait(value).is_ok());
            }
        }));
        for i in 0..count {
            assert!(ping.put_nowait(i).is_ok());
            assert_eq!(pongs.get().await.ok(), Some(i));
        }
    });
}

fn queue_stream(count: usize) {
    on_loop(async move {
        let queue = Queue::new(0);
        let sender = queue.clone();
        drop(create_task(async move {
            for i in 0..count {
                assert!(sender.put_nowait(i).is_ok());
                if i % 64 == 63 {
                    yield_now().await;
                }
            }
        }));
        for i in 0..count {
            assert_eq!(queue.get().await.ok(), Some(i));
        }
    });
}

fn gather_all(count: usize) {
    on_loop(async move {
        let results = gather((0..count).map(|i| async move { i })).await;
        assert_eq!(results.expect("it is not cancelled").len(), count);
    });
}

fn wait_for_the_first(count: usize) {
    on_loop(async move {
        let latch = Latch::new(1);
        let tasks: Vec<_> = (0..count)
            .map(|i| {
                let latch = latch.clone();
                create_task(async move {
                    if i > 0 {
                        std::future::pending::<()>().await;
                    }
                    latch.count_down();
                })
            })
            .collect();
        latch.wait().await;
        let waited = wait(tasks, None, ReturnWhen::FirstCompleted).await;
        let waited = waited.expect("there are tasks");
        assert_eq!((waited.done.len(), waited.pending.len()), (1, count - 1));
        for task in waited.pending {
            task.cancel();
        }
        yield_now().await;
    });
}

fn tcp_echo(count: usize) {
    let echo = |stream: asyncloop::net::TcpStream| async move {
        let mut buffer = buffer();
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..n]).await.expect("it is read");
        }
    };
    in_turns_with_a_server(count, &[7; 64], &[7; 64], echo);
}

fn stream_echo(count: usize) {
    let echo = |stream: asyncloop::net::TcpStream| async move {
        let (mut reader, writer) = streams_over(stream).expect("the loop runs");
        while let Ok(request) = reader.readexactly(64).await {
            writer.write(&request);
            writer.drain().await.expect("it is read");
        }
    };
    in_turns_with_a_server(count, &[7; 64], &[7; 64], echo);
}

/// A protocol that sends back what it hears.
#[derive(Default)]
struct Echo(RefCell<Option<Transport>>);

impl BaseProtocol for Echo {
    fn connection_made(&self, transport: Transport) {
        self.0.replace(Some(transport));
    }

    fn connection_lost(&self, _: Option<&std::io::Error>) {
        self.0.take();
    }
}

impl Protocol for Echo {
    fn data_received(&self, data: &[u8]) {
        if let Some(transport) = &*self.0.borrow() {
            transport.write(data);
        }
    }
}

fn transport_echo(count: usize) {
    let echo = |stream: asyncloop::net::TcpStream| async move {
        drop(Transport::new(stream, Rc::new(Echo::default())).expect("the loop runs"));
    };
    in_turns_with_a_server(count, &[7; 64], &[7; 64], echo);
}

fn http_page(count: usize) {
    in_turns_with_a_server(count, REQUEST, PAGE.as_bytes(), serve_connection);
}

/// Asks a server for so many answers: over ten connections, then the loop runs, then the answers are read. In one
/// thread, so that an iteration has the same to do in every run.
fn in_turns_with_a_server<F: Future<Output = ()> + 'static>(
    count: usize,
    request: &[u8],
    end_of_answer: &[u8],
    serve: impl Fn(asyncloop::net::TcpStream) -> F + 'static,
) {
    const CONNECTIONS: usize = 10;
    let (event_loop, listener) = (event_loop(), listener());
    let address = listener.local_addr().expect("it is bound");
    let mut clients: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let client = TcpStream::connect(address).expect("it listens");
            client.set_nonblocking(true).expect("a socket can");
            let (stream, _) = listener.accept().expect("a client connects");
            stream.set_nodelay(true).expect("a socket can");
            let stream = asyncloop::net::TcpStream::from_std(stream).expect("a socket can");
            drop(event_loop.create_task(serve(stream)));
            client
        })
        .collect();
    let turn = || {
        event_loop
            .run_once(Some(Duration::ZERO))
            .expect("it can run")
    };
    let mut answer = buffer();
    for _ in 0..count / CONNECTIONS {
        for client in &mut clients {
            let sent = client
                .write(request)
                .expect("there is room for one request");
            assert_eq!(sent, request.len());
        }
        turn();
        for client in &mut clients {
            let length = loop {
                match client.read(&mut answer) {
                    Ok(length) => break length,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                turn();
            };
            assert!(answer[..length].ends_with(end_of_answer));
        }
    }
}
