//! One function, many items.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::watched;
use loop_bridge::ConcurrentError;
use loop_executor::{CpuPool, Executor, ExecutorExt, SubmitError, ThreadPoolExecutor};

/// A pool of one thread, which is busy until the sender is dropped.
fn busy_pool() -> (ThreadPoolExecutor, mpsc::Sender<()>) {
    let pool = ThreadPoolExecutor::new(1).unwrap();
    let (go, wait) = mpsc::channel();
    pool.submit(move || wait.recv()).unwrap();
    (pool, go)
}

#[test]
fn results_come_in_the_order_of_the_items() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(3).unwrap();
        // The first one ends last.
        let (go, wait) = mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let left = Arc::new(AtomicUsize::new(9));
        let go = std::sync::Mutex::new(Some(go));
        let results = pool
            .map(0..10, move |n| {
                if n == 0 {
                    let _ = wait.lock().unwrap().recv();
                } else if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    go.lock().unwrap().take();
                }
                n * n
            })
            .unwrap();
        assert_eq!(results.size_hint(), (1, Some(10)));
        let results: Vec<i32> = results.map(Result::unwrap).collect();
        assert_eq!(results, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
    });
}

#[test]
fn no_items_are_no_results() {
    let pool = ThreadPoolExecutor::new(1).unwrap();
    assert!(pool.map([0; 0], |n| n).unwrap().next().is_none());
}

#[test]
fn one_that_panics_is_one_error() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let results = pool.map(0..4, |n| {
            assert_ne!(n, 1, "not one");
            n
        });
        let results: Vec<_> = results.unwrap().map(|result| result.ok()).collect();
        assert_eq!(results, [Some(0), None, Some(2), Some(3)]);
    });
}

#[test]
fn a_timeout_ends_it_and_cancels_the_rest() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let mut results = pool
            .map(0..10, move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = wait.lock().unwrap().recv();
            })
            .unwrap()
            .timeout(Duration::from_millis(1));
        assert!(matches!(
            results.next(),
            Some(Err(ConcurrentError::TimedOut))
        ));
        assert!(results.next().is_none());
        drop(go);
        pool.shutdown(true, false).unwrap();
        assert!(begun.load(Ordering::SeqCst) <= 1);
    });
}

#[test]
fn a_result_that_comes_too_late_is_not_worked_for() {
    watched(|| {
        let (pool, go) = busy_pool();
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let results = pool.map(0..3, move |_| count.fetch_add(1, Ordering::SeqCst));
        let mut results = results.unwrap().timeout(Duration::from_millis(1));
        let error = results.next().unwrap();
        assert!(matches!(error, Err(ConcurrentError::TimedOut)));
        drop(go);
        pool.shutdown(true, false).unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_timeout_too_far_to_be_represented_is_none() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let mut results = pool.map([1], |n| n).unwrap().timeout(Duration::MAX);
        assert_eq!(results.next().unwrap().unwrap(), 1);
    });
}

#[test]
fn dropping_the_results_cancels_what_has_not_begun() {
    watched(|| {
        let (pool, go) = busy_pool();
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        drop(pool.map(0..10, move |_| count.fetch_add(1, Ordering::SeqCst)));
        drop(go);
        pool.shutdown(true, false).unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn an_item_that_is_refused_comes_back_and_those_before_it_are_cancelled() {
    /// Takes two jobs and then no more.
    struct Two(ThreadPoolExecutor, AtomicUsize);
    impl Executor for Two {
        fn execute(&self, job: loop_executor::Job) -> Result<(), SubmitError<loop_executor::Job>> {
            if self.1.fetch_add(1, Ordering::SeqCst) < 2 {
                self.0.execute(job)
            } else {
                Err(SubmitError::Shutdown(job))
            }
        }
        fn shutdown(&self, wait: bool, cancel: bool) -> Result<(), loop_bridge::WouldDeadlock> {
            self.0.shutdown(wait, cancel)
        }
    }

    watched(|| {
        let (pool, go) = busy_pool();
        let pool = Two(pool, AtomicUsize::new(0));
        let ran = Arc::new(AtomicUsize::new(0));
        let runs = Arc::clone(&ran);
        let error = pool
            .map(["a", "b", "c", "d"], move |_| {
                runs.fetch_add(1, Ordering::SeqCst);
            })
            .map(|results: loop_executor::Map<()>| drop(results))
            .unwrap_err();
        assert_eq!(error.into_inner(), "c");
        drop(go);
        pool.shutdown(true, false).unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 0, "they are cancelled");
    });
}

#[test]
fn with_a_buffer_only_so_many_items_are_taken_ahead() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let taken = std::cell::Cell::new(0);
        let endless = (0..).inspect(|_| taken.set(taken.get() + 1));
        let mut results = pool.map_buffered(endless, 3, |n: u64| n * n).unwrap();
        assert_eq!(taken.get(), 3, "before anything is asked for");
        for n in 0..100 {
            assert_eq!(results.next().unwrap().unwrap(), n * n);
            assert_eq!(taken.get(), n + 4);
        }
        drop(results);
        // It ends with its items, also where the buffer is larger than anybody can count to.
        for buffer in [0, usize::MAX] {
            let results = pool.map_buffered(["a", "bb"], buffer, str::len).unwrap();
            assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), [1, 2]);
        }
    });
}

