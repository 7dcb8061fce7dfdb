//! What is given up leaves nothing behind on what it waited for.

use std::future::{Future, pending, poll_fn};
use std::task::Poll;

use crate::FAR;
use crate::common::{Drops, MS, create_future, run, virtual_loop, yields};
use loop_core::get_running_loop;
use loop_tasks::{
    LoopExt, LoopFuture, ReturnWhen, as_completed, shield, sleep, timeout, try_gather, wait,
    wait_for,
};

/// It has spoken, so it needs its other children no more, and they must not keep each other alive.
#[test]
fn a_gather_that_has_failed_early_lets_go_of_its_children() {
    let drops = Drops::default();
    let counter = drops.clone();
    run(async move {
        let counted = counter.counted();
        let open: LoopFuture<Result<(), i32>> = create_future();
        open.add_done_callback(move |_| drop(counted));
        let failing: LoopFuture<Result<(), i32>> = create_future();
        let gathered = try_gather([open.clone(), failing.clone()]);
        failing.set_exception(5).unwrap();
        assert_eq!(gathered.await.unwrap(), Err(5));
        drop(open);
        assert_eq!(counter.alive(), 0);
    });
}

/// `while not done: wait_for(shield(inner), 1)`: what is over must leave nothing behind on the inner one.
#[test]
fn shields_that_were_given_up_leave_nothing_on_what_they_guard() {
    run(async {
        let inner: LoopFuture<i32> = create_future();
        for _ in 0..100 {
            assert!(wait_for(MS, shield(&inner)).await.is_err());
        }
        yields(2).await;
        assert_eq!(format!("{inner:?}"), "<LoopFuture pending>");
        inner.set_result(1).unwrap();
    });
}

#[test]
fn waits_that_are_over_leave_nothing_on_what_they_waited_for() {
    run(async {
        let futures: Vec<LoopFuture<i32>> = (0..3).map(|_| create_future()).collect();
        for _ in 0..10 {
            let waited = wait(&futures, Some(MS), ReturnWhen::AllCompleted).await;
            assert_eq!(waited.unwrap().pending.len(), 3);
            assert!(
                timeout(MS, wait(&futures, None, ReturnWhen::FirstCompleted))
                    .await
                    .is_err()
            );
            let mut each = as_completed(&futures, Some(MS));
            assert!(each.next().await.unwrap().is_err());
            drop(as_completed(&futures, None));
            let mut each = as_completed(&futures, None);
            assert!(timeout(MS, each.next()).await.is_err());
        }
        for future in &futures {
            assert_eq!(format!("{future:?}"), "<LoopFuture pending>");
        }
    });
}

#[test]
fn timers_of_what_is_dropped_early_are_stopped() {
    let event_loop = virtual_loop();
    event_loop
        .run_until_complete(async {
            let mut sleeping = Box::pin(sleep(FAR));
            let mut limited = Box::pin(timeout(FAR, pending::<()>()));
            let mut waiting = Box::pin(wait(
                [create_future::<()>()],
                Some(FAR),
                ReturnWhen::AllCompleted,
            ));
            let each = as_completed([create_future::<()>()], Some(FAR));
            poll_fn(|cx| {
                assert!(sleeping.as_mut().poll(cx).is_pending());
                assert!(limited.as_mut().poll(cx).is_pending());
                assert!(waiting.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            assert!(get_running_loop().unwrap().next_deadline().is_some());
            drop((sleeping, limited, waiting, each));
        })
        .unwrap();
    assert_eq!(event_loop.next_deadline(), None);
}
