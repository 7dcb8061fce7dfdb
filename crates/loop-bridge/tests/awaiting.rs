//! A concurrent future awaited, also through wakers that misbehave.

mod common;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use common::{Touchy, Wakes, logged};
use loop_bridge::{ConcurrentError, ConcurrentFuture, concurrent_future};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn any_number_of_tasks_await_one_future() {
    let (promise, future) = concurrent_future();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let future = future.clone();
            thread::spawn(move || block_on(future))
        })
        .collect();
    promise.set_result(5).unwrap();
    for task in tasks {
        assert_eq!(task.join().unwrap().unwrap(), 5);
    }
    assert_eq!(block_on(future).unwrap(), 5);
}

#[test]
fn take_moves_the_value_out() {
    struct Page(u32);

    let (promise, future) = concurrent_future();
    let late = future.clone();
    let task = thread::spawn(move || block_on(future.take()).map(|page: Page| page.0));
    promise.set_result(Page(3)).unwrap();
    assert_eq!(task.join().unwrap().unwrap(), 3);
    assert!(matches!(block_on(late.take()), Err(ConcurrentError::Taken)));
}

#[test]
fn an_awaited_future_can_be_cancelled_and_abandoned() {
    let (_promise, future) = concurrent_future::<u32>();
    let other = future.clone();
    let task = thread::spawn(move || block_on(future));
    other.cancel();
    assert!(matches!(
        task.join().unwrap(),
        Err(ConcurrentError::Cancelled)
    ));
    let (promise, future) = concurrent_future::<u32>();
    let task = thread::spawn(move || block_on(future));
    drop(promise);
    assert!(matches!(
        task.join().unwrap(),
        Err(ConcurrentError::Abandoned)
    ));
}

#[test]
fn the_last_waker_is_woken_once() {
    let (promise, mut future) = concurrent_future();
    let (first, second) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    for wakes in [&first, &second, &second] {
        let waker = Waker::from(Arc::clone(wakes));
        assert!(
            pin!(&mut future)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    assert_eq!(Arc::strong_count(&first), 1, "a replaced waker is dropped");
    promise.set_result(1).unwrap();
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn a_dropped_await_leaves_no_waker() {
    let (promise, future) = concurrent_future::<u32>();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut awaiting = Box::pin(future.clone());
    let mut taking = Box::pin(future.clone().take());
    assert!(
        awaiting
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert!(
        taking
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop((awaiting, taking, waker));
    assert_eq!(Arc::strong_count(&wakes), 1);
    promise.set_result(1).unwrap();
    assert_eq!(wakes.count(), 0);
    assert_eq!(
        future.take_result(None).unwrap(),
        1,
        "a dropped take has taken nothing"
    );
}

#[test]
fn an_await_dropped_while_the_result_is_set_is_safe() {
    for _ in 0..500 {
        let (promise, future) = concurrent_future();
        let mut awaiting = Box::pin(future);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        assert!(
            awaiting
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(waker);
        let setter = thread::spawn(move || promise.set_result(1).unwrap());
        drop(awaiting);
        setter.join().unwrap();
        assert!(wakes.count() <= 1);
        assert_eq!(Arc::strong_count(&wakes), 1);
    }
}

/// Comes back to the future from its wake and from its destructor.
struct Meddler {
    future: Mutex<Option<ConcurrentFuture<u32>>>,
    calls: Arc<AtomicUsize>,
}

impl Meddler {
    fn meddle(&self) {
        if let Some(future) = self.future.lock().expect("no panic poisons it").as_ref() {
            let _ = (future.done(), future.cancel(), format!("{future:?}"));
            future.add_done_callback(|_| ());
            self.calls.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        self.meddle();
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.meddle();
    }
}

#[test]
fn wakers_run_without_the_lock() {
    let (promise, future) = concurrent_future();
    promise.set_running_or_notify_cancel();
    let calls = Arc::new(AtomicUsize::new(0));
    let meddler = || {
        let future = Mutex::new(Some(future.clone()));
        Waker::from(Arc::new(Meddler {
            future,
            calls: Arc::clone(&calls),
        }))
    };
    let mut awaiting = future.clone();
    for _ in 0..2 {
        // The second replaces the first, whose destructor then runs.
        assert!(
            pin!(&mut awaiting)
                .poll(&mut Context::from_waker(&meddler()))
                .is_pending()
        );
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let mut dropped = future.clone();
    assert!(
        pin!(&mut dropped)
            .poll(&mut Context::from_waker(&meddler()))
            .is_pending()
    );
    drop(dropped);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    promise.set_result(1).unwrap();
    assert_eq!(
        calls.load(Ordering::SeqCst),
        4,
        "a wake and the destructor after it"
    );
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_waking() {
    struct Angry(AtomicBool);
    impl Wake for Angry {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
            std::panic::resume_unwind(Box::new("angry waker"));
        }
    }

    let (promise, future) = concurrent_future();
    let angry = Arc::new(Angry(AtomicBool::new(false)));
    let wakes = Arc::new(Wakes::default());
    let (mut one, mut two, mut three) = (future.clone(), future.clone(), future.clone());
    let good = Waker::from(Arc::clone(&wakes));
    let bad = Waker::from(Arc::clone(&angry));
    for (awaiting, waker) in [(&mut one, &good), (&mut two, &bad), (&mut three, &good)] {
        assert!(
            pin!(awaiting)
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    let called = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&called);
    future.add_done_callback(move |_| flag.store(true, Ordering::SeqCst));
    let lines = logged(|| promise.set_result(1).unwrap());
    assert!(
        lines.len() == 1 && lines[0].contains("angry waker"),
        "{lines:?}"
    );
    assert_eq!(wakes.count(), 2);
    assert!(angry.0.load(Ordering::SeqCst) && called.load(Ordering::SeqCst));
}

#[test]
fn a_future_survives_a_value_that_panics_when_cloned_into_a_task() {
    let (promise, future) = concurrent_future();
    promise.set_result(Touchy).unwrap();
    let awaited = future.clone();
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(awaited))).is_err());
    assert!(block_on(future.take()).is_ok());
}
