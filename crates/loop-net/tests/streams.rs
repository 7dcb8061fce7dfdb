//! Readers and writers: limits, errors, back-pressure, ends.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use loop_core::EventLoop;
use loop_net::{
    ReadError, StreamOptions, StreamReader, StreamWriter, TcpListener, TcpStream, UnixStream,
    open_connection, start_server, streams_over,
};
use loop_tasks::{LoopExt, all_tasks, create_task, current_task, sleep, timeout, yield_now};

/// Runs a coroutine on a loop of its own; a hang ends as a failure.
fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    let event_loop = EventLoop::new().unwrap();
    let result = event_loop.run_until_complete(timeout(Duration::from_secs(60), main));
    let result = result.unwrap().expect("it hangs");
    event_loop.close().unwrap();
    result
}

fn pair() -> (StreamReader, StreamWriter, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let (reader, writer) = streams_over(near).unwrap();
    (reader, writer, far)
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}

fn limit_of(error: ReadError) -> (usize, bool) {
    match error {
        ReadError::Limit(error) => (error.consumed, error.found),
        other => panic!("{other:?}"),
    }
}

fn partial_of(error: ReadError) -> (Vec<u8>, Option<usize>) {
    match error {
        ReadError::Incomplete(error) => (error.partial, error.expected),
        other => panic!("{other:?}"),
    }
}

/// As `StreamReader.readline` of CPython: what is too long is dropped, up to the end of the line if that is known.
#[test]
fn a_line_above_the_limit_is_dropped() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = StreamOptions::new().limit(3).streams_over(near).unwrap();
        far.write_all(b"li\nline1\nline2\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"li\n");
        let error = reader.readline().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Separator is found, but chunk is longer than limit"
        );
        assert_eq!(limit_of(error), (5, true));
        assert_eq!(reader.buffer(), b"line2\n");
        assert_eq!(limit_of(reader.readline().await.unwrap_err()), (5, true));
        far.write_all(b"endless").await.unwrap();
        let error = reader.readline().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Separator is not found, and chunk exceed the limit"
        );
        assert_eq!(limit_of(error), (7, false));
        assert_eq!(reader.buffer(), b"");
    });
}

#[test]
fn a_line_of_exactly_the_limit_is_a_line() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = StreamOptions::new().limit(5).streams_over(near).unwrap();
        for part in [&b"12345"[..], b"\n", b"123", b"45\n"] {
            far.write_all(part).await.unwrap();
        }
        assert_eq!(reader.readline().await.unwrap(), b"12345\n");
        assert_eq!(reader.readline().await.unwrap(), b"12345\n");
    });
}

/// A separator that comes in two parts is found, and what came before it is searched once.
#[test]
fn separators_are_found_wherever_they_are_cut() {
    run(async {
        let text = b"one--two-three---four--";
        for cut in 0..text.len() {
            let (mut reader, _writer, far) = pair();
            let writing = create_task(async move {
                far.write_all(&text[..cut]).await.unwrap();
                yield_now().await;
                yield_now().await;
                far.write_all(&text[cut..]).await.unwrap();
                far
            });
            let mut parts = Vec::new();
            for _ in 0..3 {
                let part = reader.readuntil(b"--").await.unwrap();
                parts.push(String::from_utf8(part).unwrap());
            }
            assert_eq!(parts, ["one--", "two-three--", "-four--"]);
            drop(writing.await.unwrap());
            let (partial, expected) = partial_of(reader.readuntil(b"--").await.unwrap_err());
            assert_eq!((partial, expected), (Vec::new(), None));
        }
    });
}

/// As CPython: of several separators, the one that ends first.
#[test]
fn the_separator_that_ends_first_wins() {
    run(async {
        let (mut reader, _writer, far) = pair();
        far.write_all(b"aaAbbBcc").await.unwrap();
        assert_eq!(reader.readuntil_any(&[b"bB", b"aA"]).await.unwrap(), b"aaA");
        assert_eq!(reader.readuntil_any(&[b"bbB", b"b"]).await.unwrap(), b"b");
        assert_eq!(reader.readuntil_any(&[b"B", b"bB"]).await.unwrap(), b"bB");
        drop(far);
        let error = reader.readuntil_any(&[b"x", b"ccc"]).await.unwrap_err();
        assert_eq!(partial_of(error).0, b"cc");
    });
}

