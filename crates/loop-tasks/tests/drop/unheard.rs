//! Failures that nobody has looked at when the last reference goes.

use std::future::pending;

use futures_util::future::join;

use crate::common::{Counted, MS, create_future, reports, run, virtual_loop, yields};
use loop_tasks::{
    LoopExt, ReturnWhen, Task, TaskError, catch_cancel, create_task, gather, shield, sleep,
    try_create_task, try_gather, wait, wait_for,
};

#[test]
fn a_failure_that_nobody_looked_at_is_reported_once_with_the_place_of_its_task() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let line = line!() + 1;
    let task = event_loop.try_create_task(async { Err::<(), _>("lost") });
    let clone = task.clone();
    event_loop.run_once(None).unwrap();
    drop(task);
    assert_eq!(reports.take(), [""; 0]);
    drop(clone);
    let first = reports.take();
    assert_eq!(first.len(), 1);
    assert!(
        first[0].starts_with(
            "Task exception was never retrieved: \"lost\"\ntask: <Task 'Task-1' finished"
        ),
        "{}",
        first[0]
    );
    assert!(
        first[0].contains(&format!("made at {}:{line}:", file!())),
        "{}",
        first[0]
    );
    event_loop.close().unwrap();
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_panic_that_nobody_looked_at_is_reported_also_after_the_loop_was_closed() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let task = event_loop.create_task(async {
        if true {
            panic!("unseen")
        }
    });
    event_loop.run_once(None).unwrap();
    event_loop.close().unwrap();
    drop(event_loop);
    drop(task);
    let reports = reports.take();
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0].starts_with("Task exception was never retrieved: panicked: unseen\n"),
        "{}",
        reports[0]
    );
}

/// Whoever asks for the outcome, in whatever way, has been told.
#[test]
fn a_failure_that_somebody_looked_at_is_not_reported() {
    run(async {
        let failing = || try_create_task(async { Err::<(), _>("seen") });
        let _ = failing().await;
        let task = failing();
        let _ = (&task).await;
        let (a, b) = (failing(), failing());
        yields(1).await;
        let _ = (a.result(), b.take_result());
        let _ = gather([failing(), failing()]).await;
        let _ = try_gather([failing(), failing()]).await;
        yields(1).await;
        let _ = shield(failing()).await;
        let _ = wait_for(MS, failing()).await;
        let _ = wait_for(std::time::Duration::ZERO, &task).await;
        let cancelled = create_task(pending::<()>());
        cancelled.cancel();
        yields(1).await; // Nobody asks: a cancellation is no failure.
    });
}

/// It was on its way to a task that had been cancelled in the meantime.
#[test]
fn a_failure_that_a_cancelled_task_would_have_seen_is_not_reported() {
    run(async {
        let failing = create_future::<Result<(), &str>>();
        let awaited = failing.clone();
        // It waits for two things, so the request goes to neither.
        let waiting = create_task(async { join(awaited.into_future(), sleep(MS)).await.0.is_ok() });
        yields(1).await;
        waiting.cancel();
        failing.set_exception("lost").unwrap();
        drop(failing);
        yields(2).await;
        assert!(waiting.cancelled());
    });
}

/// A gather that was cancelled has looked at its children, though it does not say what came of them: one that answers
/// with an error, and a gather, which fails.
#[test]
fn the_failures_of_a_gather_that_was_cancelled_are_not_reported() {
    run(async {
        let answering = try_create_task(async {
            let _ = catch_cancel(pending::<()>()).await;
            Err::<(), _>("unseen")
        });
        let inner = gather([pending::<()>()]);
        yields(1).await;
        let outer = loop_tasks::gather!(answering, inner);
        assert!(outer.cancel());
        assert!(matches!(outer.await, Err(TaskError::Cancelled(_))));
    });
}

/// A wait looks at nothing, as in asyncio.
#[test]
fn waiting_is_not_looking() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    event_loop
        .run_until_complete(async {
            let task = try_create_task(async { Err::<(), _>("unseen") });
            let waited = wait([task], None, ReturnWhen::AllCompleted).await.unwrap();
            assert!(waited.done[0].failed());
        })
        .unwrap();
    assert_eq!(reports.take().len(), 1);
}

#[test]
fn an_outcome_of_cancelled_is_no_value() {
    run(async {
        let task: Task<Counted> = create_task(pending());
        task.cancel();
        yields(1).await;
        assert!(matches!(
            task.take_result().unwrap(),
            Err(TaskError::Cancelled(_))
        ));
        assert!(matches!(
            task.take_result().unwrap(),
            Err(TaskError::Cancelled(_))
        ));
    });
}
