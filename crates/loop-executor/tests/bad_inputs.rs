//! What a pool answers to input that makes no sense: one test for each, with the words.
//!
//! In all of them the work comes back or is dropped once, and the pool works on unless it says
//! that it is broken.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::deeds::{Deed, NOTHING, Value};
use common::watched;
use loop_bridge::{ConcurrentError, ConcurrentFuture};
use loop_executor::{
    BreakCause, Call, CpuPool, Executor, ExecutorExt, JobError, PoolError, ProcessFn,
    ProcessPoolExecutor, SubmitError, ThreadPoolExecutor, WorkerPhase, process_fn,
};

loop_executor::worker_test!();

process_fn! {
    fn add(a: u32, b: u32) -> u32 {
        a + b
    }

    fn pass(value: Value, deed: Deed) -> Value {
        deed.doit().unwrap();
        Value::new(value.encode, NOTHING)
    }

    fn gives(encode: Deed) -> Value {
        Value::new(encode, NOTHING)
    }

    fn text(len: usize) -> String {
        "x".repeat(len)
    }

    fn never() {
        loop {
            std::thread::park();
        }
    }

    fn is_killed() {
        use rustix::process::{Signal, getpid, kill_process};
        kill_process(getpid(), Signal::KILL).unwrap();
        never();
    }

    fn fails() {
        panic!("no licence")
    }
}

/// A function that was never declared with `process_fn!`: no worker knows it.
struct Undeclared;

impl ProcessFn for Undeclared {
    type Args = u32;
    type Output = u32;
    const NAME: &'static str = "undeclared";

    fn call(n: u32) -> u32 {
        n
    }
}

fn process_pool() -> ProcessPoolExecutor {
    ProcessPoolExecutor::new(1).unwrap()
}

fn error<T: std::fmt::Debug>(future: &ConcurrentFuture<T>) -> JobError {
    let error = future.take_result(None).unwrap_err();
    JobError::of(&error)
        .unwrap_or_else(|| panic!("{error:?}"))
        .clone()
}

fn works(pool: &ProcessPoolExecutor) {
    assert_eq!(
        pool.submit(add::job(1, 2)).unwrap().result(None).unwrap(),
        3
    );
}

#[test]
fn no_workers() {
    let errors = [
        ThreadPoolExecutor::new(0).unwrap_err(),
        CpuPool::new(0).unwrap_err(),
        ProcessPoolExecutor::new(0).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, PoolError::InvalidWorkers));
        assert_eq!(error.to_string(), "max_workers must be greater than 0");
    }
}

#[test]
fn a_prefix_that_no_thread_can_have() {
    let threads = ThreadPoolExecutor::builder().thread_name_prefix("a\0b");
    let errors = [
        threads.build().unwrap_err(),
        CpuPool::with_prefix(1, "\0").unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, PoolError::InvalidPrefix));
        assert_eq!(
            error.to_string(),
            "the prefix of the threads' names must not contain a NUL byte"
        );
    }
}

#[test]
fn no_tasks_per_child() {
    let error = ProcessPoolExecutor::builder()
        .max_tasks_per_child(0)
        .build()
        .unwrap_err();
    assert!(matches!(error, PoolError::InvalidMaxTasksPerChild));
    assert_eq!(error.to_string(), "max_tasks_per_child must be >= 1");
}

#[test]
#[should_panic(expected = "chunksize must be >= 1.")]
fn a_chunk_of_nothing() {
    let _ = process_pool().map(add::jobs([(1, 2)]).chunk_size(0));
}