#[test]
fn an_end_gives_what_there_is() {
    run(async {
        let (mut reader, _writer, far) = pair();
        far.write_all(b"abc").await.unwrap();
        drop(far);
        let error = reader.readexactly(5).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "3 bytes read on a total of 5 expected bytes"
        );
        assert_eq!(partial_of(error), (b"abc".to_vec(), Some(5)));
        assert!(reader.at_eof());
        assert_eq!(reader.readexactly(0).await.unwrap(), b"");
        assert_eq!(reader.readline().await.unwrap(), b"");
        assert_eq!(reader.read(9).await.unwrap(), b"");
        assert_eq!(reader.read_all().await.unwrap(), b"");
    });
}

/// Whatever is cancelled, wherever: what was read stays.
#[test]
fn cancelled_reads_lose_no_byte() {
    run(async {
        let (reader, _writer, far) = pair();
        let reader = Rc::new(RefCell::new(Some(reader)));
        let writing = create_task(async move {
            for number in 0..300u32 {
                far.write_all(format!("{number}").as_bytes()).await.unwrap();
                yield_now().await;
                far.write_all(b"\n").await.unwrap();
            }
        });
        let lines = Rc::new(RefCell::new(Vec::new()));
        let mut patience = 0;
        while lines.borrow().len() < 300 {
            /// Puts the reader back when the task is cancelled.
            struct Back(Rc<RefCell<Option<StreamReader>>>, Option<StreamReader>);
            impl Drop for Back {
                fn drop(&mut self) {
                    self.0.replace(self.1.take());
                }
            }
            let task = create_task({
                let mut reader = Back(Rc::clone(&reader), reader.take());
                let lines = Rc::clone(&lines);
                async move {
                    let reader = reader.1.as_mut().unwrap();
                    while lines.borrow().len() < 300 {
                        let number = lines.borrow().len();
                        let line = match number % 3 {
                            0 => reader.readline().await.unwrap(),
                            1 => reader.readuntil(b"\n").await.unwrap(),
                            _ => {
                                let length = number.to_string().len() + 1;
                                reader.readexactly(length).await.unwrap()
                            }
                        };
                        lines.borrow_mut().push(line);
                    }
                }
            });
            patience = (patience + 1) % 4;
            for _ in 0..=patience {
                yield_now().await;
            }
            task.cancel();
            assert!(task.await.is_err() || lines.borrow().len() == 300);
        }
        for (number, line) in lines.borrow().iter().enumerate() {
            assert_eq!(*line, format!("{number}\n").into_bytes());
        }
        writing.await.unwrap();
    });
}

/// Strictly above the high mark a writer waits, until the low one.
#[test]
fn writers_are_held_back_by_slow_readers() {
    run(async {
        let (_reader, writer, far) = pair();
        writer.set_write_buffer_limits(1000, 200);
        // As much as the system keeps.
        while writer.get_write_buffer_size() == 0 {
            writer.write(&[1; 4096]);
        }
        let waiting = writer.get_write_buffer_size();
        writer.write(&vec![1; 1000usize.saturating_sub(waiting)]);
        if waiting <= 1000 {
            assert_eq!(writer.get_write_buffer_size(), 1000);
            writer.drain().await.unwrap(); // not strictly above
        }
        writer.write(&[1; 500]);
        let draining = create_task({
            let writer = writer.clone();
            async move {
                writer.drain().await.unwrap();
                writer.get_write_buffer_size()
            }
        });
        for _ in 0..20 {
            yield_now().await;
        }
        assert!(!draining.done());
        let mut buffer = vec![0; 100_000];
        while !draining.done() {
            far.read(&mut buffer).await.unwrap();
            yield_now().await;
        }
        assert!(draining.await.unwrap() <= 200);
    });
}

/// Everything that was written before a close arrives, also what had to wait.
#[test]
fn a_close_comes_after_what_was_written() {
    run(async {
        for bytes in [0, 10, 3_000_000] {
            let (_reader, writer, far) = pair();
            writer.write(&vec![9; bytes]);
            writer.close();
            writer.write(b"too late");
            assert!(writer.is_closing());
            let closing = create_task({
                let writer = writer.clone();
                async move { writer.wait_closed().await }
            });
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert_eq!(all.len(), bytes);
            closing.await.unwrap().unwrap();
            let error = writer.drain().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert_eq!(error.to_string(), "Connection lost");
        }
    });
}

