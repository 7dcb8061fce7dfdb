//! The matrix of deadlocks: a job that fails, ends its process or crashes it, at each of the five
//! stages of its way, and what else has hung pools of processes: large jobs, a full bell, shutting
//! down at the wrong moment.
//!
//! Each case ends within ten seconds, with the error that belongs to it, and the pool works on.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::time::Duration;

use common::deeds::{Deed, NOTHING, Value, plain};
use common::{children, eventually, process_state, signal, watched};
use loop_bridge::{ConcurrentError, ConcurrentFuture};
use loop_executor::{ExecutorExt, JobError, ProcessPoolExecutor, SubmitError, process_fn};

loop_executor::worker_test!();

process_fn! {
    fn work(argument: Value, deed: Deed, encode: Deed, decode: Deed) -> Value {
        deed.doit().unwrap();
        Value { encode, decode, ballast: argument.ballast }
    }

    fn add(a: u32, b: u32) -> u32 {
        a + b
    }

    fn pid() -> u32 {
        std::process::id()
    }

    /// Is the parent in a case: that may end this process, which is why it is one.
    fn parent(stage: Stage, deed: Deed, ballast: usize, pids: String) -> String {
        let pool = ProcessPoolExecutor::new(2).unwrap();
        // Both have to be there, so that the death of the parent is one of workers too.
        let mine = [pool.submit(pid::job()).unwrap(), pool.submit(pid::job()).unwrap()];
        let mine = mine.map(|pid| soon(&pid).unwrap().to_string());
        std::fs::write(pids, mine.join(" ")).unwrap();
        let outcome = soon_taken(&stage.submit(&pool, deed, ballast));
        works(&pool);
        let text = match outcome {
            Ok(_) => "a value".to_owned(),
            Err(error) => kind(&error).to_owned(),
        };
        pool.shutdown(true, false).unwrap();
        assert_eq!(children(), []);
        text
    }
}

/// Where a job fails.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Stage {
    EncodeArguments,
    DecodeArguments,
    Run,
    EncodeResult,
    DecodeResult,
}

impl Stage {
    const ALL: [Stage; 5] = [
        Stage::EncodeArguments,
        Stage::DecodeArguments,
        Stage::Run,
        Stage::EncodeResult,
        Stage::DecodeResult,
    ];

    fn submit(
        self,
        pool: &ProcessPoolExecutor,
        deed: Deed,
        ballast: usize,
    ) -> ConcurrentFuture<Value> {
        let at = |stage| if self == stage { deed } else { NOTHING };
        let argument = Value {
            ballast: "x".repeat(ballast),
            ..Value::new(at(Stage::EncodeArguments), at(Stage::DecodeArguments))
        };
        let (run, encode, decode) = (
            at(Stage::Run),
            at(Stage::EncodeResult),
            at(Stage::DecodeResult),
        );
        pool.submit(work::job(argument, run, encode, decode))
            .unwrap()
    }

    /// What a job is to end with that only fails.
    fn error(self) -> &'static str {
        match self {
            Stage::EncodeArguments => "Encode",
            Stage::DecodeArguments => "DecodeArg",
            Stage::Run => "Panicked",
            Stage::EncodeResult => "EncodeResult",
            Stage::DecodeResult => "DecodeResult",
        }
    }

    /// Whether this happens in the process that submits.
    fn is_at_home(self) -> bool {
        matches!(self, Stage::EncodeArguments | Stage::DecodeResult)
    }
}

fn kind(error: &ConcurrentError) -> &'static str {
    match JobError::of(error) {
        Some(JobError::Encode { .. }) => "Encode",
        Some(JobError::DecodeArg { .. }) => "DecodeArg",
        Some(JobError::Panicked(_)) => "Panicked",
        Some(JobError::EncodeResult { .. }) => "EncodeResult",
        Some(JobError::DecodeResult { .. }) => "DecodeResult",
        Some(JobError::WorkerDied(_)) => "WorkerDied",
        _ => panic!("{error:?}"),
    }
}

const SOON: Duration = Duration::from_secs(10);

fn soon<T: Clone>(future: &ConcurrentFuture<T>) -> Result<T, ConcurrentError> {
    future.result(Some(SOON))
}

fn soon_taken<T>(future: &ConcurrentFuture<T>) -> Result<T, ConcurrentError> {
    future.take_result(Some(SOON))
}

fn works(pool: &ProcessPoolExecutor) {
    let sums: Vec<_> = (0..10)
        .map(|n| pool.submit(add::job(n, 1)).unwrap())
        .collect();
    for (n, sum) in sums.iter().enumerate() {
        assert_eq!(soon(sum).unwrap(), n as u32 + 1);
    }
}