#[test]
fn submitting_after_the_shutdown() {
    const WORDS: &str = "cannot schedule new futures after shutdown";
    let pools: [Box<dyn Executor>; 2] = [
        Box::new(ThreadPoolExecutor::new(1).unwrap()),
        Box::new(CpuPool::new(1).unwrap()),
    ];
    for pool in pools {
        pool.shutdown(true, false).unwrap();
        let refused = pool.submit(|| 7).unwrap_err();
        assert_eq!(refused.to_string(), WORDS);
        assert_eq!(refused.into_inner()(), 7, "the work comes back");
    }
    let pool = process_pool();
    pool.shutdown(true, false).unwrap();
    let refused = pool.submit(add::job(3, 4)).unwrap_err();
    assert_eq!(refused.to_string(), WORDS);
    assert_eq!(refused.into_inner().call(), 7);
    let refused = pool.map(add::jobs([(1, 2)])).unwrap_err();
    assert_eq!(refused.to_string(), WORDS);
}

#[test]
fn an_initializer_that_fails() {
    watched(|| {
        let threads = ThreadPoolExecutor::builder()
            .max_workers(1)
            .initializer(|| panic!("no licence"))
            .build()
            .unwrap();
        // The thread may have failed before the second is submitted.
        let first = threads.submit(|| 1).unwrap().result(None).unwrap_err();
        let words = "A thread initializer failed, the thread pool is not usable anymore";
        assert!(first.to_string().starts_with(words), "{first}");
        let later = threads.submit(|| 2).unwrap_err();
        assert!(later.to_string().contains("no licence"), "{later}");
        assert_eq!(later.into_inner()(), 2);

        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .initializer(fails::job)
            .build()
            .unwrap();
        let first = error(&pool.submit(add::job(1, 2)).unwrap());
        let words = "the process pool is not usable anymore: a process initializer failed: ";
        assert!(first.to_string().starts_with(words), "{first}");
        let later = pool.submit(add::job(1, 2)).unwrap_err();
        assert!(later.to_string().contains("no licence"), "{later}");
        assert_eq!(later.into_inner().call(), 3);
    });
}

#[test]
fn a_job_that_panics() {
    watched(|| {
        let pools: [Box<dyn Executor>; 2] = [
            Box::new(ThreadPoolExecutor::new(1).unwrap()),
            Box::new(CpuPool::new(1).unwrap()),
        ];
        for pool in pools {
            let future = pool.submit(|| panic!("a page is missing")).unwrap();
            let error: ConcurrentError = future.take_result(None).unwrap_err();
            let ConcurrentError::Panicked(panic) = &error else {
                panic!("{error:?}");
            };
            assert_eq!(panic.message(), "a page is missing");
            assert_eq!(pool.submit(|| 7).unwrap().result(None).unwrap(), 7);
        }
        let pool = process_pool();
        let JobError::Panicked(panic) = error(&pool.submit(fails::job()).unwrap()) else {
            panic!("it is a panic");
        };
        assert_eq!(panic.message(), "no licence");
        assert!(panic.place().unwrap().contains("bad_inputs.rs:"));
        assert!(panic.backtrace().contains("fails"));
        works(&pool);
    });
}

#[test]
fn a_thread_that_the_system_refuses() {
    let pool = ThreadPoolExecutor::builder()
        .stack_size_bytes(1 << 60)
        .build()
        .unwrap();
    let refused = pool.submit(|| 7).unwrap_err();
    assert!(matches!(refused, SubmitError::Spawn(..)), "{refused:?}");
    assert_eq!(refused.into_inner()(), 7);
}

#[test]
fn arguments_that_cannot_be_encoded() {
    watched(|| {
        let pool = process_pool();
        let value = Value::new(Deed::Error, NOTHING);
        let error = error(&pool.submit(pass::job(value, NOTHING)).unwrap());
        assert!(matches!(error, JobError::Encode { .. }));
        let words = "the arguments of 'bad_inputs::pass' cannot be encoded: it does not want to";
        assert_eq!(error.to_string(), words);
        assert_eq!(pool.worker_pids(), [], "nothing was sent");
        works(&pool);
    });
}

