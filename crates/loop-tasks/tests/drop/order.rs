//! What is dropped in what order, also by what is dropped.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use crate::FAR;
use crate::common::{Drops, Log, reports, run, virtual_loop, yields};
use loop_tasks::{LoopExt, LoopFuture, catch_cancel, create_task, gather, sleep, yield_now};

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
    let dropped = crate::common::OnDrop::new(move || {
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