/// The last reference is dropped, with bytes that still wait.
#[test]
fn a_dropped_writer_closes() {
    run(async {
        let (mut reader, writer, far) = pair();
        let second = writer.clone();
        writer.write(&vec![5; 2_000_000]);
        drop(writer);
        second.write(b"end");
        drop(second);
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 2_000_003);
        assert_eq!(reader.read(1).await.unwrap(), b"");
    });
}

/// A socket that is closed with unread bytes resets its connection, and what was written last would be lost.
#[test]
fn what_was_written_last_arrives_although_nobody_read_what_came() {
    run(async {
        for _ in 0..20 {
            let (near, far) = tcp_pair().await;
            far.write_all(&[1; 5000]).await.unwrap();
            let (_reader, writer) = streams_over(near).unwrap();
            yield_now().await;
            writer.write(b"answer");
            writer.close();
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"answer");
        }
    });
}

#[test]
fn a_reader_hears_of_a_close_of_its_writer() {
    run(async {
        let (mut reader, writer, _far) = pair();
        let reading = create_task(async move { reader.readline().await.unwrap() });
        yield_now().await;
        yield_now().await;
        assert!(!reading.done());
        writer.close();
        assert_eq!(reading.await.unwrap(), b"");
    });
}

#[test]
fn an_end_of_writing_leaves_reading_alone() {
    run(async {
        let (mut reader, writer, far) = pair();
        writer.write(&vec![3; 1_000_000]);
        writer.write_eof();
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 1_000_000);
        far.write_all(b"answer\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"answer\n");
        writer.write(b"more");
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.to_string(), "Cannot call write() after write_eof()");
    });
}

#[test]
fn a_reset_reaches_everybody() {
    run(async {
        let (near, far) = tcp_pair().await;
        let (mut reader, writer) = streams_over(near).unwrap();
        let reading = create_task(async move {
            let first = reader.read(9).await.unwrap_err();
            let second = reader.read(9).await.unwrap_err();
            (first.kind(), second.kind())
        });
        let closing = create_task({
            let writer = writer.clone();
            async move { writer.wait_closed().await.unwrap_err().kind() }
        });
        yield_now().await;
        far.set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let reset = io::ErrorKind::ConnectionReset;
        assert_eq!(reading.await.unwrap(), (reset, reset));
        assert_eq!(closing.await.unwrap(), reset);
        assert_eq!(writer.drain().await.unwrap_err().kind(), reset);
        writer.write(b"into the void");
        assert_eq!(writer.get_write_buffer_size(), 0);
    });
}

/// A program that waits for all of its tasks does not meet those who flush and accept.
#[test]
fn the_background_is_no_task() {
    run(async {
        let server = start_server(async |_, _| (), "127.0.0.1", 0).await.unwrap();
        let (_reader, writer, _far) = pair();
        writer.write(&vec![0; 3_000_000]);
        yield_now().await;
        // This one, and what runs it.
        let tasks = all_tasks();
        assert!(
            tasks.len() <= 1 + usize::from(current_task().is_some()),
            "{tasks:?}"
        );
        server.close();
    });
}

/// Somebody who writes and drains without ever being held back.
#[test]
fn a_writer_that_never_waits_lets_others_run() {
    run(async {
        let (_reader, writer, far) = pair();
        let received = Rc::new(Cell::new(0));
        let reading = create_task({
            let received = Rc::clone(&received);
            async move {
                let mut buffer = [0; 1024];
                loop {
                    let read = far.read(&mut buffer).await.unwrap();
                    received.set(received.get() + read);
                }
            }
        });
        for _ in 0..1000 {
            writer.write(b"x");
            writer.drain().await.unwrap();
        }
        assert!(received.get() > 500, "{}", received.get());
        reading.cancel();
    });
}