#[test]
fn a_result_that_cannot_be_encoded() {
    watched(|| {
        let pool = process_pool();
        works(&pool);
        let worker = pool.worker_pids();
        let error = error(&pool.submit(gives::job(Deed::Error)).unwrap());
        assert!(matches!(error, JobError::EncodeResult { .. }));
        let words =
            "the worker cannot encode the result of 'bad_inputs::gives': it does not want to";
        assert_eq!(error.to_string(), words);
        works(&pool);
        assert_eq!(pool.worker_pids(), worker);
    });
}

#[test]
fn arguments_that_cannot_be_decoded() {
    watched(|| {
        let pool = process_pool();
        works(&pool);
        let worker = pool.worker_pids();
        let value = Value::new(NOTHING, Deed::Error);
        let error = error(&pool.submit(pass::job(value, NOTHING)).unwrap());
        assert!(matches!(error, JobError::DecodeArg { .. }));
        let words =
            "the worker cannot decode the arguments of 'bad_inputs::pass': it does not want to";
        assert_eq!(error.to_string(), words);
        works(&pool);
        assert_eq!(pool.worker_pids(), worker);
    });
}

#[test]
fn a_function_that_the_worker_does_not_know() {
    watched(|| {
        let pool = process_pool();
        works(&pool);
        let worker = pool.worker_pids();
        let error = error(&pool.submit(Call::<Undeclared>::new(1)).unwrap());
        assert!(matches!(error, JobError::UnknownJob { .. }));
        assert_eq!(
            error.to_string(),
            "job 'undeclared' is not registered in the worker"
        );
        works(&pool);
        assert_eq!(pool.worker_pids(), worker);
    });
}

#[test]
fn a_worker_that_is_killed() {
    watched(|| {
        let pool = process_pool();
        let JobError::WorkerDied(died) = error(&pool.submit(is_killed::job()).unwrap()) else {
            panic!("it died");
        };
        assert_eq!(died.phase(), WorkerPhase::Running);
        assert_eq!(died.function(), Some("bad_inputs::is_killed"));
        let words = format!(
            "worker process {} ended abruptly (signal: 9 (SIGKILL)) while it ran 'bad_inputs::is_killed', whose \
             result is lost",
            died.pid(),
        );
        assert_eq!(died.to_string(), words);
        works(&pool);
    });
}

#[test]
fn a_worker_that_is_killed_where_the_pool_is_to_break() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .break_on_worker_death(true)
            .build()
            .unwrap();
        let running = pool.submit(is_killed::job()).unwrap();
        let pending = pool.submit(add::job(1, 2));
        let JobError::Broken(broken) = error(&running) else {
            panic!("the pool is broken");
        };
        assert!(matches!(broken.cause(), BreakCause::WorkerDied(died) if died.pid() > 0));
        // It may have come when the pool was broken already.
        match pending {
            Ok(pending) => assert!(matches!(error(&pending), JobError::Broken(_))),
            Err(refused) => assert_eq!(refused.into_inner().call(), 3),
        }
        let later = pool.submit(add::job(1, 2)).unwrap_err();
        let words = "the process pool is not usable anymore: worker process ";
        assert!(later.to_string().starts_with(words), "{later}");
        assert!(matches!(later, SubmitError::Broken(..)));
        assert_eq!(later.into_inner().call(), 3);
    });
}

#[test]
fn more_than_fits_into_a_frame() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .max_frame_bytes(10_000)
            .build()
            .unwrap();
        works(&pool);
        let worker = pool.worker_pids();
        let mut value = Value::new(NOTHING, NOTHING);
        value.ballast = "x".repeat(20_000);
        let errors = [
            error(&pool.submit(pass::job(value, NOTHING)).unwrap()),
            error(&pool.submit(text::job(20_000)).unwrap()),
        ];
        for error in errors {
            let JobError::FrameTooLarge { len, limit, .. } = error else {
                panic!("{error:?}");
            };
            assert!(len >= 20_000 && limit == 10_000);
            assert!(
                error.to_string().contains("raise max_frame_bytes"),
                "{error}"
            );
        }
        works(&pool);
        assert_eq!(pool.worker_pids(), worker);
    });
}

