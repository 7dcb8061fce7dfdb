//! Who goes on before whom, as on CPython 3.13: whole traces.

mod common;

use std::time::Duration;

use common::{Trace, noting, run, yields};
use loop_sync::{Barrier, BoundedSemaphore, Condition, Event, Lock, Semaphore};
use loop_tasks::{create_task, sleep, timeout, yield_now};

/// Holds the lock for a hop, in a task that notes when it begins.
fn holder(trace: &Trace, name: &str, lock: &Lock) -> loop_tasks::Task<()> {
    let (trace, name, lock) = (trace.clone(), name.to_owned(), lock.clone());
    create_task(async move {
        let _guard = lock.acquire().await;
        trace.note(name);
        yield_now().await;
    })
}

#[test]
fn lock_is_first_come_first_served() {
    run(async {
        let (trace, lock) = (Trace::default(), Lock::new());
        let tasks = ["a", "b", "c"].map(|name| holder(&trace, name, &lock));
        yields(2).await;
        assert_eq!(trace.take(), "a");
        // `a` has released and `b` is next: whoever comes now is behind `c`.
        assert!(!lock.locked() && lock.try_acquire().is_none());
        let late = holder(&trace, "late", &lock);
        for task in tasks {
            task.await.unwrap();
        }
        late.await.unwrap();
        assert_eq!(trace.take(), "b c late");
    });
}

#[test]
fn lock_is_overtaken_by_nobody_who_waits() {
    run(async {
        let (trace, lock) = (Trace::default(), Lock::new());
        let guard = lock.acquire().await;
        let (first, second) = (holder(&trace, "a", &lock), holder(&trace, "b", &lock));
        yield_now().await;
        drop(guard);
        first.cancel(); // woken already: it hands the wake on
        assert!(lock.try_acquire().is_none());
        second.await.unwrap();
        assert!(first.cancelled());
        assert_eq!(trace.take(), "b");
    });
}

#[test]
fn lock_that_is_held_is_given_to_nobody_when_a_wait_is_abandoned() {
    run(async {
        let (trace, lock) = (Trace::default(), Lock::new());
        let guard = lock.acquire().await;
        let [first, second] = ["a", "b"].map(|name| holder(&trace, name, &lock));
        yield_now().await;
        first.cancel();
        yields(3).await;
        assert_eq!((first.cancelled(), trace.take().as_str()), (true, ""));
        drop(guard);
        second.await.unwrap();
        assert_eq!(trace.take(), "b");
    });
}

#[test]
fn lock_whose_waiters_are_all_cancelled_is_free() {
    run(async {
        let (trace, lock) = (Trace::default(), Lock::new());
        let guard = lock.acquire().await;
        let waiting = holder(&trace, "a", &lock);
        yield_now().await;
        waiting.cancel(); // its step is on its way, it stands in the line still
        drop(guard);
        assert_eq!(format!("{lock:?}"), "<Lock [unlocked, waiters:1]>");
        let _guard = lock.try_acquire().unwrap();
        yield_now().await;
        assert_eq!(format!("{lock:?}"), "<Lock [locked]>");
    });
}

#[test]
fn event_wakes_all_in_order_even_if_it_is_cleared() {
    run(async {
        let (trace, event) = (Trace::default(), Event::new());
        for name in ["a", "b", "c"] {
            noting(&trace, name, event.wait());
        }
        yield_now().await;
        event.set();
        event.clear();
        noting(&trace, "late", event.wait());
        yields(3).await;
        assert_eq!(trace.take(), "a b c");
        assert_eq!(format!("{event:?}"), "<Event [unset, waiters:1]>");
        event.set();
        yield_now().await;
        assert_eq!(trace.take(), "late");
    });
}

