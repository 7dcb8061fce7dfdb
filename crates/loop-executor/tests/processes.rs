//! Jobs in other processes: where they run, what comes back, how many at a time.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::collections::HashSet;
use std::io::Read;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{eventually, watched};
use loop_bridge::ConcurrentError;
use loop_core::EventLoop;
use loop_executor::{
    CallJob, Executor, ExecutorExt, LoopExecutorExt, PoolError, ProcessPoolExecutor, SubmitError,
    Work, call_registered, process_fn,
};
use loop_tasks::LoopExt;

loop_executor::worker_test!();

/// Set by the initializer.
static LEVEL: AtomicU32 = AtomicU32::new(0);

process_fn! {
    fn pid() -> u32 {
        process::id()
    }

    fn add(a: u32, b: u32) -> u32 {
        a + b
    }

    fn echo(text: String) -> String {
        text
    }

    fn nothing() {}

    fn set_level(level: u32) {
        LEVEL.fetch_add(level, Ordering::SeqCst);
    }

    fn level() -> u32 {
        LEVEL.load(Ordering::SeqCst)
    }

    /// Says where it is and waits until the file is gone.
    fn until_gone(path: String) -> u32 {
        std::fs::write(format!("{path}.{}", process::id()), "here").unwrap();
        while std::path::Path::new(&path).exists() {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        process::id()
    }

    fn read_input() -> String {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).unwrap();
        text
    }

    fn is_worker_elsewhere() -> bool {
        // What a worker starts inherits its environment, and is no worker.
        let variables = "env | grep -c LOOP_EXECUTOR_WORKER; ls -l /proc/self/fd | grep -c socket";
        let output = process::Command::new("sh").args(["-c", variables]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("1\n"), "{text}");
        !text.ends_with("\n0\n")
    }

    fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    fn sum(numbers: Vec<f64>, factor: f64) -> Result<f64, String> {
        if numbers.is_empty() {
            return Err("no numbers".to_owned());
        }
        Ok(numbers.iter().sum::<f64>() * factor)
    }

    /// A pool in a worker.
    fn nested(a: u32, b: u32) -> u32 {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let there = pool.submit(add::job(a, b)).unwrap().result(None).unwrap();
        pool.shutdown(true, false).unwrap();
        there
    }
}

#[test]
fn a_job_runs_in_another_process_and_its_result_comes_back() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(2).unwrap();
        let sum = pool.submit(add::job(1, 2)).unwrap();
        let there = pool.submit(pid::job()).unwrap();
        assert_eq!(sum.result(None).unwrap(), 3);
        assert_ne!(there.result(None).unwrap(), process::id());
        pool.submit(nothing::job()).unwrap().result(None).unwrap();
        pool.shutdown(true, false).unwrap();
        assert!(pool.worker_pids().is_empty());
    });
}

#[test]
fn jobs_at_the_same_time_run_in_different_processes() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(3).unwrap();
        let folder = std::env::temp_dir().join(format!("loop_executor_{}", process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("wait").to_string_lossy().into_owned();
        std::fs::write(&path, "").unwrap();
        let futures = [(); 3].map(|()| pool.submit(until_gone::job(path.clone())).unwrap());
        // The file itself, and one of each job that has begun.
        eventually("three processes at once", || {
            std::fs::read_dir(&folder).unwrap().count() == 4
        });
        let mut known = pool.worker_pids();
        std::fs::remove_file(&path).unwrap();
        let mut pids = futures.map(|future| future.result(None).unwrap()).to_vec();
        known.sort_unstable();
        pids.sort_unstable();
        assert_eq!(pids, known);
        assert_eq!(pids.iter().collect::<HashSet<_>>().len(), 3);
        assert!(!pids.contains(&process::id()));
        std::fs::remove_dir_all(&folder).unwrap();
    });
}

#[test]
fn an_idle_process_is_used_before_another_is_started() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(4).unwrap();
        let pids: HashSet<u32> = (0..100)
            .map(|_| pool.submit(pid::job()).unwrap().result(None).unwrap())
            .collect();
        assert_eq!(pids.len(), 1);
    });
}

#[test]
fn every_kind_of_argument_and_result() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let sum_of = |numbers, factor| {
            let future = pool.submit(sum::job(numbers, factor)).unwrap();
            future.result(None).unwrap()
        };
        assert_eq!(sum_of(vec![1.5, 2.5], 2.0), Ok(8.0));
        assert_eq!(sum_of(vec![], 2.0), Err("no numbers".to_owned()));
        for text in ["", "ä", &"x".repeat(5 << 20)] {
            let future = pool.submit(echo::job(text.to_owned())).unwrap();
            assert_eq!(future.take_result(None).unwrap(), text);
        }
    });
}

#[test]
fn many_jobs_of_all_sizes_from_many_threads() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(2).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let pool = &pool;
                scope.spawn(move || {
                    let small = (0..500).map(|n| (n, pool.submit(add::job(n, thread)).unwrap()));
                    let small: Vec<_> = small.collect();
                    let large = (0..5).map(|n| "x".repeat(n * 300_000));
                    let large =
                        large.map(|text| (text.len(), pool.submit(echo::job(text)).unwrap()));
                    let large: Vec<_> = large.collect();
                    for (n, future) in small {
                        assert_eq!(future.result(None).unwrap(), n + thread);
                    }
                    for (len, future) in large {
                        assert_eq!(future.take_result(None).unwrap().len(), len);
                    }
                });
            }
        });
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn map_gives_results_in_the_order_of_the_items() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(2).unwrap();
        for chunk_size in [1, 7, 100, 1_000] {
            let sums = pool.map(add::jobs((0..100).map(|n| (n, 1))).chunk_size(chunk_size));
            let mut sums = sums.unwrap();
            assert_eq!(sums.size_hint().1, Some(100));
            assert!(sums.by_ref().take(50).map(Result::unwrap).eq(1..51));
            assert!(sums.map(Result::unwrap).eq(51..101));
        }
        assert_eq!(pool.map(echo::jobs(Vec::new())).unwrap().count(), 0);
        let items = ["a".to_owned(), "b".to_owned()];
        let echoes = pool.map(echo::jobs(items.clone())).unwrap();
        assert!(echoes.map(Result::unwrap).eq(items));
    });
}

