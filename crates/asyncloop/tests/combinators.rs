//! `gather`, `wait`, `wait_for`, `as_completed` and `shield`, as those who know them from asyncio expect them.

mod common;

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use asyncloop::prelude::*;
use asyncloop::{TaskError, sleep_result};
use common::{SECOND, Trace, after, fails_after, run, run_reported, succeeds_after};

fn values<T>(outcomes: Vec<Result<T, TaskError>>) -> Vec<T> {
    outcomes.into_iter().map(Result::unwrap).collect()
}

// gather

#[test]
fn gather_gives_results_in_the_order_of_its_arguments_whoever_is_first() {
    run(async {
        let start = get_running_loop().unwrap().time();
        let results = gather([3, 1, 2].map(after)).await.unwrap();
        assert_eq!(values(results), [3, 1, 2]);
        let passed = get_running_loop().unwrap().time() - start;
        assert_eq!(passed, 3 * SECOND, "they ran at once");
    });
}

#[test]
fn gather_of_nothing_is_nothing() {
    run(async {
        let nothing: [LoopFuture<u32>; 0] = [];
        assert!(gather(nothing).await.unwrap().is_empty());
        let nothing: [LoopFuture<Result<u32, ()>>; 0] = [];
        assert_eq!(try_gather(nothing).await.unwrap(), Ok(vec![]));
    });
}

#[test]
fn gather_counts_a_future_that_is_given_twice_as_two_results() {
    run(async {
        let task = create_task(after(1));
        let results = gather([&task, &task]).await.unwrap();
        assert_eq!(values(results), [1, 1]);
    });
}

#[test]
fn gather_takes_coroutines_tasks_futures_and_jobs_at_once() {
    run(async {
        let event_loop = get_running_loop().unwrap();
        let future = event_loop.create_future();
        let settle = future.clone();
        event_loop
            .call_later(SECOND, move || settle.set_result("future").unwrap())
            .unwrap();
        let job = event_loop.run_in_executor(None, || 'j').unwrap();
        let (coroutine, task, future, job) =
            gather!(after(2), create_task(async { 1.5 }), &future, job)
                .await
                .unwrap();
        assert_eq!(coroutine.unwrap(), 2);
        assert!((task.unwrap() - 1.5_f64).abs() < f64::EPSILON);
        assert_eq!(future.unwrap(), "future");
        assert_eq!(job.unwrap(), 'j');
    });
}

#[test]
fn gather_resumes_after_the_callbacks_of_its_children() {
    run(async {
        let trace = Trace::begin();
        let tasks = [1, 1].map(|n| create_task(after(n)));
        for (n, task) in tasks.iter().enumerate() {
            let trace = trace.clone();
            task.add_done_callback(move |_| trace.add(format!("callback {n}")));
        }
        gather(tasks).await.unwrap();
        trace.add("gather");
        assert_eq!(trace.take(), ["1 callback 0", "1 callback 1", "1 gather"]);
    });
}

#[test]
fn try_gather_fails_with_the_first_error_and_the_others_go_on_unreported() {
    run(async {
        let trace = Trace::begin();
        let tasks = [fails_after(3), fails_after(1)].map(try_create_task);
        let slow = try_create_task(succeeds_after(2));
        let all = [&tasks[0], &tasks[1], &slow];
        let error = try_gather(all).await.unwrap().unwrap_err();
        trace.add(&error);
        assert!(!tasks[0].done() && !slow.done());
        assert_eq!(slow.await.unwrap(), Ok(2));
        sleep(2 * SECOND).await;
        assert!(tasks[0].failed(), "and nobody has to look at it");
        assert_eq!(trace.take(), ["1 after 1"]);
    });
}

