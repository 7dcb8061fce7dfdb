//! `TaskGroup` and `timeout`: scopes that cancel what is inside, and tell their own cancellation from others'.

mod common;

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use asyncloop::prelude::*;
use asyncloop::{GroupError, Runner, RunnerError, TaskError, Timeout, timeout_at};
use common::{SECOND, Trace, after, fails_after, run, succeeds_after};

// TaskGroup

#[test]
fn a_group_ends_when_its_tasks_have_ended() {
    run(async {
        let trace = Trace::begin();
        let value = TaskGroup::<String>::scope(async |group| {
            for n in [1, 2] {
                group.create_task(succeeds_after(n)).unwrap();
            }
            trace.add("body");
            Ok("value of the body")
        })
        .await;
        trace.add(value.unwrap());
        assert_eq!(trace.take(), ["0 body", "2 value of the body"]);
    });
}

#[test]
fn the_first_failure_cancels_the_siblings_and_the_body() {
    run(async {
        let trace = Trace::begin();
        let (in_task, in_body) = (trace.clone(), trace.clone());
        let error = TaskGroup::scope(async |group| {
            group
                .create_task(async move {
                    let outcome = catch_cancel(after(60)).await;
                    if let Err(cancelled) = outcome {
                        in_task.add("sibling is cancelled");
                        cancelled.resume().await;
                    }
                    Ok(0)
                })
                .unwrap();
            group.create_task(fails_after(1)).unwrap();
            if let Err(cancelled) = catch_cancel(pending::<()>()).await {
                in_body.add("body is cancelled");
                cancelled.resume().await;
            }
            Ok(())
        })
        .await
        .unwrap_err();
        trace.add(error.to_string());
        assert_eq!(
            error.failures()[0].error().as_deref(),
            Some(&"after 1".to_owned())
        );
        assert_eq!(
            trace.take(),
            [
                "1 sibling is cancelled",
                "1 body is cancelled",
                "1 unhandled errors in a TaskGroup (1 sub-exception): \"after 1\""
            ]
        );
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
}

#[test]
fn errors_of_siblings_that_clean_up_badly_are_gathered() {
    run(async {
        let error = TaskGroup::<String>::scope(async |group| {
            group.create_task(fails_after(1)).unwrap();
            group
                .create_task(async {
                    let _ = catch_cancel(after(60)).await;
                    Err::<(), _>("and could not clean up".to_owned())
                })
                .unwrap();
            Ok(())
        })
        .await
        .unwrap_err();
        let text = error.to_string();
        assert_eq!(
            text,
            "unhandled errors in a TaskGroup (2 sub-exceptions): \"after 1\"; \"and could not clean up\""
        );
        let each: Vec<String> = error.failures().iter().map(ToString::to_string).collect();
        assert_eq!(each, ["after 1", "and could not clean up"]);
        let errors = error.into_failures().into_iter();
        let errors: Vec<String> = errors.filter_map(|failure| failure.into_error()).collect();
        assert_eq!(errors, ["after 1", "and could not clean up"]);
    });
}

#[test]
fn tasks_of_a_group_may_add_tasks() {
    run(async {
        let trace = Trace::begin();
        let said = trace.clone();
        TaskGroup::<()>::scope(async move |group| {
            let more = group.clone();
            group
                .create_task(async move {
                    sleep(SECOND).await;
                    more.create_task(async move {
                        sleep(SECOND).await;
                        said.add("grandchild");
                        Ok(())
                    })
                    .unwrap();
                    Ok(())
                })
                .unwrap();
            Ok(())
        })
        .await
        .unwrap();
        trace.add("group");
        assert_eq!(trace.take(), ["2 grandchild", "2 group"]);
    });
}

#[test]
fn a_group_that_has_ended_drops_the_coroutine_and_its_error_goes_anywhere() {
    /// What `anyhow` and the like ask.
    fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> String {
        error.to_string()
    }
    run(async {
        let group = TaskGroup::<()>::scope(async |group| Ok(group))
            .await
            .unwrap();
        let kept = Rc::new(());
        let inside = Rc::clone(&kept);
        let coroutine = async move {
            drop(inside);
            Ok(())
        };
        let Err(refused) = group.create_task(coroutine) else {
            panic!("it has ended");
        };
        assert_eq!(Rc::strong_count(&kept), 1, "the coroutine is dropped");
        let words = boxed(refused);
        assert!(
            words.starts_with("TaskGroup is shutting down or finished"),
            "{words}"
        );
    });
}

#[test]
fn errors_that_are_moved_out_tell_their_causes_and_leave_their_tasks() {
    struct Nested;
    impl std::fmt::Display for Nested {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(if f.alternate() {
                "outer: inner"
            } else {
                "outer"
            })
        }
    }
    impl std::fmt::Debug for Nested {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a page of text")
        }
    }
    run(async {
        let mut child = None;
        let scope = TaskGroup::scope(async |group| {
            child = group.create_task(async { Err::<(), _>(Nested) }).ok();
            Err::<(), _>(Nested)
        });
        let errors = scope.await.map_err(GroupError::into_errors).unwrap_err();
        let text = "unhandled errors in a TaskGroup (1 sub-exception): outer: inner";
        assert_eq!(
            errors.to_string(),
            text,
            "the child was cancelled before it began"
        );
        assert_eq!(errors.into_inner().len(), 1);
        assert!(child.unwrap().cancelled());

        let mut child = None;
        let scope = TaskGroup::scope(async |group| {
            child = group.create_task(async { Err::<(), _>(Nested) }).ok();
            Ok(())
        });
        let error = scope.await.unwrap_err();
        assert!(matches!(
            error.failures()[0].error().as_deref(),
            Some(Nested)
        ));
        assert_eq!(error.into_errors().errors().len(), 1);
        assert!(matches!(child.unwrap().await, Err(TaskError::Taken)));
    });
}

