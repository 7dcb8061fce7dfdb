//! Edges: none is lost, none reaches the wrong one, and an end is an end however it comes.

mod common;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use loop_core::EventLoop;
use loop_net::{AsyncFd, Direction, TcpListener, TcpStream, UnixStream};
use loop_tasks::{LoopExt, create_task, timeout, yield_now};

use common::run;

fn pipe() -> (AsyncFd<io::PipeReader>, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&reader).unwrap();
    rustix::fs::fcntl_setfl(&reader, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    (AsyncFd::new(reader), writer)
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}

/// Lets the loop look at its descriptors for certain.
async fn look() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// The end of a pipe comes as a hang-up without anything to read.
#[test]
fn the_end_of_an_empty_pipe_is_read() {
    run(async {
        let (reader, writer) = pipe();
        let reading = create_task(async move {
            let mut buffer = [0; 8];
            reader.read_with(|mut pipe| pipe.read(&mut buffer)).await
        });
        look().await;
        drop(writer);
        assert_eq!(reading.await.unwrap().unwrap(), 0);
    });
}

/// The hang-up came together with the last bytes, while nobody was reading, and is told only once.
#[test]
fn an_end_that_came_with_bytes_is_read_after_them() {
    run(async {
        for _ in 0..50 {
            let (near, far) = tcp_pair().await;
            // It is watched, and everything before was read.
            let mut buffer = [0; 100];
            assert!(
                timeout(Duration::from_millis(1), near.read(&mut buffer))
                    .await
                    .is_err()
            );
            far.write_all(b"last").await.unwrap();
            drop(far);
            look().await; // the edge of both is taken in
            assert_eq!(near.read(&mut buffer).await.unwrap(), 4);
            assert_eq!(near.read(&mut buffer).await.unwrap(), 0);
            assert_eq!(near.read(&mut buffer).await.unwrap(), 0);
        }
    });
}

/// A read ends at the urgent byte although there is more behind it: that the read was short proves nothing then.
#[test]
fn what_is_behind_urgent_data_is_read() {
    run(async {
        let (near, far) = tcp_pair().await;
        let mut buffer = [0; 100];
        assert!(
            timeout(Duration::from_millis(1), near.read(&mut buffer))
                .await
                .is_err()
        );
        far.write_all(b"before").await.unwrap();
        rustix::net::send(&far, b"!", rustix::net::SendFlags::OOB).unwrap();
        far.write_all(b"behind").await.unwrap();
        let mut all = Vec::new();
        while all.len() < 12 {
            look().await;
            let read = near.read(&mut buffer).await.unwrap();
            all.extend_from_slice(&buffer[..read]);
        }
        assert_eq!(all, b"beforebehind");
    });
}

#[test]
fn a_reset_wakes_the_reader_and_the_writer() {
    run(async {
        let (near, far) = tcp_pair().await;
        let near = Rc::new(near);
        let reading = create_task({
            let near = Rc::clone(&near);
            async move { near.read(&mut [0; 8]).await }
        });
        let writing = create_task(async move {
            loop {
                if let Err(error) = near.write_all(&[0; 65536]).await {
                    return error;
                }
            }
        });
        look().await;
        assert!(!reading.done() && !writing.done());
        far.set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let read = reading.await.unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let error = writing.await.unwrap();
        assert!(
            matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ),
            "{error}"
        );
    });
}

/// Partial reads of random size never lose an edge.
#[test]
fn random_partial_reads_and_writes_lose_nothing() {
    run(async {
        let (near, far) = tcp_pair().await;
        let writing = create_task(async move {
            let mut seed = 7u32;
            let mut sent = 0u32;
            while sent < 300_000 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let length = (seed >> 16) % 2_000 + 1;
                let bytes: Vec<u8> = (sent..sent + length).map(|byte| byte as u8).collect();
                far.write_all(&bytes).await.unwrap();
                sent += length;
                if seed & 64 == 0 {
                    yield_now().await;
                }
            }
            sent
        });
        let (mut seed, mut received) = (3u32, 0u32);
        loop {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut buffer = vec![0; (seed >> 16) as usize % 3_000 + 1];
            let read = near.read(&mut buffer).await.unwrap();
            if read == 0 {
                break;
            }
            for byte in &buffer[..read] {
                assert_eq!(*byte, received as u8);
                received += 1;
            }
        }
        assert_eq!(writing.await.unwrap(), received);
    });
}

