//! How much memory a queue keeps: never much more than its timers need. Nobody outside sees all of it.

use super::*;

const MINUTE: u64 = 60_000_000_000;
const HOUR: u64 = 60 * MINUTE;

/// Inserts and cancels a million timers beside a thousand that stay, and checks what memory is left.
fn cancel_a_million(deadline_ns: impl Fn(u64) -> u64, now_ns: u64) {
    let mut timers = TimerQueue::new();
    timers.pop_due(now_ns);
    let kept: Vec<_> = (0..1_000).map(|n| timers.insert(HOUR + n, n)).collect();
    for n in 0..1_000_000 {
        let key = timers.insert(deadline_ns(n), n);
        assert_eq!(timers.remove(key), Some(n));
    }
    assert_eq!(timers.len(), kept.len());
    assert!(timers.capacity() <= 2 * kept.len() + 100);
    assert!(timers.near.capacity() <= 4 * kept.len() + 300);
    assert!(kept.iter().all(|&key| timers.contains(key)));
}

#[test]
fn cancelled_far_timers_leave_nothing_behind() {
    cancel_a_million(|n| HOUR + n, 0);
    cancel_a_million(|_| u64::MAX, 0);
}

#[test]
fn cancelled_near_timers_leave_little_behind() {
    cancel_a_million(|n| n, HOUR / 2);
    cancel_a_million(|n| 2 * HOUR + n, 3 * HOUR);
}

#[test]
fn a_million_timers_at_once_leave_nothing_behind() {
    for now_ns in [0, 2 * HOUR] {
        let mut timers = TimerQueue::new();
        timers.pop_due(now_ns);
        let kept = timers.insert(HOUR, 0);
        let keys: Vec<_> = (1..=1_000_000)
            .map(|n| timers.insert(HOUR + n, n))
            .collect();
        for key in keys {
            timers.remove(key);
        }
        assert!(timers.capacity() <= 4_096);
        assert!(timers.near.capacity() <= 300);
        assert_eq!(timers.remove(kept), Some(0));
    }
}

#[test]
fn fired_timers_leave_nothing_behind() {
    let mut timers = TimerQueue::new();
    for n in 0..100_000 {
        timers.insert(HOUR, n);
    }
    let mut fired = 0;
    while let Some(key) = timers.pop_due(HOUR) {
        assert_eq!(timers.remove(key), Some(fired));
        fired += 1;
    }
    assert_eq!(fired, 100_000);
    assert!(timers.capacity() <= 4_096);
    timers.insert(HOUR, 0);
    timers.pop_due(HOUR);
    assert!(timers.near.capacity() <= 300);
}

#[test]
fn late_timers_fired_one_by_one_leave_little_behind() {
    let mut timers = TimerQueue::new();
    timers.pop_due(2 * HOUR);
    let last = timers.insert(HOUR + 100_000, 0);
    for n in 0..100_000 {
        timers.insert(HOUR + n, n);
    }
    for _ in 0..100_000 {
        let key = timers.pop_due(2 * HOUR);
        assert!(key.and_then(|key| timers.remove(key)).is_some());
    }
    assert!(timers.near.capacity() <= 300);
    assert_eq!(timers.pop_due(2 * HOUR), Some(last));
}

#[test]
fn a_tick_of_many_timers_leaves_little_behind() {
    let mut timers = TimerQueue::new();
    // There is always a near timer, so that what holds them is never simply emptied.
    let last = timers.insert(2 * HOUR, 0);
    (0..100).for_each(|n| _ = timers.insert(HOUR - 1 - n, n));
    let keys: Vec<_> = (0..100_000).map(|n| timers.insert(HOUR, n)).collect();
    while timers.pop_due(HOUR - 1).is_some() {}
    // They have all come near, and then they are cancelled.
    assert_eq!(timers.pop_due(HOUR), Some(keys[0]));
    assert_eq!(timers.near.len(), timers.len());
    keys[2..].iter().for_each(|&key| _ = timers.remove(key));
    assert!(timers.near.capacity() <= 300);
    assert_eq!(timers.pop_due(HOUR), Some(keys[1]));

    // Others fire, and the next tick has a few.
    (0..100_000).for_each(|n| _ = timers.insert(HOUR + MINUTE, n));
    timers.insert(HOUR + 2 * MINUTE, 0);
    while timers.pop_due(HOUR + MINUTE).is_some() {}
    assert!(timers.pop_due(HOUR + 2 * MINUTE).is_some());
    assert!(timers.near.capacity() <= 300);
    assert_eq!(timers.pop_due(2 * HOUR), Some(last));
}

#[test]
fn shrinking_gives_back_what_nobody_needs() {
    let mut timers = TimerQueue::new();
    let keys: Vec<_> = (0..1_000).map(|n| timers.insert(HOUR + n, n)).collect();
    timers.settle_recent();
    // Of those that are near all are gone but one, of the others all.
    keys[1..].iter().for_each(|&key| _ = timers.remove(key));
    assert!(timers.near.capacity() > 1 && timers.wheel.capacity() > 0);
    timers.shrink_to_fit();
    let near = timers.near.capacity();
    let others = timers.wheel.capacity() + timers.recent.capacity();
    assert_eq!((near, others, timers.len()), (1, 0, 1));
}
