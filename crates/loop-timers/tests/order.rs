//! The order (deadline, age), and what the clock may do to it: nothing.

use loop_timers::{TimerKey, TimerQueue};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const YEAR: u64 = 365 * 24 * 3_600 * SECOND;

/// Takes out what is due, oldest first.
fn fire<T>(timers: &mut TimerQueue<T>, now_ns: u64) -> Vec<T> {
    let mut fired = Vec::new();
    while let Some(key) = timers.pop_due(now_ns) {
        fired.extend(timers.remove(key));
    }
    fired
}

#[test]
fn equal_deadlines_fire_in_the_order_of_their_making() {
    // More than the near heap takes, so that they are split between it and the wheel.
    let mut timers = TimerQueue::new();
    for n in 0..1_000 {
        timers.insert(SECOND, n);
    }
    assert_eq!(fire(&mut timers, SECOND - 1), []);
    assert!(fire(&mut timers, SECOND).into_iter().eq(0..1_000));
}

#[test]
fn deadlines_of_one_nanosecond_apart_are_told_apart() {
    let mut timers = TimerQueue::new();
    for n in (0..1_000).rev() {
        timers.insert(SECOND + n, n);
    }
    for n in 0..1_000 {
        assert_eq!(timers.next_deadline(), Some(SECOND + n));
        assert_eq!(fire(&mut timers, SECOND + n), [n]);
    }
}

#[test]
fn a_timer_made_while_others_fire_takes_its_place_among_them() {
    let mut timers = TimerQueue::new();
    for n in 0..200 {
        timers.insert(n * 10, n * 10);
    }
    let mut fired = Vec::new();
    while let Some(value) = timers.pop_due(SECOND).and_then(|key| timers.remove(key)) {
        if value == 500 {
            timers.insert(1_005, 1_005);
            timers.insert(3, 3); // late already
        }
        fired.push(value);
    }
    let expected = (0..=50).map(|n| n * 10).chain([3]);
    let expected = expected.chain((51..=100).map(|n| n * 10)).chain([1_005]);
    assert!(
        fired
            .into_iter()
            .eq(expected.chain((101..200).map(|n| n * 10)))
    );
}

#[test]
fn extremes_do_not_panic() {
    for now_ns in [0, 1, SECOND, 10 * YEAR, u64::MAX - 1, u64::MAX] {
        let mut timers = TimerQueue::new();
        timers.pop_due(now_ns);
        let mut deadlines = vec![];
        for bit in 0..64 {
            let power = 1u64 << bit;
            deadlines.extend([power - 1, power, power + 1, u64::MAX - power, u64::MAX]);
        }
        for &deadline_ns in &deadlines {
            timers.insert(deadline_ns, deadline_ns);
        }
        deadlines.sort_unstable();
        let mut fired = Vec::new();
        while let Some(next_ns) = timers.next_deadline() {
            fired.extend(fire(&mut timers, next_ns));
        }
        assert_eq!(fired, deadlines);
    }
}

#[test]
fn a_clock_that_goes_back_neither_panics_nor_misorders() {
    let mut timers = TimerQueue::new();
    for n in 0..1_000 {
        timers.insert(20 * YEAR + n * MS, n);
    }
    assert_eq!(fire(&mut timers, 20 * YEAR).len(), 1);
    assert_eq!(fire(&mut timers, 10 * YEAR), []);
    for n in 0..100 {
        timers.insert(10 * YEAR + n * MS, 1_000 + n);
    }
    assert_eq!(timers.next_deadline(), Some(10 * YEAR));
    assert_eq!(fire(&mut timers, 10 * YEAR + 9 * MS).len(), 10);
    assert_eq!(fire(&mut timers, 0), []);
    let rest = fire(&mut timers, u64::MAX);
    assert!(rest.into_iter().eq((1_010..1_100).chain(1..1_000)));

    // Nor does it make the far timers of now near ones for ever.
    assert_eq!(timers.pop_due(0), None);
    let keys: Vec<TimerKey> = (0..1_000).map(|n| timers.insert(SECOND - n, n)).collect();
    for key in keys.into_iter().rev() {
        assert_eq!(timers.pop_due(SECOND), Some(key));
    }
}

#[test]
fn a_due_timer_can_still_be_cancelled() {
    let mut timers = TimerQueue::new();
    for n in 0..100 {
        timers.insert(n, n);
    }
    let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(49)).collect();
    assert_eq!((due.len(), timers.len()), (50, 50));
    for &key in due.iter().step_by(2) {
        let deadline_ns = timers.deadline(key);
        assert_eq!(timers.remove(key), deadline_ns);
        assert_eq!(timers.remove(key), None);
    }
    assert!(timers.drain().eq((1..50).step_by(2).chain(50..100)));
}
