//! Requests that come late, that are taken back, and how they are counted.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;

use loop_tasks::{LoopExt, Task, TaskError, catch_cancel, create_task, try_create_task, yield_now};

use crate::common::{Drops, Oneshot, run, virtual_loop, yields};
use crate::me;

#[test]
fn a_request_that_is_armed_when_the_future_returns_cancels_the_task() {
    run(async {
        let drops = Drops::default();
        let counted = drops.counted();
        let task = create_task(async move {
            me().cancel();
            counted
        });
        yields(1).await;
        assert!(task.cancelled());
        assert_eq!(drops.count(), 1, "the output is dropped");
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn an_error_wins_over_a_late_request() {
    run(async {
        let failing = try_create_task(async {
            me().cancel();
            Err::<i32, _>("A")
        });
        assert_eq!((&failing).await.unwrap(), Err("A"));
        assert!(failing.failed() && !failing.cancelled() && failing.cancelling() == 1);
        let succeeding = try_create_task(async {
            me().cancel();
            Ok::<i32, &str>(1)
        });
        assert!(succeeding.await.is_err());
        // Where nobody said that an `Err` is an error, it is a value like any other.
        let plain = create_task(async {
            me().cancel();
            Err::<i32, _>("A")
        });
        assert!(plain.await.is_err());
    });
}

#[test]
fn a_request_that_was_taken_back_is_none() {
    run(async {
        let task = create_task(async {
            me().cancel();
            assert_eq!(me().uncancel(), 0);
            yield_now().await;
            "normal"
        });
        assert_eq!(task.await.unwrap(), "normal");
    });
}

/// In the last step itself nobody else can ask; one iteration earlier it is a request like any other.
#[test]
fn a_request_in_the_iteration_of_the_last_step() {
    run(async {
        for task_first in [true, false] {
            let slot: Rc<RefCell<Option<Task<i32>>>> = Rc::default();
            let victim = Rc::clone(&slot);
            let asker = move || {
                create_task(async move {
                    yields(1).await;
                    victim.borrow().as_ref().unwrap().cancel()
                })
            };
            let last = || {
                create_task(async {
                    yields(1).await;
                    7
                })
            };
            let (asker, task) = if task_first {
                let task = last();
                (asker(), task)
            } else {
                let asker = asker();
                (asker, last())
            };
            slot.replace(Some(task.clone()));
            let accepted = asker.await.unwrap();
            assert_eq!(accepted, !task_first);
            assert_eq!(task.await.is_ok(), task_first);
            slot.take();
        }
    });
}

#[test]
fn requests_are_counted_and_taken_back_one_by_one() {
    run(async {
        let task = create_task(async {
            let mine = me();
            mine.cancel();
            mine.cancel();
            assert_eq!(mine.cancelling(), 2);
            assert_eq!(mine.uncancel(), 1);
            let caught = catch_cancel(yields(2)).await.is_err();
            assert_eq!(mine.uncancel(), 0);
            assert_eq!(mine.uncancel(), 0, "there is nothing left to take back");
            caught
        });
        assert!(task.await.unwrap(), "one was left, so it was heard");
    });
}

/// It is disarmed for a task that is suspended, too.
#[test]
fn taking_the_last_request_back_disarms_a_suspended_task() {
    run(async {
        let task = create_task(async {
            yields(3).await;
            "undisturbed"
        });
        yields(1).await;
        task.cancel();
        assert_eq!(task.uncancel(), 0);
        assert_eq!(task.await.unwrap(), "undisturbed");
    });
}

/// Also the interrupt that is on its way inside a poll, before a frame has taken it.
#[test]
fn taking_the_last_request_back_disarms_an_interrupt() {
    run(async {
        let shot = Oneshot::new();
        let receive = shot.clone();
        let mut polls = 0;
        let mut frame = Box::pin(catch_cancel(receive));
        let task = create_task(poll_fn(move |cx| {
            polls += 1;
            if polls == 2 {
                assert_eq!(me().uncancel(), 0);
            }
            frame.as_mut().poll(cx)
        }));
        yields(1).await;
        task.cancel();
        yields(2).await;
        assert!(!task.done());
        shot.send(5);
        assert!(matches!(task.await.unwrap(), Ok(5)));
    });
}

#[test]
fn a_finished_task_refuses() {
    run(async {
        let task = create_task(async { 5 });
        yields(1).await;
        assert!(!task.cancel());
        assert_eq!((task.cancelling(), task.cancelled()), (0, false));
        assert_eq!(task.await.unwrap(), 5);
        let cancelled = create_task(pending::<()>());
        cancelled.cancel();
        yields(1).await;
        assert!(!cancelled.cancel() && cancelled.cancelling() == 1);
    });
}

#[test]
fn cancellation_from_callbacks_and_drops() {
    run(async {
        let victim = create_task(pending::<()>());
        let asked = victim.clone();
        let trigger = create_task(async {});
        trigger.add_done_callback(move |_| assert!(asked.cancel()));
        yields(3).await;
        assert!(victim.cancelled());
        let victim = create_task(pending::<()>());
        let asked = victim.clone();
        let dropping = create_task(async move {
            let _dropped = crate::common::OnDrop::new(move || assert!(asked.cancel()));
            pending::<()>().await;
        });
        yields(1).await;
        dropping.cancel();
        yields(2).await;
        assert!(dropping.cancelled() && victim.cancelled());
        // A task that cancels itself while it is dropped is past that.
        let itself = create_task(async {
            let _dropped = crate::common::OnDrop::new(|| {
                me().cancel();
            });
            pending::<()>().await;
        });
        yields(1).await;
        itself.cancel();
        yields(1).await;
        assert!(itself.cancelled() && itself.cancelling() == 2);
    });
}

#[test]
fn a_coroutine_that_runs_until_complete_may_cancel_itself() {
    let event_loop = virtual_loop();
    let error = event_loop
        .run_until_complete(async {
            me().cancel();
            yield_now().await;
        })
        .unwrap_err();
    assert_eq!(error.to_string(), "cancelled");
    assert!(event_loop.all_tasks().is_empty());
}
