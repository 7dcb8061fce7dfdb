//! Workers that never come to life: the pool says why, and nobody waits for them.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use common::watched;
use common::workers::{add, broken, exit};
use loop_executor::{
    BreakCause, ExecutorExt, ProcessPoolExecutor, SubmitError, WorkerPhase, process_fn,
};

loop_executor::worker_test!();

process_fn! {
    fn fail() {
        panic!("no licence");
    }

    /// Makes pools with hardly a descriptor left, and says what becomes of them.
    fn without_descriptors(left: u64) -> Vec<String> {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let before = getrlimit(Resource::Nofile);
        let open = common::open_descriptors() as u64 - 1;
        let limit = Rlimit { current: Some(open + left), ..before };
        setrlimit(Resource::Nofile, limit).unwrap();
        let outcome = match ProcessPoolExecutor::new(2) {
            Err(error) => vec![error.to_string()],
            Ok(pool) => {
                let futures = [1, 2].map(|n| pool.submit(add::job(n, n)));
                futures
                    .into_iter()
                    .map(|future| match future {
                        Err(refused) => refused.to_string(),
                        Ok(future) => match future.result(None) {
                            Ok(sum) => sum.to_string(),
                            Err(error) => error.to_string(),
                        },
                    })
                    .collect()
            }
        };
        setrlimit(Resource::Nofile, before).unwrap();
        outcome
    }
}

#[test]
fn a_program_without_the_line_is_told_which() {
    watched(|| {
        let shell = |script: &str| {
            ProcessPoolExecutor::builder()
                .max_workers(2)
                .program("/bin/sh")
                .worker_args(["-c", script])
                .start_timeout(Duration::from_millis(200))
                .build()
                .unwrap()
        };
        // One that ends, one that talks, one that repeats what it hears, one that says nothing.
        for script in [
            "exit 0",
            "exit 3",
            "echo hello >&0; cat",
            "cat >&0",
            "exec sleep 1000",
        ] {
            let pool = shell(script);
            let futures = [1, 2, 3].map(|n| pool.submit(add::job(n, n)).unwrap());
            for future in &futures {
                let broken = broken(future);
                assert!(
                    matches!(broken.cause(), BreakCause::NotAWorker { .. }),
                    "{script}: {broken}"
                );
                assert!(broken.to_string().contains("worker_main()"), "{broken}");
            }
            assert!(matches!(
                pool.submit(add::job(1, 1)),
                Err(SubmitError::Broken(..))
            ));
            pool.shutdown(true, false).unwrap();
        }
    });
}

#[test]
fn workers_that_die_as_they_start_are_given_up() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .program("/bin/sh")
            .worker_args(["-c", "kill -KILL $$"])
            .build()
            .unwrap();
        let future = pool.submit(add::job(1, 2)).unwrap();
        match broken(&future).cause() {
            BreakCause::StartFailed(died) => {
                assert_eq!(died.phase(), WorkerPhase::Starting);
                assert_eq!(died.status().signal(), Some(9));
            }
            other => panic!("{other:?}"),
        }
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .program("/no/such/program")
            .build()
            .unwrap();
        let futures = [1, 2].map(|n| pool.submit(add::job(n, n)).unwrap());
        for future in &futures {
            match broken(future).cause() {
                BreakCause::Spawn(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                }
                other => panic!("{other:?}"),
            }
        }
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn an_initializer_that_fails_breaks_the_pool() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .initializer(fail::job)
            .build()
            .unwrap();
        let futures = [1, 2].map(|n| pool.submit(add::job(n, n)).unwrap());
        for future in &futures {
            let broken = broken(future);
            assert!(matches!(broken.cause(), BreakCause::Initializer(_)));
            assert!(broken.to_string().contains("no licence"), "{broken}");
        }
        assert!(matches!(
            pool.submit(add::job(1, 1)),
            Err(SubmitError::Broken(..))
        ));
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn an_initializer_that_ends_the_worker_breaks_the_pool() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .initializer(|| exit::job(0))
            .build()
            .unwrap();
        let future = pool.submit(add::job(1, 2)).unwrap();
        let cause = broken(&future);
        assert!(
            matches!(cause.cause(), BreakCause::StartFailed(_)),
            "{cause}"
        );
    });
}

#[test]
fn without_descriptors_there_is_an_error_and_no_hang() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let mut worked = false;
        for left in 0..12 {
            let outcome = pool.submit(without_descriptors::job(left)).unwrap();
            let outcome = outcome.result(None).unwrap();
            worked |= outcome == ["2", "4"];
            for text in &outcome {
                let known =
                    ["2", "4"].contains(&text.as_str()) || text.contains("Too many open files");
                assert!(known, "{left} left: {text}");
            }
        }
        assert!(worked, "twelve descriptors are enough for a pool");
    });
}