#[test]
fn gather_that_is_cancelled_cancels_its_children_and_then_fails() {
    run(async {
        let trace = Trace::begin();
        let children = [1, 2].map(|n| {
            let trace = trace.clone();
            create_task(async move {
                if let Err(cancelled) = catch_cancel(after(60)).await {
                    sleep(n * SECOND).await;
                    trace.add(format!("child {n} has cleaned up"));
                    cancelled.resume().await;
                }
            })
        });
        let gathered = gather(children.clone());
        yield_now().await;
        assert!(gathered.cancel());
        let outcome = (&gathered).await;
        trace.add("gather");
        assert!(matches!(outcome, Err(TaskError::Cancelled(_))));
        assert!(children.iter().all(|child| child.cancelled()));
        assert!(!gathered.cancel(), "it is done");
        assert_eq!(
            trace.take(),
            [
                "1 child 1 has cleaned up",
                "2 child 2 has cleaned up",
                "2 gather"
            ]
        );
    });
}

#[test]
fn a_child_that_is_cancelled_leaves_its_siblings_alone() {
    run(async {
        let (a, b) = (create_task(after(1)), create_task(after(2)));
        let collected = gather([a.clone(), b.clone()]);
        yield_now().await;
        a.cancel();
        let outcomes = collected.await.unwrap();
        assert!(matches!(outcomes[0], Err(TaskError::Cancelled(_))));
        assert!(matches!(outcomes[1], Ok(2)));

        let a = try_create_task(succeeds_after(1));
        let b = try_create_task(succeeds_after(2));
        let first_error = try_gather([a.clone(), b.clone()]);
        yield_now().await;
        a.cancel();
        let outcome = first_error.await;
        assert!(matches!(outcome, Err(TaskError::Cancelled(_))));
        assert!(!b.done());
        assert_eq!(b.await.unwrap(), Ok(2));
    });
}

// wait

#[test]
fn wait_for_the_first_exception_returns_at_the_first_failure() {
    run(async {
        let trace = Trace::begin();
        let tasks = [fails_after(3), fails_after(1)].map(try_create_task);
        let waited = wait(tasks, None, ReturnWhen::FirstException).await.unwrap();
        trace.add(format!(
            "{} done, {} pending",
            waited.done.len(),
            waited.pending.len()
        ));
        assert_eq!(
            waited.done[0].result().unwrap().unwrap(),
            Err("after 1".to_owned())
        );
        let rest = wait(waited.pending, None, ReturnWhen::AllCompleted);
        assert!(rest.await.unwrap().done[0].result().unwrap().is_ok());
        assert_eq!(trace.take(), ["1 1 done, 1 pending"]);
    });
}

#[test]
fn wait_for_the_first_exception_passes_over_cancelled_ones() {
    run(async {
        let trace = Trace::begin();
        let tasks = [1, 2].map(|n| create_task(after(n)));
        let first = tasks[0].clone();
        get_running_loop()
            .unwrap()
            .call_soon(move || assert!(first.cancel()))
            .unwrap();
        let waited = wait(tasks, None, ReturnWhen::FirstException).await.unwrap();
        trace.add(format!("{} done", waited.done.len()));
        assert_eq!(trace.take(), ["2 2 done"]);
    });
}

#[test]
fn wait_takes_coroutines_counts_each_once_and_refuses_to_wait_for_nothing() {
    run(async {
        let waited = wait([2, 1].map(after), None, ReturnWhen::AllCompleted)
            .await
            .unwrap();
        let results = waited.done.iter().map(|task| task.result().unwrap());
        assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), [2, 1]);

        let task = create_task(after(1));
        let twice = [task.clone(), task];
        let waited = wait(twice, None, ReturnWhen::AllCompleted).await.unwrap();
        assert_eq!(waited.done.len(), 1);

        let none: [Task<()>; 0] = [];
        let error = wait(none, None, ReturnWhen::AllCompleted)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "Set of Tasks/Futures is empty.");
    });
}

