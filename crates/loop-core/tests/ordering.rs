//! What runs before what, held to whole traces.

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::{Trace, stop, virtual_loop};
use loop_core::{EventLoop, get_running_loop};

const MS: Duration = Duration::from_millis(1);

#[test]
fn call_soon_is_first_in_first_out() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    for i in 0..1_000 {
        event_loop.call_soon(trace.note(i)).unwrap();
    }
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), (0..1_000).collect::<Vec<_>>());
}

#[test]
fn one_iteration_runs_the_callbacks_that_stood_there_when_it_began() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    for name in ["a", "b"] {
        let trace = trace.clone();
        event_loop
            .call_soon(move || {
                trace.push(format!("{name}1"));
                let again = trace.clone();
                let event_loop = get_running_loop().unwrap();
                event_loop
                    .call_soon(move || {
                        again.push(format!("{name}2"));
                        get_running_loop()
                            .unwrap()
                            .call_soon(again.note(format!("{name}3")))
                            .unwrap();
                    })
                    .unwrap();
            })
            .unwrap();
    }
    for expected in [["a1", "b1"], ["a2", "b2"], ["a3", "b3"]] {
        event_loop.run_once(None).unwrap();
        assert_eq!(trace.take(), expected);
    }
}

#[test]
fn timers_fire_by_deadline_and_not_by_call() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let start = event_loop.time();
    for delay in [5, 1, 4, 2, 3] {
        let trace = trace.clone();
        event_loop
            .call_later(delay * MS, move || {
                let now = get_running_loop().unwrap().time();
                trace.push((delay, now - start));
            })
            .unwrap();
    }
    event_loop.call_later(6 * MS, stop).unwrap();
    event_loop.run_forever().unwrap();
    let expected: Vec<_> = (1..=5).map(|delay| (delay, delay * MS)).collect();
    assert_eq!(trace.take(), expected);
}

#[test]
fn equal_deadlines_fire_oldest_first() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let when = event_loop.time() + MS;
    for i in 0..100 {
        if i % 2 == 0 {
            event_loop.call_at(when, trace.note(i)).unwrap();
        } else {
            event_loop.call_later(MS, trace.note(i)).unwrap();
        }
    }
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), (0..100).collect::<Vec<_>>());
}

/// CPython 3.13 prints soon, -1, 0 for `call_later(0)`, `call_later(-1)`, `call_soon` made in this order.
#[test]
fn a_deadline_in_the_past_keeps_its_rank() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    event_loop
        .call_later(Duration::ZERO, trace.note("0"))
        .unwrap();
    let now = event_loop.time();
    event_loop
        .call_at(now - 1000 * MS, trace.note("-1"))
        .unwrap();
    event_loop
        .call_at(now - 2000 * MS, trace.note("-2"))
        .unwrap();
    event_loop.call_soon(trace.note("soon")).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["soon", "-2", "-1", "0"]);
}

#[test]
fn a_timer_of_zero_waits_for_the_next_iteration() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let inner = trace.clone();
    event_loop
        .call_soon(move || {
            let event_loop = get_running_loop().unwrap();
            event_loop
                .call_later(Duration::ZERO, inner.note("timer"))
                .unwrap();
            event_loop.call_soon(inner.note("soon")).unwrap();
            inner.push("outer");
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["outer"]);
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["soon", "timer"]);
}

#[test]
fn a_timer_that_comes_due_in_a_callback_joins_behind_what_was_queued_there() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    event_loop.call_later(MS, trace.note("second")).unwrap();
    let (inner, when) = (trace.clone(), event_loop.time() + MS);
    event_loop
        .call_at(when - MS / 2, move || {
            inner.push("first");
            let event_loop = get_running_loop().unwrap();
            event_loop.call_at(when, inner.note("third")).unwrap();
            event_loop.call_soon(inner.note("soon")).unwrap();
        })
        .unwrap();
    event_loop.call_later(2 * MS, stop).unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["first", "soon", "second", "third"]);
}