#[test]
fn one_edge_wakes_all_who_wait() {
    run(async {
        let (reader, mut writer) = pipe();
        let reader = Rc::new(reader);
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..5)
            .map(|number| {
                let (reader, order) = (Rc::clone(&reader), Rc::clone(&order));
                create_task(async move {
                    let mut byte = [0];
                    reader
                        .read_with(|mut pipe| pipe.read(&mut byte))
                        .await
                        .unwrap();
                    order.borrow_mut().push((number, byte[0]));
                })
            })
            .collect();
        look().await;
        writer.write_all(b"abcde").unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        let expected: Vec<_> = (0..5).zip(b'a'..).collect();
        assert_eq!(*order.borrow(), expected);
    });
}

/// A wait that is dropped is out of the way, and the bytes are there for the next one.
#[test]
fn a_dropped_wait_has_taken_nothing() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        for round in 0..100u8 {
            let mut first = [0; 8];
            {
                let mut read = pin!(near.read(&mut first));
                let mut cx = Context::from_waker(Waker::noop());
                assert!(read.as_mut().poll(&mut cx).is_pending());
                far.write_all(&[round]).await.unwrap();
                look().await;
            }
            assert_eq!(near.read(&mut first).await.unwrap(), 1);
            assert_eq!(first[0], round);
        }
    });
}

/// Whoever cancels a read at any moment finds every byte afterwards.
#[test]
fn cancelled_reads_lose_no_byte() {
    run(async {
        let (near, far) = tcp_pair().await;
        let near = Rc::new(near);
        let received = Rc::new(RefCell::new(Vec::new()));
        let sending = create_task(async move {
            for byte in 0..=255u8 {
                far.write_all(&[byte; 3]).await.unwrap();
                for _ in 0..byte % 5 {
                    yield_now().await;
                }
            }
        });
        let mut patience = 0;
        while received.borrow().len() < 768 {
            let reading = create_task({
                let (near, received) = (Rc::clone(&near), Rc::clone(&received));
                async move {
                    loop {
                        let mut buffer = [0; 7];
                        let read = near.read(&mut buffer).await.unwrap();
                        received.borrow_mut().extend_from_slice(&buffer[..read]);
                    }
                }
            });
            patience = (patience + 1) % 7;
            for _ in 0..=patience {
                yield_now().await;
            }
            reading.cancel();
            assert!(reading.await.is_err());
        }
        sending.await.unwrap();
        let expected: Vec<u8> = (0..=255u8).flat_map(|byte| [byte; 3]).collect();
        assert_eq!(*received.borrow(), expected);
    });
}

/// Somebody for whom everything is ready at once does not keep the loop from the others.
#[test]
fn a_reader_that_never_waits_lets_others_run() {
    run(async {
        let others = Rc::new(Cell::new(0));
        let counting = create_task({
            let others = Rc::clone(&others);
            async move {
                loop {
                    others.set(others.get() + 1);
                    yield_now().await;
                }
            }
        });
        let zero = AsyncFd::new(std::fs::File::open("/dev/zero").unwrap());
        for _ in 0..1_000 {
            let mut buffer = [0; 16];
            zero.read_with(|mut file| file.read(&mut buffer))
                .await
                .unwrap();
        }
        assert!((10..100).contains(&others.get()), "{}", others.get());
        counting.cancel();
    });
}

#[test]
fn a_descriptor_belongs_to_one_loop_at_a_time() {
    let (near, mut far) = StdUnixStream::pair().unwrap();
    let near = Rc::new(UnixStream::from_std(near).unwrap());
    let read = |near: &Rc<UnixStream>| {
        let near = Rc::clone(near);
        async move { near.read(&mut [0; 8]).await }
    };
    let first = EventLoop::new().unwrap();
    let waiting = first.create_task(read(&near));
    first.run_once(Some(Duration::ZERO)).unwrap();
    let second = EventLoop::new().unwrap();
    let error = second.run_until_complete(read(&near)).unwrap().unwrap_err();
    assert!(error.to_string().contains("different loop"), "{error}");
    drop(waiting);
    first.set_exception_handler(|_, _| {}); // the reading task is pending still
    first.close().unwrap();
    // Its loop is closed: the socket may go on elsewhere.
    second
        .call_soon(move || far.write_all(b"ping").unwrap())
        .unwrap();
    assert_eq!(second.run_until_complete(read(&near)).unwrap().unwrap(), 4);
    second.close().unwrap();
}