/// A case, in a process that is the parent in it; whatever becomes of that, nobody is left.
fn case(stage: Stage, deed: Deed, ballast: usize) {
    watched(|| {
        let name = format!(
            "loop_executor_{}_{stage:?}_{deed:?}_{ballast}",
            std::process::id()
        );
        let path = std::env::temp_dir().join(name);
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let text = path.to_string_lossy().into_owned();
        let outcome = pool
            .submit(parent::job(stage, deed, ballast, text))
            .unwrap();
        let outcome = soon(&outcome);
        let ends = matches!(deed, Deed::Exit | Deed::Crash);
        if ends && stage.is_at_home() {
            assert_eq!(
                kind(&outcome.unwrap_err()),
                "WorkerDied",
                "it is the parent that ended"
            );
        } else {
            let expected = if ends { "WorkerDied" } else { stage.error() };
            assert_eq!(outcome.unwrap(), expected);
        }
        let pids = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        eventually("the workers have ended", || {
            let gone = |pid: &str| {
                let state = process_state(pid.parse().unwrap());
                state.is_none_or(|(state, _)| state == 'Z')
            };
            pids.split(' ').all(gone)
        });
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn a_job_that_fails_at_any_stage() {
    Stage::ALL
        .into_iter()
        .for_each(|stage| case(stage, Deed::Error, 0));
}

#[test]
fn a_job_that_panics_at_any_stage() {
    Stage::ALL
        .into_iter()
        .for_each(|stage| case(stage, Deed::Panic, 0));
}

#[test]
fn a_job_that_ends_its_process_at_any_stage() {
    Stage::ALL
        .into_iter()
        .for_each(|stage| case(stage, Deed::Exit, 0));
}

#[test]
fn a_job_that_crashes_its_process_at_any_stage() {
    Stage::ALL
        .into_iter()
        .for_each(|stage| case(stage, Deed::Crash, 0));
}

#[test]
fn a_job_that_crashes_and_is_larger_than_what_lies_in_a_socket() {
    Stage::ALL
        .into_iter()
        .for_each(|stage| case(stage, Deed::Crash, 4 << 20));
}

#[test]
fn submitting_never_waits_for_workers_that_stand_still() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(2).unwrap();
        // One of them has read nothing of a job that fills the socket, the other sleeps.
        works(&pool);
        let stopped = pool.worker_pids();
        for pid in &stopped {
            signal(*pid, "STOP");
            eventually("it stands still", || {
                process_state(*pid).is_some_and(|(state, _)| state == 'T')
            });
        }
        let large = Stage::Run.submit(&pool, NOTHING, 8 << 20);
        // As many as have filled asyncio's pipe to its manager, and then some.
        let many: Vec<_> = (0..100_000)
            .map(|n| pool.submit(add::job(n, 1)).unwrap())
            .collect();
        let unwanted = many[1_000..]
            .iter()
            .filter(|future| future.cancel())
            .count();
        assert!(unwanted > 98_000, "{unwanted}");
        for pid in stopped {
            signal(pid, "CONT");
        }
        for (n, future) in many[..1_000].iter().enumerate() {
            assert_eq!(soon(future).unwrap(), n as u32 + 1);
        }
        assert_eq!(soon_taken(&large).unwrap().ballast.len(), 8 << 20);
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn shutting_down_at_once_and_in_every_order() {
    watched(|| {
        for (wait, cancel) in [(true, false), (true, true), (false, false), (false, true)] {
            for jobs in [0, 1, 50] {
                let pool = ProcessPoolExecutor::new(2).unwrap();
                let futures: Vec<_> = (0..jobs)
                    .map(|n| pool.submit(add::job(n, 1)).unwrap())
                    .collect();
                pool.shutdown(wait, cancel).unwrap();
                assert!(matches!(
                    pool.submit(add::job(0, 1)),
                    Err(SubmitError::Shutdown(_))
                ));
                // Once more, the other way, and then it goes.
                pool.shutdown(!wait, cancel).unwrap();
                drop(pool);
                for (n, future) in futures.iter().enumerate() {
                    match soon(future) {
                        Ok(sum) => assert_eq!(sum, n as u32 + 1),
                        Err(error) => assert!(cancel && error.is_cancelled(), "{error}"),
                    }
                }
            }
        }
    });
}

#[test]
fn shutting_down_while_a_job_crashes_and_another_cannot_be_encoded() {
    watched(|| {
        for _ in 0..10 {
            let pool = ProcessPoolExecutor::new(1).unwrap();
            let crashes = Stage::Run.submit(&pool, Deed::Crash, 0);
            let fails = Stage::EncodeArguments.submit(&pool, Deed::Error, 0);
            let fine = pool
                .submit(work::job(plain(), NOTHING, NOTHING, NOTHING))
                .unwrap();
            pool.shutdown(true, false).unwrap();
            assert_eq!(kind(&soon_taken(&crashes).unwrap_err()), "WorkerDied");
            assert_eq!(kind(&soon_taken(&fails).unwrap_err()), "Encode");
            assert_eq!(soon_taken(&fine).unwrap(), plain());
        }
    });
}

#[test]
fn a_pool_that_is_dropped_in_a_callback_of_its_own_job_ends() {
    watched(|| {
        for _ in 0..10 {
            let pool = std::sync::Arc::new(ProcessPoolExecutor::new(1).unwrap());
            let (go, wait) = std::sync::mpsc::channel::<()>();
            let inside = std::sync::Arc::clone(&pool);
            let future = pool.submit(add::job(1, 2)).unwrap();
            let next = pool.submit(add::job(3, 4)).unwrap();
            let worker = pool.submit(pid::job()).unwrap();
            future.add_done_callback(move |_| {
                let _ = wait.recv();
                assert!(
                    inside.shutdown(true, false).is_err(),
                    "it would wait for itself"
                );
                drop(inside);
            });
            drop(pool);
            drop(go);
            assert_eq!(soon(&next).unwrap(), 7);
            let worker = soon(&worker).unwrap();
            eventually("its worker has ended", || process_state(worker).is_none());
        }
    });
}
