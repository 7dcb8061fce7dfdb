//! Panics in what the library calls: callbacks, clones, iterators, factories, handlers.

use std::cell::RefCell;
use std::fmt;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::common::{Drops, Log, MS, create_future, reports, run, virtual_loop, yields};
use loop_tasks::{
    LoopExt, LoopFuture, ReturnWhen, TaskBuilder, as_completed, create_task, gather, gather_with,
    shield, sleep_result, timeout, wait,
};

use crate::{Bomb, message};

#[test]
fn a_panic_in_a_done_callback_is_reported_and_the_others_run() {
    let event_loop = virtual_loop();
    let (log, reports) = (Log::default(), reports(&event_loop));
    let future: LoopFuture<i32> = event_loop.create_future();
    for name in ["first", "second", "third"] {
        let note = log.clone();
        future.add_done_callback(move |_| {
            note.add(name);
            if name == "second" {
                panic!("callback");
            }
        });
    }
    let waiting = event_loop.create_task((&future).into_future());
    event_loop.run_once(None).unwrap();
    future.set_result(5).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["first", "second", "third"]);
    assert!(waiting.done());
    let reports = reports.take();
    assert_eq!(reports.len(), 1);
    let said = "Exception in callback: callback\ncallback: a done callback";
    assert!(reports[0].starts_with(said), "{}", reports[0]);
}

#[test]
fn a_panic_in_the_drop_of_a_done_callback() {
    let event_loop = virtual_loop();
    let (log, reports) = (Log::default(), reports(&event_loop));
    let future: LoopFuture<i32> = event_loop.create_future();
    let bomb = Bomb("removed");
    let token = future.add_done_callback(move |_| drop(bomb));
    let note = log.clone();
    future.add_done_callback(move |_| note.add("second"));
    assert!(catch_unwind(AssertUnwindSafe(|| future.remove_done_callback(token))).is_err());
    let task = event_loop.create_task(pending::<()>());
    for name in ["lost", "lost too"] {
        let bomb = Bomb(name);
        task.add_done_callback(move |_| drop(bomb));
    }
    future.set_result(1).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["second"]);
    event_loop.close().unwrap();
    let reports: Vec<String> = reports
        .take()
        .iter()
        .map(|report| report.lines().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        reports,
        [
            "Task was destroyed but it is pending!",
            "Exception in a drop while the event loop was closed: lost",
            "Exception in a drop while the event loop was closed: lost too"
        ]
    );
}

#[test]
fn a_panic_in_what_a_gather_asks_is_its_outcome() {
    run(async {
        for when in [Some(0), None] {
            let child: LoopFuture<i32> = create_future();
            let gathered: LoopFuture<()> = gather_with([child.erase_future()], move |heard| {
                if heard == when {
                    panic!("collect");
                }
                None
            });
            child.set_result(1).unwrap();
            let outcome = timeout(MS, gathered.into_future()).await;
            assert_eq!(message(outcome.unwrap()), "collect", "{when:?}");
        }
        let none: [loop_tasks::AnyLoopFuture; 0] = [];
        let outcome: LoopFuture<()> = gather_with(none, |_| panic!("at once"));
        assert_eq!(message(outcome.await), "at once");
    });
}

struct NoClone(Rc<RefCell<bool>>);

impl Clone for NoClone {
    fn clone(&self) -> Self {
        assert!(!*self.0.borrow(), "no clone");
        NoClone(Rc::clone(&self.0))
    }
}

/// Results are cloned out of the children: foreign code that may panic, in a callback of the loop.
#[test]
fn a_panic_in_a_clone_is_the_outcome_of_what_cloned() {
    run(async {
        let armed = Rc::new(RefCell::new(false));
        let value = || {
            let future: LoopFuture<NoClone> = create_future();
            future.set_result(NoClone(Rc::clone(&armed))).unwrap();
            future
        };
        let done = value();
        let later: LoopFuture<NoClone> = create_future();
        let (gathered, guarded) = (gather([&done, &later]), shield(&later));
        *armed.borrow_mut() = true;
        later.set_result(NoClone(Rc::clone(&armed))).unwrap();
        let outcome = timeout(MS, gathered.into_future()).await;
        assert_eq!(message(outcome.unwrap()), "no clone");
        let outcome = timeout(MS, guarded.into_future()).await;
        assert_eq!(message(outcome.unwrap()), "no clone");
        let awaiting = create_task({
            let done = done.clone();
            async move { (&done).await.map(drop) }
        });
        assert_eq!(message(awaiting.await), "no clone");
        let refused = catch_unwind(AssertUnwindSafe(|| done.result().is_ok()));
        assert!(refused.is_err());
        assert!(
            done.take_result().unwrap().is_ok(),
            "the value is still there"
        );
    });
}

/// What was made before the iterator panicked goes on, and the next call works.
#[test]
fn a_panic_in_an_iterator_of_awaitables() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let coroutines = |log: &Log| {
            let log = log.clone();
            (0..3).map(move |n| {
                assert!(n < 2, "iterator");
                let log = log.clone();
                async move { log.add(n) }
            })
        };
        let iter = coroutines(&note);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(gather(iter)))).is_err());
        let iter = coroutines(&note);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(as_completed(iter, None)))).is_err());
        let iter = coroutines(&note);
        let waiting = create_task(async move {
            let _ = wait(iter, Some(MS), ReturnWhen::AllCompleted).await;
        });
        assert_eq!(message(waiting.await), "iterator");
        yields(2).await;
        assert_eq!(gather([sleep_result(MS, 1)]).await.unwrap().len(), 1);
    });
    assert_eq!(log.take(), ["0", "1", "0", "1", "0", "1"]);
}

#[test]
fn a_panic_in_a_task_factory_reaches_the_maker_and_loses_no_task() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    event_loop.set_task_factory(Some(|_: TaskBuilder| -> TaskBuilder { panic!("factory") }));
    let counted = drops.counted();
    let made = catch_unwind(AssertUnwindSafe(|| {
        event_loop.create_task(async move { drop(counted) })
    }));
    assert!(made.is_err());
    assert_eq!(drops.alive(), 0);
    event_loop.set_task_factory(None::<fn(TaskBuilder) -> TaskBuilder>);
    event_loop.run_until_complete(async {}).unwrap();
    assert!(event_loop.all_tasks().is_empty());
}

#[test]
fn a_panic_in_the_exception_handler_keeps_nothing() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    event_loop.set_exception_handler(|_, _| panic!("handler"));
    let counted = drops.counted();
    let failing = event_loop.try_create_task(async move { Err::<(), _>(format!("{counted:?}")) });
    let counted = drops.counted();
    event_loop.create_task(async move {
        let _counted = counted;
        pending::<()>().await;
    });
    event_loop.run_once(None).unwrap();
    drop(failing);
    event_loop.close().unwrap();
    assert_eq!(drops.alive(), 0);
}

/// What an error says of itself is the user's code too.
#[test]
fn a_panic_in_the_debug_of_an_error_that_nobody_looked_at() {
    struct Mute(#[expect(dead_code, reason = "held for its drop")] crate::common::Counted);
    impl fmt::Debug for Mute {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("speechless")
        }
    }
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let error = Mute(drops.counted());
    drop(event_loop.try_create_task(async move { Err::<(), _>(error) }));
    event_loop.run_once(None).unwrap();
    let reports = reports.take();
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0]
            .starts_with("Task exception was never retrieved: (its Debug panicked: speechless)\n"),
        "{}",
        reports[0]
    );
    assert_eq!(drops.alive(), 0);
}
