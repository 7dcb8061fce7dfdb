//! Runs that are refused, in asyncio's words, and leave the loop that does run as it was.

mod common;

use common::{Trace, stop, virtual_loop};
use loop_core::{EventLoop, LoopError, get_event_loop, get_running_loop, set_event_loop};

#[test]
fn a_nested_run_of_the_same_loop_is_refused() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let inner = trace.clone();
    event_loop
        .call_soon(move || {
            let me = get_running_loop().unwrap();
            let refused = me.run_forever().unwrap_err();
            assert_eq!(refused.to_string(), "This event loop is already running");
            assert_eq!(refused, LoopError::AlreadyRunning);
            assert_eq!(me.run_once(None), Err(LoopError::AlreadyRunning));
            assert_eq!(me.poll_events(None), Err(LoopError::AlreadyRunning));
            assert_eq!(me.process_events(), Err(LoopError::AlreadyRunning));
            assert_eq!(me.process_ready(), Err(LoopError::AlreadyRunning));
            // CPython 3.13.0 lost its running loop here.
            assert_eq!(get_running_loop().unwrap(), me);
            assert!(me.is_running());
            inner.push("refused");
            me.call_soon(inner.note("still there")).unwrap();
            me.call_soon(stop).unwrap();
        })
        .unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["refused", "still there"]);
    assert!(!event_loop.is_running() && get_running_loop().is_err());
}

#[test]
fn a_run_of_another_loop_in_the_same_thread_is_refused() {
    let (outer, inner) = (virtual_loop(), virtual_loop());
    let trace = Trace::new();
    inner.call_soon(trace.note("inner")).unwrap();
    inner.stop();
    let (other, log) = (inner.clone(), trace.clone());
    outer
        .call_soon(move || {
            let refused = other.run_forever().unwrap_err();
            assert_eq!(
                refused.to_string(),
                "Cannot run the event loop while another loop is running"
            );
            assert_eq!(refused, LoopError::AnotherRunning);
            assert_eq!(other.run_once(None), Err(LoopError::AnotherRunning));
            assert!(!other.is_running());
            assert_ne!(get_running_loop().unwrap(), other);
            log.push("refused");
            stop();
        })
        .unwrap();
    outer.run_forever().unwrap();
    assert_eq!(trace.take(), ["refused"]);
    // It runs as if nothing had been: also the early stop is still there.
    inner.run_forever().unwrap();
    assert_eq!(trace.take(), ["inner"]);
}

#[test]
fn a_closed_loop_does_not_run() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.close().unwrap();
    let refused = event_loop.run_forever().unwrap_err();
    assert_eq!(refused.to_string(), "Event loop is closed");
    assert_eq!(event_loop.run_once(None), Err(LoopError::Closed));
    assert_eq!(event_loop.poll_events(None), Err(LoopError::Closed));
    assert_eq!(event_loop.process_events(), Err(LoopError::Closed));
    assert_eq!(event_loop.process_ready(), Err(LoopError::Closed));
    assert!(get_running_loop().is_err());
}

#[test]
fn a_running_loop_cannot_be_closed() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let inner = trace.clone();
    event_loop
        .call_soon(move || {
            let me = get_running_loop().unwrap();
            let refused = me.close().unwrap_err();
            assert_eq!(refused.to_string(), "Cannot close a running event loop");
            assert_eq!(refused, LoopError::CannotCloseRunning);
            assert!(me.is_running() && !me.is_closed());
            me.call_soon(inner.note("goes on")).unwrap();
            me.call_soon(stop).unwrap();
        })
        .unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["goes on"]);
    event_loop.close().unwrap();
}

#[test]
fn two_loops_take_turns_in_one_thread() {
    let (a, b) = (virtual_loop(), virtual_loop());
    let trace = Trace::new();
    for round in 0..3 {
        for (name, event_loop) in [("a", &a), ("b", &b)] {
            let (trace, me) = (trace.clone(), event_loop.clone());
            event_loop
                .call_soon(move || {
                    assert_eq!(get_running_loop().unwrap(), me);
                    trace.push(format!("{name}{round}"));
                })
                .unwrap();
            event_loop.run_once(None).unwrap();
        }
    }
    assert_eq!(trace.take(), ["a0", "b0", "a1", "b1", "a2", "b2"]);
}

#[test]
fn the_running_loop_comes_before_the_current_one() {
    std::thread::Builder::new()
        .name("Thread-1".into())
        .spawn(|| {
            assert_eq!(
                get_event_loop().unwrap_err().to_string(),
                "There is no current event loop in thread 'Thread-1'."
            );
            assert_eq!(
                get_running_loop().unwrap_err().to_string(),
                "no running event loop"
            );
            let (current, running) = (virtual_loop(), virtual_loop());
            set_event_loop(Some(&current));
            assert_eq!(get_event_loop().unwrap(), current);
            assert!(get_running_loop().is_err(), "current is not running");
            let me = running.clone();
            running
                .call_soon(move || assert_eq!(get_event_loop().unwrap(), me))
                .unwrap();
            let reports = common::reports(&running);
            running.run_once(None).unwrap();
            assert_eq!(reports.take(), [""; 0]);
            assert_eq!(get_event_loop().unwrap(), current);
            set_event_loop(None);
            assert!(get_event_loop().is_err());
        })
        .unwrap()
        .join()
        .unwrap();
}

/// A name is no proof: any thread may be called what the first one is called.
#[test]
fn a_thread_named_main_is_not_the_main_thread() {
    std::thread::Builder::new()
        .name("main".into())
        .spawn(|| assert!(get_event_loop().is_err()))
        .unwrap()
        .join()
        .unwrap();
}
