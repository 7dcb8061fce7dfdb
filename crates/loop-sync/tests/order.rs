//! Who goes on before whom, as on CPython 3.13: whole traces.

mod common;

use std::time::Duration;

use common::{Trace, noting, run, yields};
use loop_sync::{Barrier, Condition, Event, LifoQueue, Lock, PriorityQueue, Queue, Semaphore};
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

#[test]
fn wait_that_is_cancelled_again_and_again_ends_with_the_lock() {
    run(async {
        let condition = Condition::new();
        let inside = condition.clone();
        let waiting = create_task(async move {
            let mut guard = inside.acquire().await;
            inside.wait(&mut guard).await;
        });
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
fn woken_getter_finds_that_somebody_was_quicker() {
    run(async {
        let (trace, queue) = (Trace::default(), Queue::new(0));
        for name in ["a", "b"] {
            noting(&trace, name, queue.get());
        }
        yield_now().await;
        queue.put_nowait(1).unwrap();
        assert_eq!(queue.get_nowait(), Ok(1)); // before `a` steps
        yield_now().await;
        assert_eq!(trace.take(), "");
        // `a` waits again, and is behind `b` now.
        queue.put_nowait(2).unwrap();
        queue.put_nowait(3).unwrap();
        yield_now().await;
        assert_eq!(trace.take(), "b a");
    });
}

#[test]
fn putters_wait_for_room() {
    run(async {
        let (trace, queue) = (Trace::default(), Queue::new(1));
        queue.put(0).await.unwrap();
        for (item, name) in [(1, "one"), (2, "two")] {
            noting(&trace, name, queue.put(item));
        }
        yield_now().await;
        assert_eq!(queue.get().await, Ok(0));
        assert_eq!(trace.take(), "");
        yield_now().await;
        assert_eq!(trace.take(), "one");
        assert_eq!(queue.get().await, Ok(1));
        yield_now().await;
        assert_eq!((trace.take().as_str(), queue.get_nowait()), ("two", Ok(2)));
    });
}

#[test]
fn queues_give_in_their_own_order() {
    fn drain(queue: &Queue<(u8, char)>) -> String {
        for item in [(2, 'a'), (1, 'b'), (3, 'c'), (1, 'd')] {
            queue.put_nowait(item).unwrap();
        }
        std::iter::from_fn(|| queue.get_nowait().ok())
            .map(|item| item.1)
            .collect()
    }
    assert_eq!(drain(&Queue::new(0)), "abcd");
    assert_eq!(drain(&LifoQueue::new(0)), "dcba");
    assert_eq!(drain(&PriorityQueue::new(0)), "bdac");
}

#[test]
fn equal_priorities_are_given_oldest_first() {
    #[derive(Debug)]
    struct Job(u8, u32);
    impl Ord for Job {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    impl PartialOrd for Job {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl PartialEq for Job {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Job {}
    let queue = PriorityQueue::new(0);
    for number in 0..100 {
        queue
            .put_nowait(Job(u8::from(number % 3 == 0), number))
            .unwrap();
    }
    let given: Vec<u32> = std::iter::from_fn(|| queue.get_nowait().ok())
        .map(|job| job.1)
        .collect();
    let (first, second): (Vec<u32>, Vec<u32>) = (0..100).partition(|number| number % 3 != 0);
    assert_eq!(given, [first, second].concat());
}
