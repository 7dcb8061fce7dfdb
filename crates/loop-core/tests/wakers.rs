//! Wakers that are numbers: on the loop's thread and elsewhere, in time, too late, and far too late.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use common::{OnDrop, Trace, virtual_loop, watchdog};
use loop_core::{EventLoop, Runtime, WakeKey, get_running_loop};

/// A layer of tasks that only writes down who was woken.
struct Recorder {
    woken: Trace<(usize, u32)>,
    closed: Cell<bool>,
}

impl Runtime for Recorder {
    fn wake(&self, key: WakeKey) {
        assert!(!self.closed.get(), "nobody is woken on a closed loop");
        self.woken.push((key.slot(), key.generation()));
    }

    fn recover(&self, panic: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
        Some(panic)
    }

    fn close(&self) {
        self.closed.set(true);
    }

    fn waiting(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One test at a time: a waker that outlives its loop may wake somebody on the loop that gets its number next, and
/// that may be another test's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recorded(event_loop: &EventLoop) -> Trace<(usize, u32)> {
    let woken = Trace::new();
    event_loop.loop_ref().runtime_or_init(|| Recorder {
        woken: woken.clone(),
        closed: Cell::new(false),
    });
    woken
}

fn waker(event_loop: &EventLoop, slot: usize, generation: u32) -> Waker {
    event_loop.loop_ref().waker(WakeKey::new(slot, generation))
}

fn elsewhere<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    thread::spawn(f).join().unwrap()
}

#[test]
fn a_wake_in_a_callback_is_heard_at_once() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let woken = recorded(&event_loop);
    let (waker, log) = (waker(&event_loop, 3, 5), woken.clone());
    let reports = common::reports(&event_loop);
    event_loop
        .call_soon(move || {
            waker.wake_by_ref();
            assert_eq!(log.take(), [(3, 5)]);
            let clone = waker.clone();
            drop(waker);
            clone.wake();
            assert_eq!(log.take(), [(3, 5)]);
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(reports.take(), [""; 0]);
    assert_eq!(woken.take(), []);
}

#[test]
fn a_wake_from_another_thread_is_heard_before_the_timers() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let woken = recorded(&event_loop);
    let (trace, log) = (Trace::new(), woken.clone());
    let note = trace.clone();
    event_loop
        .call_later(Duration::ZERO, move || note.push(log.take()))
        .unwrap();
    let (a, b) = (waker(&event_loop, 1, 0), waker(&event_loop, 2, 0));
    elsewhere(move || {
        b.wake_by_ref();
        a.wake();
        b.wake();
    });
    assert_eq!(woken.take(), [], "not before the loop looks");
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), [[(2, 0), (1, 0), (2, 0)]]);
}

#[test]
fn a_wake_on_the_loops_thread_between_its_runs_is_heard_in_the_next() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let woken = recorded(&event_loop);
    waker(&event_loop, 7, 1).wake();
    assert_eq!(woken.take(), []);
    assert!(event_loop.has_ready());
    event_loop.run_once(None).unwrap();
    assert_eq!(woken.take(), [(7, 1)]);
}

#[test]
fn a_wake_wakes_a_sleeping_loop() {
    let _alone = alone();
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    let woken = recorded(&event_loop);
    for _ in 0..200 {
        let waker = waker(&event_loop, 1, 1);
        let (asleep, soon_asleep) = mpsc::channel();
        let thread = thread::spawn(move || {
            soon_asleep.recv().unwrap();
            waker.wake();
        });
        event_loop
            .call_soon(move || asleep.send(()).unwrap())
            .unwrap();
        while woken.take().is_empty() {
            event_loop.run_once(None).unwrap();
        }
        thread.join().unwrap();
    }
}

#[test]
fn every_key_survives_the_way_through_a_waker() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let woken = recorded(&event_loop);
    let slots = [0, 1, 2, 0xFFFF, 1 << 20, WakeKey::MAX_SLOTS - 1];
    let generations = [0, 1, 0xFFFF, (1 << 20) - 1];
    let mut expected = Vec::new();
    for slot in slots {
        for generation in generations {
            waker(&event_loop, slot, generation).wake();
            expected.push((slot, generation));
        }
    }
    event_loop.run_once(None).unwrap();
    assert_eq!(woken.take(), expected);
    // Of a generation the lowest 20 bits count, and never reach into the slot.
    assert_eq!(WakeKey::new(5, u32::MAX), WakeKey::new(5, (1 << 20) - 1));
}

#[test]
#[should_panic(expected = "more than 2^28 things to wake")]
fn a_slot_too_many_is_refused() {
    let _ = WakeKey::new(WakeKey::MAX_SLOTS, 0);
}

#[test]
fn wakers_of_one_key_are_equal_and_others_are_not() {
    let _alone = alone();
    let (one, two) = (virtual_loop(), virtual_loop());
    let waker_of_one = waker(&one, 1, 1);
    assert!(waker_of_one.will_wake(&waker_of_one.clone()));
    assert!(waker_of_one.will_wake(&waker(&one, 1, 1)));
    assert!(!waker_of_one.will_wake(&waker(&one, 1, 2)));
    assert!(!waker_of_one.will_wake(&waker(&one, 2, 1)));
    assert!(!waker_of_one.will_wake(&waker(&two, 1, 1)));
}

#[test]
fn a_wake_of_another_loop_of_the_same_thread_is_a_message_to_it() {
    let _alone = alone();
    let (one, two) = (virtual_loop(), virtual_loop());
    let (woken_one, woken_two) = (recorded(&one), recorded(&two));
    let waker_of_two = waker(&two, 4, 4);
    one.call_soon(move || waker_of_two.wake()).unwrap();
    one.run_once(None).unwrap();
    assert_eq!((woken_one.take(), woken_two.take()), (vec![], vec![]));
    two.run_once(None).unwrap();
    assert_eq!((woken_one.take(), woken_two.take()), (vec![], vec![(4, 4)]));
}

