//! Handles: a callback can be cancelled wherever it stands, and is dropped there and then.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use common::{Drops, OnDrop, Trace, stop, virtual_loop};
use loop_core::{Handle, TimerHandle, get_running_loop};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_callback_can_be_cancelled_at_every_position() {
    for cancelled in 0..7 {
        let event_loop = virtual_loop();
        let (trace, drops) = (Trace::new(), Drops::default());
        let handles: Vec<Handle> = (0..7)
            .map(|i| {
                let (note, counted) = (trace.note(i), drops.counted());
                event_loop
                    .call_soon(move || {
                        let _counted = counted;
                        note();
                    })
                    .unwrap()
            })
            .collect();
        handles[cancelled].cancel();
        assert_eq!(drops.count(), 1, "dropped at once");
        assert!(handles[cancelled].cancelled());
        handles[cancelled].cancel();
        assert_eq!(drops.count(), 1, "once");
        event_loop.run_once(None).unwrap();
        let expected: Vec<_> = (0..7).filter(|i| *i != cancelled).collect();
        assert_eq!(trace.take(), expected);
        assert_eq!(drops.count(), 7);
    }
}

#[test]
fn callbacks_of_one_iteration_cancel_each_other() {
    for (canceller, victim) in [(0, 1), (0, 4), (2, 3), (3, 4), (2, 2), (4, 0)] {
        let event_loop = virtual_loop();
        let trace = Trace::new();
        let handles = Rc::new(RefCell::new(Vec::<Handle>::new()));
        for i in 0..5 {
            let (trace, all) = (trace.clone(), Rc::downgrade(&handles));
            let handle = event_loop
                .call_soon(move || {
                    trace.push(i);
                    if i == canceller {
                        all.upgrade().unwrap().borrow()[victim].cancel();
                    }
                })
                .unwrap();
            handles.borrow_mut().push(handle);
        }
        event_loop.run_once(None).unwrap();
        let ran = |i: usize| victim <= canceller || i != victim;
        let expected: Vec<_> = (0..5).filter(|i| ran(*i)).collect();
        assert_eq!(trace.take(), expected, "{canceller} cancels {victim}");
        assert!(handles.borrow()[victim].cancelled());
    }
}

#[test]
fn a_handle_outlives_its_callback_and_never_hits_another() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let old = event_loop.call_soon(trace.note("old")).unwrap();
    let old_timer = event_loop.call_later(MS, trace.note("old timer")).unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["old", "old timer"]);
    event_loop.call_soon(trace.note("new")).unwrap();
    event_loop.call_later(MS, trace.note("new timer")).unwrap();
    old.cancel();
    old_timer.cancel();
    assert!(old.cancelled() && old_timer.cancelled());
    event_loop.run_once(None).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["new", "new timer"]);
}

#[test]
fn dropping_a_handle_cancels_nothing() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    drop(event_loop.call_soon(trace.note("soon")).unwrap());
    drop(event_loop.call_later(MS, trace.note("timer")).unwrap());
    event_loop.call_later(2 * MS, stop).unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["soon", "timer"]);
}

#[test]
fn a_waiting_timer_is_dropped_when_it_is_cancelled() {
    let event_loop = virtual_loop();
    let drops = Drops::default();
    let timers: Vec<TimerHandle> = (0..100_u32)
        .map(|i| {
            let counted = drops.counted();
            event_loop
                .call_later((100 - i) * MS, move || {
                    let _counted = counted;
                    unreachable!();
                })
                .unwrap()
        })
        .collect();
    for (i, timer) in timers.iter().enumerate() {
        timer.cancel();
        timer.cancel();
        assert_eq!(drops.count(), i + 1);
    }
    assert_eq!(event_loop.next_deadline(), None);
    event_loop.stop();
    event_loop.run_forever().unwrap();
}

