//! Every interleaving of the threads that share a concurrent future, within loom's bounds.
//!
//! `cargo xtask loom` builds and runs them. A model is a function over anything that behaves like
//! a future. The `mutant_` tests run the same models over small futures with one mistake each, and
//! must fail: were a model blind to a mistake, its mutant would pass.
#![cfg(loom)]
#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, which the lint cannot see here"
)]

#[path = "loom_future/mutants.rs"]
mod mutants;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use loop_bridge::{
    ConcurrentError, ConcurrentFuture, Promise, ReturnWhen, as_completed, concurrent_future, wait,
};
use mutants::{Mistake, Mutant};

/// What the models ask of a future. Both sides are one type here.
trait Subject: Clone + 'static {
    fn new() -> Self;
    fn set_running(&self) -> bool;
    /// `false` if it was cancelled.
    fn set_result(&self, value: u32) -> bool;
    fn cancel(&self) -> bool;
    /// Blocks; `None` if cancelled.
    fn result(&self) -> Option<u32>;
    fn add_done_callback(&self, callback: impl FnOnce() + Send + 'static);
}

/// The real thing.
#[derive(Clone)]
struct Real {
    promise: Arc<std::sync::Mutex<Option<Promise<u32>>>>,
    future: ConcurrentFuture<u32>,
}

impl Real {
    fn promise<R>(&self, take: impl FnOnce(&mut Option<Promise<u32>>) -> R) -> R {
        // Never contended: one thread of a model is the producer.
        take(&mut self.promise.try_lock().expect("there is one producer"))
    }
}

impl Subject for Real {
    fn new() -> Self {
        let (promise, future) = concurrent_future();
        Real {
            promise: Arc::new(std::sync::Mutex::new(Some(promise))),
            future,
        }
    }
    fn set_running(&self) -> bool {
        let promise = self
            .promise(Option::take)
            .expect("the result is not set yet");
        let runs = promise.set_running_or_notify_cancel();
        self.promise(|place| *place = Some(promise));
        runs
    }
    fn set_result(&self, value: u32) -> bool {
        self.promise(Option::take)
            .expect("the result is set once")
            .set_result(value)
            .is_ok()
    }
    fn cancel(&self) -> bool {
        self.future.cancel()
    }
    fn result(&self) -> Option<u32> {
        match self.future.result(None) {
            Ok(value) => Some(value),
            Err(ConcurrentError::Cancelled) => None,
            Err(error) => panic!("{error}"),
        }
    }
    fn add_done_callback(&self, callback: impl FnOnce() + Send + 'static) {
        self.future.add_done_callback(|_| callback());
    }
}

/// B1: a consumer cancels while a worker begins and a third thread waits.
fn cancel_or_run<S: Subject>(subject: S) {
    let worker = {
        let subject = subject.clone();
        thread::spawn(move || subject.set_running() && subject.set_result(1))
    };
    let waiter = {
        let subject = subject.clone();
        thread::spawn(move || subject.result())
    };
    let cancelled = subject.cancel();
    let ran = worker.join().unwrap();
    assert_ne!(cancelled, ran, "either the work ran or it was cancelled");
    assert_eq!(waiter.join().unwrap(), ran.then_some(1));
    assert_eq!(subject.result(), ran.then_some(1));
}

/// B2: a callback is added while the result is set.
fn callback_or_result<S: Subject>(subject: S) {
    let calls = Arc::new(AtomicUsize::new(0));
    let worker = {
        let subject = subject.clone();
        thread::spawn(move || assert!(subject.set_result(1)))
    };
    for _ in 0..2 {
        let calls = Arc::clone(&calls);
        subject.add_done_callback(move || {
            calls.fetch_add(1, Ordering::SeqCst);
        });
    }
    worker.join().unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2, "each callback runs once");
}

/// Two threads wait for one result: both must wake.
fn two_waiters<S: Subject>(subject: S) {
    let waiters = [(); 2].map(|()| {
        let subject = subject.clone();
        thread::spawn(move || subject.result())
    });
    assert!(subject.set_result(1));
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), Some(1));
    }
}

#[test]
fn b1_cancel_set_running_and_result() {
    loom::model(|| cancel_or_run(Real::new()));
}

#[test]
fn b2_set_result_and_add_done_callback() {
    loom::model(|| callback_or_result(Real::new()));
}

