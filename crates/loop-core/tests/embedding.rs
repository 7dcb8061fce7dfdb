//! A host with a main loop of its own: iterations and steps, when to come back, and being told to.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::time::Duration;

use common::{Trace, virtual_loop, watchdog};
use loop_core::{EventLoop, LoopHandle, get_running_loop};

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_steps_make_an_iteration() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let inner = trace.clone();
    event_loop
        .call_soon(move || {
            inner.push("soon");
            get_running_loop()
                .unwrap()
                .call_soon(inner.note("next"))
                .unwrap();
        })
        .unwrap();
    event_loop
        .call_later(Duration::ZERO, trace.note("timer"))
        .unwrap();
    event_loop.handle().call_soon_threadsafe(|| ()).unwrap();

    event_loop.poll_events(None).unwrap();
    assert_eq!(trace.take(), [""; 0], "polling runs nothing");
    event_loop.process_events().unwrap();
    assert_eq!(trace.take(), [""; 0], "taking in runs nothing");
    assert_eq!(event_loop.process_ready(), Ok(3));
    assert_eq!(trace.take(), ["soon", "timer"]);
    assert_eq!(event_loop.process_ready(), Ok(1));
    assert_eq!(trace.take(), ["next"]);
    assert_eq!(event_loop.process_ready(), Ok(0));
}

#[test]
fn each_step_is_inside_the_loop_and_only_it() {
    let event_loop = virtual_loop();
    let me = event_loop.clone();
    let reports = common::reports(&event_loop);
    event_loop
        .call_soon(move || {
            assert_eq!(get_running_loop().unwrap(), me);
            assert!(me.is_running() && me.handle().is_running());
        })
        .unwrap();
    event_loop.poll_events(None).unwrap();
    assert!(get_running_loop().is_err() && !event_loop.is_running());
    event_loop.process_events().unwrap();
    assert!(get_running_loop().is_err());
    event_loop.process_ready().unwrap();
    assert!(get_running_loop().is_err());
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_look_comes_back_at_once() {
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .call_later(Duration::from_secs(3600), || unreachable!())
        .unwrap();
    for _ in 0..100 {
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
        event_loop.poll_events(Some(Duration::ZERO)).unwrap();
    }
}

/// What a game does: a frame, an iteration, and an answer to "until when may I sleep?".
#[test]
fn a_host_learns_when_to_come_back() {
    let event_loop = virtual_loop();
    assert!(!event_loop.has_ready() && event_loop.next_deadline().is_none());
    event_loop.call_later(5 * MS, || ()).unwrap();
    assert_eq!(event_loop.next_deadline(), Some(event_loop.time() + 5 * MS));
    assert!(!event_loop.has_ready());

    event_loop
        .call_soon(|| {
            let me = get_running_loop().unwrap();
            me.call_soon(|| ()).unwrap();
        })
        .unwrap();
    assert!(event_loop.has_ready());
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert!(event_loop.has_ready(), "the inner one");
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert!(!event_loop.has_ready());

    event_loop.handle().call_soon_threadsafe(|| ()).unwrap();
    assert!(event_loop.has_ready(), "a message");
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert!(!event_loop.has_ready());
    event_loop.stop();
    assert!(event_loop.has_ready(), "the iteration that ends the run");
}

fn hooked(event_loop: &EventLoop) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    assert!(event_loop.handle().set_wake_hook(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    calls
}

#[test]
fn the_host_is_told_of_the_first_message_of_a_burst() {
    let event_loop = virtual_loop();
    let calls = hooked(&event_loop);
    for burst in 1..=3 {
        let handle = event_loop.handle();
        std::thread::spawn(move || {
            for _ in 0..10 {
                handle.call_soon_threadsafe(|| ()).unwrap();
            }
        })
        .join()
        .unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), burst);
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), burst);
    }
}

