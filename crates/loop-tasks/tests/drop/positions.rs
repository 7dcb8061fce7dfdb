//! A loop that is closed, and a task that is cancelled, at every position of its coroutine.

use std::future::{Future, pending};
use std::pin::Pin;

use crate::FAR;
use crate::common::{Counted, Drops, Oneshot, create_future, reports, virtual_loop};
use futures_util::future::join_all;
use loop_tasks::{
    LoopExt, ReturnWhen, Task, as_completed, catch_cancel, create_task, current_task, gather,
    shield, sleep, timeout, wait, wait_for, yield_now,
};

type Body = fn(Counted) -> Pin<Box<dyn Future<Output = ()>>>;

/// A coroutine for each way of standing still; `held` lives as long as it does.
const POSITIONS: &[(&str, Body)] = &[
    ("in nothing at all", |held| {
        Box::pin(async move {
            pending::<()>().await;
            drop(held);
        })
    }),
    ("in a sleep", |held| {
        Box::pin(async move {
            sleep(FAR).await;
            drop(held);
        })
    }),
    ("between two yields", |held| {
        Box::pin(async move {
            loop {
                yield_now().await;
                let _ = &held;
            }
        })
    }),
    ("in a future of the loop", |held| {
        Box::pin(async move {
            let _ = create_future::<Counted>().await;
            drop(held);
        })
    }),
    ("in a task", |held| {
        Box::pin(async move {
            let inner = held.clone();
            let child = create_task(async move {
                sleep(FAR).await;
                inner
            });
            let _ = child.await;
            drop(held);
        })
    }),
    ("in a gather of tasks", |held| {
        Box::pin(async move {
            let inner = held.clone();
            let _ = gather([0, 1].map(|_| {
                let inner = inner.clone();
                async move {
                    sleep(FAR).await;
                    inner
                }
            }))
            .await;
            drop(held);
        })
    }),
    ("in a gather of futures", |held| {
        Box::pin(async move {
            let futures = [0, 1].map(|_| create_future::<Counted>());
            let inner = held.clone();
            futures[0].add_done_callback(move |_| drop(inner));
            let _ = gather(&futures).await;
            drop(held);
        })
    }),
    ("in a shield", |held| {
        Box::pin(async move {
            let inner = held.clone();
            let guarded = shield(create_task(async move {
                sleep(FAR).await;
                inner
            }));
            let _ = guarded.await;
            drop(held);
        })
    }),
    ("in a wait", |held| {
        Box::pin(async move {
            let future = create_future::<()>();
            let _ = wait([&future], Some(FAR), ReturnWhen::AllCompleted).await;
            drop(held);
        })
    }),
    ("in as_completed", |held| {
        Box::pin(async move {
            let mut each = as_completed([create_future::<()>()], Some(FAR));
            let _ = each.next().await;
            drop(held);
        })
    }),
    ("in a timeout", |held| {
        Box::pin(async move {
            let _ = timeout(FAR, create_future::<()>().into_future()).await;
            drop(held);
        })
    }),
    ("in wait_for", |held| {
        Box::pin(async move {
            let _ = wait_for(FAR, create_future::<()>()).await;
            drop(held);
        })
    }),
    ("in two frames", |held| {
        Box::pin(async move {
            let caught = catch_cancel(catch_cancel(pending::<()>())).await;
            drop(held);
            if let Ok(Err(cancelled)) = caught {
                cancelled.resume().await;
            }
        })
    }),
    ("after a cancellation that it caught", |held| {
        Box::pin(async move {
            current_task().unwrap().cancel();
            let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
            sleep(FAR).await;
            drop(held);
            cancelled.resume().await;
        })
    }),
    ("in a large join_all", |held| {
        Box::pin(async move {
            join_all((0..40).map(|_| create_future::<()>().into_future())).await;
            drop(held);
        })
    }),
    ("in a future of another library", |held| {
        Box::pin(async move {
            let shot: Oneshot<()> = Oneshot::new();
            shot.await;
            drop(held);
        })
    }),
    ("in itself", |held| {
        Box::pin(async move {
            let me: Task<()> = current_task().unwrap().downcast().unwrap();
            let _me = me.clone();
            pending::<()>().await;
            drop(held);
        })
    }),
];

/// Closes a loop with a task at each position, after each number of iterations.
#[test]
fn closing_a_loop_drops_and_reports_every_unfinished_task() {
    for (name, body) in POSITIONS {
        for iterations in 0..6 {
            let drops = Drops::default();
            let event_loop = virtual_loop();
            let reports = reports(&event_loop);
            let task = event_loop.create_task(body(drops.counted()));
            let line = line!() - 1;
            for _ in 0..iterations {
                event_loop
                    .run_once(Some(std::time::Duration::ZERO))
                    .unwrap();
            }
            let pending = event_loop.all_tasks().len();
            assert!(pending > 0 && !task.done(), "{name}");
            event_loop.close().unwrap();
            assert_eq!(drops.alive(), 0, "{name}, after {iterations} iterations");
            let reports = reports.take();
            assert_eq!(reports.len(), pending, "{name}: {reports:?}");
            for report in &reports {
                let start = "Task was destroyed but it is pending!\ntask: <Task '";
                assert!(report.starts_with(start), "{name}: {report}");
            }
            assert!(
                reports[0].contains(&format!("made at {}:{line}:", file!())),
                "{name}: {}",
                reports[0]
            );
            assert!(!task.done() && !task.cancel());
            assert!(task.result().is_err());
        }
    }
}

/// The same, with a request for cancellation on its way.
#[test]
fn closing_a_loop_with_a_request_on_its_way() {
    for (name, body) in POSITIONS {
        for before in 0..4 {
            let drops = Drops::default();
            let event_loop = virtual_loop();
            let _reports = reports(&event_loop);
            let task = event_loop.create_task(body(drops.counted()));
            for _ in 0..before {
                event_loop
                    .run_once(Some(std::time::Duration::ZERO))
                    .unwrap();
            }
            assert!(task.cancel(), "{name}");
            event_loop.close().unwrap();
            assert_eq!(
                drops.alive(),
                0,
                "{name}, cancelled after {before} iterations"
            );
        }
    }
}

/// A cancellation at each position and moment: the task ends, the coroutine is dropped once, nobody is reported.
#[test]
fn cancelling_at_each_position_drops_the_coroutine() {
    for (name, body) in POSITIONS {
        for before in 0..5 {
            let drops = Drops::default();
            let event_loop = virtual_loop();
            let reports = reports(&event_loop);
            let task = event_loop.create_task(body(drops.counted()));
            for _ in 0..before {
                event_loop
                    .run_once(Some(std::time::Duration::ZERO))
                    .unwrap();
            }
            for _ in 0..2 {
                task.cancel(); // One of them is caught by the one position that catches one.
                for _ in 0..8 {
                    event_loop
                        .run_once(Some(std::time::Duration::ZERO))
                        .unwrap();
                }
            }
            assert!(
                task.cancelled(),
                "{name}, cancelled after {before} iterations"
            );
            if event_loop.all_tasks().is_empty() {
                assert_eq!(
                    drops.alive(),
                    0,
                    "{name}, cancelled after {before} iterations"
                );
            } else {
                assert_eq!(*name, "in a shield");
            }
            event_loop.close().unwrap();
            assert_eq!(drops.alive(), 0, "{name}");
            let expected = usize::from(*name == "in a shield" && before > 0);
            assert_eq!(reports.take().len(), expected, "{name}");
        }
    }
}
