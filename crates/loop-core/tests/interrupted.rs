//! Signals interrupt the system call in which a loop sleeps, at any rate: the sleep goes on, and not from its beginning.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "std neither handles signals nor sends them")]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{OnDrop, stop, watchdog};
use loop_core::EventLoop;

const MS: Duration = Duration::from_millis(1);

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Runs `f` while this thread gets a signal every millisecond.
fn interrupted(f: impl FnOnce()) {
    let handler: extern "C" fn(libc::c_int) = count;
    // SAFETY: all that the handler does is atomic.
    let former = unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    assert_ne!(former, libc::SIG_ERR);
    // SAFETY: it names the calling thread.
    let me = unsafe { libc::pthread_self() };
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                // SAFETY: that thread waits for this one before it ends.
                let sent = unsafe { libc::pthread_kill(me, libc::SIGUSR1) };
                assert_eq!(sent, 0);
                thread::park_timeout(MS);
            }
        });
        let _end = OnDrop(|| end.store(true, Ordering::Relaxed));
        while HANDLED.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        f();
    });
}

/// A wait that began anew with each signal would never end.
#[test]
fn a_deadline_is_met_under_a_rain_of_signals() {
    let _watchdog = watchdog();
    for polls in [false, true] {
        let event_loop = EventLoop::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        if polls {
            event_loop.add_reader(&near, || unreachable!()).unwrap();
        }
        interrupted(|| {
            let deadline = event_loop.time() + 50 * MS;
            event_loop.call_at(deadline, stop).unwrap();
            event_loop.run_forever().unwrap();
            assert!(event_loop.time() >= deadline, "and not early, either");
        });
    }
}

/// Of what becomes ready while a signal is handled nothing is lost.
#[test]
fn no_event_is_lost_under_a_rain_of_signals() {
    const BYTES: usize = 200;
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let echo = thread::spawn(move || {
        let mut byte = [0];
        while far.read(&mut byte).unwrap() == 1 {
            far.write_all(&byte).unwrap();
        }
    });
    interrupted(|| {
        let mut stream = near.try_clone().unwrap();
        let mut left = BYTES;
        near.write_all(b"x").unwrap();
        event_loop
            .add_reader(&near, move || {
                stream.read_exact(&mut [0]).unwrap();
                left -= 1;
                if left == 0 {
                    stop();
                } else {
                    stream.write_all(b"x").unwrap();
                }
            })
            .unwrap();
        event_loop.run_forever().unwrap();
    });
    event_loop.close().unwrap(); // with it goes the duplicate
    drop(near);
    echo.join().unwrap();
}
