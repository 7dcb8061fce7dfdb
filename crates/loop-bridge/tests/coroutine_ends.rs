//! How a submitted coroutine ends early: cancelled or its loop closed, at every position.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::{LoopThread, quiet, turn};
use loop_bridge::{ConcurrentError, FutureState, run_coroutine_threadsafe, run_future_threadsafe};
use loop_core::{EventLoop, UnboundLoop};
use loop_tasks::{LoopExt, all_tasks, catch_cancel, current_task, sleep, yield_now};

const SOON: Option<Duration> = Some(Duration::from_secs(10));

// Cancelling, at every position.

#[test]
fn cancelled_before_the_loop_gets_to_it_nothing_is_made() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let future = run_coroutine_threadsafe(&handle, move || {
        let kept = kept;
        panic!("made in spite of that: {kept:?}");
        #[expect(unreachable_code, reason = "it gives the closure its type")]
        std::future::ready(())
    })
    .unwrap();
    assert!(future.cancel());
    turn(&event_loop, 1);
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(event_loop.all_tasks().is_empty());
    assert!(matches!(
        future.result(None),
        Err(ConcurrentError::Cancelled)
    ));
    assert_eq!(future.state(), FutureState::CancelledAndNotified);
}

#[test]
fn cancelled_between_making_and_first_step_it_gets_to_its_first_await() {
    let event_loop = EventLoop::new().unwrap();
    let trace = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&trace);
    let future = run_coroutine_threadsafe(&event_loop.handle(), || async move {
        log.lock().unwrap().push("first step");
        yield_now().await;
        log.lock().unwrap().push("second step");
    })
    .unwrap();
    turn(&event_loop, 1);
    assert!(future.running());
    assert!(future.cancel());
    // The step stood in the queue before the request.
    turn(&event_loop, 3);
    assert!(event_loop.all_tasks().is_empty());
    assert_eq!(*trace.lock().unwrap(), ["first step"]);
}

#[test]
fn cancelled_while_it_runs_the_task_hears_of_it_and_cleans_up() {
    let there = LoopThread::spawn();
    let (tell, told) = mpsc::channel();
    let (started, wait) = mpsc::channel();
    let future = run_coroutine_threadsafe(&there.handle, move || async move {
        started.send(all_tasks().len()).unwrap();
        if let Err(cancelled) = catch_cancel(sleep(Duration::from_secs(3600))).await {
            yield_now().await;
            tell.send("cleaned up").unwrap();
            cancelled.resume().await;
        }
    })
    .unwrap();
    assert_eq!(wait.recv_timeout(SOON.unwrap()), Ok(1));
    assert!(future.cancel());
    assert!(matches!(
        future.result(None),
        Err(ConcurrentError::Cancelled)
    ));
    assert_eq!(told.recv_timeout(SOON.unwrap()), Ok("cleaned up"));
    let left = run_coroutine_threadsafe(&there.handle, || async { all_tasks().len() }).unwrap();
    assert_eq!(left.result(SOON).unwrap(), 1, "only the one that asks");
    assert_eq!(there.reports(), [""; 0]);
}

#[test]
fn what_a_cancelled_future_no_longer_wants_is_dropped_or_reported() {
    let there = LoopThread::spawn();
    for panics in [false, true] {
        let (started, wait) = mpsc::channel();
        let future = run_coroutine_threadsafe(&there.handle, move || async move {
            started.send(()).unwrap();
            let caught = catch_cancel(sleep(Duration::from_secs(3600))).await;
            assert!(!panics, "refuses, and fails: {}", caught.is_err());
            5
        })
        .unwrap();
        wait.recv_timeout(SOON.unwrap()).unwrap();
        assert!(future.cancel());
        assert!(matches!(
            future.result(None),
            Err(ConcurrentError::Cancelled)
        ));
    }
    there.finish_tasks();
    let reports = there.stop();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(
        reports[0].contains("never retrieved") && reports[0].contains("refuses"),
        "{reports:?}"
    );
}

#[test]
fn cancelled_when_it_is_done_it_keeps_its_result() {
    let there = LoopThread::spawn();
    let future = run_future_threadsafe(&there.handle, async { 5 }).unwrap();
    assert_eq!(future.result(SOON).unwrap(), 5);
    assert!(!future.cancel());
    assert_eq!(future.result(None).unwrap(), 5);
}

