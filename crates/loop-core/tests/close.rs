//! Closing: what other threads were promised runs, the rest is dropped once, and nothing that a drop does breaks it.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use common::{Drops, OnDrop, Trace, reports, stop, virtual_loop, watchdog};
use loop_core::{EventLoop, LoopClosed, LoopError, UnboundLoop, get_running_loop};

const MS: Duration = Duration::from_millis(1);
const CLOSED: &str = "Event loop is closed";

#[test]
fn a_closed_loop_refuses_and_hands_back() {
    let event_loop = virtual_loop();
    let handle = event_loop.handle();
    event_loop.close().unwrap();
    let trace = Trace::new();
    let refused = event_loop.call_soon(trace.note(1)).unwrap_err();
    assert_eq!(refused.to_string(), CLOSED);
    (refused.0)();
    let refused = event_loop.call_at(event_loop.time(), trace.note(2));
    let refused = refused.unwrap_err();
    assert_eq!(refused.to_string(), CLOSED);
    (refused.0)();
    let refused = event_loop.call_later(MS, trace.note(3)).unwrap_err();
    assert_eq!(refused.to_string(), CLOSED);
    (refused.0)();
    let refused = handle.call_soon_threadsafe(|| ()).unwrap_err();
    assert_eq!(refused.to_string(), CLOSED);
    assert_eq!(trace.take(), [1, 2, 3], "each was handed back");
    assert_eq!(event_loop.run_forever().unwrap_err().to_string(), CLOSED);
    assert!(event_loop.is_closed() && handle.is_closed() && !event_loop.is_running());
}

#[test]
fn closing_twice_is_fine() {
    let event_loop = virtual_loop();
    event_loop.close().unwrap();
    event_loop.close().unwrap();
    event_loop.clone().close().unwrap();
}

#[test]
fn calls_accepted_from_other_threads_run_before_close_returns() {
    let event_loop = EventLoop::new().unwrap();
    let trace = Arc::new(Mutex::new(Vec::new()));
    let handle = event_loop.handle();
    let log = Arc::clone(&trace);
    std::thread::spawn(move || {
        for i in 0..1_000 {
            let log = Arc::clone(&log);
            handle
                .call_soon_threadsafe(move || {
                    assert!(get_running_loop().unwrap().is_running());
                    log.lock().unwrap().push(i);
                })
                .unwrap();
        }
    })
    .join()
    .unwrap();
    event_loop.close().unwrap();
    assert_eq!(*trace.lock().unwrap(), (0..1_000).collect::<Vec<_>>());
}

/// They keep their place among each other, also those that have reached the ready queue and wait there.
#[test]
fn accepted_calls_run_in_their_order_wherever_they_stand() {
    let event_loop = virtual_loop();
    let handle = event_loop.handle();
    let trace = Arc::new(Mutex::new(Vec::new()));
    let note = |event| {
        let trace = Arc::clone(&trace);
        move || trace.lock().unwrap().push(event)
    };
    event_loop.call_soon(note("local")).unwrap();
    handle.call_soon_threadsafe(note("one")).unwrap();
    event_loop.process_events().unwrap();
    event_loop.call_soon(note("local")).unwrap();
    handle.call_soon_threadsafe(note("two")).unwrap();
    event_loop.process_events().unwrap();
    handle.call_soon_threadsafe(note("three")).unwrap();
    event_loop.close().unwrap();
    assert_eq!(*trace.lock().unwrap(), ["one", "two", "three"]);
}

#[test]
fn what_runs_while_the_loop_closes_meets_a_running_loop_that_keeps_nothing() {
    let event_loop = virtual_loop();
    let drops = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&drops);
    let handle = event_loop.handle();
    event_loop
        .handle()
        .call_soon_threadsafe(move || {
            let me = get_running_loop().unwrap();
            assert_eq!(me.close(), Err(LoopError::CannotCloseRunning));
            assert_eq!(me.run_once(None), Err(LoopError::AlreadyRunning));
            handle.call_soon_threadsafe(|| ()).unwrap_err();
            for _ in 0..2 {
                let count = Arc::clone(&count);
                let on_drop = OnDrop(move || {
                    count.fetch_add(1, Ordering::Relaxed);
                });
                me.call_soon(move || {
                    let _on_drop = &on_drop;
                    unreachable!()
                })
                .unwrap();
            }
            let count = Arc::clone(&count);
            me.call_later(Duration::ZERO, move || {
                count.fetch_add(100, Ordering::Relaxed);
            })
            .unwrap();
        })
        .unwrap();
    let reports = reports(&event_loop);
    event_loop.close().unwrap();
    assert_eq!(reports.take(), [""; 0]);
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