#[test]
fn a_cancellation_from_outside_goes_through_a_group() {
    run(async {
        let trace = Trace::begin();
        let said = trace.clone();
        let task = create_task(async move {
            TaskGroup::<()>::scope(async |group| {
                let said = said.clone();
                group
                    .create_task(async move {
                        if let Err(cancelled) = catch_cancel(after(60)).await {
                            sleep(SECOND).await;
                            said.add("child has cleaned up");
                            cancelled.resume().await;
                        }
                        Ok(())
                    })
                    .unwrap();
                Ok(())
            })
            .await
        });
        sleep(SECOND).await;
        task.cancel();
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
        trace.add("parent is cancelled");
        assert_eq!(
            trace.take(),
            ["2 child has cleaned up", "2 parent is cancelled"]
        );
    });
}

#[test]
fn a_group_that_is_cancelled_ends_without_a_failure() {
    run(async {
        let trace = Trace::begin();
        let said = trace.clone();
        let error = TaskGroup::<String>::scope(async |group| {
            let found = group.clone();
            group
                .create_task(async move {
                    sleep(SECOND).await;
                    found.cancel();
                    found.cancel();
                    Ok(())
                })
                .unwrap();
            group
                .create_task(async move {
                    if let Err(cancelled) = catch_cancel(pending::<()>()).await {
                        sleep(SECOND).await;
                        said.add("sibling has cleaned up");
                        cancelled.resume().await;
                    }
                    Ok(())
                })
                .unwrap();
            pending::<Result<(), _>>().await
        })
        .await
        .unwrap_err();
        assert!(error.cancelled() && error.failures().is_empty());
        trace.add(error.to_string());
        let expected = [
            "2 sibling has cleaned up",
            "2 TaskGroup was cancelled before its body had ended",
        ];
        assert_eq!(trace.take(), expected);
        assert_eq!(current_task().unwrap().cancelling(), 0);
        sleep(SECOND).await; // Nothing of it is left: this one is not cancelled.
    });
}

