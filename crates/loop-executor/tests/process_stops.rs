//! Jobs and workers that are given up while they run, and workers that stand still: nobody waits for them who need not.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::time::Duration;

use common::workers::{Mark, add, died, job_error, length, never, pid, until_gone};
use common::{eventually, process_state, signal, watched};
use loop_bridge::ConcurrentError;
use loop_core::EventLoop;
use loop_executor::{ExecutorExt, JobError, LoopExecutorExt, ProcessPoolExecutor};
use loop_tasks::{LoopExt, timeout};

loop_executor::worker_test!();

#[test]
fn cancelling_a_job_that_runs_kills_its_worker_alone() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(2).unwrap();
        let (doomed, spared) = (Mark::new("cancelled"), Mark::new("not_cancelled"));
        let unwanted = pool.submit(never::job(doomed.path())).unwrap();
        doomed.wait();
        let victim = pool.worker_pids()[0];
        let kept = pool.submit(until_gone::job(spared.path())).unwrap();
        spared.wait();
        let waiting = pool.submit(add::job(1, 2)).unwrap();
        let also_unwanted = pool.submit(add::job(1, 2)).unwrap();
        assert!(also_unwanted.cancel(), "it has not begun");
        assert!(unwanted.running() && unwanted.cancel());
        assert!(matches!(
            unwanted.result(None),
            Err(ConcurrentError::Cancelled)
        ));
        assert_eq!(
            waiting.result(None).unwrap(),
            3,
            "in the place that is free again"
        );
        assert_eq!(process_state(victim), None);
        drop(spared);
        kept.result(None).unwrap();
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn a_task_that_gives_up_kills_the_worker_of_its_job_alone() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let pool = ProcessPoolExecutor::new(2).unwrap();
        let (doomed, spared) = (Mark::new("given_up"), Mark::new("not_given_up"));
        let unwanted = event_loop
            .run_in_executor(Some(&pool), never::job(doomed.path()))
            .unwrap();
        doomed.wait();
        let victim = pool.worker_pids()[0];
        let kept = event_loop
            .run_in_executor(Some(&pool), until_gone::job(spared.path()))
            .unwrap();
        spared.wait();
        let waiting = event_loop
            .run_in_executor(Some(&pool), add::job(1, 2))
            .unwrap();
        let elapsed = event_loop.run_until_complete(async move {
            timeout(Duration::from_millis(10), async {
                unwanted.await.map(drop)
            })
            .await
            .is_err()
        });
        assert!(elapsed.unwrap());
        let sum = event_loop.run_until_complete(waiting).unwrap();
        assert_eq!(sum, 3, "in the place that is free again");
        assert_eq!(process_state(victim), None);
        drop(spared);
        assert_ne!(event_loop.run_until_complete(kept).unwrap(), victim);
        event_loop.close().unwrap();
    });
}

#[test]
fn a_job_that_takes_too_long_is_stopped() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let mark = Mark::new("timeout");
        let limit = Duration::from_millis(20);
        let slow = pool.submit(never::job(mark.path()).timeout(limit)).unwrap();
        let quick = pool
            .submit(add::job(1, 2).timeout(Duration::from_secs(60)))
            .unwrap();
        let error = slow.result(None).unwrap_err();
        let JobError::TimedOut {
            function,
            limit: told,
            ..
        } = job_error(&error)
        else {
            panic!("{error:?}");
        };
        assert_eq!(
            (function.as_str(), *told),
            ("process_stops::common::workers::never", limit)
        );
        assert_eq!(quick.result(None).unwrap(), 3);
        let forever = pool.submit(add::job(1, 2).timeout(Duration::MAX)).unwrap();
        assert_eq!(forever.result(None).unwrap(), 3);
    });
}

#[test]
fn a_pool_that_does_not_end_in_time_names_its_jobs() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let mark = Mark::new("stuck");
        let line = line!() + 1;
        let runs = pool.submit(never::job(mark.path())).unwrap();
        let waits = pool.submit(add::job(1, 2)).unwrap();
        mark.wait();
        let stuck = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
        let [first, second] = stuck.jobs() else {
            panic!("{stuck}");
        };
        assert!(first.running_for().is_some() && second.running_for().is_none());
        assert_eq!(
            (first.place().file(), first.place().line()),
            (file!(), line)
        );
        pool.kill_workers();
        pool.shutdown_timeout(Duration::MAX).unwrap();
        died(&runs);
        assert!(waits.cancelled());
        assert!(pool.submit(add::job(1, 2)).is_err());
    });
}

/// The one worker of the pool, which stands still.
fn stopped_worker(pool: &ProcessPoolExecutor) -> u32 {
    let worker = pool.submit(pid::job()).unwrap().result(None).unwrap();
    signal(worker, "STOP");
    eventually("it stands still", || {
        process_state(worker).is_some_and(|(state, _)| state == 'T')
    });
    worker
}

#[test]
fn a_worker_that_is_stopped_goes_on_later() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let worker = stopped_worker(&pool);
        // None of this waits for the worker.
        let many: Vec<_> = (0..10_000)
            .map(|n| pool.submit(add::job(n, 1)).unwrap())
            .collect();
        let large = pool.submit(length::job("x".repeat(8 << 20))).unwrap();
        assert!(!many[0].done());
        signal(worker, "CONT");
        for (n, future) in many.into_iter().enumerate() {
            assert_eq!(future.result(None).unwrap(), n as u32 + 1);
        }
        assert_eq!(large.result(None).unwrap(), 8 << 20);
        assert_eq!(pool.worker_pids(), [worker]);
    });
}

#[test]
fn a_stopped_worker_can_be_killed() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        stopped_worker(&pool);
        let future = pool.submit(add::job(1, 2)).unwrap();
        eventually("it has the job", || future.running());
        pool.kill_workers();
        pool.shutdown(true, false).unwrap();
        assert!(future.done());
    });
}