#[test]
fn queued_closures_and_timers_are_dropped_once() {
    let event_loop = virtual_loop();
    let drops = Drops::default();
    for i in 0..100_u32 {
        let (a, b) = (drops.counted(), drops.counted());
        event_loop.call_soon(move || drop(a)).unwrap();
        event_loop.call_later(i * MS, move || drop(b)).unwrap();
    }
    // Some timers stand in the ready queue, due.
    event_loop.process_events().unwrap();
    assert_eq!(drops.count(), 0);
    event_loop.close().unwrap();
    assert_eq!(drops.count(), 200);
    drop(event_loop);
    assert_eq!(drops.count(), 200);
}

#[test]
fn drops_may_call_everything() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let drop_that_calls = |name: &'static str| {
        let (me, trace) = (event_loop.loop_ref(), trace.clone());
        OnDrop(move || {
            let me = me.event_loop();
            assert!(get_running_loop().is_err());
            assert!(me.is_closed());
            me.close().unwrap();
            me.stop();
            me.call_soon(|| ()).unwrap_err();
            me.call_later(MS, || ()).unwrap_err();
            me.handle().call_soon_threadsafe(|| ()).unwrap_err();
            me.set_exception_handler(|_, _| ());
            me.reset_exception_handler();
            let _ = me.next_deadline();
            assert_eq!(me.run_once(None), Err(LoopError::Closed));
            let other = virtual_loop();
            other.call_soon(stop).unwrap();
            other.run_forever().unwrap();
            trace.push(name);
        })
    };
    let (soon, due, late) = (
        drop_that_calls("soon"),
        drop_that_calls("due"),
        drop_that_calls("late"),
    );
    event_loop
        .call_later(Duration::ZERO, move || drop(due))
        .unwrap();
    event_loop.process_events().unwrap();
    event_loop.call_soon(move || drop(soon)).unwrap();
    event_loop.call_later(MS, move || drop(late)).unwrap();
    event_loop.close().unwrap();
    let mut dropped = trace.take();
    dropped.sort_unstable();
    assert_eq!(dropped, ["due", "late", "soon"]);
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn panics_in_drops_are_reported_and_keep_nothing() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let drops = Drops::default();
    for _ in 0..3 {
        let (bomb, counted) = (OnDrop(|| panic!("soon")), drops.counted());
        event_loop
            .call_soon(move || {
                let _both = (&bomb, &counted);
            })
            .unwrap();
        let (bomb, counted) = (OnDrop(|| panic!("timer")), drops.counted());
        event_loop
            .call_later(MS, move || {
                let _both = (&bomb, &counted);
            })
            .unwrap();
    }
    event_loop.close().unwrap();
    assert_eq!(drops.count(), 6);
    let what = "Exception in a drop while the event loop was closed";
    let mut expected = vec![format!("{what}: soon"); 3];
    expected.extend(vec![format!("{what}: timer"); 3]);
    assert_eq!(reports.take(), expected);
}

/// Layers above keep their state here; what they drop may want the loop, which says that it is closed.
#[test]
fn extensions_are_dropped_newest_first_and_may_post() {
    struct Layer<const N: u8>(RefCell<Option<Box<dyn FnOnce()>>>);
    impl<const N: u8> Default for Layer<N> {
        fn default() -> Self {
            Layer(RefCell::new(None))
        }
    }
    impl<const N: u8> Drop for Layer<N> {
        fn drop(&mut self) {
            (self.0.take().unwrap())();
        }
    }
    fn set<const N: u8>(event_loop: &EventLoop, on_drop: impl FnOnce() + 'static) {
        let extension = event_loop.loop_ref().extension::<Layer<N>>().unwrap();
        extension.0.replace(Some(Box::new(on_drop)));
    }

    let event_loop = virtual_loop();
    let trace = Trace::new();
    let reports = reports(&event_loop);
    let (log, handle, me) = (trace.clone(), event_loop.handle(), event_loop.loop_ref());
    set::<1>(&event_loop, move || {
        handle.call_soon_threadsafe(|| ()).unwrap_err();
        assert!(me.extension::<Layer<3>>().is_none(), "it is gone");
        assert!(me.extension::<String>().is_none(), "none is made any more");
        log.push(1);
    });
    let log = trace.clone();
    set::<2>(&event_loop, move || {
        log.push(2);
        panic!("in the drop of a layer");
    });
    let (log, me) = (trace.clone(), event_loop.loop_ref());
    set::<3>(&event_loop, move || {
        assert!(me.extension::<Layer<1>>().is_some(), "it is older");
        log.push(3);
    });
    event_loop.close().unwrap();
    assert_eq!(trace.take(), [3, 2, 1]);
    assert_eq!(reports.take().len(), 1);
}

