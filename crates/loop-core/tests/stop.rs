//! Stopping: after the present iteration, from anywhere, and nothing is lost.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{Trace, stop, virtual_loop, watchdog};
use loop_core::{EventLoop, get_running_loop};

#[test]
fn a_stop_before_the_run_allows_one_pass() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let inner = trace.clone();
    event_loop
        .call_soon(move || {
            inner.push("first pass");
            get_running_loop()
                .unwrap()
                .call_soon(inner.note("second pass"))
                .unwrap();
        })
        .unwrap();
    event_loop.stop();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["first pass"]);
    assert!(!event_loop.is_running() && !event_loop.is_closed());

    event_loop.call_soon(stop).unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["second pass"]);
}

#[test]
fn two_stops_end_one_run() {
    let event_loop = virtual_loop();
    event_loop.stop();
    event_loop.stop();
    event_loop.run_forever().unwrap();
    let trace = Trace::new();
    event_loop
        .call_later(Duration::from_secs(1), trace.note("timer"))
        .unwrap();
    event_loop.call_later(Duration::from_secs(2), stop).unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["timer"]);
}

#[test]
fn a_stop_in_a_callback_finishes_the_iteration_and_keeps_the_rest() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    event_loop.call_soon(trace.note("before")).unwrap();
    let inner = trace.clone();
    event_loop
        .call_soon(move || {
            stop();
            get_running_loop()
                .unwrap()
                .call_soon(inner.note("scheduled by the stopper"))
                .unwrap();
        })
        .unwrap();
    event_loop.call_soon(trace.note("behind")).unwrap();
    event_loop
        .call_later(Duration::from_secs(1), trace.note("timer"))
        .unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["before", "behind"]);

    event_loop.call_later(Duration::from_secs(2), stop).unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["scheduled by the stopper", "timer"]);
}

/// A timer that is not due does not hold a stopping loop up.
#[test]
fn a_stopping_loop_does_not_wait() {
    let event_loop = EventLoop::new().unwrap();
    let _watchdog = watchdog();
    let timer = event_loop
        .call_later(Duration::from_secs(3600), || unreachable!())
        .unwrap();
    event_loop.stop();
    event_loop.run_forever().unwrap();
    event_loop.call_soon(stop).unwrap();
    event_loop.run_forever().unwrap();
    timer.cancel();
}

#[test]
fn a_stop_from_another_thread_wakes_a_sleeping_loop() {
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    for _ in 0..100 {
        let handle = event_loop.handle();
        let (asleep, soon_asleep) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            soon_asleep.recv().unwrap();
            handle.stop();
        });
        event_loop
            .call_soon(move || asleep.send(()).unwrap())
            .unwrap();
        event_loop.run_forever().unwrap();
        thread.join().unwrap();
    }
}

#[test]
fn a_stop_from_another_thread_before_the_run_allows_one_pass() {
    let event_loop = EventLoop::new().unwrap();
    let _watchdog = watchdog();
    let trace = Trace::new();
    event_loop.call_soon(trace.note("first")).unwrap();
    let handle = event_loop.handle();
    std::thread::spawn(move || handle.stop()).join().unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["first"]);
}

#[test]
fn stopping_a_closed_loop_does_nothing() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    event_loop.close().unwrap();
    event_loop.stop();
    handle.stop();
    assert!(event_loop.is_closed() && handle.is_closed());
}

/// What asyncio's users trip over: `run_forever` does not end since there is nothing left to do.
#[test]
fn an_idle_loop_runs_until_it_is_stopped() {
    let event_loop = EventLoop::new().unwrap();
    let _watchdog = watchdog();
    let handle = event_loop.handle();
    let (done, idle) = mpsc::channel();
    event_loop
        .call_soon(move || done.send(()).unwrap())
        .unwrap();
    let thread = std::thread::spawn(move || {
        idle.recv().unwrap();
        for _ in 0..1000 {
            assert!(handle.is_running());
            std::thread::yield_now();
        }
        handle.stop();
    });
    event_loop.run_forever().unwrap();
    thread.join().unwrap();
}
