//! Panics in what is dropped: coroutines, outputs, callbacks, payloads.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

use crate::common::{Drops, Log, MS, OnDrop, reports, run, virtual_loop, yields};
use loop_tasks::{LoopExt, LoopFuture, catch_cancel, create_task, current_task, timeout};

use crate::{Bomb, holding, message};

#[test]
fn a_panic_in_the_drop_of_the_coroutine_when_it_is_done() {
    let drops = Drops::default();
    let counter = drops.clone();
    run(async move {
        for yields in [0, 1] {
            let task = create_task(holding(yields, counter.counted()));
            assert_eq!(message(task.await), "coroutine");
        }
    });
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_panic_in_the_drop_of_the_coroutine_when_it_is_cancelled() {
    run(async {
        for started in [0, 2] {
            let task = create_task(async {
                let _bomb = Bomb("cancelled");
                pending::<()>().await;
            });
            yields(started).await;
            assert!(task.cancel());
            yields(1).await;
            if started == 0 {
                assert!(task.cancelled(), "it never began, and holds nothing");
                let _ = task.await;
            } else {
                assert_eq!(message(task.await), "cancelled");
            }
        }
        let task = create_task(holding(100, ()));
        task.cancel();
        assert_eq!(message(task.await), "coroutine");
    });
}

#[test]
fn a_panic_in_a_drop_inside_a_frame_is_the_outcome() {
    run(async {
        for limit in [false, true] {
            let task = create_task(async move {
                let held = async {
                    let _bomb = Bomb("in the frame");
                    pending::<()>().await;
                };
                if limit {
                    let _ = timeout(MS, held).await;
                } else {
                    let _ = catch_cancel(held).await;
                }
            });
            yields(2).await;
            if !limit {
                task.cancel();
            }
            assert_eq!(message(task.await), "in the frame");
        }
    });
}

/// The panic of the coroutine's drop replaces an output whose drop panics as well: the task is done all the same.
#[test]
fn two_panics_in_one_ending() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let outcome = event_loop
        .run_until_complete(async { message(create_task(holding(0, Bomb("output"))).await) })
        .unwrap();
    assert_eq!(outcome, "coroutine");
    let reports = reports.take();
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0]
            .starts_with("Exception in a drop after a task was done: output\ntask: <Task 'Task-2'"),
        "{}",
        reports[0]
    );
}

/// tokio#3967, #4430: a value that panics when it is dropped, while its handle goes before or after it is done.
#[test]
fn a_panic_in_the_drop_of_an_output() {
    let event_loop = virtual_loop();
    let (log, reports) = (Log::default(), reports(&event_loop));
    let task = event_loop.create_task(async { Bomb("handle dropped before") });
    drop(task);
    let note = log.clone();
    event_loop.create_task(async move { note.add("next") });
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["next"]);
    let first = reports.take();
    assert_eq!(first.len(), 1);
    assert!(first[0].contains("handle dropped before"), "{}", first[0]);

    let task = event_loop.create_task(async { Bomb("handle dropped after") });
    event_loop.run_once(None).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(task))).is_err());

    let task = event_loop.create_task(async { Bomb("at the close") });
    event_loop.run_once(None).unwrap();
    event_loop.close().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(task))).is_err());
    assert_eq!(reports.take(), [""; 0]);
}

/// A late request drops the output; when that panics, the panic is the outcome.
#[test]
fn a_panic_in_the_drop_of_an_output_that_came_too_late() {
    run(async {
        let task = create_task(async {
            current_task().unwrap().cancel();
            Bomb("late")
        });
        assert_eq!(message(task.await.map(std::mem::forget)), "late");
    });
}

#[test]
fn panics_in_drops_keep_nothing_of_a_loop_that_is_closed() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    for _ in 0..3 {
        let counted = drops.counted();
        event_loop.create_task(async move {
            let _bomb = Bomb("closing");
            let _counted = counted;
            pending::<()>().await;
        });
    }
    event_loop.run_once(None).unwrap();
    let last = event_loop.create_task(pending::<()>());
    event_loop.close().unwrap();
    assert_eq!(drops.alive(), 0);
    assert!(format!("{last:?}").contains("lost"));
    let reports = reports.take();
    let dropped = "Exception while a pending task was dropped: closing";
    assert_eq!(reports.iter().filter(|r| r.starts_with(dropped)).count(), 3);
    assert_eq!(reports.len(), 7);
}

/// A panic whose payload panics when it is dropped: there is no end to it, but there is a loop to keep.
#[test]
fn a_panic_that_carries_a_bomb() {
    let event_loop = virtual_loop();
    let (log, reports) = (Log::default(), reports(&event_loop));
    event_loop.create_task(async {
        if true {
            panic_any(Bomb("payload of a task"))
        }
    });
    let shared: LoopFuture<i32> = event_loop.create_future();
    shared.add_done_callback(|_| panic_any(Bomb("payload of a callback")));
    shared.set_result(1).unwrap();
    let note = log.clone();
    event_loop.create_task(async move { note.add("next") });
    event_loop.create_task(async {
        let _armed = OnDrop::new(|| panic_any(Bomb("payload of a drop")));
        pending::<()>().await;
    });
    event_loop.run_once(None).unwrap();
    event_loop.run_once(Some(MS)).unwrap();
    assert_eq!(log.take(), ["next"]);
    event_loop.close().unwrap();
    assert!(event_loop.is_closed());
    assert!(reports.take().len() >= 4);
}