#[test]
fn tasks_of_different_types_are_waited_for_together() {
    run(async {
        let number = create_task(sleep_result(2 * SECOND, 7));
        let failed = try_create_task(async { Err::<(), _>("no") });
        let future: LoopFuture<String> = get_running_loop().unwrap().create_future();
        let tasks = [number.erase(), failed.erase(), failed.erase()];
        let waited = wait(&tasks, None, ReturnWhen::FirstException).await;
        let waited = waited.unwrap();
        assert_eq!(waited.done, [failed.erase()]);
        assert_eq!(waited.pending, [number.erase()]);

        let all = [number.erase_future(), future.erase_future()];
        let mut upcoming = as_completed(all, Some(5 * SECOND));
        let first = upcoming.next().await.unwrap().unwrap();
        assert_eq!(first, number.erase_future());
        assert_eq!(number.await.unwrap(), 7);
        assert!(upcoming.next().await.unwrap().is_err());
        assert!(upcoming.next().await.is_none() && !future.done());
        assert_eq!(failed.await.unwrap(), Err("no"));
    });
}

#[test]
fn wait_that_runs_out_of_time_cancels_nothing() {
    run(async {
        let trace = Trace::begin();
        let tasks = [5, 1].map(|n| create_task(after(n)));
        let limit = Some(2 * SECOND);
        let waited = wait(tasks, limit, ReturnWhen::AllCompleted).await.unwrap();
        trace.add(format!("{} pending", waited.pending.len()));
        for task in waited.pending {
            assert_eq!(task.await.unwrap(), 5);
        }
        trace.add("all done");
        assert_eq!(trace.take(), ["2 1 pending", "5 all done"]);
    });
}

// wait_for

#[test]
fn wait_for_cancels_what_is_late_and_waits_until_it_has_ended() {
    run(async {
        let trace = Trace::begin();
        let said = trace.clone();
        let task = create_task(async move {
            if let Err(cancelled) = catch_cancel(after(60)).await {
                sleep(2 * SECOND).await;
                said.add("cleaned up");
                cancelled.resume().await;
            }
        });
        let late = wait_for(SECOND, &task).await.unwrap_err();
        trace.add(late.to_string());
        assert!(task.cancelled());
        assert_eq!(trace.take(), ["3 cleaned up", "3 the deadline has elapsed"]);
    });
}

#[test]
fn wait_for_gives_the_value_that_comes_in_spite_of_the_cancellation() {
    run(async {
        let stubborn = create_task(async {
            let _ = catch_cancel(after(60)).await;
            "all the same"
        });
        let value = wait_for(SECOND, stubborn).await;
        assert_eq!(value.unwrap().unwrap(), "all the same");
    });
}

#[test]
fn wait_for_no_time_gives_what_is_done_and_starts_nothing() {
    run(async {
        let done = create_task(async { 7 });
        yield_now().await;
        assert_eq!(wait_for(Duration::ZERO, &done).await.unwrap().unwrap(), 7);

        let begun = Rc::new(Cell::new(false));
        let note = Rc::clone(&begun);
        let coroutine = async move { note.set(true) };
        assert!(wait_for(Duration::ZERO, coroutine).await.is_err());
        assert!(!begun.get());

        let pending = create_task(pending::<()>());
        assert!(wait_for(Duration::ZERO, &pending).await.is_err());
        assert!(pending.cancelled());
    });
}

#[test]
fn wait_for_that_is_cancelled_cancels_what_it_waits_for() {
    run(async {
        let inner = create_task(after(60));
        let waited = inner.clone();
        let outer = create_task(async move { wait_for(90 * SECOND, &waited).await.is_ok() });
        sleep(SECOND).await;
        outer.cancel();
        assert!(matches!(outer.await, Err(TaskError::Cancelled(_))));
        assert!(inner.cancelled());
    });
}

// as_completed