#[test]
fn b3_result_with_timeout_and_set_result() {
    loom::model(|| {
        let (promise, future) = concurrent_future();
        let waiter = {
            let future = future.clone();
            thread::spawn(move || future.result(Some(Duration::from_secs(1))))
        };
        promise.set_result(1).unwrap();
        match waiter.join().unwrap() {
            Ok(1) | Err(ConcurrentError::TimedOut) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(future.result(None).unwrap(), 1, "a timeout loses nothing");
    });
}

#[test]
fn b3_two_threads_in_result() {
    loom::model(|| two_waiters(Real::new()));
}

fn two_completions(return_when: ReturnWhen) {
    loom::model(move || {
        let (promises, futures): (Vec<_>, Vec<_>) = (0..2).map(|_| concurrent_future()).unzip();
        let workers: Vec<_> = promises
            .into_iter()
            .map(|promise| thread::spawn(move || promise.set_result(1).unwrap()))
            .collect();
        let waited = wait(&futures, None, return_when).unwrap();
        let needed = if return_when == ReturnWhen::FirstCompleted {
            1
        } else {
            2
        };
        assert!(waited.done.len() >= needed);
        assert!(waited.done.iter().all(ConcurrentFuture::done));
        assert_eq!(waited.done.len() + waited.not_done.len(), 2);
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn b4_wait_for_all_of_two_completions() {
    two_completions(ReturnWhen::AllCompleted);
}

#[test]
fn b4_wait_for_the_first_of_two_completions() {
    two_completions(ReturnWhen::FirstCompleted);
}

#[test]
fn b4_as_completed_over_two_completions() {
    loom::model(|| {
        let (promises, futures): (Vec<_>, Vec<_>) = (0..2).map(|_| concurrent_future()).unzip();
        let workers: Vec<_> = promises
            .into_iter()
            .map(|promise| thread::spawn(move || promise.set_result(1).unwrap()))
            .collect();
        let mut completed: Vec<_> = as_completed(&futures, None).map(Result::unwrap).collect();
        assert!(completed.iter().all(ConcurrentFuture::done));
        if completed[0] != futures[0] {
            completed.swap(0, 1);
        }
        assert_eq!(completed, futures);
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_await_is_woken_or_sees_the_result() {
    loom::model(|| {
        let (promise, mut future) = concurrent_future();
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&wakes));
        let worker = thread::spawn(move || promise.set_result(1).unwrap());
        let polled = pin!(&mut future).poll(&mut Context::from_waker(&waker));
        worker.join().unwrap();
        let expected = usize::from(polled.is_pending());
        assert_eq!(wakes.0.load(Ordering::SeqCst), expected);
    });
}

#[test]
fn an_await_dropped_while_the_result_is_set() {
    loom::model(|| {
        let (promise, mut future) = concurrent_future();
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&wakes));
        assert!(
            pin!(&mut future)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(waker);
        let worker = thread::spawn(move || promise.set_result(1).unwrap());
        drop(future);
        worker.join().unwrap();
        assert!(wakes.0.load(Ordering::SeqCst) <= 1);
        assert_eq!(Arc::strong_count(&wakes), 1, "no waker is left");
    });
}

#[test]
fn a_promise_dropped_while_the_future_is_cancelled() {
    loom::model(|| {
        let (promise, future) = concurrent_future::<u32>();
        let worker = thread::spawn(move || drop(promise));
        let cancelled = future.cancel();
        let outcome = future.result(None).unwrap_err();
        assert_eq!(cancelled, outcome.is_cancelled());
        assert_eq!(!cancelled, matches!(outcome, ConcurrentError::Abandoned));
        worker.join().unwrap();
    });
}

#[test]
fn a_cancel_hook_runs_once_if_the_future_is_cancelled() {
    loom::model(|| {
        let (promise, future) = concurrent_future::<u32>();
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let canceller = thread::spawn(move || future.cancel());
        promise.on_cancel(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let set = promise.set_result(1).is_ok();
        let cancelled = canceller.join().unwrap();
        assert_ne!(set, cancelled);
        assert_eq!(calls.load(Ordering::SeqCst), usize::from(cancelled));
    });
}

#[test]
fn one_of_two_takes_the_value_while_another_clones_it() {
    loom::model(|| {
        let (promise, future) = concurrent_future();
        promise.set_result(1).unwrap();
        let cloner = {
            let future = future.clone();
            thread::spawn(move || future.result(None).is_ok())
        };
        let taker = {
            let future = future.clone();
            thread::spawn(move || future.take_result(None).is_ok())
        };
        let first = future.take_result(None).is_ok();
        assert!(first ^ taker.join().unwrap());
        cloner.join().unwrap();
    });
}

#[test]
fn the_models_accept_a_mutant_without_a_mistake() {
    loom::model(|| cancel_or_run(Mutant::new()));
    loom::model(|| callback_or_result(Mutant::new()));
    loom::model(|| two_waiters(Mutant::new()));
}

#[test]
fn mutant_m2_notifies_before_it_stores_the_state() {
    loom::model(|| {
        two_waiters(Mutant::with(Mistake::NotifyBeforeStore));
    });
}

#[test]
fn mutant_m3_takes_the_callbacks_apart_from_the_state() {
    loom::model(|| {
        callback_or_result(Mutant::with(Mistake::CallbacksApart));
    });
}

#[test]
fn mutant_m4_wakes_one_of_two_waiters() {
    loom::model(|| {
        two_waiters(Mutant::with(Mistake::NotifyOne));
    });
}

#[test]
fn mutant_claims_without_looking_again() {
    loom::model(|| {
        cancel_or_run(Mutant::with(Mistake::CheckThenClaim));
    });
}
