//! Other threads: every call arrives once and in its thread's order, and no wake-up is lost.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use common::{stop, watchdog};
use loop_core::{EventLoop, Job, LoopHandle, UnboundLoop, get_running_loop};

const MS: Duration = Duration::from_millis(1);

/// Keeps the poller of a loop busy: with a descriptor, the loop sleeps in another place.
#[cfg(unix)]
fn with_a_descriptor(event_loop: &EventLoop) -> impl Sized + use<> {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    event_loop.add_reader(&near, || unreachable!()).unwrap();
    (near, far)
}

#[test]
fn every_call_of_ten_threads_runs_once_and_in_order_over_many_runs() {
    const THREADS: usize = 10;
    const CALLS: usize = 100_000;
    thread_local!(static SEEN: RefCell<[usize; THREADS]> = const { RefCell::new([0; THREADS]) });
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    let start = Arc::new(Barrier::new(THREADS + 1));
    let posters: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (handle, start) = (event_loop.handle(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                for call in 0..CALLS {
                    handle
                        .call_soon_threadsafe(move || {
                            SEEN.with_borrow_mut(|seen| {
                                assert_eq!(seen[thread], call, "the next one of thread {thread}");
                                seen[thread] += 1;
                            });
                        })
                        .unwrap();
                    if call % 10_000 == 0 {
                        handle.stop();
                    }
                }
                handle.stop();
            })
        })
        .collect();
    let reports = common::reports(&event_loop);
    start.wait();
    let mut runs = 0;
    let total = || SEEN.with_borrow(|seen| seen.iter().sum::<usize>());
    while total() < THREADS * CALLS {
        event_loop.run_forever().unwrap();
        runs += 1;
        assert!(
            runs <= THREADS * (CALLS / 10_000 + 1),
            "one run for a stop, at most"
        );
    }
    for poster in posters {
        poster.join().unwrap();
    }
    event_loop.close().unwrap();
    assert_eq!(reports.take(), [""; 0]);
    assert_eq!(SEEN.take(), [CALLS; THREADS]);
}

/// Sleeps and is woken again and again; one lost wake-up is a hang.
fn ping_pong(event_loop: &EventLoop, rounds: usize) {
    let (ping, pinged) = mpsc::channel::<()>();
    let handle = event_loop.handle();
    let thread = thread::spawn(move || {
        for () in pinged {
            let me = handle.clone();
            handle
                .call_soon_threadsafe(move || {
                    assert!(me.if_running_here().is_some());
                    PONGS.with_borrow_mut(|pongs| {
                        pongs.left -= 1;
                        match pongs.left {
                            0 => stop(),
                            _ => pongs.ping.as_ref().unwrap().send(()).unwrap(),
                        }
                    });
                })
                .unwrap();
        }
    });
    ping.send(()).unwrap();
    PONGS.set(Pongs {
        left: rounds,
        ping: Some(ping),
    });
    event_loop.run_forever().unwrap();
    PONGS.take();
    thread.join().unwrap();
}

thread_local!(static PONGS: RefCell<Pongs> = const { RefCell::new(Pongs { left: 0, ping: None }) });

#[derive(Default)]
struct Pongs {
    left: usize,
    ping: Option<mpsc::Sender<()>>,
}

#[test]
fn a_loop_that_parks_is_woken() {
    let _watchdog = watchdog();
    ping_pong(&EventLoop::new().unwrap(), 3_000);
}

#[test]
fn a_loop_that_parks_until_a_deadline_is_woken_before() {
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .call_later(Duration::from_secs(3600), || unreachable!())
        .unwrap();
    ping_pong(&event_loop, 3_000);
}

#[cfg(unix)]
#[test]
fn a_loop_that_polls_is_woken() {
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    let _pair = with_a_descriptor(&event_loop);
    ping_pong(&event_loop, 3_000);
    event_loop
        .call_later(Duration::from_secs(3600), || unreachable!())
        .unwrap();
    ping_pong(&event_loop, 3_000);
}