#[test]
fn semaphore_lets_nobody_pass_those_who_wait() {
    run(async {
        let (trace, semaphore) = (Trace::default(), Semaphore::new(0));
        let permits = ["a", "b"].map(|name| noting(&trace, name, semaphore.acquire()));
        yield_now().await;
        semaphore.release();
        semaphore.release();
        semaphore.release();
        // One permit is left, but two stand in the line.
        assert!(semaphore.locked() && semaphore.try_acquire().is_none());
        semaphore.acquire().await.forget();
        assert_eq!(trace.take(), "a b");
        for permit in permits {
            permit.await.unwrap().forget();
        }
        assert_eq!(format!("{semaphore:?}"), "<Semaphore [locked]>");
    });
}

#[test]
fn semaphore_gives_the_permit_of_a_cancelled_waiter_to_the_next() {
    run(async {
        let (trace, semaphore) = (Trace::default(), Semaphore::new(0));
        let [first, _second] = ["a", "b"].map(|name| noting(&trace, name, semaphore.acquire()));
        yield_now().await;
        semaphore.release();
        first.cancel();
        yields(2).await;
        assert_eq!(trace.take(), "b");
    });
}

#[test]
fn notified_waiters_take_the_lock_one_after_the_other() {
    run(async {
        let (trace, condition) = (Trace::default(), Condition::new());
        for name in ["a", "b", "c"] {
            let (trace, condition) = (trace.clone(), condition.clone());
            create_task(async move {
                let mut guard = condition.acquire().await;
                condition.wait(&mut guard).await;
                trace.note(name);
                yield_now().await;
                trace.note(format!("/{name}"));
            });
        }
        yields(2).await;
        let guard = condition.acquire().await;
        condition.notify(&guard, 2);
        let contender = condition.acquire();
        noting(&trace, "contender", contender);
        yields(3).await;
        assert_eq!(trace.take(), ""); // the lock is still held here
        drop(guard);
        yields(10).await;
        assert_eq!(trace.take(), "a /a b /b contender");
        let guard = condition.acquire().await;
        condition.notify_all(&guard);
        drop(guard);
        yields(10).await;
        assert_eq!(trace.take(), "c /c");
    });
}

#[test]
fn notified_waiter_that_is_cancelled_notifies_one_other() {
    run(async {
        let (trace, condition) = (Trace::default(), Condition::new());
        let waiters = ["a", "b", "c"].map(|name| {
            let inside = condition.clone();
            noting(&trace, name, async move {
                let mut guard = inside.acquire().await;
                inside.wait(&mut guard).await;
            })
        });
        yields(2).await;
        let guard = condition.acquire().await;
        condition.notify(&guard, 1);
        drop(guard);
        waiters[0].cancel();
        yields(10).await;
        assert_eq!(trace.take(), "b");
        assert_eq!(
            format!("{condition:?}"),
            "<Condition [unlocked, waiters:1]>"
        );
    });
}

#[test]
fn cancelled_wait_ends_with_the_lock() {
    run(async {
        let (trace, condition) = (Trace::default(), Condition::new());
        let inside = (trace.clone(), condition.clone());
        let waiting = create_task(async move {
            let (trace, condition) = inside;
            let mut guard = condition.acquire().await;
            let second = Duration::from_secs(1);
            assert!(timeout(second, condition.wait(&mut guard)).await.is_err());
            trace.note(format!("{}", guard.held() && condition.locked()));
        });
        yields(2).await;
        let guard = condition.acquire().await;
        sleep(Duration::from_secs(5)).await; // the time is over, the lock is not to be had
        assert!(!waiting.done());
        drop(guard);
        waiting.await.unwrap();
        assert_eq!(trace.take(), "true");
        assert!(!condition.locked());
    });
}

/// A task that waits for a condition.
fn waiter(condition: &Condition) -> loop_tasks::Task<()> {
    let condition = condition.clone();
    create_task(async move {
        let mut guard = condition.acquire().await;
        condition.wait(&mut guard).await;
    })
}