/// `default` of an extension is another layer's code.
#[test]
fn an_extension_that_is_made_while_it_is_made_is_one() {
    thread_local!(static MAKER: RefCell<Option<EventLoop>> = const { RefCell::new(None) });
    struct Outer(Cell<u32>);
    impl Default for Outer {
        fn default() -> Self {
            if let Some(event_loop) = MAKER.take() {
                event_loop.loop_ref().extension::<Outer>().unwrap().0.set(1);
            }
            Outer(Cell::new(0))
        }
    }
    let event_loop = virtual_loop();
    MAKER.set(Some(event_loop.clone()));
    let outer = event_loop.loop_ref().extension::<Outer>().unwrap();
    assert_eq!(outer.0.get(), 1, "the one that was there first");
    let again = event_loop.loop_ref().extension::<Outer>().unwrap();
    assert!(Rc::ptr_eq(&outer, &again));
}

#[test]
fn the_last_reference_closes_the_loop() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let handle = event_loop.handle();
    let ran = Arc::new(AtomicUsize::new(0));
    let (counted, count) = (drops.counted(), Arc::clone(&ran));
    event_loop.call_soon(move || drop(counted)).unwrap();
    handle
        .call_soon_threadsafe(move || {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    let (clone, weak) = (event_loop.clone(), event_loop.loop_ref().downgrade());
    drop(event_loop);
    assert!(!handle.is_closed());
    drop(clone);
    assert!(handle.is_closed());
    assert_eq!((drops.count(), ran.load(Ordering::Relaxed)), (1, 1));
    assert!(weak.upgrade().is_none(), "its memory is gone, too");
}

/// A callback that runs while the loop closes by itself gets references to it like any other.
#[test]
fn a_reference_kept_by_what_runs_at_the_end_is_one_to_a_closed_loop() {
    thread_local!(static KEPT: RefCell<Option<EventLoop>> = const { RefCell::new(None) });
    let event_loop = virtual_loop();
    let handle = event_loop.handle();
    handle
        .call_soon_threadsafe(|| KEPT.set(Some(get_running_loop().unwrap())))
        .unwrap();
    drop(event_loop);
    let kept = KEPT.take().unwrap();
    assert!(kept.is_closed());
    kept.call_soon(|| ()).unwrap_err();
    let another = kept.clone();
    drop(kept);
    drop(another);
}

/// Also as the last reference: a loop that was forgotten must not depend on where it was forgotten.
#[test]
fn a_loop_may_be_closed_inside_a_run_of_another_one() {
    for by_drop in [false, true] {
        let (outer, inner) = (virtual_loop(), virtual_loop());
        let drops = Drops::default();
        let counted = drops.counted();
        inner.call_soon(move || drop(counted)).unwrap();
        let handle = inner.handle();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (note, id) = (Arc::clone(&log), inner.id());
        handle
            .call_soon_threadsafe(move || {
                let running = get_running_loop().unwrap();
                note.lock().unwrap().push(running.id() == id);
            })
            .unwrap();
        let reports = reports(&outer);
        let (me, count) = (outer.clone(), drops.clone());
        outer
            .call_soon(move || {
                if !by_drop {
                    inner.close().unwrap();
                }
                drop(inner);
                assert_eq!(get_running_loop().unwrap(), me, "the mark came back");
                assert!(me.is_running());
                assert_eq!(count.count(), 1);
            })
            .unwrap();
        outer.call_soon(stop).unwrap();
        outer.run_forever().unwrap();
        assert_eq!(reports.take(), [""; 0]);
        assert!(handle.is_closed());
        assert_eq!(*log.lock().unwrap(), [true]);
    }
}

#[test]
fn the_last_reference_may_go_in_a_callback_of_its_own_loop() {
    let event_loop = virtual_loop();
    let handle = event_loop.handle();
    let kept = Rc::new(RefCell::new(None));
    let clone = event_loop.clone();
    kept.replace(Some(event_loop));
    let inner = Rc::clone(&kept);
    clone
        .call_soon(move || {
            drop(inner.take());
            stop();
        })
        .unwrap();
    clone.run_forever().unwrap();
    assert!(!handle.is_closed());
    drop(clone);
    assert!(handle.is_closed());
}

/// There are 65,536 numbers.
#[test]
fn an_unbound_loop_that_nobody_binds_gives_its_number_back() {
    for _ in 0..70_000 {
        drop(UnboundLoop::new().unwrap());
    }
}

#[test]
fn an_unbound_loop_that_nobody_binds_closes_and_drops_what_it_was_sent() {
    let unbound = UnboundLoop::new().unwrap();
    let handle = unbound.handle();
    let drops = Arc::new(AtomicUsize::new(0));
    for i in 0..3 {
        let (count, handle) = (Arc::clone(&drops), handle.clone());
        let on_drop = OnDrop(move || {
            count.fetch_add(1, Ordering::Relaxed);
            handle.call_soon_threadsafe(|| ()).unwrap_err();
            assert_ne!(i, 1, "a drop that panics keeps no other");
        });
        unbound
            .handle()
            .call_soon_threadsafe(move || {
                let _on_drop = &on_drop;
            })
            .unwrap();
    }
    drop(unbound);
    assert!(handle.is_closed());
    assert_eq!(drops.load(Ordering::Relaxed), 3);
    handle.call_soon_threadsafe(|| ()).unwrap_err();
}

/// The law of conservation: accepted is run, refused is handed back, and there is no third thing.
#[test]
fn every_call_that_races_with_the_end_is_run_or_handed_back() {
    const THREADS: usize = 4;
    const CALLS: usize = 200;
    let _watchdog = watchdog();
    let (mut accepted_in_all, mut refused_in_all) = (0, 0);
    for round in 0..200 {
        let event_loop = EventLoop::new().unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        let start = Arc::new(Barrier::new(THREADS + 1));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (handle, ran) = (event_loop.handle(), Arc::clone(&ran));
                let start = Arc::clone(&start);
                std::thread::spawn(move || {
                    start.wait();
                    let (mut accepted, mut refused) = (0, 0);
                    for _ in 0..CALLS {
                        let ran = Arc::clone(&ran);
                        let call = move || {
                            ran.fetch_add(1, Ordering::Relaxed);
                        };
                        match handle.call_soon_threadsafe(call) {
                            Ok(()) => accepted += 1,
                            Err(LoopClosed(call)) => {
                                drop(call);
                                refused += 1;
                            }
                        }
                    }
                    (accepted, refused)
                })
            })
            .collect();
        start.wait();
        for _ in 0..round % 20 {
            event_loop.run_once(Some(Duration::ZERO)).unwrap();
        }
        event_loop.close().unwrap();
        let at_close = ran.load(Ordering::Relaxed);
        let (mut accepted, mut refused) = (0, 0);
        for thread in threads {
            let (a, r) = thread.join().unwrap();
            accepted += a;
            refused += r;
        }
        assert_eq!(accepted + refused, THREADS * CALLS);
        assert_eq!(
            at_close, accepted,
            "all that was accepted ran before the end"
        );
        assert_eq!(ran.load(Ordering::Relaxed), accepted);
        accepted_in_all += accepted;
        refused_in_all += refused;
    }
    assert!(accepted_in_all > 0 && refused_in_all > 0, "no race at all");
}

/// Descriptors, memory and places in the table of loops are given back.
#[test]
fn loops_can_be_made_and_closed_without_end() {
    for i in 0..70_000 {
        let event_loop = EventLoop::new().unwrap();
        event_loop.call_soon(|| ()).unwrap();
        if i % 2 == 0 {
            event_loop.close().unwrap();
        }
    }
}