/// The poller is made when the first descriptor comes, while posters already know how to wake a thread that parks.
#[cfg(unix)]
#[test]
fn a_loop_that_sleeps_is_woken_by_a_wakeup_that_is_dropped() {
    struct Note(bool);
    impl Job for Note {
        fn run(self, event_loop: &EventLoop) {
            if self.0 {
                event_loop.stop();
            }
        }
    }
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    for _ in 0..20 {
        let handle = event_loop.handle();
        let poster = thread::spawn(move || {
            let wakeup = loop {
                let wakeup = handle.leave(Note(false)).unwrap();
                if wakeup.is_needed() {
                    break wakeup;
                }
                thread::yield_now(); // it is awake, and will sleep
            };
            handle.post(Note(true)).unwrap();
            drop(wakeup);
        });
        event_loop.run_forever().unwrap();
        poster.join().unwrap();
    }
    let handle = event_loop.handle();
    event_loop.close().unwrap();
    assert!(handle.leave(Note(false)).is_err());
}

#[test]
fn a_loop_that_gets_its_first_descriptor_while_others_post_is_woken() {
    let _watchdog = watchdog();
    for _ in 0..200 {
        let event_loop = EventLoop::new().unwrap();
        let posted = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (handle, posted) = (event_loop.handle(), Arc::clone(&posted));
                thread::spawn(move || {
                    for _ in 0..20 {
                        let posted = Arc::clone(&posted);
                        handle
                            .call_soon_threadsafe(move || {
                                if posted.fetch_add(1, Ordering::Relaxed) == 39 {
                                    stop();
                                }
                            })
                            .unwrap();
                        thread::yield_now();
                    }
                })
            })
            .collect();
        event_loop.run_once(Some(MS)).unwrap();
        let _pair = with_a_descriptor(&event_loop);
        if posted.load(Ordering::Relaxed) < 40 {
            event_loop.run_forever().unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

/// The deadline that a sleeping loop sleeps towards is not the last word.
#[test]
fn an_earlier_timer_that_comes_from_outside_shortens_the_sleep() {
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    #[cfg(unix)]
    let _pair = with_a_descriptor(&event_loop);
    let late = event_loop
        .call_later(Duration::from_secs(3600), || unreachable!())
        .unwrap();
    let (asleep, soon_asleep) = mpsc::channel();
    event_loop
        .call_soon(move || asleep.send(()).unwrap())
        .unwrap();
    let handle = event_loop.handle();
    let thread = thread::spawn(move || {
        soon_asleep.recv().unwrap();
        handle
            .call_soon_threadsafe(|| {
                let me = get_running_loop().unwrap();
                me.call_later(MS, stop).unwrap();
            })
            .unwrap();
    });
    event_loop.run_forever().unwrap();
    thread.join().unwrap();
    late.cancel();
}

/// A loop that is busy with itself takes in what others send, in every iteration.
#[test]
fn a_busy_loop_starves_no_other_thread() {
    fn again() {
        get_running_loop().unwrap().call_soon(again).unwrap();
    }
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    event_loop.call_soon(again).unwrap();
    ping_pong(&event_loop, 1_000);
}

/// And the other way round: posters that never stop do not keep the loop from its own.
#[test]
fn busy_threads_starve_no_loop() {
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (handle, end) = (event_loop.handle(), Arc::clone(&end));
            thread::spawn(move || {
                while !end.load(Ordering::Relaxed) {
                    for _ in 0..100 {
                        handle.call_soon_threadsafe(|| ()).unwrap();
                    }
                    thread::yield_now();
                }
            })
        })
        .collect();
    event_loop.call_later(5 * MS, stop).unwrap();
    event_loop.run_forever().unwrap();
    end.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    event_loop.close().unwrap();
}

#[test]
fn a_million_calls_to_a_loop_that_does_not_run_are_kept_in_order() {
    thread_local!(static LAST: RefCell<u32> = const { RefCell::new(0) });
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    thread::spawn(move || {
        for i in 0..1_000_000 {
            handle
                .call_soon_threadsafe(move || {
                    LAST.with_borrow_mut(|last| {
                        assert_eq!(*last, i);
                        *last += 1;
                    });
                })
                .unwrap();
        }
    })
    .join()
    .unwrap();
    let reports = common::reports(&event_loop);
    event_loop.run_once(None).unwrap();
    assert_eq!(reports.take(), [""; 0]);
    assert_eq!(LAST.take(), 1_000_000);
}

