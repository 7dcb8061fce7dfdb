//! Panics in everything of the user's that the library calls or drops: none gets through the loop, none keeps others
//! from going on, none is lost. Panics of wakers are in `wakers.rs`.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use common::{Drops, Log, MS, OnDrop, create_future, reports, run, ticker, virtual_loop, yields};
use loop_tasks::{
    LoopExt, LoopFuture, ReturnWhen, TaskBuilder, TaskError, as_completed, catch_cancel,
    create_task, current_task, gather, gather_with, shield, sleep, sleep_result, timeout,
    try_create_task, try_gather, wait, wait_for, yield_now,
};

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// A coroutine that holds a bomb, and ends with `output` at its first or second step.
struct Holding<T> {
    _bomb: Bomb,
    yields: u32,
    output: Option<T>,
}

impl<T: Unpin> Future for Holding<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if self.yields > 0 {
            self.yields -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.output.take().unwrap())
    }
}

fn holding<T>(yields: u32, output: T) -> Holding<T> {
    Holding {
        _bomb: Bomb("coroutine"),
        yields,
        output: Some(output),
    }
}

async fn boom() {
    if true {
        panic!("boom");
    }
}

fn message<T>(outcome: Result<T, TaskError>) -> String {
    match outcome {
        Err(TaskError::Panicked(panicked)) => panicked.message().to_owned(),
        Err(error) => format!("not a panic: {error}"),
        Ok(_) => "a value".to_owned(),
    }
}

#[test]
fn a_panic_is_the_outcome_of_its_task() {
    run(async {
        let task = create_task(boom());
        assert_eq!(message((&task).await), "boom");
        assert!(task.done() && task.failed() && !task.cancelled());
        assert_eq!(message(task.result().unwrap()), "boom");
        let later = create_task(async {
            sleep(MS).await;
            boom().await;
        });
        assert_eq!(message(later.await), "boom");
        let formatted = create_task(async {
            if true {
                panic!("number {}", 7)
            }
        });
        assert_eq!(message(formatted.await), "number 7");
    });
}

#[test]
fn what_a_panic_carries_can_be_raised_again() {
    run(async {
        let task = create_task(async {
            if true {
                panic_any(42u64)
            }
        });
        let Err(TaskError::Panicked(panicked)) = (&task).await else {
            panic!("it panicked")
        };
        assert_eq!(panicked.message(), "a panic whose payload is not text");
        let payload = panicked.take_payload().unwrap();
        let again = catch_unwind(AssertUnwindSafe(|| resume_unwind(payload))).unwrap_err();
        assert_eq!(again.downcast_ref(), Some(&42u64));
        assert!(panicked.take_payload().is_none());
        assert_eq!(message(task.await), "a panic whose payload is not text");
    });
}

/// The batch goes on in the same iteration, and nobody is the current task any more.
#[test]
fn the_steps_behind_one_that_panics_run_in_the_same_iteration() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let ticks = ticker(&note, 2);
        let task = create_task(boom());
        let after = note.clone();
        create_task(async move {
            after.add(current_task().unwrap().get_name());
        });
        let callback = note.clone();
        let event_loop = loop_core::get_running_loop().unwrap();
        event_loop
            .call_soon(move || callback.add(format_args!("{:?}", current_task().is_some())))
            .unwrap();
        yield_now().await;
        assert_eq!(message(task.await), "boom");
        ticks.await.unwrap();
    });
    assert_eq!(log.take(), ["tick 1", "Task-4", "false", "tick 2"]);
}

#[test]
fn a_panic_reaches_whoever_waits_in_whatever_way() {
    run(async {
        assert_eq!(message(shield(create_task(boom())).await), "boom");
        assert_eq!(
            message(wait_for(MS, create_task(boom())).await.unwrap()),
            "boom"
        );
        let both = gather([create_task(boom()), create_task(yields(1))])
            .await
            .unwrap();
        assert_eq!(
            both.into_iter().map(message).collect::<Vec<_>>(),
            ["boom", "a value"]
        );
        let failing = create_task(async {
            boom().await;
            Ok::<(), ()>(())
        });
        assert_eq!(message(try_gather([failing]).await), "boom");
        let slow = create_task(sleep(MS));
        let waited = wait(
            [create_task(boom()), slow],
            None,
            ReturnWhen::FirstException,
        )
        .await
        .unwrap();
        assert_eq!((waited.done.len(), waited.pending.len()), (1, 1));
        assert_eq!(message(waited.done[0].take_result().unwrap()), "boom");
        let mut each = as_completed([create_task(boom())], None);
        let first = each.next().await.unwrap().unwrap();
        assert_eq!(message(first.take_result().unwrap()), "boom");
        yields(3).await;
        sleep(2 * MS).await;
    });
}

