//! Nothing is lost, whoever is abandoned, in whatever way, at whatever hop: the others get on, and the object is as new.

mod common;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use common::{Count, Inside, Plan, run, yields};
use loop_sync::{Barrier, Condition, Event, Lock, Queue, Semaphore};
use loop_tasks::{create_task, yield_now};

type Body = Pin<Box<dyn Future<Output = ()>>>;

#[test]
fn lock_goes_to_the_next() {
    Plan::each(4, 10, |plan| {
        let lock = Lock::new();
        let inside = Inside::default();
        let body = |_| -> Body {
            let (waiting, inside) = (lock.acquire(), inside.clone());
            Box::pin(async move {
                let _guard = waiting.await;
                let _inside = inside.enter(1);
                yield_now().await;
            })
        };
        plan.run((0..4).map(body).collect(), async |_| {});
        assert_eq!(format!("{lock:?}"), "<Lock [unlocked]>", "{plan:?}");
    });
}

#[test]
fn permits_go_to_the_next() {
    Plan::each(5, 8, |plan| {
        let semaphore = Semaphore::new(2);
        let inside = Inside::default();
        let body = |_| -> Body {
            let (waiting, inside) = (semaphore.acquire(), inside.clone());
            Box::pin(async move {
                let _permit = waiting.await;
                let _inside = inside.enter(2);
                yield_now().await;
            })
        };
        plan.run((0..5).map(body).collect(), async |_| {});
        let state = format!("{semaphore:?}");
        assert_eq!(state, "<Semaphore [unlocked, value:2]>", "{plan:?}");
    });
}

#[test]
fn event_is_left() {
    Plan::each(3, 6, |plan| {
        let event = Event::new();
        let mut bodies: Vec<Body> = (0..3).map(|_| Box::pin(event.wait()) as Body).collect();
        let setter = event.clone();
        bodies.push(Box::pin(async move {
            yields(3).await;
            setter.set();
        }));
        plan.run(bodies, async |_| {});
        assert_eq!(format!("{event:?}"), "<Event [set]>", "{plan:?}");
    });
}

/// Two notifications for two tokens, and three who wait. One that dies with a notification in its hand passes it on.
/// A wait may be polled by one task after the other; of a request to the first, the other hears as well, as of a future
/// that somebody has cancelled.
#[test]
fn wait_that_was_cancelled_ends_whoever_polls_it() {
    for before_its_step in [false, true] {
        run(async move {
            let event = Event::new();
            let wait = Rc::new(RefCell::new(Box::pin(event.wait())));
            let poll = || {
                let wait = Rc::clone(&wait);
                create_task(poll_fn(move |cx| wait.borrow_mut().as_mut().poll(cx)))
            };
            let first = poll();
            yield_now().await;
            let second = before_its_step.then(&poll);
            first.cancel();
            let second = second.unwrap_or_else(&poll);
            yields(3).await;
            assert!(first.cancelled() && second.cancelled());
            drop(wait);
            assert_eq!(format!("{event:?}"), "<Event [unset]>");
        });
    }
}

#[test]
fn notifications_go_to_another() {
    Plan::each(3, 14, |plan| {
        let condition = Condition::new();
        let (tokens, taken) = (Count::default(), Count::default());
        let inside = Inside::default();
        let consumer = |_| -> Body {
            let (condition, tokens) = (condition.clone(), tokens.clone());
            let (taken, inside) = (taken.clone(), inside.clone());
            Box::pin(async move {
                let mut guard = condition.acquire().await;
                condition.wait_for(&mut guard, || tokens.get() > 0).await;
                let _inside = inside.enter(1);
                tokens.take_one();
                taken.add(1);
                yield_now().await;
            })
        };
        let mut bodies: Vec<Body> = (0..3).map(consumer).collect();
        let producer = (condition.clone(), tokens.clone(), inside.clone());
        bodies.push(Box::pin(async move {
            let (condition, tokens, inside) = producer;
            for _ in 0..2 {
                yield_now().await;
                let guard = condition.acquire().await;
                let _inside = inside.enter(1);
                tokens.add(1);
                condition.notify(&guard, 1);
            }
        }));
        let rest = (condition.clone(), tokens.clone());
        plan.run(bodies, async move |done| {
            let (condition, tokens) = rest;
            if done.contains(&false) {
                assert_eq!(tokens.get(), 0, "a task waits beside a token");
            }
            let guard = condition.acquire().await;
            tokens.add(3);
            condition.notify_all(&guard);
        });
        assert!(taken.get() <= 3, "{plan:?}");
        let state = format!("{condition:?}");
        assert_eq!(state, "<Condition [unlocked]>", "{plan:?}");
    });
}

