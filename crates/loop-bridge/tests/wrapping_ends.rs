//! How the wait for a wrapped future ends early: cancelled, let go of, its loop closed.

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{Counted, LoopThread, Tally, Touchy, quiet, turn, watched_loop};
use loop_bridge::{
    ConcurrentError, Promise, concurrent_future, run_coroutine_threadsafe, wrap_future,
    wrap_future_on,
};
use loop_core::EventLoop;
use loop_tasks::{LoopExt, RunError, TaskError, create_task, sleep, timeout, wait_for, yield_now};

const SECOND: Duration = Duration::from_secs(1);

/// It is cloned on the loop, in a callback of nobody's.
#[test]
fn a_value_that_panics_when_it_is_cloned_fails_who_awaits_it() {
    let (event_loop, reports) = watched_loop();
    let (promise, future) = concurrent_future();
    let wrapped = wrap_future_on(&event_loop, &future);
    promise.set_result(Touchy).unwrap();
    turn(&event_loop, 2);
    let Ok(Err(TaskError::Panicked(panic))) = wrapped.take_result() else {
        panic!("it has panicked");
    };
    assert_eq!(panic.message(), "do not clone");
    assert!(future.take_result(None).is_ok(), "the value is still there");
    assert_eq!(*reports.borrow(), [""; 0]);
}

// Cancelling.

#[test]
fn cancelling_the_wrapper_cancels_what_has_not_begun() {
    let (event_loop, reports) = watched_loop();
    let (promise, future) = concurrent_future::<u32>();
    let wrapped = wrap_future_on(&event_loop, &future);
    assert!(wrapped.cancel());
    assert!(!future.cancelled(), "that is a callback's business");
    turn(&event_loop, 1);
    assert!(future.cancelled());
    assert!(!promise.set_running_or_notify_cancel());
    turn(&event_loop, 2);
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn what_runs_goes_on_and_keeps_its_result_for_others() {
    struct Page(u32);
    let (event_loop, reports) = watched_loop();
    let (promise, future) = concurrent_future();
    assert!(promise.set_running_or_notify_cancel());
    let wrapped = wrap_future_on(&event_loop, future.clone());
    assert!(wrapped.cancel());
    turn(&event_loop, 1);
    assert!(wrapped.cancelled() && future.running());
    promise.set_result(Page(7)).unwrap();
    turn(&event_loop, 2);
    assert_eq!(future.take_result(None).unwrap().0, 7, "nobody took it");
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn a_task_that_is_cancelled_or_times_out_cancels_what_it_waits_for() {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    event_loop
        .run_until_complete(async {
            let (_promise, future) = concurrent_future::<u32>();
            let awaited = wrap_future(&future);
            let task = create_task(async move { awaited.await });
            yield_now().await;
            task.cancel();
            assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
            assert!(future.cancelled());
        })
        .unwrap();
    // Virtual time waits for a promise, so a timeout must be one of real time.
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            let (_promise, future) = concurrent_future::<u32>();
            let tick = Duration::from_millis(1);
            assert!(wait_for(tick, wrap_future(&future)).await.is_err());
            yield_now().await;
            assert!(future.cancelled());
            let (_promise, future) = concurrent_future::<u32>();
            assert!(timeout(tick, wrap_future(&future)).await.is_err());
            yield_now().await;
            assert!(future.cancelled());
        })
        .unwrap();
}

#[test]
fn cancelling_goes_through_to_the_task_on_another_loop() {
    let there = LoopThread::spawn();
    let here = EventLoop::new().unwrap();
    let tally = Tally::default();
    let (started, wait_for_start) = mpsc::channel();
    let held = Counted(tally.clone());
    let far = run_coroutine_threadsafe(&there.handle, move || async move {
        let _held = held;
        started.send(()).unwrap();
        sleep(3600 * SECOND).await;
    });
    let wrapped = wrap_future_on(&here, far.unwrap());
    wait_for_start.recv().unwrap();
    wrapped.cancel();
    turn(&here, 1);
    there.finish_tasks();
    assert_eq!(there.stop(), [""; 0]);
    tally.assert_balanced(1);
}