/// The timer has left the queue of timers and stands among the ready callbacks of this very iteration.
#[test]
fn a_due_timer_in_the_ready_queue_can_be_cancelled() {
    let event_loop = virtual_loop();
    let (trace, drops) = (Trace::new(), Drops::default());
    let victim = Rc::new(RefCell::new(None::<TimerHandle>));
    let (found, count, log) = (Rc::clone(&victim), drops.clone(), trace.clone());
    event_loop
        .call_later(MS, move || {
            let victim = found.take().unwrap();
            victim.cancel();
            assert_eq!(count.count(), 1, "dropped at once");
            log.push("canceller");
        })
        .unwrap();
    let counted = drops.counted();
    let timer = event_loop
        .call_later(MS, move || {
            let _counted = counted;
            unreachable!();
        })
        .unwrap();
    victim.replace(Some(timer));
    event_loop.call_later(MS, trace.note("third")).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["canceller", "third"]);
}

#[test]
fn a_timer_that_cancels_itself_has_run() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let me = Rc::new(RefCell::new(None::<TimerHandle>));
    let (inner, log) = (Rc::clone(&me), trace.clone());
    let handle = event_loop
        .call_later(MS, move || {
            inner.borrow().as_ref().unwrap().cancel();
            log.push("ran");
        })
        .unwrap();
    me.replace(Some(handle));
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["ran"]);
}

/// The drop of a cancelled closure is code of the user's, which may use the loop.
#[test]
fn the_drop_of_a_cancelled_closure_may_schedule_and_cancel() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let second = event_loop.call_soon(trace.note("second")).unwrap();
    let (log, scheduler) = (trace.clone(), event_loop.clone());
    let on_drop = OnDrop(move || {
        second.cancel();
        scheduler.call_soon(log.note("from the drop")).unwrap();
        scheduler
            .call_later(Duration::ZERO, log.note("timer from the drop"))
            .unwrap();
    });
    let soon = event_loop
        .call_soon(move || {
            let _on_drop = &on_drop;
        })
        .unwrap();
    soon.cancel();
    let (log, scheduler) = (trace.clone(), event_loop.clone());
    let on_drop = OnDrop(move || {
        scheduler
            .call_later(Duration::ZERO, log.note("timer from the timer's drop"))
            .unwrap();
    });
    let timer = event_loop
        .call_later(MS, move || {
            let _on_drop = &on_drop;
        })
        .unwrap();
    timer.cancel();
    event_loop.run_once(None).unwrap();
    assert_eq!(
        trace.take(),
        [
            "from the drop",
            "timer from the drop",
            "timer from the timer's drop"
        ]
    );
}

#[test]
fn what_was_cancelled_on_a_closed_loop_was_dropped_before() {
    let event_loop = virtual_loop();
    let drops = Drops::default();
    let (a, b) = (drops.counted(), drops.counted());
    let soon = event_loop.call_soon(move || drop(a)).unwrap();
    let timer = event_loop.call_later(MS, move || drop(b)).unwrap();
    event_loop.close().unwrap();
    assert_eq!(drops.count(), 2);
    soon.cancel();
    timer.cancel();
    assert!(soon.cancelled() && timer.cancelled());
    assert_eq!(drops.count(), 2);
}

/// asyncio's heap keeps cancelled timers for a while; a closure kept alive there is a leak to its owner.
#[test]
fn a_million_cancelled_timers_leave_nothing_behind() {
    let event_loop = virtual_loop();
    let drops = Drops::default();
    for _ in 0..1_000_000 {
        let counted = drops.counted();
        event_loop
            .call_later(Duration::from_secs(3600), move || drop(counted))
            .unwrap()
            .cancel();
    }
    assert_eq!(drops.count(), 1_000_000);
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn handles_describe_themselves() {
    let event_loop = virtual_loop();
    let soon = event_loop.call_soon(|| ()).unwrap();
    assert!(format!("{soon:?}").starts_with("<Handle #"));
    soon.cancel();
    assert!(format!("{soon:?}").ends_with("cancelled>"));
    let when = event_loop.time() + MS;
    let timer = event_loop.call_at(when, || ()).unwrap();
    assert_eq!(timer.when(), when);
    assert!(format!("{timer:?}").starts_with("<TimerHandle when="));
    timer.cancel();
    assert!(format!("{timer:?}").ends_with("cancelled>"));
    assert!(get_running_loop().is_err());
}
