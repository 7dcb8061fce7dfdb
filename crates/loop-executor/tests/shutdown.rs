//! The end of a pool: what still runs, what is cancelled, who may wait.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::{Books, watched};
use loop_bridge::ConcurrentError;
use loop_executor::{CpuPool, Executor, ExecutorExt, SubmitError, ThreadPoolExecutor};

fn pools() -> [Arc<dyn Executor>; 2] {
    [
        Arc::new(ThreadPoolExecutor::new(1).unwrap()),
        Arc::new(CpuPool::new(1).unwrap()),
    ]
}

/// Submits a job that runs until the sender is dropped, and returns when it has begun.
fn occupy(pool: &dyn Executor, books: &Books) -> mpsc::Sender<()> {
    let (go, wait) = mpsc::channel::<()>();
    let (begun, beginning) = mpsc::channel::<()>();
    let counted = books.clone();
    books.enter(pool.submit(move || {
        counted.runs();
        begun.send(()).unwrap();
        let _ = wait.recv();
    }));
    beginning.recv().unwrap();
    go
}

fn submit(pool: &dyn Executor, books: &Books, jobs: usize) {
    for _ in 0..jobs {
        let (counted, held) = (books.clone(), books.hold());
        books.enter(pool.submit(move || {
            counted.runs();
            drop(held);
        }));
    }
}

#[test]
fn jobs_accepted_before_still_run() {
    watched(|| {
        for pool in pools() {
            let books = Books::default();
            let go = occupy(&*pool, &books);
            submit(&*pool, &books, 10);
            pool.shutdown(false, false).unwrap();
            assert_eq!(books.ok(), 0);
            drop(go);
            pool.shutdown(true, false).unwrap();
            assert_eq!(books.ok(), 11);
            books.assert_balanced();
        }
    });
}

#[test]
fn jobs_that_have_not_begun_can_be_cancelled() {
    watched(|| {
        for pool in pools() {
            let books = Books::default();
            let go = occupy(&*pool, &books);
            submit(&*pool, &books, 10);
            pool.shutdown(false, true).unwrap();
            assert_eq!((books.ok(), books.cancelled(), books.alive()), (0, 10, 0));
            drop(go);
            pool.shutdown(true, true).unwrap();
            assert_eq!(books.ok(), 1);
            books.assert_balanced();
        }
    });
}

#[test]
fn later_jobs_come_back() {
    watched(|| {
        for pool in pools() {
            let books = Books::default();
            pool.shutdown(true, false).unwrap();
            let held = books.hold();
            let error = pool
                .submit(move || {
                    drop(held);
                    7
                })
                .unwrap_err();
            assert!(matches!(error, SubmitError::Shutdown(_)));
            assert_eq!(
                error.to_string(),
                "cannot schedule new futures after shutdown"
            );
            assert_eq!(books.alive(), 1);
            assert_eq!(error.into_inner()(), 7);
            // So does the item that `map` did not get rid of.
            let error = pool.map(["a", "b"], str::len).unwrap_err();
            assert_eq!(error.into_inner(), "a");
            books.assert_balanced();
        }
    });
}

#[test]
fn shutting_down_twice_is_no_error() {
    watched(|| {
        for pool in pools() {
            for _ in 0..2 {
                pool.shutdown(true, true).unwrap();
                pool.shutdown(false, false).unwrap();
            }
        }
    });
}

#[test]
fn two_threads_may_wait_at_the_same_time() {
    watched(|| {
        for pool in pools() {
            let books = Books::default();
            let go = occupy(&*pool, &books);
            let waiters = [(); 2].map(|()| {
                let pool = Arc::clone(&pool);
                std::thread::spawn(move || pool.shutdown(true, false).unwrap())
            });
            drop(go);
            for waiter in waiters {
                waiter.join().unwrap();
            }
            assert_eq!(books.ok(), 1);
            books.assert_balanced();
        }
    });
}

#[test]
fn dropping_a_pool_waits_for_nothing_and_loses_nothing() {
    watched(|| {
        for pool in pools() {
            let books = Books::default();
            let go = occupy(&*pool, &books);
            submit(&*pool, &books, 10);
            let last = pool.submit(|| "the last").unwrap();
            drop(pool);
            assert!(!last.done());
            drop(go);
            assert_eq!(last.result(None).unwrap(), "the last");
            assert_eq!(books.ok(), 11);
            books.assert_balanced();
        }
    });
}

#[test]
fn a_pool_that_is_dropped_by_its_own_job_ends() {
    watched(|| {
        for pool in pools() {
            let (go, wait) = mpsc::channel::<()>();
            let inside = Arc::clone(&pool);
            let future = pool
                .submit(move || {
                    let _ = wait.recv();
                    drop(inside);
                })
                .unwrap();
            drop(pool);
            drop(go);
            future.result(None).unwrap();
        }
    });
}

#[test]
fn waiting_for_its_own_pool_is_refused_inside_a_job() {
    watched(|| {
        for pool in pools() {
            let inside = Arc::clone(&pool);
            let future = pool
                .submit(move || {
                    assert!(inside.shutdown(true, true).is_err());
                    // Nothing has changed: the next job is accepted. Waiting for its result
                    // without an end is refused too, and with one it ends.
                    let next = inside.submit(|| 5).unwrap();
                    assert!(matches!(
                        next.result(None),
                        Err(ConcurrentError::WouldDeadlock(_))
                    ));
                    assert!(matches!(
                        next.result(Some(Duration::from_millis(1))),
                        Err(ConcurrentError::TimedOut)
                    ));
                    assert!(!next.running(), "it is queued behind this very job");
                    // Shutting down without waiting is fine.
                    inside.shutdown(false, false).unwrap();
                    next
                })
                .unwrap();
            let next = future.result(None).unwrap();
            assert_eq!(next.result(None).unwrap(), 5);
            pool.shutdown(true, false).unwrap();
        }
    });
}

#[test]
fn a_worker_may_wait_for_another_pool() {
    watched(|| {
        let [threads, cpu] = pools();
        let other = Arc::clone(&cpu);
        let future = threads
            .submit(move || {
                let there = other.submit(|| 5).unwrap().result(None).unwrap();
                other.shutdown(true, false).unwrap();
                there
            })
            .unwrap();
        assert_eq!(future.result(None).unwrap(), 5);
    });
}