#[test]
fn one_that_is_cancelled_over_there_is_cancelled_here() {
    let (event_loop, reports) = watched_loop();
    let (_promise, future) = concurrent_future::<u32>();
    let wrapped = wrap_future_on(&event_loop, &future);
    future.cancel();
    assert!(!wrapped.done());
    turn(&event_loop, 1);
    assert!(wrapped.cancelled());
    turn(&event_loop, 2);
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn completion_and_cancellation_in_one_iteration_in_both_orders() {
    for cancel_first in [true, false] {
        let (event_loop, reports) = watched_loop();
        let (promise, future) = concurrent_future();
        let wrapped = wrap_future_on(&event_loop, &future);
        let canceller = wrapped.clone();
        let cancel = move || {
            canceller.cancel();
        };
        if cancel_first {
            // Ready callbacks run before what other threads send.
            event_loop.call_soon(cancel).unwrap();
            promise.set_result(1).unwrap();
        } else {
            promise.set_result(1).unwrap();
            turn(&event_loop, 1);
            event_loop.call_soon(cancel).unwrap();
        }
        turn(&event_loop, 3);
        assert_eq!(wrapped.cancelled(), cancel_first);
        assert_eq!(
            future.result(None).unwrap(),
            1,
            "it was done: nobody cancels it"
        );
        assert_eq!(*reports.borrow(), [""; 0]);
    }
}

#[test]
fn completion_against_cancellation_a_thousand_times() {
    let (event_loop, reports) = watched_loop();
    let tally = Tally::default();
    const ROUNDS: usize = 1_000;
    let (jobs, worker_jobs) = mpsc::channel::<Promise<Counted>>();
    let made = tally.clone();
    let worker = thread::spawn(move || {
        let ran = worker_jobs
            .into_iter()
            .filter(Promise::set_running_or_notify_cancel);
        ran.map(|promise| promise.set_result(Counted(made.clone())).unwrap())
            .count()
    });
    let (mut done, mut cancelled) = (0, 0);
    for round in 0..ROUNDS {
        let (promise, future) = concurrent_future();
        let wrapped = wrap_future_on(&event_loop, future);
        jobs.send(promise).unwrap();
        if round % 3 > 0 {
            turn(&event_loop, (round % 3) as u32);
        }
        wrapped.cancel();
        match event_loop.run_until_complete(wrapped) {
            Ok(_) => done += 1,
            Err(RunError::Task(TaskError::Cancelled(_))) => cancelled += 1,
            Err(error) => panic!("{error}"),
        }
    }
    drop(jobs);
    let ran = worker.join().unwrap();
    turn(&event_loop, 2);
    assert_eq!(done + cancelled, ROUNDS);
    assert!(ran >= done);
    tally.assert_balanced(ran);
    assert_eq!(*reports.borrow(), [""; 0]);
}

// Letting go.

#[test]
fn a_wrapper_that_nobody_holds_cancels_nothing_and_says_nothing() {
    let (event_loop, reports) = watched_loop();
    for settle in [
        |promise: Promise<u32>| promise.set_result(1).unwrap(),
        |promise: Promise<u32>| promise.set_error(ConcurrentError::Cancelled).unwrap(),
    ] {
        let (promise, future) = concurrent_future();
        drop(wrap_future_on(&event_loop, &future));
        turn(&event_loop, 1);
        assert!(!future.cancelled());
        settle(promise);
        turn(&event_loop, 3);
        assert_eq!(*reports.borrow(), [""; 0]);
    }
}

#[test]
fn a_failure_that_nobody_ever_sees_is_reported_once() {
    let (event_loop, reports) = watched_loop();
    let (promise, future) = concurrent_future::<u32>();
    drop(wrap_future_on(&event_loop, future));
    promise.run(|| panic!("the page is torn"));
    turn(&event_loop, 3);
    let reports = reports.borrow();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(
        reports[0].contains("never retrieved") && reports[0].contains("torn"),
        "{reports:?}"
    );
}

#[test]
fn a_loop_that_closes_lets_go_of_what_it_waited_for_and_takes_nothing() {
    struct Page;
    for posted in [false, true] {
        let event_loop = EventLoop::new().unwrap();
        quiet(&event_loop);
        let (promise, future) = concurrent_future();
        let wrapped = wrap_future_on(&event_loop, future.clone());
        event_loop.create_task(async move { drop(wrapped.await) });
        turn(&event_loop, 1);
        let settle = move || promise.set_result(Page).unwrap();
        if posted {
            settle();
            event_loop.close().unwrap();
        } else {
            event_loop.close().unwrap();
            assert!(!future.cancelled());
            settle();
        }
        // A signal that was accepted is heard, and so the result has moved on, if there was one.
        assert_eq!(future.take_result(None).is_ok(), !posted);
    }
}

#[test]
fn wrapped_values_are_dropped_once_wherever_they_end() {
    let tally = Tally::default();
    let event_loop = EventLoop::new().unwrap();
    quiet(&event_loop);
    let mut kept = Vec::new();
    for number in 0..60 {
        let (promise, future) = concurrent_future();
        let wrapped = if number % 2 == 0 {
            wrap_future_on(&event_loop, future.clone())
        } else {
            wrap_future_on(&event_loop, &future)
        };
        match number % 3 {
            0 => kept.push(wrapped),
            1 => drop(wrapped),
            _ => drop(wrapped.cancel()),
        }
        let value = Counted(tally.clone());
        match number % 4 {
            0 => drop(promise.set_result(value)),
            1 => {
                thread::spawn(move || drop(promise.set_result(value)))
                    .join()
                    .unwrap();
            }
            2 => drop(promise),
            _ => {
                turn(&event_loop, 1);
                drop(promise.set_result(value));
            }
        }
    }
    event_loop.close().unwrap();
    drop(kept);
    tally.assert_balanced(60);
}
