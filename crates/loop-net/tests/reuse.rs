//! Numbers of descriptors that are used again. Alone in their process, and one after the other: nobody else takes
//! the number in between.

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};

use loop_core::get_running_loop;
use loop_net::AsyncFd;
use loop_tasks::yield_now;

use common::run;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Lets the loop look at its descriptors for certain.
async fn look() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// The descriptor is closed while a duplicate keeps the connection, and its number is used again.
#[test]
fn a_reused_number_hears_nothing_of_what_had_it_before() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    run(async {
        for _ in 0..100 {
            let (near, mut far) = StdUnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            let duplicate = near.try_clone().unwrap();
            let old = AsyncFd::new(near);
            let number = old.as_raw_fd();
            let mut cx = Context::from_waker(Waker::noop());
            let polled = old.poll_read_with(&mut cx, |mut socket| socket.read(&mut [0; 8]));
            assert!(polled.is_pending());
            drop(old);
            let (near, _other) = StdUnixStream::pair().unwrap();
            assert_eq!(near.as_raw_fd(), number);
            near.set_nonblocking(true).unwrap();
            let new = AsyncFd::new(near);
            let called = Cell::new(0);
            let poll = |cx: &mut Context<'_>| {
                new.poll_read_with(cx, |mut socket| {
                    called.set(called.get() + 1);
                    socket.read(&mut [0; 8])
                })
            };
            assert!(poll(&mut cx).is_pending());
            far.write_all(b"for the old one").unwrap();
            look().await;
            assert!(poll(&mut cx).is_pending());
            assert_eq!(called.get(), 1); // no edge, so no second try
            drop(duplicate);
        }
    });
}

/// Somebody has closed a descriptor without taking its reader away, and a socket gets its number: the reader hears
/// nothing of it, and to remove it does no harm.
#[test]
fn a_stale_reader_leaves_the_socket_alone_that_has_its_number() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    run(async {
        let event_loop = get_running_loop().unwrap();
        let (stale, _end) = StdUnixStream::pair().unwrap();
        let number = stale.as_raw_fd();
        event_loop
            .add_reader(&stale, || panic!("it is closed"))
            .unwrap();
        drop(stale);
        let (near, mut far) = StdUnixStream::pair().unwrap();
        assert_eq!(near.as_raw_fd(), number);
        near.set_nonblocking(true).unwrap();
        let near = AsyncFd::new(near);
        let mut buffer = [0; 8];
        let mut cx = Context::from_waker(Waker::noop());
        let mut read =
            |cx: &mut Context<'_>| near.poll_read_with(cx, |mut socket| socket.read(&mut buffer));
        assert!(read(&mut cx).is_pending());
        assert!(!event_loop.remove_reader(&number));
        far.write_all(b"ping").unwrap();
        let read = std::future::poll_fn(read).await;
        assert_eq!(read.unwrap(), 4);
    });
}