#[test]
fn a_body_that_has_ended_keeps_its_value_when_the_group_is_cancelled() {
    run(async {
        let value = TaskGroup::<()>::scope(async |group| {
            group.create_task(pending::<Result<(), ()>>()).unwrap();
            let found = group.clone();
            group
                .create_task(async move {
                    sleep(SECOND).await;
                    found.cancel();
                    Ok(())
                })
                .unwrap();
            Ok("value")
        })
        .await;
        assert_eq!(value.unwrap(), "value");
        // By the body itself, which awaits nothing after that.
        let value = TaskGroup::<()>::scope(async |group| {
            group.create_task(pending::<Result<(), ()>>()).unwrap();
            group.cancel();
            let refused = group.create_task(async { Ok(()) });
            assert!(refused.is_err());
            Ok(group)
        })
        .await;
        let group = value.unwrap();
        group.cancel();
        yield_now().await;
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
}

#[test]
fn a_cancelled_group_still_tells_of_failures_and_of_cancellations_from_outside() {
    run(async {
        let error = TaskGroup::scope(async |group| {
            group
                .create_task(async {
                    let _ = catch_cancel(pending::<()>()).await;
                    Err::<(), _>("could not clean up")
                })
                .unwrap();
            yield_now().await;
            group.cancel();
            pending::<Result<(), _>>().await
        })
        .await
        .unwrap_err();
        assert_eq!(
            error.failures()[0].error().as_deref(),
            Some(&"could not clean up")
        );

        let task = create_task(async {
            TaskGroup::<()>::scope(async |group| {
                let found = group.clone();
                group
                    .create_task(async move {
                        let _ = catch_cancel(pending::<()>()).await;
                        sleep(2 * SECOND).await;
                        Ok(())
                    })
                    .unwrap();
                sleep(SECOND).await;
                found.cancel();
                pending::<Result<(), ()>>().await
            })
            .await
        });
        sleep(2 * SECOND).await;
        task.cancel();
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn a_group_needs_a_task() {
    let scope = TaskGroup::<()>::scope(async |_| Ok(()));
    let mut scope = std::pin::pin!(scope);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scope.as_mut().poll(&mut context).is_ready()
    }));
    let words = asyncloop::panic_message(&*polled.unwrap_err()).to_owned();
    assert!(
        words.starts_with("TaskGroup cannot determine the parent task"),
        "{words}"
    );
}

// timeout

#[test]
fn a_timeout_is_no_limit_for_what_is_quick() {
    run(async {
        assert_eq!(timeout(2 * SECOND, after(1)).await.unwrap(), 1);
        let now = get_running_loop().unwrap().time();
        assert_eq!(timeout_at(now + 2 * SECOND, after(1)).await.unwrap(), 1);
        assert!(timeout_at(now + 3 * SECOND, after(5)).await.is_err());
        assert_eq!(get_running_loop().unwrap().time(), now + 3 * SECOND);
    });
}

#[test]
fn a_timeout_of_zero_is_no_error_for_what_does_not_wait() {
    run(async {
        assert_eq!(timeout(Duration::ZERO, async { 1 }).await.unwrap(), 1);
        assert!(timeout(Duration::ZERO, after(1)).await.is_err());
    });
}

#[test]
fn a_timeout_takes_its_cancellation_back_and_leaves_that_of_others() {
    run(async {
        let me = current_task().unwrap();
        assert!(timeout(SECOND, after(60)).await.is_err());
        assert_eq!(me.cancelling(), 0);

        let task = create_task(async { timeout(60 * SECOND, after(90)).await.is_err() });
        sleep(SECOND).await;
        task.cancel();
        assert!(
            matches!(task.await, Err(TaskError::Cancelled(_))),
            "cancelled from outside is not late"
        );
    });
}

#[test]
fn of_nested_timeouts_the_one_whose_time_is_over_ends() {
    run(async {
        let inner = timeout(9 * SECOND, timeout(SECOND, after(60))).await;
        assert!(inner.unwrap().is_err());
        let outer = timeout(SECOND, timeout(9 * SECOND, after(60))).await;
        assert!(outer.is_err());
    });
}

#[test]
fn a_timeout_can_be_moved_while_it_runs() {
    run(async {
        let trace = Trace::begin();
        let limit = Timeout::new(2 * SECOND);
        let inside = limit.clone();
        let said = trace.clone();
        let outcome = limit
            .run(async move {
                sleep(SECOND).await;
                let now = get_running_loop().unwrap().time();
                inside.reschedule(Some(now + 4 * SECOND)).unwrap();
                assert_eq!(inside.when(), Some(now + 4 * SECOND));
                said.add("moved");
                sleep(60 * SECOND).await;
            })
            .await;
        trace.add(outcome.unwrap_err().to_string());
        assert!(limit.expired());
        assert!(limit.reschedule(None).is_err(), "it is over");
        assert_eq!(trace.take(), ["1 moved", "5 the deadline has elapsed"]);
    });
}

#[test]
fn a_timeout_is_entered_once() {
    let runner = Runner::with_builder(EventLoop::builder().virtual_clock());
    let result = runner.run(async {
        let limit = Timeout::new(SECOND);
        limit.run(after(0)).await.unwrap();
        limit.run(after(0)).await.unwrap();
    });
    let Err(RunnerError::Run(error)) = result else {
        panic!("the second time is refused");
    };
    assert!(
        error.to_string().contains("a Timeout is used once"),
        "{error}"
    );
    runner.close().unwrap();
}

/// In real time: this is about a thread that is blocked.
#[test]
fn a_timeout_that_fires_because_the_loop_was_blocked_says_for_how_long() {
    fn block() {
        let (_open, closed) = std::sync::mpsc::channel::<()>();
        let millis = Duration::from_millis(60);
        assert!(closed.recv_timeout(millis).is_err(), "nobody sends");
    }
    let elapsed = asyncloop::run(async {
        let millis = Duration::from_millis;
        let innocent = create_task(timeout(millis(15), sleep(millis(10))));
        yield_now().await;
        block();
        innocent.await.unwrap()
    });
    let elapsed = elapsed.unwrap().unwrap_err();
    assert!(elapsed.loop_stall().as_millis() >= 59, "{elapsed:?}");
    assert!(elapsed.to_string().contains("the loop was blocked for"));
}