#[test]
fn barrier_lets_pairs_through() {
    Plan::each(4, 10, |plan| {
        let barrier = Barrier::new(2);
        let body = |index| -> Body {
            let waiting = barrier.wait();
            Box::pin(async move {
                yields(index).await;
                assert!(waiting.await.unwrap() < 2);
            })
        };
        let last = barrier.clone();
        plan.run((0..4).map(body).collect(), async move |done| {
            let left = done.iter().filter(|done| !**done).count();
            assert_eq!(last.n_waiting(), left);
            assert!(left < 2, "two stand at a barrier for two");
            if left == 1 {
                last.wait().await.unwrap();
            }
        });
        let state = format!("{barrier:?}");
        assert_eq!(state, "<Barrier [filling, waiters:0/2]>", "{plan:?}");
    });
}

#[test]
fn reset_barrier_fills_again() {
    Plan::each(3, 8, |plan| {
        let barrier = Barrier::new(3);
        let mut bodies: Vec<Body> = Vec::new();
        for _ in 0..2 {
            let waiting = barrier.wait();
            bodies.push(Box::pin(async move { assert!(waiting.await.is_err()) }));
        }
        let resetting = barrier.clone();
        bodies.push(Box::pin(async move {
            yield_now().await;
            resetting.reset().await;
        }));
        let again = barrier.clone();
        plan.run(bodies, async move |_| again.reset().await);
        let state = format!("{barrier:?}");
        assert_eq!(state, "<Barrier [filling, waiters:0/3]>", "{plan:?}");
    });
}

#[test]
fn items_go_to_the_next_getter() {
    Plan::each(4, 9, |plan| {
        let queue = Queue::new(0);
        let taken = Count::default();
        let getter = |_| -> Body {
            let (queue, taken) = (queue.clone(), taken.clone());
            Box::pin(async move {
                if queue.get().await.is_ok() {
                    taken.add(1);
                    yield_now().await;
                }
            })
        };
        let mut bodies: Vec<Body> = (0..4).map(getter).collect();
        let putter = queue.clone();
        bodies.push(Box::pin(async move {
            for item in 0..3 {
                yield_now().await;
                putter.put(item).await.unwrap();
            }
        }));
        let rest = queue.clone();
        plan.run(bodies, async move |done| {
            let waiting = done.iter().filter(|done| !**done).count();
            assert!(waiting == 0 || rest.empty(), "a getter waits beside items");
            rest.shutdown(false);
        });
        assert_eq!(taken.get() + queue.qsize(), 3, "{plan:?}");
        assert!(!format!("{queue:?}").contains("getters"), "{plan:?}");
    });
}

#[test]
fn room_goes_to_the_next_putter() {
    Plan::each(4, 9, |plan| {
        let queue = Queue::new(1);
        let (put, taken) = (Count::default(), Count::default());
        let putter = |item| -> Body {
            let (queue, put) = (queue.clone(), put.clone());
            Box::pin(async move {
                if queue.put(item).await.is_ok() {
                    put.add(1);
                    yield_now().await;
                }
            })
        };
        let mut bodies: Vec<Body> = (0..4).map(putter).collect();
        let getter = (queue.clone(), taken.clone());
        bodies.push(Box::pin(async move {
            let (queue, taken) = getter;
            for _ in 0..2 {
                yields(2).await;
                queue.get().await.unwrap();
                taken.add(1);
            }
        }));
        let rest = queue.clone();
        plan.run(bodies, async move |done| {
            let waiting = done.iter().filter(|done| !**done).count();
            assert!(
                waiting == 0 || rest.full(),
                "a putter waits though there is room"
            );
            rest.shutdown(false);
        });
        assert_eq!(put.get(), taken.get() + queue.qsize(), "{plan:?}");
        assert!(!format!("{queue:?}").contains("putters"), "{plan:?}");
    });
}
