//! Where a request for cancellation goes.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use futures_util::future::{join, join_all};
use loop_core::get_running_loop;
use loop_tasks::{
    LoopFuture, ReturnWhen, Task, as_completed, catch_cancel, create_task, gather, shield, sleep,
    wait, yield_now,
};

use crate::common::{Log, MS, create_future, run, ticker, yields};
use crate::{Polls, me};

#[test]
fn the_request_goes_to_the_one_future_that_is_awaited() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        let awaited = future.clone();
        let task = create_task(async move { awaited.await });
        yields(1).await;
        assert!(task.cancel());
        assert!(future.cancelled(), "at once");
        assert!(!task.done() && task.cancelling() == 1);
        yields(1).await;
        assert!(task.cancelled());
    });
}

#[test]
fn the_request_goes_to_the_one_task_that_is_awaited_and_on_from_there() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        let awaited = future.clone();
        let child = create_task(async move { awaited.await.is_ok() });
        let inner = child.clone();
        let parent = create_task(async move { inner.await.is_ok() });
        yields(2).await;
        assert!(parent.cancel());
        assert_eq!((parent.cancelling(), child.cancelling()), (1, 1));
        assert!(future.cancelled());
        yields(1).await;
        assert!(child.cancelled() && !parent.done());
        yields(1).await;
        assert!(parent.cancelled());
    });
}

#[test]
fn the_request_goes_to_every_child_of_the_one_gather_that_is_awaited() {
    run(async {
        let children = [0, 1].map(|_| create_task(pending::<()>()));
        let gathered = gather(&children);
        let awaited = gathered.clone();
        let task = create_task(async move { awaited.await.is_ok() });
        yields(1).await;
        assert!(task.cancel());
        assert!(children.iter().all(|child| child.cancelling() == 1));
        yields(3).await;
        assert!(children.iter().all(|child| child.cancelled()));
        assert!(task.cancelled());
        assert!(gathered.done() && gathered.failed() && !gathered.cancelled());
    });
}

#[test]
fn the_request_ends_a_sleep_and_its_timer() {
    run(async {
        let task = create_task(sleep(MS));
        yields(1).await;
        task.cancel();
        yields(1).await;
        assert!(task.cancelled());
        assert_eq!(get_running_loop().unwrap().next_deadline(), None);
    });
}

/// A wait, a shield and `as_completed` stand between: what they wait for is not asked.
#[test]
fn the_request_does_not_go_through_what_only_looks_on() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        let (a, b, c, d) = (
            future.clone(),
            future.clone(),
            future.clone(),
            future.clone(),
        );
        let tasks = [
            create_task(async move { drop(wait([a], None, ReturnWhen::AllCompleted).await) }),
            create_task(async move { drop(as_completed([b], None).next().await) }),
            create_task(async move { drop(shield(c).await) }),
            create_task(async move { create_task(async { d.await.is_ok() }).erase().wait().await }),
        ];
        yields(2).await;
        for task in &tasks {
            assert!(task.cancel());
        }
        yields(2).await;
        assert!(tasks.iter().all(|task| task.cancelled()));
        assert!(!future.done());
        future.set_result(1).unwrap();
        yields(2).await;
    });
}

#[test]
fn a_task_with_nothing_to_wait_for_is_interrupted_in_the_next_iteration() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let ticks = ticker(&note, 3);
        let dropped = note.on_drop("dropped");
        let task = create_task(async move {
            let _dropped = dropped;
            pending::<()>().await;
        });
        yields(1).await;
        task.cancel();
        note.add("asked");
        ticks.await.unwrap();
        assert!(task.cancelled());
    });
    assert_eq!(
        log.take(),
        ["tick 1", "asked", "tick 2", "dropped", "tick 3"]
    );
}

/// With two awaits at once, which of them is meant? Neither: the task is interrupted, and they are dropped.
#[test]
fn with_several_waits_the_request_goes_to_none_of_them() {
    run(async {
        let (a, b): (LoopFuture<i32>, LoopFuture<i32>) = (create_future(), create_future());
        let futures = (a.clone(), b.clone());
        let task = create_task(async move {
            drop(join(futures.0.into_future(), futures.1.into_future()).await);
        });
        yields(1).await;
        task.cancel();
        assert!(!a.done() && !b.done());
        yields(1).await;
        assert!(task.cancelled() && !a.done() && !b.done());
        assert_eq!(
            format!("{a:?}{b:?}"),
            "<LoopFuture pending><LoopFuture pending>"
        );
    });
}

