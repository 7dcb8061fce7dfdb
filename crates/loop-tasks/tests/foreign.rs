//! Futures and executors of others, which know nothing of this loop, around its futures and inside its frames.

mod common;

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use common::{
    Drops, Log, MS, Oneshot, create_future, poll_once, reports, run, virtual_loop, yields,
};
use futures_util::future::{Either, join, join_all, select, try_join_all};
use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use futures_util::{FutureExt, pin_mut};
use loop_core::EventLoop;
use loop_tasks::{
    Join, LoopExt, LoopFuture, TaskError, catch_cancel, create_task, current_task, gather, shield,
    sleep, sleep_result, timeout,
};

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// An executor of one future, which lets the loop run when that has nothing to do.
fn drive<F: Future>(event_loop: &EventLoop, future: F) -> F::Output {
    let mut future = pin!(future);
    let count = Arc::new(Count(AtomicUsize::new(1)));
    let waker = Waker::from(Arc::clone(&count));
    loop {
        if count.take() > 0
            && let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            return value;
        }
        event_loop
            .run_once(None)
            .expect("something is ready, or a timer is left");
    }
}

/// Polls a future once, with the waker of the current task.
async fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

#[test]
fn another_executor_awaits_tasks_futures_and_gathers() {
    let event_loop = virtual_loop();
    let task = event_loop.create_task(sleep_result(MS, 1));
    assert_eq!(drive(&event_loop, task.into_future()).unwrap(), 1);
    let future = event_loop.create_future();
    let setter = future.clone();
    event_loop
        .call_later(MS, move || setter.set_result(2).unwrap())
        .unwrap();
    assert_eq!(drive(&event_loop, future.into_future()).unwrap(), 2);
    let gathered = event_loop
        .run_until_complete(async { gather([3, 4].map(|n| sleep_result(MS, n))) })
        .unwrap();
    let both = drive(&event_loop, gathered.into_future()).unwrap();
    assert_eq!(
        both.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
        [3, 4]
    );
}

/// Outside of a task there is nothing to catch, and a frame is what it holds.
#[test]
fn another_executor_sees_through_a_frame() {
    let event_loop = virtual_loop();
    let task = event_loop.create_task(sleep_result(MS, 1));
    let caught = drive(&event_loop, catch_cancel(&task));
    assert_eq!(caught.unwrap().unwrap(), 1);
    let cancelled = event_loop.create_task(pending::<()>());
    cancelled.cancel();
    let seen = drive(&event_loop, catch_cancel(&cancelled));
    assert!(matches!(seen, Ok(Err(TaskError::Cancelled(_)))));
}

/// Two executors on one stack: the inner one may look at what is done, and gets `Pending` for the rest.
#[test]
fn an_executor_inside_a_step_breaks_nothing() {
    run(async {
        let me = current_task().unwrap();
        let (done, open): (LoopFuture<i32>, LoopFuture<i32>) = (create_future(), create_future());
        done.set_result(1).unwrap();
        assert!(matches!(
            poll_once(&mut (&done).into_future()),
            Poll::Ready(Ok(1))
        ));
        let mut waiting = (&open).into_future();
        assert!(poll_once(&mut waiting).is_pending());
        let mut task = create_task(sleep_result(MS, 2)).into_future();
        assert!(poll_once(&mut task).is_pending());
        // What was polled with a waker that goes nowhere is no wait of this task: a request does not go there.
        let inner = create_task({
            let open = open.clone();
            async move {
                let mut inner = (&open).into_future();
                assert!(poll_once(&mut inner).is_pending());
                pending::<()>().await;
            }
        });
        yields(2).await;
        inner.cancel();
        yields(2).await;
        assert!(inner.cancelled() && !open.cancelled());
        assert_eq!(current_task().unwrap(), me);
        open.set_result(3).unwrap();
        assert_eq!(waiting.await.unwrap(), 3);
        assert_eq!(task.await.unwrap(), 2);
    });
}

#[test]
fn a_loop_cannot_be_run_inside_a_step_and_the_coroutine_is_not_started() {
    let drops = Drops::default();
    let counted = drops.counted();
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let event_loop = loop_core::get_running_loop().unwrap();
        let refused = event_loop.run_until_complete(async move {
            drop(counted);
            unreachable!("it was refused")
        });
        note.add(refused.unwrap_err());
        let other = virtual_loop();
        note.add(other.run_until_complete(async {}).unwrap_err());
    });
    assert_eq!(drops.count(), 1);
    assert_eq!(
        log.take(),
        [
            "This event loop is already running",
            "Cannot run the event loop while another loop is running"
        ]
    );
}

