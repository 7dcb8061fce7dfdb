//! Limits, cancellations, groups and eager starts.

use std::future::pending;
use std::time::Duration;

use loop_tasks::{
    LoopFuture, Task, TaskBuilder, TaskGroup, catch_cancel, create_task, sleep, timeout, wait_for,
    yield_now,
};

use crate::common::{MS, create_future, yields};
use crate::{later, noting, trace, waiting_for};

#[test]
fn wait_for_no_time_drops_a_coroutine_unstarted_and_takes_the_hops_of_a_cancellation() {
    let trace = trace(4, |log| async move {
        let inner = log.clone();
        let dropped = log.on_drop("dropped");
        let elapsed = wait_for(Duration::ZERO, async move {
            let _dropped = dropped;
            inner.add("never");
        })
        .await;
        assert!(elapsed.is_err());
        log.add("elapsed");
    });
    assert_eq!(
        trace,
        ["dropped", "tick 1", "tick 2", "tick 3", "elapsed", "tick 4"]
    );
}

#[test]
fn wait_for_no_time_and_a_task() {
    let trace = trace(6, |log| async move {
        let task = create_task(pending::<()>());
        yield_now().await;
        assert!(wait_for(Duration::ZERO, &task).await.is_err());
        log.add("elapsed");
        assert!(task.cancelled());
        let done = noting(&log, "done");
        yields(1).await;
        assert!(wait_for(Duration::ZERO, done).await.is_ok());
        log.add("what is done takes no hop");
    });
    assert_eq!(
        trace,
        [
            "tick 1",
            "tick 2",
            "tick 3",
            "tick 4",
            "elapsed",
            "tick 5",
            "done",
            "what is done takes no hop",
            "tick 6"
        ]
    );
}

/// A deadline that is due already is the next callback, and not a timer.
#[test]
fn a_timeout_of_no_time_is_the_next_callback() {
    let trace = trace(5, |log| async move {
        assert!(timeout(Duration::ZERO, yield_now()).await.is_err());
        log.add("a bare yield");
        let future: LoopFuture<i32> = create_future();
        assert!(timeout(Duration::ZERO, &future).await.is_err());
        log.add("a future");
        assert!(future.cancelled());
        assert!(timeout(Duration::ZERO, async {}).await.is_ok());
        log.add("what never waits");
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        log.add("nothing at all");
    });
    assert_eq!(
        trace,
        [
            "tick 1",
            "a bare yield",
            "tick 2",
            "tick 3",
            "a future",
            "what never waits",
            "tick 4",
            "tick 5",
            "nothing at all"
        ]
    );
}

/// The request settles the sleeper, the task steps, its callbacks run, whoever awaits it steps.
#[test]
fn the_hops_of_a_cancellation() {
    let trace = trace(4, |log| async move {
        let note = log.clone();
        let task = create_task(async move {
            let cancelled = catch_cancel(sleep(MS)).await.unwrap_err();
            note.add("caught");
            cancelled.resume().await;
        });
        let note = log.clone();
        task.add_done_callback(move |_| note.add("callback"));
        let _awaiting = waiting_for(&log, &task);
        yields(2).await;
        task.cancel();
        log.add("asked");
        yields(2).await;
    });
    assert_eq!(
        trace,
        [
            "tick 1", "tick 2", "asked", "tick 3", "caught", "tick 4", "callback", "awaiting"
        ]
    );
}

/// Down a chain at once, and up again hop by hop.
#[test]
fn the_hops_of_a_cancellation_through_tasks() {
    let trace = trace(5, |log| async move {
        let note = |name: &'static str, inner: Task<()>| {
            let log = log.clone();
            create_task(async move {
                let cancelled = catch_cancel(inner).await.unwrap_err();
                log.add(name);
                cancelled.resume().await;
            })
        };
        let leaf = create_task(sleep(MS));
        let outer = note("outer", note("inner", leaf));
        yields(2).await;
        outer.cancel();
        log.add("asked");
        yields(3).await;
        log.add(format_args!("outer is done: {}", outer.done()));
    });
    assert_eq!(
        trace,
        [
            "tick 1",
            "tick 2",
            "asked",
            "tick 3",
            "tick 4",
            "inner",
            "tick 5",
            "outer",
            "outer is done: true"
        ]
    );
}

