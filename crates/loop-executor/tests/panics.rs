//! Code of the caller that panics: in the job, in what it holds, in an initializer.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use common::{Books, eventually, watched};
use loop_bridge::ConcurrentError;
use loop_executor::{
    BrokenThreadPool, CpuPool, Executor, ExecutorExt, SubmitError, ThreadPoolExecutor,
};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("a destructor");
        }
    }
}

/// Panics when it is dropped, with something that panics when it is dropped.
struct Nested;

impl Drop for Nested {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic_any(Bomb);
        }
    }
}

fn pools() -> [Box<dyn Executor>; 2] {
    [
        Box::new(ThreadPoolExecutor::new(1).unwrap()),
        Box::new(CpuPool::new(1).unwrap()),
    ]
}

#[test]
fn a_panic_stays_in_its_future_and_the_worker_goes_on() {
    watched(|| {
        for pool in pools() {
            let books = Books::default();
            let before = pool.submit(|| thread::current().id()).unwrap();
            let counted = books.clone();
            let future = books.enter(pool.submit(move || -> u32 {
                counted.runs();
                panic!("no such page")
            }));
            match future.unwrap().result(None) {
                Err(ConcurrentError::Panicked(panic)) => {
                    assert_eq!(panic.message(), "no such page")
                }
                other => unreachable!("{other:?}"),
            }
            let after = pool.submit(|| thread::current().id()).unwrap();
            assert_eq!(before.result(None).unwrap(), after.result(None).unwrap());
            pool.shutdown(true, false).unwrap();
            assert_eq!(books.panicked(), 1);
            books.assert_balanced();
        }
    });
}

#[test]
fn the_payload_of_a_panic_is_kept() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let future = pool.submit(|| panic_any(17_u32)).unwrap();
        match future.result(None) {
            Err(ConcurrentError::Panicked(panic)) => {
                assert_eq!(
                    *panic.take_payload().unwrap().downcast::<u32>().unwrap(),
                    17
                );
            }
            other => unreachable!("{other:?}"),
        }
    });
}

#[test]
fn a_destructor_that_panics_takes_no_worker_down() {
    watched(|| {
        for pool in pools() {
            // In a result that nobody wants, in a panic's payload, in a job that was cancelled.
            drop(pool.submit(|| Bomb).unwrap());
            drop(pool.submit(|| panic_any(Bomb)).unwrap());
            let (go, wait) = mpsc::channel::<()>();
            pool.submit(move || wait.recv()).unwrap();
            let (bomb, nested) = (Bomb, Nested);
            let cancelled = pool.submit(move || drop(bomb)).unwrap();
            assert!(cancelled.cancel());
            let cancelled = pool.submit(move || drop(nested)).unwrap();
            assert!(cancelled.cancel());
            drop(go);
            assert_eq!(pool.submit(|| 7).unwrap().result(None).unwrap(), 7);
            pool.shutdown(true, false).unwrap();
        }
    });
}

#[test]
fn a_destructor_that_panics_does_not_stop_the_cancelling() {
    watched(|| {
        for pool in pools() {
            let (go, wait) = mpsc::channel::<()>();
            let (begun, beginning) = mpsc::channel::<()>();
            pool.submit(move || {
                begun.send(()).unwrap();
                wait.recv()
            })
            .unwrap();
            beginning.recv().unwrap();
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let bomb = Bomb;
                    pool.submit(move || drop(bomb)).unwrap()
                })
                .collect();
            pool.shutdown(false, true).unwrap();
            assert!(waiting.iter().all(loop_bridge::ConcurrentFuture::cancelled));
            drop(go);
            pool.shutdown(true, false).unwrap();
        }
    });
}