#[test]
fn a_program_that_does_not_become_a_worker() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .program("/bin/echo")
            .build()
            .unwrap();
        let error = error(&pool.submit(add::job(1, 2)).unwrap());
        let words = "call `worker_main()` in the first line of `main`; in a test file, write `worker_test!();` once";
        assert!(error.to_string().ends_with(words), "{error}");
        assert!(matches!(error, JobError::Broken(_)));
    });
}

#[test]
fn a_wait_that_is_over_before_the_job() {
    watched(|| {
        let threads = ThreadPoolExecutor::new(1).unwrap();
        let (end, ended) = std::sync::mpsc::channel::<u32>();
        let slow = threads.submit(move || ended.recv().unwrap()).unwrap();
        let early = slow.result(Some(Duration::from_millis(1))).unwrap_err();
        assert!(matches!(early, ConcurrentError::TimedOut));
        end.send(7).unwrap();
        assert_eq!(
            slow.result(None).unwrap(),
            7,
            "the job goes on, and its result can be had"
        );

        let pool = process_pool();
        let never = pool.submit(never::job()).unwrap();
        let early = never.result(Some(Duration::from_millis(1))).unwrap_err();
        assert!(matches!(early, ConcurrentError::TimedOut));
        assert!(!never.done());
        assert!(never.cancel());
        works(&pool);
    });
}

#[test]
fn the_result_of_what_was_cancelled() {
    watched(|| {
        let pool = process_pool();
        let never = pool.submit(never::job()).unwrap();
        let unwanted = pool.submit(add::job(1, 2)).unwrap();
        assert!(unwanted.cancel() && never.cancel());
        for cancelled in [unwanted.result(None).map(drop), never.result(None)] {
            assert!(matches!(cancelled, Err(ConcurrentError::Cancelled)));
        }
        works(&pool);
    });
}

#[test]
fn waiting_for_its_own_pool_in_a_job() {
    watched(|| {
        let pools: [Arc<dyn Executor>; 2] = [
            Arc::new(ThreadPoolExecutor::new(1).unwrap()),
            Arc::new(CpuPool::new(1).unwrap()),
        ];
        for pool in pools {
            let inside = Arc::clone(&pool);
            let refused = pool.submit(move || {
                let next = inside.submit(|| 1).unwrap();
                let error = next.result(None).unwrap_err().to_string();
                (error, inside.shutdown(true, false).unwrap_err().to_string())
            });
            let (result, shutdown) = refused.unwrap().result(None).unwrap();
            assert!(result.contains("inside a worker"), "{result}");
            assert!(shutdown.contains("inside a worker"), "{shutdown}");
            // A job that held the last of the pool would wait for it.
            pool.shutdown(true, false).unwrap();
        }
    });
}

#[test]
fn waiting_for_a_pool_of_processes_in_a_callback_of_its_jobs() {
    watched(|| {
        let pool = Arc::new(process_pool());
        let inside = Arc::clone(&pool);
        let (tell, told) = std::sync::mpsc::channel();
        let limit = Duration::from_millis(200);
        let never = pool.submit(never::job().timeout(limit)).unwrap();
        never.add_done_callback(move |_| {
            let shutdown = inside.shutdown(true, false).unwrap_err().to_string();
            let next = inside.submit(add::job(1, 2)).unwrap();
            tell.send((
                shutdown,
                next.result(None).map_err(|error| error.to_string()),
            ))
            .unwrap();
        });
        let (shutdown, next) = told.recv().unwrap();
        assert!(shutdown.contains("inside a worker"), "{shutdown}");
        assert!(next.unwrap_err().contains("inside a worker"));
        assert!(matches!(error(&never), JobError::TimedOut { .. }));
        works(&pool);
    });
}
