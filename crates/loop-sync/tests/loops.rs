//! Objects and loops: closing one with waiters, going from one to the next, none at all, panics.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{run, yields};
use futures_util::future::select;
use loop_core::EventLoop;
use loop_sync::{Barrier, Condition, Event, Lock, PriorityQueue, Queue, Semaphore};
use loop_tasks::{LoopExt, TaskError, create_task, yield_now};

#[test]
fn closing_a_loop_frees_what_its_tasks_held() {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    event_loop.set_exception_handler(|_, _| {}); // it reports the tasks that are destroyed
    let (lock, semaphore, condition) = (Lock::new(), Semaphore::new(1), Condition::new());
    let (event, barrier, queue) = (Event::new(), Barrier::new(9), Queue::<u8>::new(0));
    let all = (lock.clone(), semaphore.clone(), condition.clone());
    let waits = (event.wait(), barrier.wait(), queue.get(), queue.join());
    event_loop
        .run_until_complete(async move {
            let (lock, semaphore, condition) = all;
            for _ in 0..3 {
                let (lock, semaphore) = (lock.clone(), semaphore.clone());
                create_task(async move {
                    let _guard = lock.acquire().await;
                    std::future::pending::<()>().await;
                });
                create_task(async move {
                    let _permit = semaphore.acquire().await;
                    std::future::pending::<()>().await;
                });
                let condition = condition.clone();
                create_task(async move {
                    let mut guard = condition.acquire().await;
                    condition.wait(&mut guard).await;
                });
            }
            create_task(waits.0);
            create_task(waits.1);
            create_task(waits.2);
            create_task(waits.3);
            yields(3).await;
        })
        .unwrap();
    assert!(lock.locked() && semaphore.locked());
    event_loop.close().unwrap();
    assert_eq!(format!("{lock:?}"), "<Lock [unlocked]>");
    assert_eq!(format!("{semaphore:?}"), "<Semaphore [unlocked, value:1]>");
    assert_eq!(format!("{condition:?}"), "<Condition [unlocked]>");
    assert_eq!(format!("{event:?}"), "<Event [unset]>");
    assert_eq!(format!("{barrier:?}"), "<Barrier [filling, waiters:0/9]>");
    assert_eq!(format!("{queue:?}"), "<Queue maxsize=0>");

    // And the next loop may use them.
    run(async move {
        let guard = lock.acquire().await;
        let waiting = create_task(lock.acquire());
        yield_now().await;
        drop(guard);
        drop(waiting.await.unwrap());
    });
}

#[test]
fn waiting_beside_tasks_of_another_loop_panics() {
    let first = EventLoop::builder().virtual_clock().build().unwrap();
    let event = Event::new();
    let waiting = first.create_task(event.wait());
    first.run_until_complete(yields(2)).unwrap();

    let second = EventLoop::builder().virtual_clock().build().unwrap();
    for _ in 0..2 {
        let error = second.run_until_complete(event.wait()).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("bound to a different event loop"),
            "{message}"
        );
    }
    event.set();
    first.run_until_complete(waiting).unwrap();
    second.run_until_complete(event.wait()).unwrap();
    event.clear();
    let waiting = second.create_task(event.wait());
    second.run_until_complete(yields(2)).unwrap();
    event.set();
    second.run_until_complete(waiting).unwrap();
    first.close().unwrap();
    second.close().unwrap();
}

#[test]
fn uncontended_objects_need_no_loop() {
    fn at_once<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let waker = std::task::Waker::noop();
        match future
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker))
        {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => panic!("it waits"),
        }
    }
    let lock = Lock::new();
    let _guard = at_once(lock.acquire());
    assert_eq!(at_once(Barrier::new(1).wait()), Ok(0));
    let queue = Queue::new(1);
    at_once(queue.put(1)).unwrap();
    assert_eq!(at_once(queue.get()), Ok(1));
    let panic = catch_unwind(AssertUnwindSafe(|| at_once(lock.acquire())));
    let message = loop_core::panic_message(&*panic.unwrap_err()).to_string();
    assert!(message.starts_with("no running event loop"), "{message}");
    assert_eq!(format!("{lock:?}"), "<Lock [locked]>");
}

#[test]
fn guards_release_when_their_task_panics() {
    run(async {
        let (lock, semaphore) = (Lock::new(), Semaphore::new(1));
        let guards = (lock.acquire(), semaphore.acquire());
        let task = create_task(async move {
            let _guards = (guards.0.await, guards.1.await);
            yield_now().await;
            panic!("inside");
        });
        yield_now().await;
        let next = (
            create_task(lock.acquire()),
            create_task(semaphore.acquire()),
        );
        assert!(matches!(task.await, Err(TaskError::Panicked(_))));
        drop((next.0.await.unwrap(), next.1.await.unwrap()));
    });
}

#[test]
fn panicking_predicate_notifies_another() {
    run(async {
        let condition = Condition::new();
        let waiter = |panics: bool| {
            let condition = condition.clone();
            create_task(async move {
                let mut guard = condition.acquire().await;
                let mut looks = 0;
                let predicate = || {
                    looks += 1;
                    assert!(!(panics && looks == 2), "the predicate panics");
                    looks == 2
                };
                condition.wait_for(&mut guard, predicate).await;
            })
        };
        let (bad, good) = (waiter(true), waiter(false));
        yields(2).await;
        let guard = condition.acquire().await;
        condition.notify(&guard, 2);
        drop(guard);
        assert!(matches!(bad.await, Err(TaskError::Panicked(_))));
        good.await.unwrap();
        assert_eq!(format!("{condition:?}"), "<Condition [unlocked]>");
    });
}

#[test]
fn foreign_guards_are_refused() {
    let (condition, other) = (Condition::new(), Lock::new());
    let guard = other.try_acquire().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| condition.notify(&guard, 1))).unwrap_err();
    let message = loop_core::panic_message(&*panic).to_string();
    assert!(
        message.starts_with("cannot notify on un-acquired lock"),
        "{message}"
    );
    run(async move {
        let mut guard = guard;
        let waiting = create_task(async move { condition.wait(&mut guard).await });
        let error = waiting.await.unwrap_err().to_string();
        assert!(error.contains("cannot wait on un-acquired lock"), "{error}");
    });
}

/// A wait that something quicker drops leaves its guard without the lock, and the lock to others.
#[test]
fn guard_of_a_dropped_wait_says_so() {
    run(async {
        let condition = Condition::new();
        let mut guard = condition.acquire().await;
        let wait = Box::pin(condition.wait(&mut guard));
        drop(select(wait, std::future::ready(())).await);
        assert!(!guard.held());
        let other = condition.lock().try_acquire().unwrap();
        let panic = catch_unwind(AssertUnwindSafe(|| condition.notify(&guard, 1)));
        assert!(panic.is_err());
        let again = create_task(async move {
            guard.reacquire().await;
            guard.reacquire().await;
            guard.held()
        });
        yields(2).await;
        assert!(!again.done());
        drop(other);
        assert!(again.await.unwrap());
        assert!(!condition.locked());
    });
}

#[test]
fn comparison_that_panics_leaves_the_queue_usable() {
    #[derive(PartialEq, Eq, Debug)]
    struct Picky(u8);
    impl PartialOrd for Picky {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Picky {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            assert!(self.0 != 13 && other.0 != 13, "not 13");
            self.0.cmp(&other.0)
        }
    }
    let queue = PriorityQueue::new(0);
    queue.put_nowait(Picky(2)).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| queue.put_nowait(Picky(13)))).is_err());
    queue.shutdown(true);
    assert!(queue.empty());
}