#[test]
fn outside_of_a_loop_a_wait_is_an_error() {
    let (near, far) = UnixStream::pair().unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    match near.poll_read(&mut cx, &mut [0; 8]) {
        Poll::Ready(Err(error)) => assert!(error.to_string().contains("no running event loop")),
        other => panic!("{other:?}"),
    }
    assert_eq!(far.try_write(b"ping").unwrap(), 4);
    let polled = near.poll_read(&mut cx, &mut [0; 8]);
    assert!(matches!(polled, Poll::Ready(Ok(4)))); // nobody has to wait for that
}

#[test]
fn a_regular_file_cannot_be_waited_for() {
    run(async {
        let file = AsyncFd::new(std::fs::File::open("/proc/self/exe").unwrap());
        let error = file.readable().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("a regular file"), "{error}");
    });
}

/// A descriptor has callbacks or is watched: the two would take each other's edges.
#[test]
fn callbacks_and_waits_do_not_share_a_descriptor() {
    run(async {
        let event_loop = loop_core::get_running_loop().unwrap();
        let (near, mut far) = StdUnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let near = AsyncFd::new(near);
        let wait = |near: &AsyncFd<StdUnixStream>| {
            let mut cx = Context::from_waker(Waker::noop());
            near.poll_read_with(&mut cx, |mut socket| socket.read(&mut [0; 8]))
        };
        event_loop.add_reader(&near, || {}).unwrap();
        match wait(&near) {
            Poll::Ready(Err(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
                assert!(error.to_string().contains("duplicate it"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert!(event_loop.remove_reader(&near));
        assert!(wait(&near).is_pending());
        let error = event_loop.add_reader(&near, || {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        far.write_all(b"ping").unwrap();
        let mut buffer = [0; 8];
        let read = near.read_with(|mut socket| socket.read(&mut buffer)).await;
        assert_eq!(read.unwrap(), 4);
    });
}

#[test]
fn readable_waits_and_an_attempt_takes_it_back() {
    run(async {
        let (reader, mut writer) = pipe();
        assert!(
            timeout(Duration::from_millis(1), reader.readable())
                .await
                .is_err()
        );
        writer.write_all(b"ab").unwrap();
        reader.readable().await.unwrap();
        reader.readable().await.unwrap();
        let mut one = [0];
        let mut read = || reader.try_io(Direction::Read, |mut pipe| pipe.read(&mut one));
        assert_eq!(read().unwrap(), 1);
        assert_eq!(read().unwrap(), 1);
        assert_eq!(read().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(
            timeout(Duration::from_millis(1), reader.readable())
                .await
                .is_err()
        );
        drop(writer);
        reader.readable().await.unwrap();
    });
}

/// A combinator polls with wakers of its own.
#[test]
fn waits_inside_combinators_are_woken() {
    run(async {
        let pairs: Vec<_> = (0..10).map(|_| UnixStream::pair().unwrap()).collect();
        let (near, far): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let writing = create_task(async move {
            for stream in far.iter().rev() {
                yield_now().await;
                stream.write_all(b"x").await.unwrap();
            }
            far
        });
        let reads = near.iter().map(|stream| async {
            let mut buffer = [0; 4];
            stream.read(&mut buffer).await.unwrap()
        });
        assert_eq!(join_all(reads).await, [1; 10]);
        writing.await.unwrap();
    });
}

/// The same place for a waker: the last one counts.
#[test]
fn a_second_poll_replaces_the_waker_of_the_first() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let mut buffer = [0; 8];
        let mut noop = Context::from_waker(Waker::noop());
        assert!(near.poll_read(&mut noop, &mut buffer).is_pending());
        let writing = create_task(async move { far.write_all(b"ping").await });
        let read = poll_fn(|cx| near.poll_read(cx, &mut buffer)).await;
        assert_eq!(read.unwrap(), 4);
        writing.await.unwrap().unwrap();
    });
}

/// Closing the loop drops the sockets of its tasks, and those who kept one are told.
#[test]
fn sockets_die_with_the_tasks_of_their_loop() {
    let (near, mut far) = StdUnixStream::pair().unwrap();
    let near = UnixStream::from_std(near).unwrap();
    let event_loop = EventLoop::new().unwrap();
    event_loop.set_exception_handler(|_, _| {});
    event_loop.create_task(async move { near.read(&mut [0; 8]).await });
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    event_loop.close().unwrap();
    assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
}