#[test]
fn as_completed_gives_them_in_the_order_in_which_they_end() {
    run(async {
        let trace = Trace::begin();
        let mut jobs = as_completed([3, 1, 2].map(after), None);
        while let Some(job) = jobs.next().await {
            trace.add(format!("job {}", job.unwrap().result().unwrap().unwrap()));
        }
        assert_eq!(trace.take(), ["1 job 1", "2 job 2", "3 job 3"]);
    });
}

#[test]
fn as_completed_gives_the_very_tasks_that_it_was_given() {
    run(async {
        let tasks = [2, 1].map(|n| create_task(after(n)));
        let mut jobs = as_completed(tasks.clone(), None);
        let first = jobs.next().await.unwrap().unwrap();
        let second = jobs.next().await.unwrap().unwrap();
        assert!(first.same(&tasks[1]) && second.same(&tasks[0]));
        assert!(jobs.next().await.is_none());
    });
}

#[test]
fn as_completed_that_runs_out_of_time_says_so_for_each_and_they_go_on() {
    run(async {
        let tasks = [1, 5, 6].map(|n| create_task(after(n)));
        let mut jobs = as_completed(tasks.clone(), Some(2 * SECOND));
        assert!(jobs.next().await.unwrap().is_ok());
        assert!(jobs.next().await.unwrap().is_err());
        assert!(jobs.next().await.unwrap().is_err());
        assert!(jobs.next().await.is_none());
        assert_eq!(values(gather(tasks).await.unwrap()), [1, 5, 6]);
    });
}

// shield

#[test]
fn what_is_shielded_goes_on_when_its_waiter_is_cancelled() {
    run(async {
        let inner = create_task(after(2));
        let guarded = inner.clone();
        let waiter = create_task(async move { shield(&guarded).await });
        sleep(SECOND).await;
        waiter.cancel();
        assert!(matches!(waiter.await, Err(TaskError::Cancelled(_))));
        assert!(!inner.done() && inner.cancelling() == 0);
        assert_eq!(inner.await.unwrap(), 2);
    });
}

#[test]
fn a_shield_is_cancelled_with_what_it_guards() {
    run(async {
        let inner = create_task(after(2));
        let guarded = shield(&inner);
        yield_now().await;
        inner.cancel();
        assert!(matches!((&guarded).await, Err(TaskError::Cancelled(_))));
        assert!(guarded.cancelled());
    });
}

#[test]
fn an_error_behind_a_shield_that_was_given_up_is_reported() {
    let ((), reports) = run_reported(async {
        let inner = try_create_task(fails_after(1));
        let guarded = shield(&inner);
        yield_now().await;
        guarded.cancel();
        drop((inner, guarded));
        sleep(2 * SECOND).await;
    });
    assert_eq!(reports, ["Task exception was never retrieved: \"after 1\""]);
}

// sleep

#[test]
fn a_sleep_of_zero_is_one_iteration_and_others_take_their_turn() {
    run(async {
        let trace = Trace::begin();
        for name in ["a", "b"] {
            let trace = trace.clone();
            create_task(async move {
                for n in 1..=2 {
                    trace.add(format!("{name}{n}"));
                    sleep(Duration::ZERO).await;
                }
            });
        }
        for _ in 0..3 {
            sleep(Duration::ZERO).await;
        }
        assert_eq!(trace.take(), ["0 a1", "0 b1", "0 a2", "0 b2"]);
    });
}

#[test]
fn a_sleep_may_bring_a_result() {
    run(async {
        assert_eq!(sleep_result(SECOND, 42).await, 42);
    });
}

#[test]
fn awaiting_one_after_the_other_takes_the_sum_and_tasks_take_the_longest() {
    run(async {
        let trace = Trace::begin();
        after(3).await;
        after(1).await;
        trace.add("one after the other");
        let tasks = [3, 1].map(|n| create_task(after(n)));
        for task in tasks {
            task.await.unwrap();
        }
        trace.add("tasks");
        assert_eq!(trace.take(), ["4 one after the other", "7 tasks"]);
    });
}