/// Of two awaits one is over: now there is exactly one.
#[test]
fn when_all_but_one_wait_are_over_the_request_goes_to_that() {
    run(async {
        let (a, b): (LoopFuture<i32>, LoopFuture<i32>) = (create_future(), create_future());
        let futures = (a.clone(), b.clone());
        let task = create_task(async move {
            drop(join(futures.0.into_future(), futures.1.into_future()).await);
        });
        yields(1).await;
        a.set_result(1).unwrap();
        yields(2).await;
        task.cancel();
        assert!(b.cancelled());
        yields(1).await;
        assert!(task.cancelled());
    });
}

/// What is polled with a combinator's waker is the combinator's business.
#[test]
fn an_await_inside_a_large_join_all_is_no_wait() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        let awaited = future.clone();
        let task = create_task(async move {
            join_all((0..31).map(|n| {
                let awaited = awaited.clone();
                async move {
                    if n == 30 {
                        let _ = (&awaited).await;
                    } else {
                        pending::<()>().await;
                    }
                }
            }))
            .await;
        });
        yields(1).await;
        task.cancel();
        assert!(!future.done());
        yields(1).await;
        assert!(task.cancelled() && !future.done());
    });
}

/// In the iteration in which the result arrives, the future refuses: the request stays armed, and the step that is on
/// its way is interrupted. The value is lost to the task, as in asyncio; here it still is in the future.
#[test]
fn a_request_after_the_result_and_before_the_step() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let future: LoopFuture<i32> = create_future();
        let polls = Rc::new(Cell::new(0));
        let (awaited, count, inner) = (future.clone(), Rc::clone(&polls), note.clone());
        let ticks = ticker(&note, 3);
        let task = create_task(async move {
            let _ = Polls(awaited.into_future(), count).await;
            inner.add("never");
        });
        task.add_done_callback(move |_| note.add("done"));
        yields(1).await;
        future.set_result(1).unwrap();
        assert!(task.cancel());
        assert!(!future.cancelled());
        ticks.await.unwrap();
        assert!(task.cancelled());
        assert_eq!(polls.get(), 1, "it was dropped unpolled");
        assert_eq!(future.take_result().unwrap().unwrap(), 1);
    });
    assert_eq!(log.take(), ["tick 1", "tick 2", "tick 3", "done"]);
}

/// The children are done, the gather has not heard of it: it refuses, keeps its results, and the task that awaits it is
/// cancelled all the same.
#[test]
fn a_request_to_a_gather_whose_children_are_done() {
    run(async {
        let child = create_task(async { 5 });
        let gathered = gather([&child]);
        let awaited = gathered.clone();
        let task = create_task(async move { awaited.await.is_ok() });
        yields(1).await;
        assert!(child.done() && !gathered.done());
        assert!(!gathered.cancel(), "every child refuses");
        assert!(task.cancel());
        yields(3).await;
        assert!(task.cancelled());
        let results = gathered.take_result().unwrap().unwrap();
        assert_eq!(
            results.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            [5]
        );
    });
}

/// No step is scheduled for such a request: one is on its way, and it is no earlier than it would have been.
#[test]
fn a_request_that_is_refused_does_not_hurry_the_task() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let ticks = ticker(&note, 4);
        let gathered = gather([create_task(async {})]);
        let inner = note.clone();
        let task = create_task(async move {
            let _ = catch_cancel(gathered).await;
            inner.add("interrupted");
        });
        yields(1).await;
        task.cancel();
        note.add("asked");
        ticks.await.unwrap();
    });
    // The gather settles in iteration 3, its awaiter steps in the one after it.
    assert_eq!(
        log.take(),
        [
            "tick 1",
            "asked",
            "tick 2",
            "tick 3",
            "interrupted",
            "tick 4"
        ]
    );
}

#[test]
fn a_request_while_the_task_runs_goes_to_what_it_awaits_next() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        let awaited = future.clone();
        let done: LoopFuture<i32> = create_future();
        done.set_result(1).unwrap();
        let task = create_task(async move {
            me().cancel();
            assert_eq!(done.await.unwrap(), 1, "what is done is no wait");
            awaited.await.is_ok()
        });
        yields(1).await;
        assert!(future.cancelled() && !task.done(), "when the step ended");
        yields(1).await;
        assert!(task.cancelled());
    });
}

#[test]
fn a_request_from_inside_to_the_task_that_awaits() {
    run(async {
        let slot: Rc<RefCell<Option<Task<bool>>>> = Rc::default();
        let parent = Rc::clone(&slot);
        let child = create_task(async move {
            yield_now().await;
            // The parent waits for this task, so the request comes straight back to it, while it runs.
            assert!(parent.take().unwrap().cancel());
            assert_eq!(me().cancelling(), 1);
            pending::<()>().await;
        });
        let awaited = child.clone();
        slot.replace(Some(create_task(async move { awaited.await.is_ok() })));
        let parent = slot.borrow().clone().unwrap();
        yields(4).await;
        assert!(child.cancelled() && parent.cancelled());
    });
}
