//! What is dropped, when, and in what order: coroutines at every step, loops before their futures, futures before
//! their loops.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use common::{Counted, Drops, Log, MS, Oneshot, create_future, reports, run, virtual_loop, yields};
use futures_util::future::join_all;
use loop_core::{EventLoop, get_running_loop};
use loop_tasks::{
    LoopExt, LoopFuture, ReturnWhen, Task, TaskBuilder, TaskError, as_completed, catch_cancel,
    create_task, current_task, gather, shield, sleep, timeout, try_create_task, try_gather, wait,
    wait_for, yield_now,
};

type Body = fn(Counted) -> Pin<Box<dyn Future<Output = ()>>>;

const FAR: std::time::Duration = std::time::Duration::from_secs(3600);

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

#[test]
fn a_coroutine_is_dropped_innermost_first() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let outer = note.clone();
        let task = create_task(async move {
            let _first = outer.on_drop("first local");
            let _second = outer.on_drop("second local");
            let inner = outer.clone();
            let held = async move {
                let _inner = inner.on_drop("inner local");
                sleep(FAR).await;
            };
            let _ = catch_cancel(held).await;
            outer.add("caught");
            pending::<()>().await;
        });
        yields(2).await;
        task.cancel();
        yields(2).await;
        note.add("again");
        task.cancel();
        yields(1).await;
        assert!(task.cancelled());
    });
    assert_eq!(
        log.take(),
        [
            "inner local",
            "caught",
            "again",
            "second local",
            "first local"
        ]
    );
}

#[test]
fn tasks_are_lost_oldest_first() {
    let event_loop = virtual_loop();
    let log = Log::default();
    for name in ["a", "b", "c"] {
        let dropped = log.on_drop(name);
        event_loop.create_task(async move {
            let _dropped = dropped;
            pending::<()>().await;
        });
    }
    let note = log.clone();
    event_loop.set_exception_handler(move |_, context| {
        let task = context.task.clone().unwrap();
        note.add(task.split(' ').nth(1).unwrap());
    });
    event_loop.close().unwrap();
    assert_eq!(
        log.take(),
        ["'Task-1'", "a", "'Task-2'", "b", "'Task-3'", "c"]
    );
}

#[test]
fn a_lost_task_says_so() {
    let event_loop = virtual_loop();
    let _reports = reports(&event_loop);
    let task = event_loop.create_task(async {});
    event_loop.close().unwrap();
    assert!(format!("{task:?}").starts_with("<Task 'Task-1' lost at "));
    assert!(!task.done() && !task.cancelled() && !task.cancel());
    assert!(task.result().is_err() && task.take_result().is_err());
    assert_eq!(task.cancelling(), 0);
}

#[test]
fn what_is_made_on_a_closed_loop_comes_back() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    event_loop.close().unwrap();
    let counted = drops.counted();
    let refused = TaskBuilder::new().spawn_on(&event_loop, async move { drop(counted) });
    let refused = refused.unwrap_err();
    assert_eq!(refused.to_string(), "Event loop is closed");
    assert_eq!(drops.count(), 0, "the coroutine is in the error");
    drop(refused);
    assert_eq!(drops.count(), 1);
    assert_eq!(
        event_loop
            .run_until_complete(async {})
            .unwrap_err()
            .to_string(),
        "Event loop is closed"
    );
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        event_loop.create_task(async {})
    }));
    assert!(made.is_err());
}

#[test]
fn futures_that_outlive_their_loop_can_still_be_used_and_dropped() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let (settled, open) = (event_loop.create_future(), event_loop.create_future());
    settled.set_result(drops.counted()).unwrap();
    for future in [&settled, &open] {
        let counted = drops.counted();
        future.add_done_callback(move |_| drop(counted));
    }
    event_loop.close().unwrap();
    drop(event_loop);
    assert!(settled.result().unwrap().is_ok());
    open.set_result(drops.counted()).unwrap();
    assert!(open.done());
    assert!(!open.cancel());
    let late = drops.counted();
    open.add_done_callback(move |_| drop(late));
    // From a loop of its own a task cannot await it, settled or not.
    let stranger = virtual_loop();
    let outcome = stranger.run_until_complete(async move { open.await.is_ok() });
    assert!(
        outcome.unwrap(),
        "it is settled: there is nothing to wait for"
    );
    drop((settled, stranger));
    assert_eq!(drops.alive(), 0);
}