#[test]
fn cancelled_between_the_tasks_end_and_its_own_nothing_happens_twice() {
    let event_loop = EventLoop::new().unwrap();
    let future = run_future_threadsafe(&event_loop.handle(), async { 5 }).unwrap();
    turn(&event_loop, 2);
    assert!(event_loop.all_tasks().is_empty(), "the task is done");
    assert!(future.cancel(), "the future is not");
    turn(&event_loop, 2);
    assert!(matches!(
        future.result(None),
        Err(ConcurrentError::Cancelled)
    ));
}

#[test]
fn a_task_cancelled_on_its_loop_cancels_the_future() {
    let there = LoopThread::spawn();
    let future = run_coroutine_threadsafe(&there.handle, || async {
        current_task().unwrap().cancel();
        sleep(Duration::from_secs(3600)).await;
    })
    .unwrap();
    assert!(matches!(
        future.result(SOON),
        Err(ConcurrentError::Cancelled)
    ));
    assert!(future.cancelled());
}

// Closing, at every position.

#[test]
fn a_loop_that_closes_resolves_what_it_owes() {
    // How many iterations the coroutine gets before the loop closes: none, made, stepped, asleep.
    for iterations in 0..4 {
        let event_loop = EventLoop::new().unwrap();
        quiet(&event_loop);
        let (held, made) = (Arc::new(()), Arc::new(AtomicBool::new(false)));
        let (kept, note) = (Arc::clone(&held), Arc::clone(&made));
        let make = move || {
            note.store(true, Ordering::Relaxed);
            async move {
                let _kept = kept;
                yield_now().await;
                sleep(Duration::from_secs(3600)).await;
            }
        };
        let future = run_coroutine_threadsafe(&event_loop.handle(), make).unwrap();
        turn(&event_loop, iterations);
        assert!(!future.done());
        event_loop.close().unwrap();
        let is_made = made.load(Ordering::Relaxed);
        assert_eq!(is_made, iterations > 0, "there is no time left for it");
        let gone = future.exception(Some(Duration::ZERO)).unwrap().unwrap();
        assert!(
            matches!(gone, ConcurrentError::LoopGone),
            "{iterations}: {gone:?}"
        );
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(!future.cancel());
    }
}

#[test]
fn a_result_that_was_there_when_the_loop_closed_arrives() {
    let event_loop = EventLoop::new().unwrap();
    let future = run_future_threadsafe(&event_loop.handle(), async { 5 }).unwrap();
    turn(&event_loop, 2);
    assert!(!future.done());
    event_loop.close().unwrap();
    assert_eq!(future.result(Some(Duration::ZERO)).unwrap(), 5);
}

#[test]
fn a_loop_that_nobody_ever_binds_is_gone_too() {
    let unbound = UnboundLoop::new().unwrap();
    let future = run_future_threadsafe(&unbound.handle(), async {}).unwrap();
    let waiting = future.clone();
    let waiter = thread::spawn(move || waiting.result(SOON));
    drop(unbound);
    assert!(matches!(
        waiter.join().unwrap(),
        Err(ConcurrentError::LoopGone)
    ));
}

#[test]
fn cancelled_and_closed_it_stays_cancelled() {
    let event_loop = EventLoop::new().unwrap();
    quiet(&event_loop);
    let pending = run_future_threadsafe(&event_loop.handle(), std::future::pending::<()>());
    let running = pending.unwrap();
    turn(&event_loop, 1);
    let waiting = run_future_threadsafe(&event_loop.handle(), async {}).unwrap();
    assert!(running.cancel() && waiting.cancel());
    event_loop.close().unwrap();
    assert!(running.cancelled() && waiting.cancelled());
}

#[test]
fn threads_that_submit_while_the_loop_closes_all_get_an_answer() {
    for _ in 0..50 {
        let unbound = UnboundLoop::new().unwrap();
        let handle = unbound.handle();
        let owner = thread::spawn(move || {
            let event_loop = unbound.bind();
            quiet(&event_loop);
            event_loop.run_forever().unwrap();
            event_loop.close().unwrap();
        });
        let submitters: Vec<_> = (0..3)
            .map(|_| {
                let handle = handle.clone();
                thread::spawn(move || {
                    let (mut done, mut gone) = (0, 0);
                    loop {
                        match run_future_threadsafe(&handle, async { yield_now().await }) {
                            Err(_) => return (done, gone),
                            Ok(future) => match future.result(SOON) {
                                Ok(()) => done += 1,
                                Err(ConcurrentError::LoopGone) => gone += 1,
                                Err(other) => panic!("{other}"),
                            },
                        }
                    }
                })
            })
            .collect();
        handle.stop();
        owner.join().unwrap();
        for submitter in submitters {
            let (_, gone) = submitter.join().unwrap();
            assert!(gone <= 1, "after one loss every call is refused");
        }
    }
}