#[test]
#[should_panic(expected = "chunksize must be >= 1.")]
fn no_chunk_is_empty() {
    let pool = ProcessPoolExecutor::new(1).unwrap();
    let _ = pool.map(add::jobs([(1, 1)]).chunk_size(0));
}

#[test]
fn an_initializer_runs_once_before_the_first_job() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .initializer(|| set_level::job(7))
            .build()
            .unwrap();
        for _ in 0..3 {
            assert_eq!(pool.submit(level::job()).unwrap().result(None).unwrap(), 7);
        }
    });
}

#[test]
fn a_process_is_replaced_after_its_share_of_jobs() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .max_tasks_per_child(3)
            .build()
            .unwrap();
        let pids: Vec<u32> = (0..7)
            .map(|_| pool.submit(pid::job()).unwrap())
            .collect::<Vec<_>>()
            .into_iter()
            .map(|future| future.result(None).unwrap())
            .collect();
        assert!(pids[..3].iter().all(|pid| *pid == pids[0]));
        assert!(pids[3..6].iter().all(|pid| *pid == pids[3]));
        assert_eq!(pids.iter().collect::<HashSet<_>>().len(), 3);
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn numbers_that_make_no_sense() {
    let zero = ProcessPoolExecutor::new(0).unwrap_err();
    assert_eq!(zero.to_string(), "max_workers must be greater than 0");
    let zero = ProcessPoolExecutor::builder()
        .max_tasks_per_child(0)
        .build();
    let zero = zero.unwrap_err();
    assert!(matches!(zero, PoolError::InvalidMaxTasksPerChild));
    assert_eq!(zero.to_string(), "max_tasks_per_child must be >= 1");
    let cpus = std::thread::available_parallelism().unwrap().get();
    let default = ProcessPoolExecutor::builder().build().unwrap();
    assert_eq!(default.max_workers(), cpus);
}

#[test]
fn a_worker_has_the_programs_environment_and_no_input() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .worker_env("LOOP_EXECUTOR_TEST", "a value")
            .build()
            .unwrap();
        let get = |name: &str| {
            let future = pool.submit(variable::job(name.to_owned())).unwrap();
            future.result(None).unwrap()
        };
        assert_eq!(get("LOOP_EXECUTOR_TEST").as_deref(), Some("a value"));
        assert_eq!(get("PATH"), std::env::var("PATH").ok());
        let input = pool.submit(read_input::job()).unwrap();
        assert_eq!(input.result(None).unwrap(), "");
    });
}

#[test]
fn what_a_worker_starts_is_no_worker() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let inherits = pool.submit(is_worker_elsewhere::job()).unwrap();
        assert!(
            !inherits.result(None).unwrap(),
            "it has the socket of its parent"
        );
    });
}

#[test]
fn a_worker_may_have_a_pool_of_its_own() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let there = pool.submit(nested::job(1, 2)).unwrap();
        assert_eq!(there.result(None).unwrap(), 3);
    });
}

#[test]
fn a_loop_hands_calls_to_processes_and_to_its_own_threads() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let there = event_loop.run_in_executor(Some(&pool), pid::job()).unwrap();
        let there = event_loop.run_until_complete(there).unwrap();
        assert_ne!(there, process::id());
        let here = event_loop.run_in_executor(None, pid::job()).unwrap();
        let here = event_loop.run_until_complete(here).unwrap();
        assert_eq!(here, process::id());
        event_loop.close().unwrap();
    });
}

#[test]
fn somebody_elses_engine_takes_the_same_calls() {
    /// A client of an engine, whose far end is this process.
    struct Engine;
    impl Executor<CallJob> for Engine {
        fn execute(&self, job: CallJob) -> Result<(), SubmitError<CallJob>> {
            if job.claim() {
                let result = job.encode();
                let result = result.and_then(|arguments| call_registered(job.name(), &arguments));
                job.complete(result.as_deref().map_err(Clone::clone));
            }
            Ok(())
        }
        fn shutdown(&self, _: bool, _: bool) -> Result<(), loop_bridge::WouldDeadlock> {
            Ok(())
        }
    }
    let engine: &dyn Executor<CallJob> = &Engine;
    assert_eq!(
        engine.submit(add::job(1, 2)).unwrap().result(None).unwrap(),
        3
    );
}

#[test]
fn what_is_refused_comes_back() {
    let pool = ProcessPoolExecutor::new(1).unwrap();
    pool.shutdown(true, false).unwrap();
    let refused = pool.submit(add::job(1, 2)).unwrap_err();
    assert!(matches!(refused, SubmitError::Shutdown(_)));
    assert_eq!(refused.into_inner().call(), 3);
    let (job, future) = add::job(3, 4).into_job(None);
    let refused = pool.execute(job).unwrap_err().into_inner();
    refused.cancel();
    assert!(matches!(
        future.result(None),
        Err(ConcurrentError::Cancelled)
    ));
}
