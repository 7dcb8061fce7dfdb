//! What shutting a queue down does to each who waits, with and without items left.

mod common;

use common::{Trace, noting, run, yields};
use loop_sync::{GetNowaitError, PutNowaitError, Queue, QueueShutDown};
use loop_tasks::yield_now;

#[test]
fn getters_of_an_empty_queue_are_refused() {
    for immediate in [false, true] {
        run(async move {
            let (trace, queue) = (Trace::default(), Queue::<u8>::new(0));
            let getters = ["a", "b"].map(|name| noting(&trace, name, queue.get()));
            yield_now().await;
            queue.shutdown(immediate);
            yield_now().await;
            assert_eq!(trace.take(), "a b");
            for getter in getters {
                assert_eq!(getter.await.unwrap(), Err(QueueShutDown(())));
            }
            queue.join().await;
        });
    }
}

#[test]
fn putters_of_a_full_queue_get_their_item_back() {
    for immediate in [false, true] {
        run(async move {
            let (trace, queue) = (Trace::default(), Queue::new(1));
            queue.put_nowait(0).unwrap();
            let putters = [1, 2].map(|item| noting(&trace, &item.to_string(), queue.put(item)));
            let join = noting(&trace, "join", queue.join());
            yield_now().await;
            queue.shutdown(immediate);
            yield_now().await;
            assert_eq!(trace.take(), if immediate { "join 1 2" } else { "1 2" });
            for (item, putter) in [1, 2].into_iter().zip(putters) {
                assert_eq!(putter.await.unwrap(), Err(QueueShutDown(item)));
            }
            if immediate {
                assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
                assert!(queue.task_done().is_err());
            } else {
                assert_eq!(queue.get().await, Ok(0));
                assert!(!join.done());
                assert_eq!(queue.task_done(), Ok(()));
                assert_eq!(queue.get().await, Err(QueueShutDown(())));
            }
            join.await.unwrap();
        });
    }
}

#[test]
fn woken_getter_still_gets_its_item_unless_it_is_immediate() {
    for immediate in [false, true] {
        run(async move {
            let queue = Queue::new(0);
            let trace = Trace::default();
            let getter = noting(&trace, "got", queue.get());
            yield_now().await;
            queue.put_nowait(1).unwrap();
            queue.shutdown(immediate);
            let expected = if immediate {
                Err(QueueShutDown(()))
            } else {
                Ok(1)
            };
            assert_eq!(getter.await.unwrap(), expected);
        });
    }
}

#[test]
fn later_calls_are_refused() {
    run(async {
        let queue = Queue::new(1);
        queue.shutdown(false);
        assert_eq!(queue.put_nowait(1), Err(PutNowaitError::QueueShutDown(1)));
        assert_eq!(queue.put(1).await, Err(QueueShutDown(1)));
        assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
        assert_eq!(queue.get().await, Err(QueueShutDown(())));
        queue.shutdown(true);
        queue.join().await;
        assert_eq!(format!("{queue:?}"), "<Queue maxsize=1 shutdown>");
    });
}

/// Items that were taken out before are not done because the rest is dropped.
#[test]
fn immediate_shutdown_leaves_what_is_being_worked_on() {
    run(async {
        let (trace, queue) = (Trace::default(), Queue::new(0));
        for item in 0..3 {
            queue.put_nowait(item).unwrap();
        }
        assert_eq!(queue.get_nowait(), Ok(0));
        noting(&trace, "joined", queue.join());
        yield_now().await;
        queue.shutdown(true);
        yields(2).await;
        assert_eq!((trace.take().as_str(), queue.qsize()), ("", 0));
        queue.task_done().unwrap();
        yield_now().await;
        assert_eq!(trace.take(), "joined");
    });
}

/// An item that is dropped by the shutdown may use the queue: nothing of it is borrowed then.
#[test]
fn items_that_are_dropped_may_use_the_queue() {
    struct Item(Queue<Item>);
    impl Drop for Item {
        fn drop(&mut self) {
            // The next is taken out here, and dropped in here: three deep.
            let next = self.0.get_nowait();
            drop(next);
            assert!(self.0.task_done().is_ok() || self.0.empty());
        }
    }
    let queue = Queue::new(0);
    for _ in 0..3 {
        queue.put_nowait(Item(queue.clone())).map_err(drop).unwrap();
    }
    queue.shutdown(true);
    assert_eq!(format!("{queue:?}"), "<Queue maxsize=0 shutdown>");
}