#[test]
fn a_panic_inside_a_timeout_is_its_own_tasks() {
    run(async {
        let task = create_task(async { timeout(MS, boom()).await.is_ok() });
        assert_eq!(message(task.await), "boom");
        let task = create_task(async { wait_for(MS, boom()).await.is_ok() });
        assert_eq!(message(task.await), "boom");
        let event_loop = loop_core::get_running_loop().unwrap();
        assert_eq!(event_loop.next_deadline(), None, "the timers went with it");
    });
}

#[test]
fn the_loop_can_be_used_after_its_main_task_has_panicked() {
    let event_loop = virtual_loop();
    let error = event_loop.run_until_complete(boom()).unwrap_err();
    assert_eq!(error.to_string(), "panicked: boom");
    assert_eq!(event_loop.run_until_complete(async { 5 }).unwrap(), 5);
    assert!(event_loop.all_tasks().is_empty());
}

#[test]
fn a_panic_in_the_clean_up_after_a_cancellation_is_the_outcome() {
    run(async {
        let task = create_task(async {
            let _ = catch_cancel(pending::<()>()).await;
            boom().await;
        });
        yields(2).await;
        task.cancel();
        assert_eq!(message((&task).await), "boom");
        assert!(!task.cancelled());
        let asked_late = create_task(async {
            current_task().unwrap().cancel();
            boom().await;
        });
        assert_eq!(message(asked_late.await), "boom");
    });
}

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
    assert!(
        reports[0].starts_with("Exception in callback: callback\n"),
        "{}",
        reports[0]
    );
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
        let (gathered, guarded) = (gather([done.clone(), later.clone()]), shield(&later));
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
    struct Mute(#[expect(dead_code, reason = "held for its drop")] common::Counted);
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

#[test]
fn a_panic_in_an_eager_start() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let me = current_task().unwrap();
        let inner = note.clone();
        let outer = TaskBuilder::new().eager(true).spawn(async move {
            let innermost = TaskBuilder::new().eager(true).spawn(boom());
            inner.add(format_args!("inner failed {}", innermost.failed()));
            let _ = innermost.await;
            boom().await;
        });
        assert_eq!(current_task().unwrap(), me);
        assert_eq!(message(outer.await), "boom");
        let held = TaskBuilder::new().eager(true).spawn(holding(0, ()));
        assert_eq!(message(held.await), "coroutine");
        let failing = TaskBuilder::new()
            .eager(true)
            .try_spawn(async { Err::<(), _>("no") });
        assert_eq!(failing.await.unwrap(), Err("no"));
    });
    assert_eq!(log.take(), ["inner failed true"]);
}

/// Hundreds of panics in one batch: each is its task's.
#[test]
fn many_panics_in_one_iteration() {
    run(async {
        let tasks: Vec<_> = (0..300)
            .map(|n| {
                try_create_task(async move {
                    assert!(n % 3 != 0, "task {n}");
                    if n % 3 == 1 { Err(n) } else { Ok(n) }
                })
            })
            .collect();
        yields(1).await;
        for (n, task) in tasks.into_iter().enumerate() {
            match task.await {
                Err(TaskError::Panicked(panicked)) => {
                    assert_eq!(
                        (n % 3, panicked.message()),
                        (0, format!("task {n}").as_str())
                    );
                }
                Ok(Err(error)) => assert_eq!((n % 3, error), (1, n)),
                Ok(Ok(value)) => assert_eq!((n % 3, value), (2, n)),
                Err(error) => panic!("{error}"),
            }
        }
    });
}