/// asyncio appends to one queue in both calls, so that nothing overtakes anything.
#[test]
fn calls_through_the_handle_on_the_loops_own_thread_keep_their_place() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let (inner, handle) = (Rc::new(trace.clone()), event_loop.handle());
    let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let threadsafe = |name| {
        let log = std::sync::Arc::clone(&log);
        move || log.lock().unwrap().push(name)
    };
    let (a, b, c) = (threadsafe("a"), threadsafe("b"), threadsafe("c"));
    let d = threadsafe("d");
    event_loop
        .call_soon(move || {
            let event_loop = get_running_loop().unwrap();
            event_loop.call_soon(a).unwrap();
            handle.call_soon_threadsafe(b).unwrap();
            event_loop.call_soon(c).unwrap();
            handle.call_soon_threadsafe(d).unwrap();
            inner.push("scheduled");
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["scheduled"]);
    assert!(log.lock().unwrap().is_empty());
    event_loop.run_once(None).unwrap();
    assert_eq!(*log.lock().unwrap(), ["a", "b", "c", "d"]);
}

/// A call that was made before this one, by whatever thread, must not be overtaken by a short cut.
#[test]
fn calls_through_the_handle_do_not_overtake_each_other() {
    let event_loop = virtual_loop();
    let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let threadsafe = |name| {
        let log = std::sync::Arc::clone(&log);
        move || log.lock().unwrap().push(name)
    };
    let (first, second) = (threadsafe("first"), threadsafe("second"));
    let handle = event_loop.handle();
    event_loop
        .call_soon(move || {
            let elsewhere = handle.clone();
            std::thread::spawn(move || elsewhere.call_soon_threadsafe(first).unwrap())
                .join()
                .unwrap();
            handle.call_soon_threadsafe(second).unwrap();
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(*log.lock().unwrap(), ["first", "second"]);
}

/// The trace of this program under CPython 3.13. (Equal deadlines have no order there.)
#[test]
fn a_program_of_all_three_kinds_has_asyncios_trace() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let t = trace.clone();
    let start = event_loop.time();
    event_loop.call_later(2 * MS, stop).unwrap();
    event_loop
        .call_later(MS, {
            let t = t.clone();
            move || {
                t.push("timer 1");
                get_running_loop()
                    .unwrap()
                    .call_soon(t.note("soon of timer 1"))
                    .unwrap();
            }
        })
        .unwrap();
    event_loop
        .call_later(MS * 3 / 2, t.note("timer 2"))
        .unwrap();
    event_loop
        .call_soon({
            let t = t.clone();
            move || {
                t.push("soon 1");
                let event_loop = get_running_loop().unwrap();
                event_loop
                    .call_at(start - 1000 * MS, t.note("past"))
                    .unwrap();
                event_loop
                    .call_later(Duration::ZERO, t.note("zero"))
                    .unwrap();
                event_loop.call_soon(t.note("soon 3")).unwrap();
            }
        })
        .unwrap();
    event_loop.call_soon(t.note("soon 2")).unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(
        trace.take(),
        [
            "soon 1",
            "soon 2",
            "soon 3",
            "past",
            "zero",
            "timer 1",
            "soon of timer 1",
            "timer 2",
        ]
    );
}

#[test]
fn the_order_is_the_same_with_every_poll_and_in_debug_mode() {
    let run = |event_loop: EventLoop| {
        let trace = Trace::new();
        for i in 0..20_u32 {
            let inner = trace.clone();
            event_loop
                .call_later((i % 4) * MS, move || {
                    inner.push(i);
                    get_running_loop()
                        .unwrap()
                        .call_soon(inner.note(100 + i))
                        .unwrap();
                })
                .unwrap();
            event_loop.call_soon(trace.note(200 + i)).unwrap();
        }
        event_loop.call_later(9 * MS, stop).unwrap();
        event_loop.run_forever().unwrap();
        trace.take()
    };
    let builder = EventLoop::builder().virtual_clock();
    let plain = run(builder.clone().build().unwrap());
    assert_eq!(plain.len(), 60);
    assert_eq!(plain, run(builder.clone().debug(true).build().unwrap()));
    assert_eq!(
        plain,
        run(builder.poll_every_iteration(true).build().unwrap())
    );
}
