//! Panics in what a task polls: the outcome of the task, and of nobody else.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};

use crate::common::{Log, MS, run, ticker, virtual_loop, yields};
use loop_tasks::{
    LoopExt, ReturnWhen, TaskBuilder, TaskError, as_completed, catch_cancel, create_task,
    current_task, gather, shield, sleep, timeout, try_create_task, try_gather, wait, wait_for,
    yield_now,
};

use crate::{boom, holding, message};

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