/// The contract of `Future::poll`: whoever polled last is woken. The await was first polled by another task.
#[test]
fn an_await_may_move_to_another_task() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        let mut join = (&future).into_future();
        assert!(once(&mut join).await.is_pending());
        let other = create_task(join);
        yields(2).await;
        future.set_result(1).unwrap();
        assert_eq!(other.await.unwrap().unwrap(), 1);
    });
}

#[test]
fn an_await_may_move_into_a_combinator_and_out_of_it() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        let mut joins: Vec<Join<i32>> = (0..40).map(|_| (&future).into_future()).collect();
        for join in &mut joins {
            assert!(once(join).await.is_pending());
        }
        let mut all = join_all(joins);
        assert!(once(&mut all).await.is_pending());
        let setter = future.clone();
        create_task(async move { setter.set_result(1).unwrap() });
        assert_eq!(all.await.len(), 40);

        let future: LoopFuture<i32> = create_future();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut join = (&future).into_future();
        for _ in 0..3 {
            assert!(
                Pin::new(&mut join)
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        let setter = future.clone();
        create_task(async move { setter.set_result(2).unwrap() });
        assert_eq!(join.await.unwrap(), 2);
        assert_eq!(count.take(), 0, "it was polled by somebody else since");
    });
}

#[test]
fn one_poll_more_is_not_one_wake_more() {
    let event_loop = virtual_loop();
    let future: LoopFuture<i32> = event_loop.create_future();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut join = (&future).into_future();
    for _ in 0..5 {
        let polled = Pin::new(&mut join).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    assert_eq!(format!("{future:?}"), "<LoopFuture pending cb=[1]>");
    future.set_result(1).unwrap();
    assert_eq!(count.take(), 1);
    drop(join);
    event_loop.close().unwrap();
}

/// The request had gone through an await that another task took over: it comes back to whom it was made to.
#[test]
fn an_await_that_moves_on_gives_the_request_back() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let child = create_task(async {
            if catch_cancel(pending::<()>()).await.is_err() {
                sleep(MS).await; // It takes its time, and refuses.
            }
            7
        });
        let shared: Rc<RefCell<Option<Join<i32>>>> =
            Rc::new(RefCell::new(Some((&child).into_future())));
        let (mine, inner) = (Rc::clone(&shared), note.clone());
        let first = create_task(async move {
            let ended = catch_cancel(poll_fn(|cx| match mine.borrow_mut().as_mut() {
                Some(join) => Pin::new(join).poll(cx).map(drop),
                None => Poll::Pending,
            }))
            .await;
            inner.add(format_args!("first: cancelled {}", ended.is_err()));
        });
        yields(2).await;
        first.cancel();
        yields(1).await;
        let taken = shared.borrow_mut().take().unwrap();
        let second = create_task(taken);
        first.await.unwrap();
        note.add(format_args!("second: {:?}", second.await.unwrap().ok()));
    });
    assert_eq!(log.take(), ["first: cancelled true", "second: Some(7)"]);
}

#[test]
fn catch_cancel_around_a_future_that_knows_nothing() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let shot: Oneshot<()> = Oneshot::new();
        let (inner, receive) = (note.clone(), shot.clone());
        let dropped = note.on_drop("dropped");
        let task = create_task(async move {
            let held = async move {
                let _dropped = dropped;
                receive.await;
            };
            let cancelled = catch_cancel(held).await.unwrap_err();
            inner.add("cleans up");
            sleep(MS).await;
            inner.add("resumes");
            cancelled.resume().await;
        });
        yields(2).await;
        assert!(task.cancel());
        yields(1).await;
        note.add("one iteration later");
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
        shot.send(()); // A stale waker: nobody is there.
        yields(2).await;
    });
    assert_eq!(
        log.take(),
        ["dropped", "cleans up", "one iteration later", "resumes"]
    );
}

#[test]
fn a_timeout_around_a_future_that_knows_nothing() {
    run(async {
        let late: Oneshot<i32> = Oneshot::new();
        let start = loop_core::get_running_loop().unwrap().time();
        assert!(timeout(5 * MS, late.clone()).await.is_err());
        let event_loop = loop_core::get_running_loop().unwrap();
        assert_eq!(event_loop.time() - start, 5 * MS);
        let send = late.clone();
        event_loop.call_later(MS, move || send.send(7)).unwrap();
        assert_eq!(timeout(5 * MS, late).await.unwrap(), 7);
    });
}