/// A request while the task runs is passed on when the step ends, so the interrupt is one hop behind that.
#[test]
fn the_hops_of_a_task_that_cancels_itself() {
    for (name, expected) in [
        ("future", ["asked", "tick 1", "caught", "tick 2"]),
        ("yield", ["asked", "tick 1", "caught", "tick 2"]),
        ("nothing", ["asked", "tick 1", "caught", "tick 2"]),
    ] {
        let trace = trace(2, move |log| async move {
            let me = loop_tasks::current_task().unwrap();
            me.cancel();
            log.add("asked");
            let caught = match name {
                "future" => catch_cancel(create_future::<()>()).await.is_err(),
                "yield" => catch_cancel(yields(9)).await.is_err(),
                _ => catch_cancel(pending::<()>()).await.is_err(),
            };
            assert!(caught);
            log.add("caught");
            me.uncancel();
        });
        assert_eq!(trace, expected, "{name}");
    }
}

#[test]
fn a_group_aborts_oldest_first() {
    let trace = trace(0, |log| async move {
        let result = TaskGroup::scope(async |group: TaskGroup<&'static str>| {
            for name in ["a", "b", "c"] {
                let log = log.clone();
                let child = async move {
                    let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
                    log.add(name);
                    cancelled.resume().await
                };
                group.create_task::<(), _>(child).unwrap();
            }
            group.create_task::<(), _>(async { Err("failed") }).unwrap();
            pending::<()>().await;
            Ok(())
        })
        .await;
        log.add(result.unwrap_err());
    });
    assert_eq!(
        trace,
        [
            "a",
            "b",
            "c",
            "unhandled errors in a TaskGroup (1 sub-exception): \"failed\""
        ]
    );
}

#[test]
fn a_group_hears_of_its_children_through_their_done_callbacks() {
    let trace = trace(4, |log| async move {
        let note = log.clone();
        let group = TaskGroup::scope(async move |group: TaskGroup<()>| {
            let inner = note.clone();
            let child = group
                .create_task(async move {
                    inner.add("child");
                    Ok(())
                })
                .unwrap();
            child.add_done_callback(move |_| note.add("callback"));
            Ok(())
        });
        assert!(group.await.is_ok());
        log.add("left");
    });
    assert_eq!(
        trace,
        [
            "tick 1", "child", "tick 2", "callback", "tick 3", "left", "tick 4"
        ]
    );
}

/// The first step is inside the maker, the second in the next iteration, the end one hop further.
#[test]
fn the_hops_of_an_eager_task() {
    let trace = trace(3, |log| async move {
        let note = log.clone();
        let task = TaskBuilder::new().eager(true).spawn(async move {
            note.add("first");
            yield_now().await;
            note.add("second");
        });
        log.add("made");
        task.await.unwrap();
        log.add("awaited");
    });
    assert_eq!(
        trace,
        [
            "first", "made", "tick 1", "second", "tick 2", "awaited", "tick 3"
        ]
    );
}

/// Step 4 runs what stood there when it began, so a task that always yields starves nobody.
#[test]
fn who_always_yields_starves_nobody() {
    let trace = trace(0, |log| async move {
        let busy = create_task(async {
            loop {
                yield_now().await;
            }
        });
        let note = log.clone();
        create_task(async move {
            for n in 0..3 {
                yield_now().await;
                note.add(n);
            }
        });
        later(&log, Duration::ZERO, "timer");
        yields(5).await;
        busy.cancel();
        yields(2).await;
    });
    assert_eq!(trace.len(), 4);
    assert!(trace.contains(&String::from("timer")));
}