#[test]
fn a_loop_made_here_runs_there() {
    let _watchdog = watchdog();
    let unbound = UnboundLoop::new().unwrap();
    let handle = unbound.handle();
    assert!(!handle.is_running() && !handle.is_closed());
    assert_eq!(handle.thread_id(), None);
    let (send, receive) = mpsc::channel();
    for i in 0..3 {
        let send = send.clone();
        handle
            .call_soon_threadsafe(move || send.send((i, thread::current().id())).unwrap())
            .unwrap();
    }
    let thread = thread::spawn(move || {
        let event_loop = unbound.bind();
        event_loop.run_forever().unwrap();
        event_loop.close().unwrap();
    });
    let there = thread.thread().id();
    for i in 0..3 {
        assert_eq!(receive.recv().unwrap(), (i, there));
    }
    assert_eq!(handle.thread_id(), Some(there));
    assert!(handle.is_running() && handle.if_running_here().is_none());
    handle.stop();
    thread.join().unwrap();
    assert!(handle.is_closed() && !handle.is_running());
    handle.call_soon_threadsafe(|| ()).unwrap_err();
}

#[test]
fn a_loop_that_is_bound_and_never_run_runs_what_it_accepted() {
    let unbound = UnboundLoop::new().unwrap();
    let handle = unbound.handle();
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    handle
        .call_soon_threadsafe(move || {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    thread::spawn(move || drop(unbound.bind())).join().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    assert!(handle.is_closed());
}

#[test]
fn a_stop_sent_before_the_loop_is_bound_counts() {
    let _watchdog = watchdog();
    let unbound = UnboundLoop::new().unwrap();
    unbound.handle().stop();
    thread::spawn(move || unbound.bind().run_forever())
        .join()
        .unwrap()
        .unwrap();
}

/// A handle is the last thing that is left of a loop, in a thread that never knew it.
#[test]
fn handles_outlive_their_loop_on_any_thread() {
    let event_loop = EventLoop::new().unwrap();
    #[cfg(unix)]
    let pair = with_a_descriptor(&event_loop);
    let handle: LoopHandle = event_loop.handle();
    let guard = handle.expect_external();
    let id = event_loop.id();
    drop(event_loop);
    #[cfg(unix)]
    drop(pair);
    thread::spawn(move || {
        drop(guard);
        handle.stop();
        let _ = handle.time();
        assert_eq!(handle.id(), id);
        assert!(handle.is_closed());
        handle.call_soon_threadsafe(|| ()).unwrap_err();
        assert!(!handle.clone().set_wake_hook(|| ()) || handle.is_closed());
    })
    .join()
    .unwrap();
}

/// One that is too large for the queue has its allocation before anybody knows whether it is accepted.
#[test]
fn what_a_closed_loop_refuses_comes_back_whole() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let ran = Arc::new(AtomicUsize::new(0));
    let call = |by: usize| {
        let (ran, large) = (Arc::clone(&ran), [by; 9]);
        move || {
            // Taken apart, so that the call is the end of it.
            let (ran, large) = (ran, large);
            ran.fetch_add(large.iter().sum(), Ordering::Relaxed);
        }
    };
    let (accepted, remote) = (call(1), handle.clone());
    thread::spawn(move || remote.call_soon_threadsafe(accepted).unwrap())
        .join()
        .unwrap();
    event_loop.close().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 9, "it was promised");

    let refused = call(100);
    let refused = thread::spawn(move || handle.call_soon_threadsafe(refused).unwrap_err())
        .join()
        .unwrap();
    assert_eq!(Arc::strong_count(&ran), 2, "it is here, and only here");
    (refused.0)();
    assert_eq!(ran.load(Ordering::Relaxed), 909);
    assert_eq!(Arc::strong_count(&ran), 1);
}