#[test]
fn clients_that_fail_are_reported_and_closed() {
    let event_loop = EventLoop::new().unwrap();
    let reports = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let reports = Rc::clone(&reports);
        move |_, context| reports.borrow_mut().push(context.to_string())
    });
    let main = async {
        let mut number = 0;
        let server = start_server(
            move |_, _writer: StreamWriter| {
                number += 1;
                let number = number;
                assert_ne!(number, 1, "panics in the call");
                async move {
                    assert_ne!(number, 2, "panics in the coroutine");
                    Err::<(), _>(io::Error::other("failed as an error"))
                }
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].ip().unwrap().port();
        for _ in 0..3 {
            let (mut reader, _writer) = open_connection("127.0.0.1", port).await.unwrap();
            assert_eq!(reader.read_all().await.unwrap(), b"");
        }
        server.close();
        server.wait_closed().await;
    };
    let result = event_loop.run_until_complete(timeout(Duration::from_secs(60), main));
    result.unwrap().expect("it hangs");
    event_loop.close().unwrap();
    let reports = reports.borrow().join("\n");
    for part in [
        "panics in the call",
        "panics in the coroutine",
        "failed as an error",
    ] {
        assert!(reports.contains(part), "{reports}");
    }
}

#[test]
fn a_server_ends_when_its_last_client_does() {
    run(async {
        let server = start_server(
            async |mut reader: StreamReader, writer: StreamWriter| {
                let line = reader.readline().await?;
                writer.write(&line);
                writer.drain().await
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].ip().unwrap().port();
        let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
        // Until it is accepted, it is nobody's client.
        while !format!("{server:?}").contains("clients=1") {
            yield_now().await;
        }
        server.close();
        server.close();
        assert_eq!(server.sockets(), []);
        assert!(server.serve_forever().await.is_err());
        let error = open_connection("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let ending = create_task({
            let server = server.clone();
            async move { server.wait_closed().await }
        });
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(!ending.done());
        writer.write(b"last words\n");
        assert_eq!(reader.read_all().await.unwrap(), b"last words\n");
        ending.await.unwrap();
    });
}

#[test]
fn a_server_serves_for_one_at_a_time() {
    run(async {
        let server = start_server(async |_, _| (), "127.0.0.1", 0).await.unwrap();
        let serving = create_task({
            let server = server.clone();
            async move { server.serve_forever().await }
        });
        yield_now().await;
        let error = server.serve_forever().await.unwrap_err();
        assert!(error.to_string().contains("already being awaited"));
        server.close();
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn aborted_clients_are_gone_at_once() {
    run(async {
        let server = start_server(
            async |_, writer: StreamWriter| {
                writer.write(&vec![0; 20_000_000]);
                writer.wait_closed().await
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].ip().unwrap().port();
        let (mut reader, _writer) = open_connection("127.0.0.1", port).await.unwrap();
        reader.readexactly(10).await.unwrap();
        server.close();
        server.abort_clients();
        server.wait_closed().await;
        assert!(
            reader
                .read_all()
                .await
                .is_ok_and(|all| all.len() < 20_000_000)
        );
    });
}

/// Two addresses of which the first does not answer: the second is tried after the delay.
#[test]
fn a_name_with_a_dead_address_is_reached_by_the_other() {
    run(async {
        // `localhost` may be one address or two; whichever listens is found.
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = open_connection("localhost", port)
            .happy_eyeballs_delay(Some(Duration::from_millis(1)))
            .connect()
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
        let error = open_connection("no-such-name.invalid", 80)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("lookup"), "{error}");
    });
}

/// Nobody holds anything after a thousand connections: descriptors are as many as before.
#[test]
fn descriptors_do_not_leak() {
    fn count() -> usize {
        std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
    }
    run(async {
        let server = start_server(
            async |mut reader: StreamReader, writer: StreamWriter| {
                let all = reader.read_all().await?;
                writer.write(&all);
                Ok::<_, io::Error>(())
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].ip().unwrap().port();
        let converse = async move |number: usize| {
            let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
            writer.write(number.to_string().as_bytes());
            match number % 3 {
                0 => writer.abort(), // in the middle
                1 => drop(writer),
                _ => {
                    writer.write_eof();
                    assert_eq!(
                        reader.read_all().await.unwrap(),
                        number.to_string().as_bytes()
                    );
                }
            }
        };
        converse(2).await;
        let before = count();
        for number in 0..300 {
            converse(number).await;
        }
        server.close();
        server.wait_closed().await;
        // Other tests of this process have some open too.
        for _ in 0..100 {
            if count() <= before + 60 {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("{} descriptors, {before} before", count());
    });
}
