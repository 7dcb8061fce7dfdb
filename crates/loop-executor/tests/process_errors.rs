//! Jobs that fail in other processes, in every way that there is: an error of that job, and of
//! no other.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use common::deeds::{Deed, NOTHING, Value, plain};
use common::watched;
use loop_bridge::{ConcurrentError, ConcurrentFuture};
use loop_executor::{
    ExecutorExt, JobError, ProcessPoolExecutor, WorkerDied, WorkerPhase, process_fn,
};

loop_executor::worker_test!();

process_fn! {
    /// Takes a value, does its deed, and gives a value.
    fn work(argument: Value, deed: Deed, encode: Deed, decode: Deed) -> Value {
        deed.doit().unwrap();
        Value {
            encode,
            decode,
            ballast: argument.ballast,
        }
    }

    fn fine(n: u32) -> u32 {
        n + 1
    }

    fn text(len: usize) -> String {
        "x".repeat(len)
    }

    fn accepts(text: String) -> usize {
        text.len()
    }

    fn picky(n: u32) -> u32 {
        assert_ne!(n, 3, "not three");
        n
    }
}

fn error<T: std::fmt::Debug>(future: ConcurrentFuture<T>) -> JobError {
    let error = future.take_result(None).unwrap_err();
    JobError::of(&error)
        .unwrap_or_else(|| panic!("{error:?}"))
        .clone()
}

fn died(error: JobError) -> WorkerDied {
    match error {
        JobError::WorkerDied(died) => died,
        other => panic!("{other:?}"),
    }
}

/// Submits a job that fails between two that do not, and gives its error; `survives` says whether
/// the worker does.
fn between(
    survives: bool,
    submit: impl FnOnce(&ProcessPoolExecutor) -> ConcurrentFuture<Value>,
) -> JobError {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        assert_eq!(pool.submit(fine::job(1)).unwrap().result(None).unwrap(), 2);
        let worker = pool.worker_pids();
        let failing = submit(&pool);
        let after: Vec<_> = (0..10)
            .map(|n| pool.submit(fine::job(n)).unwrap())
            .collect();
        let error = error(failing);
        for (n, future) in after.into_iter().enumerate() {
            assert_eq!(future.result(None).unwrap(), n as u32 + 1, "after {error}");
        }
        assert_eq!(pool.worker_pids() == worker, survives, "after {error}");
        pool.shutdown(true, false).unwrap();
        error
    })
}

// The matrix: what fails, and how.

#[test]
fn arguments_that_cannot_be_encoded() {
    for deed in [Deed::Error, Deed::Panic] {
        let error = between(true, |pool| {
            let value = Value::new(deed, NOTHING);
            pool.submit(work::job(value, NOTHING, NOTHING, NOTHING))
                .unwrap()
        });
        let JobError::Encode { function, message } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(function, "process_errors::work");
        let text = ["it does not want to", "panicked: it panics"];
        assert!(text.contains(&&**message), "{message}");
    }
}

#[test]
fn arguments_that_cannot_be_decoded() {
    for deed in [Deed::Error, Deed::Panic] {
        let error = between(true, |pool| {
            let value = Value::new(NOTHING, deed);
            pool.submit(work::job(value, NOTHING, NOTHING, NOTHING))
                .unwrap()
        });
        let JobError::DecodeArg { function, message } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(function, "process_errors::work");
        let text = ["it does not want to", "panicked: it panics"];
        assert!(text.contains(&&**message), "{message}");
    }
}

#[test]
fn a_worker_that_ends_as_it_decodes_arguments() {
    for (deed, status) in [(Deed::Exit, "exit status: 7"), (Deed::Crash, "SIGABRT")] {
        let error = between(false, |pool| {
            let value = Value::new(NOTHING, deed);
            pool.submit(work::job(value, NOTHING, NOTHING, NOTHING))
                .unwrap()
        });
        assert!(error.to_string().contains(status), "{error}");
        let died = died(error);
        assert_eq!(died.phase(), WorkerPhase::Running);
        assert_eq!(died.function(), Some("process_errors::work"));
    }
}