#[test]
fn the_host_is_told_of_what_was_posted_before_it_listened() {
    let event_loop = virtual_loop();
    event_loop.handle().call_soon_threadsafe(|| ()).unwrap();
    let calls = hooked(&event_loop);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// A message that comes after an iteration has looked for messages, and before it is over.
#[test]
fn the_host_is_told_of_what_an_iteration_came_too_early_for() {
    let event_loop = virtual_loop();
    let calls = hooked(&event_loop);
    let handle = event_loop.handle();
    event_loop
        .call_soon(move || {
            std::thread::spawn(move || handle.call_soon_threadsafe(|| ()).unwrap())
                .join()
                .unwrap();
        })
        .unwrap();
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(event_loop.has_ready());
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(!event_loop.has_ready());
}

#[test]
fn the_host_is_not_told_while_the_loop_runs_or_when_it_closes() {
    let event_loop = EventLoop::new().unwrap();
    let calls = hooked(&event_loop);
    let handle = event_loop.handle();
    let thread = std::thread::spawn(move || {
        while !handle.is_running() {
            std::thread::yield_now();
        }
        handle.call_soon_threadsafe(|| ()).unwrap();
        handle.stop();
    });
    let _watchdog = watchdog();
    event_loop.run_forever().unwrap();
    thread.join().unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    event_loop.handle().call_soon_threadsafe(|| ()).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    event_loop.close().unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_loop_has_one_hook() {
    let event_loop = virtual_loop();
    let calls = hooked(&event_loop);
    assert!(!event_loop.handle().set_wake_hook(|| unreachable!()));
    event_loop.handle().call_soon_threadsafe(|| ()).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_hook_may_post_itself() {
    static HANDLE: OnceLock<LoopHandle> = OnceLock::new();
    static POSTED: AtomicUsize = AtomicUsize::new(0);
    let event_loop = virtual_loop();
    HANDLE.set(event_loop.handle()).unwrap();
    event_loop.handle().set_wake_hook(|| {
        let count = || {
            POSTED.fetch_add(1, Ordering::SeqCst);
        };
        HANDLE.get().unwrap().call_soon_threadsafe(count).unwrap();
    });
    event_loop.handle().call_soon_threadsafe(|| ()).unwrap();
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(POSTED.load(Ordering::SeqCst), 1);
}

/// A host that sleeps until the hook says otherwise: with one wake-up lost it sleeps for ever.
#[test]
fn a_host_that_trusts_the_hook_hears_of_every_message() {
    const CALLS: usize = 3_000;
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    let (wake, woken) = mpsc::channel();
    event_loop.handle().set_wake_hook(move || {
        let _ = wake.send(());
    });
    let done = Arc::new(AtomicUsize::new(0));
    let start = Arc::new(Barrier::new(3));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (handle, done, start) =
                (event_loop.handle(), Arc::clone(&done), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                for _ in 0..CALLS {
                    let count = Arc::clone(&done);
                    handle
                        .call_soon_threadsafe(move || {
                            count.fetch_add(1, Ordering::SeqCst);
                        })
                        .unwrap();
                    // Wait until it has run, so that the host goes to sleep again and again.
                    std::thread::yield_now();
                }
            })
        })
        .collect();
    start.wait();
    while done.load(Ordering::SeqCst) < 2 * CALLS {
        if !event_loop.has_ready() {
            woken.recv().unwrap();
        }
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

/// The system tells of an event once; a host that polls twice must not lose it.
#[cfg(unix)]
#[test]
fn polling_twice_before_taking_in_loses_no_event() {
    use std::io::Write;
    let event_loop = EventLoop::builder()
        .poll_every_iteration(true)
        .build()
        .unwrap();
    let _watchdog = watchdog();
    let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
    let trace = Trace::new();
    let log = trace.clone();
    event_loop
        .add_reader(&near, move || log.push("readable"))
        .unwrap();
    far.write_all(b"x").unwrap();
    event_loop.poll_events(None).unwrap();
    assert!(event_loop.has_ready());
    event_loop.poll_events(None).unwrap();
    event_loop.process_events().unwrap();
    assert_eq!(event_loop.process_ready(), Ok(1));
    assert_eq!(trace.take(), ["readable"]);
}