/// Forty awaits with wakers of the combinator's own: no wait of the task, so the interrupt drops them all.
#[test]
fn a_large_join_all_is_cancelled_as_one() {
    let drops = Drops::default();
    let counter = drops.clone();
    run(async move {
        let counted: Vec<_> = (0..40).map(|_| counter.counted()).collect();
        let children: Vec<_> = (0..40).map(|_| create_task(pending::<()>())).collect();
        let awaited = children.clone();
        let task = create_task(async move {
            let all = join_all(awaited.into_iter().zip(counted).map(
                |(child, counted)| async move {
                    let _counted = counted;
                    child.await
                },
            ));
            catch_cancel(all).await.is_err()
        });
        yields(2).await;
        assert!(task.cancel());
        assert!(task.await.unwrap());
        assert_eq!(counter.count(), 40);
        assert!(
            children.iter().all(|child| !child.done()),
            "they were not asked"
        );
        for child in children {
            child.cancel();
        }
        yields(2).await;
    });
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_timeout_around_a_large_join_all_and_its_streams() {
    run(async {
        let slow = |n: u32| sleep_result(n * MS, n);
        let all = timeout(100 * MS, join_all((0..40).map(slow)))
            .await
            .unwrap();
        assert_eq!(all, (0..40).collect::<Vec<_>>());
        assert!(timeout(20 * MS, join_all((0..40).map(slow))).await.is_err());
        let ok = |n: u32| slow(n).map(Ok::<u32, ()>);
        assert!(
            timeout(20 * MS, try_join_all((0..40).map(ok)))
                .await
                .is_err()
        );

        let seen = Rc::new(RefCell::new(Vec::new()));
        let note = Rc::clone(&seen);
        let mut unordered: FuturesUnordered<_> = [30, 10, 20].map(slow).into_iter().collect();
        let drained = timeout(25 * MS, async move {
            while let Some(n) = unordered.next().await {
                note.borrow_mut().push(n);
            }
        });
        assert!(drained.await.is_err());
        assert_eq!(*seen.borrow(), [10, 20]);
        let ordered: FuturesOrdered<_> = [3, 1, 2].map(slow).into_iter().collect();
        assert_eq!(
            timeout(9 * MS, ordered.collect::<Vec<_>>()).await.unwrap(),
            [3, 1, 2]
        );
    });
}

#[test]
fn the_children_of_a_large_join_all_are_awaited_by_their_own_wakers() {
    run(async {
        let futures: Vec<LoopFuture<usize>> = (0..64).map(|_| create_future()).collect();
        let setters = futures.clone();
        let setting = create_task(async move {
            for (n, future) in setters.iter().enumerate().rev() {
                future.set_result(n).unwrap();
                yields(n % 3).await;
            }
        });
        let all = join_all(futures.iter().map(|future| future.into_future())).await;
        let values: Vec<usize> = all.into_iter().map(Result::unwrap).collect();
        assert_eq!(values, (0..64).collect::<Vec<_>>());
        setting.await.unwrap();
    });
}

#[test]
fn select_drops_what_lost_and_the_loser_goes_on() {
    run(async {
        let slow = create_task(sleep_result(5 * MS, "slow"));
        let quick = sleep_result(MS, "quick");
        pin_mut!(quick);
        match select(quick, (&slow).into_future()).await {
            Either::Left((value, waiting)) => {
                assert_eq!(value, "quick");
                drop(waiting);
            }
            Either::Right(_) => panic!("the slow one was quicker"),
        }
        assert!(!slow.done());
        assert_eq!(slow.await.unwrap(), "slow");
    });
}

#[test]
fn shared_and_boxed_and_mapped_futures_work_as_anywhere() {
    run(async {
        let shared = create_task(sleep_result(MS, 5))
            .into_future()
            .map(|r| r.ok())
            .shared();
        let (a, b) = join(shared.clone(), shared.clone()).await;
        assert_eq!((a, b), (Some(5), Some(5)));
        let guarded = shield(create_task(sleep_result(MS, 6)));
        let boxed = guarded.into_future().map(|r| r.unwrap()).boxed_local();
        assert_eq!(boxed.await, 6);
    });
}

#[test]
fn catch_unwind_around_an_await_catches_a_panic_inside_the_step() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let outcome = event_loop
        .run_until_complete(async {
            let risky = std::panic::AssertUnwindSafe(async {
                sleep(MS).await;
                if true {
                    panic!("inside");
                }
            });
            let caught = risky.catch_unwind().await.is_err();
            sleep(MS).await;
            caught
        })
        .unwrap();
    assert!(outcome);
    assert_eq!(reports.take(), [""; 0]);
}