#[test]
fn a_function_that_panics() {
    let error = between(true, |pool| {
        pool.submit(work::job(plain(), Deed::Panic, NOTHING, NOTHING))
            .unwrap()
    });
    let JobError::Panicked(panic) = error else {
        panic!("{error:?}");
    };
    assert_eq!(panic.message(), "it panics");
    assert!(panic.place().unwrap().contains("deeds.rs:"), "{panic:?}");
    assert!(panic.backtrace().contains("doit"), "{}", panic.backtrace());
    assert!(
        panic
            .to_string()
            .starts_with("the job panicked: it panics, at ")
    );
}

#[test]
fn a_worker_that_ends_as_it_runs_a_function() {
    for (deed, status) in [(Deed::Exit, "exit status: 7"), (Deed::Crash, "SIGABRT")] {
        let error = between(false, |pool| {
            pool.submit(work::job(plain(), deed, NOTHING, NOTHING))
                .unwrap()
        });
        assert!(error.to_string().contains(status), "{error}");
        assert!(
            error
                .to_string()
                .contains("while it ran 'process_errors::work'")
        );
        assert_eq!(died(error).phase(), WorkerPhase::Running);
    }
}

#[test]
fn a_result_that_cannot_be_encoded() {
    for deed in [Deed::Error, Deed::Panic] {
        let error = between(true, |pool| {
            pool.submit(work::job(plain(), NOTHING, deed, NOTHING))
                .unwrap()
        });
        let JobError::EncodeResult { message, .. } = &error else {
            panic!("{error:?}");
        };
        let text = ["it does not want to", "panicked: it panics"];
        assert!(text.contains(&&**message), "{message}");
    }
}

#[test]
fn a_worker_that_ends_as_it_encodes_a_result() {
    for (deed, status) in [(Deed::Exit, "exit status: 7"), (Deed::Crash, "SIGABRT")] {
        let error = between(false, |pool| {
            pool.submit(work::job(plain(), NOTHING, deed, NOTHING))
                .unwrap()
        });
        assert!(error.to_string().contains(status), "{error}");
    }
}

#[test]
fn a_result_that_cannot_be_decoded() {
    for deed in [Deed::Error, Deed::Panic] {
        let error = between(true, |pool| {
            pool.submit(work::job(plain(), NOTHING, NOTHING, deed))
                .unwrap()
        });
        let JobError::DecodeResult { message, .. } = &error else {
            panic!("{error:?}");
        };
        let text = ["it does not want to", "panicked: it panics"];
        assert!(text.contains(&&**message), "{message}");
    }
}

#[test]
fn a_worker_that_crashes_under_a_large_job_and_before_a_large_result() {
    for (argument, result) in [(Deed::Crash, NOTHING), (NOTHING, Deed::Crash)] {
        let error = between(false, |pool| {
            let mut value = Value::new(NOTHING, argument);
            value.ballast = "x".repeat(4 << 20);
            pool.submit(work::job(value, NOTHING, result, NOTHING))
                .unwrap()
        });
        died(error);
    }
}

#[test]
fn shutting_down_while_jobs_fail_does_not_hang() {
    watched(|| {
        for deed in [Deed::Error, Deed::Panic, Deed::Exit, Deed::Crash] {
            let pool = ProcessPoolExecutor::new(2).unwrap();
            let futures = [
                pool.submit(work::job(plain(), deed, NOTHING, NOTHING)),
                pool.submit(work::job(plain(), NOTHING, deed, NOTHING)),
                pool.submit(work::job(
                    Value::new(NOTHING, deed),
                    NOTHING,
                    NOTHING,
                    NOTHING,
                )),
            ];
            pool.shutdown(true, false).unwrap();
            for future in futures {
                assert!(future.unwrap().done());
            }
        }
        for deed in [Deed::Error, Deed::Panic] {
            let pool = ProcessPoolExecutor::new(1).unwrap();
            let job = work::job(Value::new(deed, NOTHING), NOTHING, NOTHING, NOTHING);
            let never_sent = pool.submit(job).unwrap();
            pool.shutdown(true, false).unwrap();
            assert!(matches!(error(never_sent), JobError::Encode { .. }));
        }
    });
}

