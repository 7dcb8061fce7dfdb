//! What is nested deeper than the stack: gathers of gathers, guarded futures that are guarded again, tasks that wait for
//! such.

mod common;

use std::future::pending;

use common::{create_future, reports, run, virtual_loop, yields};
use loop_tasks::{
    AnyLoopFuture, LoopExt, LoopFuture, Task, TaskError, create_task, gather_with, shield,
};

const DEPTH: usize = 100_000;

fn gather_of(children: impl IntoIterator<Item = AnyLoopFuture>) -> LoopFuture<()> {
    gather_with(children, |heard| heard.is_none().then_some(Ok(())))
}

/// Gathers of gathers; the innermost is of these.
fn nested(innermost: impl IntoIterator<Item = AnyLoopFuture>) -> LoopFuture<()> {
    let innermost = gather_of(innermost);
    (1..DEPTH).fold(innermost, |inner, _| gather_of([inner.erase_future()]))
}

#[test]
fn gathers_of_gathers_are_cancelled() {
    run(async {
        let leaves = [create_task(pending::<()>()), create_task(pending::<()>())];
        yields(1).await;
        let outermost = nested(leaves.each_ref().map(|leaf| leaf.erase_future()));
        assert!(outermost.cancel());
        assert!(leaves.iter().all(|leaf| leaf.cancelling() == 1));
        assert!(matches!(outermost.await, Err(TaskError::Cancelled(_))));
        assert!(leaves.iter().all(|leaf| leaf.cancelled()));
    });
}

#[test]
fn gathers_of_gathers_are_settled_and_dropped() {
    run(async {
        let leaf = create_future();
        let outermost = nested([leaf.erase_future()]);
        leaf.set_result(1).unwrap();
        assert!((&outermost).await.is_ok());
        assert!(!outermost.cancel(), "it is done");
    });
}

#[test]
fn gathers_of_gathers_that_nobody_settles_are_dropped_with_their_loop() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let outermost = event_loop
        .run_until_complete(async { nested([create_future::<()>().erase_future()]) })
        .unwrap();
    event_loop.close().unwrap();
    assert!(!outermost.cancel() && reports.take().is_empty());
}

/// Every task awaits a gather of the task before.
#[test]
fn tasks_that_await_gathers_of_tasks_are_cancelled() {
    run(async {
        let innermost: Task<()> = create_task(pending());
        let mut tasks = vec![innermost];
        for _ in 1..DEPTH {
            let gathered = gather_of([tasks[tasks.len() - 1].erase_future()]);
            tasks.push(create_task(async move {
                if let Err(TaskError::Cancelled(cancelled)) = gathered.await {
                    cancelled.resume().await;
                }
            }));
        }
        yields(1).await;
        assert!(tasks[DEPTH - 1].cancel());
        assert!(tasks.iter().all(|task| task.cancelling() == 1));
        let outermost = tasks.pop().unwrap();
        assert!(matches!(outermost.await, Err(TaskError::Cancelled(_))));
        assert!(tasks.iter().all(|task| task.cancelled()));
    });
}

#[test]
fn what_is_guarded_many_times_is_settled_and_cancelled() {
    run(async {
        for cancel in [false, true] {
            let innermost: LoopFuture<i32> = create_future();
            let guard = |inner, _| shield(inner);
            let outermost = (0..DEPTH).fold(innermost.clone(), guard);
            if cancel {
                innermost.cancel();
                assert!(matches!(outermost.await, Err(TaskError::Cancelled(_))));
            } else {
                innermost.set_result(1).unwrap();
                assert_eq!(outermost.await.unwrap(), 1);
            }
        }
    });
}