#[test]
fn wait_that_is_cancelled_again_and_again_ends_with_the_lock() {
    run(async {
        let condition = Condition::new();
        let waiting = waiter(&condition);
        yields(2).await;
        let guard = condition.acquire().await;
        for _ in 0..3 {
            waiting.cancel();
            yields(2).await;
            assert_eq!(
                format!("{:?}", condition.lock()),
                "<Lock [locked, waiters:1]>"
            );
        }
        drop(guard);
        yields(2).await;
        assert!(waiting.cancelled() && !condition.locked());
        assert_eq!(waiting.cancelling(), 3);
    });
}

#[test]
fn notified_wait_that_is_cancelled_while_the_lock_is_held_ends_cancelled() {
    run(async {
        let condition = Condition::new();
        let waiting = waiter(&condition);
        yields(2).await;
        let guard = condition.acquire().await;
        condition.notify(&guard, 1);
        yields(2).await; // it waits for the lock now
        waiting.cancel();
        yields(2).await;
        assert!(!waiting.done());
        drop(guard);
        yields(2).await;
        assert!(waiting.cancelled() && !condition.locked());
    });
}

#[test]
fn barrier_drains_before_it_fills_again() {
    run(async {
        let (trace, barrier) = (Trace::default(), Barrier::new(2));
        for name in ["a", "b", "c", "d"] {
            let (trace, barrier) = (trace.clone(), barrier.clone());
            create_task(async move {
                let place = barrier.wait().await.unwrap();
                trace.note(format!("{name}{place}"));
            });
        }
        yield_now().await;
        // `b` was the last of two and went through at once; `c` and `d` stand outside until `a` has left.
        assert_eq!(trace.take(), "b1");
        assert_eq!(format!("{barrier:?}"), "<Barrier [draining, waiters:0/2]>");
        yields(10).await;
        assert_eq!(trace.take(), "a0 d1 c0");
    });
}

#[test]
fn barrier_breaks_and_mends() {
    run(async {
        let (trace, barrier) = (Trace::default(), Barrier::new(3));
        let waiting = ["a", "b"].map(|name| noting(&trace, name, barrier.wait()));
        yields(2).await;
        assert_eq!(barrier.n_waiting(), 2);
        barrier.abort().await;
        for task in waiting {
            assert!(task.await.unwrap().unwrap_err().aborted);
        }
        assert_eq!(trace.take(), "a b");
        assert_eq!(format!("{barrier:?}"), "<Barrier [broken]>");
        assert!(barrier.wait().await.unwrap_err().aborted);
        barrier.reset().await;
        assert!(!barrier.broken());
        let alone = noting(&trace, "c", barrier.wait());
        yield_now().await;
        barrier.reset().await;
        assert!(!alone.await.unwrap().unwrap_err().aborted);
    });
}

#[test]
fn barrier_that_is_reset_fills_again_when_those_who_waited_have_left() {
    run(async {
        let barrier = Barrier::new(2);
        let early = create_task(barrier.wait());
        yield_now().await;
        barrier.reset().await;
        let other = create_task(barrier.wait());
        // `early` has not left: whoever comes now waits outside, and is behind `other`, who comes after that.
        assert_eq!(barrier.wait().await, Ok(1));
        assert!(!early.await.unwrap().unwrap_err().aborted);
        assert_eq!(other.await.unwrap(), Ok(0));
    });
}

#[test]
fn barrier_for_one_stays_broken() {
    run(async {
        let barrier = Barrier::new(1);
        assert_eq!(barrier.wait().await, Ok(0));
        barrier.abort().await;
        for _ in 0..2 {
            assert!(barrier.wait().await.unwrap_err().aborted);
        }
    });
}

#[test]
fn permit_that_was_made_up_for_is_not_given_back() {
    let semaphore = BoundedSemaphore::new(1);
    let permit = semaphore.try_acquire().unwrap();
    semaphore.release().unwrap(); // a mistake: the permit is still out
    drop(permit);
    let _permit = semaphore.try_acquire().unwrap();
    assert!(semaphore.try_acquire().is_none());
}

#[test]
#[should_panic(expected = "too many permits")]
fn permits_are_no_more_than_can_be_counted() {
    Semaphore::new(usize::MAX).release();
}