#[test]
fn gathers_that_outlive_their_loop_are_never_done() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let _reports = reports(&event_loop);
    let counter = drops.clone();
    let (of_tasks, of_futures) = event_loop
        .run_until_complete(async move {
            let counted = counter.counted();
            let task = create_task(async move {
                pending::<()>().await;
                counted
            });
            let future: LoopFuture<Counted> = create_future();
            let counted = counter.counted();
            future.add_done_callback(move |_| drop(counted));
            (gather([task]), gather([future]))
        })
        .unwrap();
    event_loop.close().unwrap();
    for gathered in [of_tasks, of_futures] {
        assert!(!gathered.done() && !gathered.cancel() && gathered.result().is_err());
        assert!(format!("{gathered:?}").contains("lost"));
    }
    assert_eq!(drops.alive(), 0);
}

/// Each of these is a circle of references as long as it is not settled.
#[test]
fn gathers_and_shields_over_futures_that_nobody_settles_are_freed_with_the_loop() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let held: Rc<RefCell<Vec<LoopFuture<i32>>>> = Rc::default();
    let make = |event_loop: &EventLoop| {
        let counted = drops.counted();
        let future: LoopFuture<i32> = event_loop.create_future();
        future.add_done_callback(move |_| drop(counted));
        future
    };
    let futures: Vec<LoopFuture<i32>> = (0..6).map(|_| make(&event_loop)).collect();
    let kept = Rc::clone(&held);
    event_loop
        .call_soon(move || {
            let [a, b, c, d, e, f] = futures.try_into().unwrap();
            drop(gather([a.clone(), a]));
            drop(shield(b));
            drop(shield(shield(c)));
            assert!(shield(gather([d])).cancel());
            kept.borrow_mut().push(e.clone());
            drop(gather([e, f]));
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.close().unwrap();
    assert_eq!(drops.alive(), 1, "only the one that somebody holds");
    drop(held);
    assert_eq!(drops.alive(), 0);
}

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

/// tokio#1972, madsim#125: a drop that comes back into the loop while it closes.
#[test]
fn drops_that_use_the_library_while_the_loop_closes() {
    let event_loop = virtual_loop();
    let (log, reports) = (Log::default(), reports(&event_loop));
    let slot: Rc<Cell<Option<std::task::Waker>>> = Rc::default();
    let put = Rc::clone(&slot);
    let sleeper = event_loop.create_task(poll_fn(move |cx| {
        put.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    }));
    let future: LoopFuture<i32> = event_loop.create_future();
    let awaited = future.clone();
    event_loop.create_task(async move { _ = awaited.await });
    let (note, closing) = (log.clone(), event_loop.clone());
    let last = event_loop.create_task(pending::<()>());
    let victim = last.clone();
    let dropped = common::OnDrop::new(move || {
        note.add(format_args!("closed {}", closing.is_closed()));
        slot.take().unwrap().wake();
        note.add(format_args!("set {}", future.set_result(1).is_ok()));
        note.add(format_args!("cancel lost {}", sleeper.cancel()));
        note.add(format_args!("cancel {}", victim.cancel()));
        note.add(format_args!("close {:?}", closing.close()));
        note.add(format_args!(
            "call_soon {}",
            closing.call_soon(|| ()).is_ok()
        ));
        note.add(format_args!("tasks {}", closing.all_tasks().len()));
        let guarded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            closing.create_task(async {});
        }));
        note.add(format_args!("create_task {}", guarded.is_ok()));
    });
    event_loop.create_task(async move {
        let _dropped = dropped;
        pending::<()>().await;
    });
    event_loop.run_once(None).unwrap();
    event_loop.close().unwrap();
    assert_eq!(
        log.take(),
        [
            "closed true",
            "set true",
            "cancel lost false",
            "cancel false",
            "close Ok(())",
            "call_soon false",
            "tasks 1",
            "create_task false"
        ]
    );
    assert_eq!(reports.take().len(), 4);
}

