//! Several frames in one task, and awaits beside them.

use std::future::pending;
use std::pin::pin;

use futures_util::future::{Either, join, join_all, select};
use loop_tasks::{LoopFuture, TaskError, catch_cancel, create_task};

use crate::common::{Drops, Oneshot, create_future, run, yields};

/// Concurrency is for tasks; but what is written must do something sensible.
#[test]
fn of_two_frames_in_a_join_the_first_that_is_polled_hears_it() {
    run(async {
        let shot = Oneshot::new();
        let receive = shot.clone();
        let task = create_task(async move {
            let (a, b) = join(catch_cancel(pending::<()>()), catch_cancel(receive)).await;
            (a.is_err(), b.ok())
        });
        yields(1).await;
        task.cancel();
        yields(2).await;
        assert!(!task.done(), "the second one goes on");
        shot.send(5);
        assert_eq!(task.await.unwrap(), (true, Some(5)));
    });
}

#[test]
fn two_requests_for_two_frames_in_a_join() {
    run(async {
        let task = create_task(async {
            let (a, b) = join(catch_cancel(pending::<()>()), catch_cancel(pending::<()>())).await;
            (a.is_err(), b.is_err())
        });
        yields(1).await;
        task.cancel();
        yields(2).await;
        assert!(!task.done());
        task.cancel();
        assert_eq!(task.await.unwrap(), (true, true));
    });
}

/// The await is interrupted, the frame beside it takes that: the await has to be heard again, or the task hangs.
#[test]
fn an_await_beside_a_frame_is_not_forgotten() {
    run(async {
        for frame_first in [false, true] {
            let child = create_task(pending::<()>());
            let awaited = child.clone();
            let task = create_task(async move {
                let frame = catch_cancel(pending::<()>());
                if frame_first {
                    let (frame, child) = join(frame, awaited.into_future()).await;
                    (child.is_err(), frame.is_err())
                } else {
                    let (child, frame) = join(awaited.into_future(), frame).await;
                    (child.is_err(), frame.is_err())
                }
            });
            yields(2).await;
            task.cancel();
            assert_eq!(child.cancelling(), 1, "its one wait");
            yields(4).await;
            assert!(task.done(), "frame first: {frame_first}");
            match task.await {
                // The frame was polled before the interrupt was raised: there is none around the await.
                Err(TaskError::Cancelled(_)) => assert!(frame_first),
                outcome => assert_eq!((outcome.unwrap(), frame_first), ((true, true), false)),
            }
        }
    });
}

#[test]
fn a_resumed_cancellation_beside_a_frame_is_not_forgotten() {
    run(async {
        let task = create_task(async {
            let resuming = async {
                let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
                cancelled.resume().await;
            };
            join(resuming, catch_cancel(pending::<()>())).await;
        });
        yields(1).await;
        task.cancel();
        yields(3).await;
        assert!(task.cancelled());
    });
}

/// Frames inside a large `join_all` are not polled for an interrupt, so they do not hear it: they are dropped.
#[test]
fn frames_inside_a_large_join_all_are_dropped() {
    run(async {
        let drops = Drops::default();
        let counted: Vec<_> = (0..31).map(|_| drops.counted()).collect();
        let task = create_task(async move {
            let frames = counted.into_iter().map(|counted| {
                catch_cancel(async move {
                    let _counted = counted;
                    pending::<()>().await;
                })
            });
            catch_cancel(join_all(frames)).await.is_err()
        });
        yields(1).await;
        task.cancel();
        assert!(task.await.unwrap());
        assert_eq!(drops.alive(), 0);
    });
}

#[test]
fn select_drops_the_side_that_was_cancelled() {
    run(async {
        let (a, b): (LoopFuture<i32>, LoopFuture<i32>) = (create_future(), create_future());
        let futures = (a.clone(), b.clone());
        let task = create_task(async move {
            let (a, b) = (pin!(futures.0.into_future()), pin!(futures.1.into_future()));
            match select(a, b).await {
                Either::Left((outcome, _)) => outcome.is_err(),
                Either::Right(_) => false,
            }
        });
        yields(1).await;
        a.cancel();
        assert!(
            task.await.unwrap(),
            "cancelled by somebody else, so a value"
        );
        assert!(!b.done());
    });
}
