//! Who gets what from a queue, and when: whole traces, as on CPython 3.13.

mod common;

use common::{Trace, noting, run, yields};
use loop_sync::{LifoQueue, PriorityQueue, Queue};
use loop_tasks::yield_now;

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
fn getter_that_was_woken_in_vain_and_gives_up_wakes_nobody_in_vain() {
    run(async {
        let (trace, queue) = (Trace::default(), Queue::new(0));
        let [first, ..] = ["a", "b", "c"].map(|name| noting(&trace, name, queue.get()));
        yield_now().await;
        queue.put_nowait(1).unwrap();
        assert_eq!(queue.get_nowait(), Ok(1)); // before `a` steps
        first.cancel();
        yields(2).await;
        // `b` slept on, and is before `c` still.
        for (item, name) in [(2, "b"), (3, "c")] {
            queue.put_nowait(item).unwrap();
            yield_now().await;
            assert_eq!(trace.take(), name);
        }
    });
}

#[test]
fn putter_that_was_woken_in_vain_and_gives_up_wakes_nobody_in_vain() {
    run(async {
        let (trace, queue) = (Trace::default(), Queue::new(1));
        queue.put_nowait("full").unwrap();
        let [first, ..] = ["a", "b", "c"].map(|name| noting(&trace, name, queue.put(name)));
        yield_now().await;
        queue.get_nowait().unwrap();
        queue.put_nowait("full again").unwrap(); // before `a` steps
        first.cancel();
        yields(2).await;
        // `b` slept on, and is before `c` still.
        for name in ["b", "c"] {
            queue.get_nowait().unwrap();
            yield_now().await;
            assert_eq!(trace.take(), name);
        }
    });
}

#[test]
fn a_queue_shows_those_who_wait_and_were_not_woken() {
    run(async {
        let (trace, queue) = (Trace::default(), Queue::new(1));
        for name in ["a", "b"] {
            noting(&trace, name, queue.get());
        }
        yield_now().await;
        assert_eq!(format!("{queue:?}"), "<Queue maxsize=1 _getters[2]>");
        queue.put_nowait(1).unwrap();
        let woken = "<Queue maxsize=1 _queue[1] _getters[1] tasks=1>";
        assert_eq!(format!("{queue:?}"), woken);
        queue.shutdown(false);
        let all_woken = "<Queue maxsize=1 _queue[1] tasks=1 shutdown>";
        assert_eq!(format!("{queue:?}"), all_woken);
        yield_now().await;
        assert_eq!(trace.take(), "a b");
    });
}

#[test]
fn joining_waits_for_each_item() {
    run(async {
        let (trace, queue) = (Trace::default(), Queue::new(0));
        queue.put_nowait(1).unwrap();
        queue.put_nowait(2).unwrap();
        noting(&trace, "joined", queue.join());
        for expected in ["", "joined"] {
            queue.get_nowait().unwrap();
            queue.task_done().unwrap();
            yields(2).await;
            assert_eq!(trace.take(), expected);
        }
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