/// The last handle of a loop goes inside a step: the loop lives until the run is over, then closes.
#[test]
fn a_loop_whose_last_handle_goes_inside_a_step_closes_after_the_run() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let handle = Rc::new(RefCell::new(Some(event_loop.clone())));
    let counted = drops.counted();
    let inner = Rc::clone(&handle);
    let log = reports(&event_loop);
    event_loop.create_task(async move {
        drop(inner.borrow_mut().take());
        yield_now().await;
        drop(counted);
        pending::<()>().await;
    });
    for _ in 0..3 {
        event_loop
            .run_once(Some(std::time::Duration::ZERO))
            .unwrap();
    }
    let reference = event_loop.loop_ref();
    drop(event_loop);
    assert!(reference.is_closed());
    assert_eq!((drops.alive(), log.take().len()), (0, 1));
}

/// tokio#5162: loops, tasks and futures that live in the storage of a thread die with it, in whatever order.
#[test]
fn a_loop_and_its_futures_may_die_with_their_thread() {
    thread_local! {
        static FUTURES: RefCell<Vec<LoopFuture<Counted>>> = const { RefCell::new(Vec::new()) };
        static LOOP: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
        static TASKS: RefCell<Vec<Task<()>>> = const { RefCell::new(Vec::new()) };
    }
    for order in 0..3 {
        std::thread::spawn(move || {
            let event_loop = virtual_loop();
            event_loop.set_exception_handler(|_, _| ());
            // Whose destructor runs first depends on which was used first.
            if order == 0 {
                LOOP.with_borrow(|_| ());
            } else if order == 1 {
                TASKS.with_borrow(|_| ());
            }
            let drops = Drops::default();
            let (done, open) = (event_loop.create_future(), event_loop.create_future());
            done.set_result(drops.counted()).unwrap();
            let counted = drops.counted();
            open.add_done_callback(move |_| drop(counted));
            let awaited = open.clone();
            let task = event_loop.create_task(async move {
                let _ = sleep(FAR).await;
                let _ = awaited.await;
            });
            event_loop.run_once(None).unwrap();
            FUTURES.set(vec![done, open]);
            TASKS.set(vec![task]);
            LOOP.set(Some(event_loop));
        })
        .join()
        .unwrap();
    }
}

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
fn a_waker_that_outlives_its_loop_wakes_nobody() {
    let event_loop = virtual_loop();
    let _reports = reports(&event_loop);
    let slot: Rc<Cell<Option<std::task::Waker>>> = Rc::default();
    let put = Rc::clone(&slot);
    let task = event_loop.create_task(poll_fn(move |cx| {
        put.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    }));
    event_loop.run_once(None).unwrap();
    event_loop.close().unwrap();
    let waker = slot.take().unwrap();
    waker.wake_by_ref();
    drop((task, event_loop));
    // Others come and go, perhaps in its place.
    for _ in 0..3 {
        let other = virtual_loop();
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        other
            .run_until_complete(async move { count.set(count.get() + 1) })
            .unwrap();
        waker.wake_by_ref();
        assert_eq!(polls.get(), 1);
    }
    std::thread::spawn(move || waker.wake()).join().unwrap();
}

#[test]
fn dropping_a_reference_cancels_nothing() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let inner = note.clone();
        drop(create_task(async move {
            yields(3).await;
            inner.add("task");
        }));
        let inner = note.clone();
        drop(gather([async move {
            yields(3).await;
            inner.add("child of a gather");
        }]));
        let inner = note.clone();
        let waited = create_task(async move {
            yields(3).await;
            inner.add("awaited task");
        });
        let join = async { waited.clone().await };
        drop(join);
        assert!(matches!(waited.await, Ok(())));
    });
    assert_eq!(log.take(), ["task", "child of a gather", "awaited task"]);
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