#[test]
fn with_a_buffer_a_refusal_is_told_when_it_comes() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let mut results = pool.map_buffered(0.., 2, |n: u32| n).unwrap();
        assert_eq!(results.next().unwrap().unwrap(), 0);
        Executor::<loop_executor::Job>::shutdown(&pool, false, false).unwrap();
        // What was accepted is there, then the refusal, then nothing.
        assert_eq!(results.next().unwrap().unwrap(), 1);
        assert_eq!(results.next().unwrap().unwrap(), 2);
        let refused = results.next().unwrap().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "cannot schedule new futures after shutdown"
        );
        assert!(results.next().is_none());
        for buffer in [0, 2] {
            let refused = pool.map_buffered(["item"], buffer, str::len);
            assert_eq!(refused.unwrap_err().into_inner(), "item");
        }
    });
}

#[test]
fn with_a_buffer_a_timeout_ends_it_and_takes_no_more() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let taken = std::cell::Cell::new(0);
        let endless = (0..).inspect(|_| taken.set(taken.get() + 1));
        let late = move |_: u32| wait.lock().unwrap().recv().is_ok();
        let results = pool.map_buffered(endless, 2, late).unwrap();
        let mut results = results.timeout(Duration::from_millis(1));
        let error = results.next().unwrap().unwrap_err();
        assert!(matches!(error, ConcurrentError::TimedOut));
        assert_eq!(taken.get(), 3);
        assert!(results.next().is_none());
        assert_eq!(taken.get(), 3);
        drop(go);
    });
}

#[test]
fn a_slice_is_shared_among_the_threads() {
    watched(|| {
        let pool = CpuPool::new(2).unwrap();
        let items: Vec<u64> = (0..10_000).collect();
        let here = std::thread::current().id();
        let doubled = pool.map_slice(&items, |n| {
            assert_ne!(std::thread::current().id(), here);
            2 * n
        });
        let doubled = doubled.unwrap().unwrap();
        assert!(doubled.iter().copied().eq((0..10_000).map(|n| 2 * n)));
    });
}

#[test]
fn a_slice_whose_function_panics_is_an_error_and_the_pool_lives() {
    watched(|| {
        let pool = CpuPool::new(2).unwrap();
        let items = [0, 1, 2, 3];
        let panicked = pool.map_slice(&items, |n| assert_ne!(*n, 2, "not two"));
        assert!(panicked.unwrap().unwrap_err().message().contains("not two"));
        assert_eq!(
            pool.map_slice(&items, |n| n + 1).unwrap().unwrap(),
            [1, 2, 3, 4]
        );
        pool.shutdown(true, false).unwrap();
        assert!(matches!(
            pool.map_slice(&items, |n| *n),
            Err(SubmitError::Shutdown(_))
        ));
    });
}

#[test]
fn a_slice_can_be_mapped_inside_a_job_of_the_same_pool() {
    watched(|| {
        let pool = Arc::new(CpuPool::new(1).unwrap());
        let inside = Arc::clone(&pool);
        let sum = pool.submit(move || {
            let squares = inside.map_slice(&[1, 2, 3], |n| n * n).unwrap().unwrap();
            squares.into_iter().sum::<u32>()
        });
        assert_eq!(sum.unwrap().result(None).unwrap(), 14);
    });
}