// Sizes.

#[test]
fn arguments_that_are_too_large_are_not_sent() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .max_frame_bytes(100_000)
            .build()
            .unwrap();
        // The name and a few bytes for the lengths are part of it.
        let fits = pool.submit(accepts::job("x".repeat(99_900))).unwrap();
        assert_eq!(fits.result(None).unwrap(), 99_900);
        let worker = pool.worker_pids();
        let large = pool.submit(accepts::job("x".repeat(100_000))).unwrap();
        let error = error(large);
        assert!(
            matches!(
                error,
                JobError::FrameTooLarge {
                    len: 100_001..,
                    limit: 100_000,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(pool.submit(fine::job(1)).unwrap().result(None).unwrap(), 2);
        assert_eq!(pool.worker_pids(), worker);
    });
}

#[test]
fn a_result_that_is_too_large_is_not_sent() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .max_frame_bytes(100_000)
            .build()
            .unwrap();
        let fits = pool.submit(text::job(99_990)).unwrap();
        assert_eq!(fits.result(None).unwrap().len(), 99_990);
        let worker = pool.worker_pids();
        for len in [99_999, 100_000, 50_000_000] {
            let error = error(pool.submit(text::job(len)).unwrap());
            assert!(
                matches!(
                    error,
                    JobError::FrameTooLarge {
                        len: 100_001..,
                        limit: 100_000,
                        ..
                    }
                ),
                "{error:?}"
            );
        }
        assert_eq!(pool.submit(fine::job(1)).unwrap().result(None).unwrap(), 2);
        assert_eq!(pool.worker_pids(), worker);
    });
}

#[test]
fn a_pool_whose_limit_leaves_room_for_nothing_says_so() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .max_frame_bytes(10)
            .build()
            .unwrap();
        let error = error(pool.submit(fine::job(1)).unwrap());
        assert!(matches!(error, JobError::FrameTooLarge { limit: 10, .. }));
    });
}

// Many at once.

#[test]
fn of_a_chunk_each_call_has_its_own_outcome() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let outcomes = pool.map(picky::jobs(0..10).chunk_size(5)).unwrap();
        for (n, outcome) in outcomes.enumerate() {
            match outcome {
                Ok(value) => assert_eq!(value, n as u32),
                Err(error) => {
                    assert_eq!(n, 3);
                    assert!(matches!(JobError::of(&error), Some(JobError::Panicked(_))));
                }
            }
        }
    });
}

#[test]
fn a_worker_that_dies_takes_a_chunk_along() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let deeds = (0..9).map(|n| if n == 4 { Deed::Exit } else { NOTHING });
        let calls = deeds.map(|deed| (plain(), deed, NOTHING, NOTHING));
        let outcomes: Vec<_> = pool.map(work::jobs(calls).chunk_size(3)).unwrap().collect();
        assert_eq!(outcomes.len(), 9);
        for (n, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(_) => assert!(!(3..6).contains(&n)),
                Err(error) => {
                    assert!((3..6).contains(&n));
                    assert!(matches!(
                        JobError::of(&error),
                        Some(JobError::WorkerDied(_))
                    ));
                }
            }
        }
    });
}

#[test]
fn errors_of_jobs_are_not_those_of_the_wait() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let slow = pool.submit(fine::job(1)).unwrap();
        let _ = slow.result(None);
        let again = slow.result(Some(std::time::Duration::ZERO));
        assert_eq!(again.unwrap(), 2);
        let cancelled = ConcurrentError::Cancelled;
        assert!(JobError::of(&cancelled).is_none());
    });
}