#[test]
fn an_initializer_runs_once_in_each_thread_before_its_jobs() {
    watched(|| {
        thread_local!(static READY: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
        let pool = ThreadPoolExecutor::builder()
            .max_workers(3)
            .initializer(|| READY.set(READY.get() + 1))
            .build()
            .unwrap();
        let ready = pool.map(0..100, |_| READY.get()).unwrap();
        assert!(ready.map(Result::unwrap).all(|count| count == 1));
    });
}

#[test]
fn an_initializer_that_fails_breaks_the_pool_for_pending_and_later_jobs() {
    watched(|| {
        let (go, wait) = mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let pool = ThreadPoolExecutor::builder()
            .max_workers(1)
            .try_initializer(move || {
                // Once all jobs are there.
                let _ = wait.lock().unwrap().recv();
                Err("no licence")
            })
            .build()
            .unwrap();
        let books = Books::default();
        let futures: Vec<_> = (0..3)
            .map(|_| {
                let held = books.hold();
                books.enter(pool.submit(move || drop(held))).unwrap()
            })
            .collect();
        drop(go);
        for future in futures {
            match future.result(None) {
                Err(ConcurrentError::Failed(error)) => {
                    let error = error.downcast_ref::<BrokenThreadPool>().unwrap();
                    assert_eq!(error.cause(), "no licence");
                    assert_eq!(
                        error.to_string(),
                        "A thread initializer failed, the thread pool is not usable anymore: no licence"
                    );
                }
                other => unreachable!("{other:?}"),
            }
        }
        let held = books.hold();
        let refused = pool.submit(move || drop(held)).unwrap_err();
        assert!(matches!(refused, SubmitError::Broken(..)), "{refused:?}");
        refused.into_inner()();
        pool.shutdown(true, false).unwrap();
        assert_eq!(books.failed(), 3);
        books.assert_balanced();
    });
}

#[test]
fn an_initializer_that_panics_in_the_second_thread_breaks_the_pool_too() {
    watched(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let pool = ThreadPoolExecutor::builder()
            .max_workers(2)
            .initializer(move || {
                assert!(
                    calls.fetch_add(1, Ordering::SeqCst) == 0,
                    "only one licence"
                );
            })
            .build()
            .unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let (begun, beginning) = mpsc::channel::<()>();
        let running = pool
            .submit(move || {
                begun.send(()).unwrap();
                let _ = wait.recv();
                5
            })
            .unwrap();
        beginning.recv().unwrap();
        let pending = pool.submit(|| 6).unwrap();
        assert!(matches!(
            pending.result(None),
            Err(ConcurrentError::Failed(_))
        ));
        drop(go);
        assert_eq!(
            running.result(None).unwrap(),
            5,
            "what runs is not disturbed"
        );
        assert!(matches!(pool.submit(|| 7), Err(SubmitError::Broken(..))));
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn an_initializer_whose_panic_explodes_breaks_the_pool_like_any_other() {
    watched(|| {
        let pool = ThreadPoolExecutor::builder()
            .max_workers(1)
            .initializer(|| panic_any(Bomb))
            .build()
            .unwrap();
        let pending = pool.submit(|| 1).unwrap();
        assert!(matches!(
            pending.result(None),
            Err(ConcurrentError::Failed(_))
        ));
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn the_first_initializer_that_fails_is_the_one_that_is_told_of() {
    watched(|| {
        let (fail, failing) = mpsc::channel::<&str>();
        let failing = std::sync::Mutex::new(failing);
        let pool = ThreadPoolExecutor::builder()
            .max_workers(2)
            .try_initializer(move || Err(failing.lock().unwrap().recv().unwrap()))
            .build()
            .unwrap();
        let pending = [1, 2].map(|number| pool.submit(move || number).unwrap());
        fail.send("no licence").unwrap();
        for future in pending {
            assert!(matches!(
                future.result(None),
                Err(ConcurrentError::Failed(_))
            ));
        }
        fail.send("no licence either").unwrap();
        pool.shutdown(true, false).unwrap();
        match pool.submit(|| 3) {
            Err(SubmitError::Broken(_, broken)) => {
                let broken: &BrokenThreadPool = broken.downcast_ref().unwrap();
                assert_eq!(broken.cause(), "no licence");
            }
            other => unreachable!("{other:?}"),
        }
    });
}

#[test]
fn the_threads_that_sleep_go_when_their_pool_breaks() {
    watched(|| {
        let (fail, failing) = mpsc::channel::<()>();
        let failing = std::sync::Mutex::new(Some(failing));
        let calls = AtomicUsize::new(0);
        let pool = ThreadPoolExecutor::builder()
            .max_workers(2)
            .try_initializer(move || {
                if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                    return Ok(());
                }
                let _ = failing.lock().unwrap().take().unwrap().recv();
                Err("only one licence")
            })
            .build()
            .unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let first = pool.submit(move || wait.recv()).unwrap();
        let second = pool.submit(|| 2).unwrap(); // for which the other thread is started
        drop(go);
        assert!(first.result(None).unwrap().is_err());
        assert_eq!(second.result(None).unwrap(), 2);
        eventually("the one that works sleeps", || {
            format!("{pool:?}").contains("threads=2/2 idle=1 queued=0")
        });
        // It is idle already while it looks for more, for a moment.
        for _ in 0..1_000 {
            thread::yield_now();
        }
        drop(fail);
        eventually("nobody is left", || {
            format!("{pool:?}").contains("threads=0/2")
        });
    });
}
