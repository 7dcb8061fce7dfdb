//! Every value is dropped or given back exactly once, at the time that is promised.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use loop_timers::TimerQueue;

const SECOND: u64 = 1_000_000_000;

/// Counts its drops.
struct Value(Rc<Cell<usize>>);

impl Drop for Value {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// A queue with so many timers, one every 10 ms, of which the first second is due.
fn queue(count: u64, drops: &Rc<Cell<usize>>) -> TimerQueue<Value> {
    let mut timers = TimerQueue::new();
    for n in 0..count {
        timers.insert(n * SECOND / 100, Value(Rc::clone(drops)));
    }
    while timers.pop_due(SECOND).is_some() {}
    timers
}

#[test]
fn a_cancelled_value_comes_back_at_once() {
    let drops = Rc::new(Cell::new(0));
    let mut timers = TimerQueue::new();
    for n in 0..1_000_000 {
        let key = timers.insert(3_600 * SECOND, Value(Rc::clone(&drops)));
        assert!(timers.remove(key).is_some());
        assert_eq!(drops.get(), n + 1);
    }
}

#[test]
fn a_due_value_stays_until_it_is_removed() {
    let drops = Rc::new(Cell::new(0));
    let mut timers = TimerQueue::new();
    timers.insert(SECOND, Value(Rc::clone(&drops)));
    let key = timers.pop_due(SECOND).unwrap();
    assert_eq!(timers.pop_due(2 * SECOND), None);
    assert_eq!(timers.next_deadline(), None);
    assert_eq!(drops.get(), 0);
    drop(timers.remove(key));
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_queue_drops_what_is_left() {
    let drops = Rc::new(Cell::new(0));
    drop(queue(1_000, &drops));
    assert_eq!(drops.get(), 1_000);
}

#[test]
fn draining_gives_everything_or_drops_it() {
    let drops = Rc::new(Cell::new(0));
    let mut timers = queue(1_000, &drops);
    let taken: Vec<_> = timers.drain().take(10).collect();
    assert_eq!(drops.get(), 990);
    drop(taken);
    assert_eq!(drops.get(), 1_000);
    assert!(timers.is_empty());
    assert_eq!(timers.pop_due(u64::MAX), None);
    drop(timers);
    assert_eq!(drops.get(), 1_000);
}

#[test]
fn a_drained_queue_is_as_good_as_new() {
    let drops = Rc::new(Cell::new(0));
    let mut timers = queue(1_000, &drops);
    drop(timers.drain());
    let keys: Vec<_> = (0..100)
        .map(|n| timers.insert(n * SECOND, Value(Rc::clone(&drops))))
        .collect();
    assert_eq!(timers.len(), 100);
    for &key in &keys {
        assert_eq!(timers.pop_due(100 * SECOND), Some(key));
    }
}

/// The queue calls no code of its values but `drop`, and that only when the queue itself goes, or what `drain` returned.
#[test]
fn a_panic_in_a_drop_leaves_a_sound_queue() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "boom");
        }
    }

    let mut timers = TimerQueue::new();
    for n in 0..100 {
        timers.insert(n * SECOND, Bomb(n == 50));
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(timers.drain()))).is_err());
    assert!(timers.is_empty());
    let key = timers.insert(SECOND, Bomb(false));
    assert_eq!(timers.pop_due(SECOND), Some(key));
}