#[test]
fn a_loop_without_a_runtime_ignores_wakes() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let (a, b) = (waker(&event_loop, 1, 1), waker(&event_loop, 1, 1));
    event_loop.call_soon(move || a.wake()).unwrap();
    elsewhere(move || b.wake());
    event_loop.run_once(None).unwrap();
}

#[test]
fn a_wake_after_the_end_does_nothing() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let woken = recorded(&event_loop);
    let late = waker(&event_loop, 9, 9);
    event_loop.close().unwrap();
    late.wake_by_ref();
    let from_there = late.clone();
    elsewhere(move || from_there.wake());
    drop(event_loop);
    late.wake_by_ref();
    elsewhere(move || late.wake());
    assert_eq!(woken.take(), []);
}

/// A message that was accepted is delivered before the runtime closes.
#[test]
fn a_wake_sent_before_the_end_is_heard() {
    let _alone = alone();
    let event_loop = virtual_loop();
    let woken = recorded(&event_loop);
    let waker = waker(&event_loop, 2, 2);
    elsewhere(move || waker.wake());
    event_loop.close().unwrap();
    assert_eq!(woken.take(), [(2, 2)]);
}

/// The number of a loop is given out again when the loop has gone. The worst that a forgotten waker can do to the
/// new one is a wake too many, which the runtime takes for stale: never a crash, never a wake lost.
#[test]
fn a_waker_of_a_loop_that_is_gone_is_at_worst_a_wake_too_many() {
    let _alone = alone();
    for _ in 0..100 {
        let old = virtual_loop();
        let _woken = recorded(&old);
        let forgotten = waker(&old, 1, 7);
        old.close().unwrap();
        drop(old);
        let new = virtual_loop();
        let woken = recorded(&new);
        let there = forgotten.clone();
        elsewhere(move || there.wake());
        new.call_soon(move || forgotten.wake()).unwrap();
        new.run_once(None).unwrap();
        assert!(woken.take().iter().all(|key| *key == (1, 7)));
    }
}

/// A thread that ends drops its thread-locals, and what they hold may wake somebody.
#[test]
fn a_wake_in_a_thread_local_destructor_is_a_wake() {
    let _alone = alone();
    type Slot = RefCell<Option<OnDrop<Box<dyn FnMut()>>>>;
    thread_local!(static LATE: Slot = const { RefCell::new(None) });
    let event_loop = virtual_loop();
    let woken = recorded(&event_loop);
    for a_loop_ran_there in [false, true] {
        let waker = waker(&event_loop, 6, 6);
        let handle = event_loop.handle();
        elsewhere(move || {
            LATE.set(Some(OnDrop(Box::new(move || {
                waker.wake_by_ref();
                handle.call_soon_threadsafe(|| ()).unwrap();
            }))));
            if a_loop_ran_there {
                let another = virtual_loop();
                another.run_once(Some(Duration::ZERO)).unwrap();
            }
        });
        event_loop.run_once(None).unwrap();
        assert_eq!(woken.take(), [(6, 6)]);
    }
}

/// A runtime that is woken may use the loop that wakes it, and close another one.
#[test]
fn the_api_may_be_called_while_somebody_is_woken() {
    let _alone = alone();
    struct Busy(RefCell<Option<EventLoop>>, Trace<&'static str>);
    impl Runtime for Busy {
        fn wake(&self, _: WakeKey) {
            let me = get_running_loop().unwrap();
            me.call_soon(self.1.note("scheduled")).unwrap();
            assert!(me.run_once(None).is_err());
            if let Some(other) = self.0.take() {
                assert!(other.run_once(None).is_err());
                other.close().unwrap();
                self.1.push("closed");
            }
        }
        fn recover(&self, panic: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
            Some(panic)
        }
        fn close(&self) {}
        fn waiting(&self) -> Vec<String> {
            Vec::new()
        }
    }
    let (event_loop, other) = (virtual_loop(), virtual_loop());
    let trace = Trace::new();
    let promised = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&promised);
    other
        .handle()
        .call_soon_threadsafe(move || done.store(true, Ordering::Relaxed))
        .unwrap();
    let reports = common::reports(&event_loop);
    let log = trace.clone();
    event_loop
        .loop_ref()
        .runtime_or_init(|| Busy(RefCell::new(Some(other)), log));
    let waker = waker(&event_loop, 0, 0);
    event_loop
        .call_soon(move || {
            waker.wake();
            assert!(get_running_loop().is_ok());
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(reports.take(), [""; 0]);
    assert!(promised.load(Ordering::Relaxed));
    assert_eq!(trace.take(), ["closed", "scheduled"]);
}

#[test]
fn wakes_that_race_with_the_end_are_heard_or_do_nothing() {
    let _alone = alone();
    let _watchdog = watchdog();
    for round in 0..300 {
        let event_loop = EventLoop::new().unwrap();
        let woken = recorded(&event_loop);
        let start = Arc::new(Barrier::new(3));
        let threads: Vec<_> = (0..2)
            .map(|slot| {
                let (waker, start) = (waker(&event_loop, slot, 0), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    for _ in 0..50 {
                        waker.wake_by_ref();
                    }
                })
            })
            .collect();
        start.wait();
        for _ in 0..round % 10 {
            event_loop.run_once(Some(Duration::ZERO)).unwrap();
        }
        event_loop.close().unwrap();
        let heard = woken.take();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(heard.len() <= 100);
        assert_eq!(woken.take(), []);
    }
}
