//! The end of a pool: what still runs, what is cancelled, who may wait.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::{Books, eventually, thread_names, watched};
use loop_bridge::ConcurrentError;
use loop_executor::{CpuPool, Executor, ExecutorExt, Job, SubmitError, ThreadPoolExecutor};

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

/// What is cancelled goes before anybody is waited for.
#[test]
fn a_job_that_runs_may_wait_for_one_that_is_cancelled() {
    watched(|| {
        for pool in pools() {
            let books = Books::default();
            let go = occupy(&*pool, &books);
            books.enter(pool.submit(move || drop(go)));
            pool.shutdown(true, true).unwrap();
            assert_eq!((books.ok(), books.cancelled()), (1, 1));
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
fn the_threads_of_a_pool_that_is_dropped_go() {
    watched(|| {
        let threads = ThreadPoolExecutor::builder().max_workers(1);
        let threads = threads.thread_name_prefix("io-job").build().unwrap();
        let cpu = CpuPool::with_prefix(1, "cpu-job").unwrap();
        let pools: [(Box<dyn Executor>, &str); 2] =
            [(Box::new(threads), "io-job"), (Box::new(cpu), "cpu-job")];
        for (pool, prefix) in pools {
            assert_eq!(pool.submit(|| 5).unwrap().result(None).unwrap(), 5);
            drop(pool);
            eventually("its threads are gone", || {
                !thread_names().iter().any(|name| name.starts_with(prefix))
            });
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
fn waiting_for_its_own_pool_with_a_limit_is_refused_too() {
    watched(|| {
        let pool = Arc::new(ThreadPoolExecutor::new(1).unwrap());
        let inside = Arc::clone(&pool);
        let future = pool.submit(move || {
            let stuck = inside.shutdown_timeout(Duration::MAX).unwrap_err();
            // Nothing has changed: the next job is accepted.
            (stuck.jobs().len(), inside.submit(|| 5).unwrap())
        });
        let (running, next) = future.unwrap().result(None).unwrap();
        assert_eq!((running, next.result(None).unwrap()), (1, 5));
    });
}

#[test]
fn who_waits_for_the_end_waits_for_the_threads() {
    /// What a thread drops last of all.
    struct Last(RefCell<Option<Arc<AtomicBool>>>);
    impl Drop for Last {
        fn drop(&mut self) {
            // Whoever does not wait for this has time to be seen.
            for _ in 0..1_000 {
                std::thread::yield_now();
            }
            let gone = self.0.take().unwrap();
            gone.store(true, Ordering::SeqCst);
        }
    }
    thread_local!(static LAST: Last = const { Last(RefCell::new(None)) });

    /// A pool that had a job, and whether the thread of that is gone.
    fn used<E: Executor>(pool: E) -> (E, Arc<AtomicBool>) {
        let gone = Arc::new(AtomicBool::new(false));
        let there = Arc::clone(&gone);
        let job = pool.submit(move || LAST.with(|last| last.0.replace(Some(there))));
        job.unwrap().result(None).unwrap();
        (pool, gone)
    }

    watched(|| {
        for pool in pools() {
            let (pool, gone) = used(pool);
            pool.shutdown(true, false).unwrap();
            assert!(gone.load(Ordering::SeqCst));
        }
        let (pool, gone) = used(ThreadPoolExecutor::new(1).unwrap());
        pool.shutdown_timeout(Duration::MAX).unwrap();
        assert!(gone.load(Ordering::SeqCst));
    });
}

#[test]
fn what_a_job_held_is_free_when_its_outcome_is_heard_of() {
    let books = Books::default();
    let held = books.hold();
    let (job, future) = Job::new(move || drop(held), None);
    let (tell, told) = mpsc::channel();
    let counted = books.clone();
    future.add_done_callback(move |_| tell.send(counted.alive()).unwrap());
    job.cancel();
    assert_eq!(told.recv(), Ok(0));
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
