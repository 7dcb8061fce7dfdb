//! Values that are moved out, or cloned for those who ask: one at a time, by their own code, which may do anything.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use common::Touchy;
use loop_bridge::{ConcurrentError, ReturnWhen, concurrent_future, try_wait};

#[test]
fn a_value_that_is_not_clone_moves_out_once() {
    struct Page(u32);

    let (promise, future) = concurrent_future();
    promise.set_result(Page(7)).unwrap();
    assert_eq!(future.take_result(None).unwrap().0, 7);
    assert!(matches!(
        future.take_result(None),
        Err(ConcurrentError::Taken)
    ));
    assert!(future.done());
    assert!(matches!(future.exception(None), Ok(None)));
}

#[test]
fn a_clone_may_come_back_to_its_future() {
    #[derive(Debug)]
    struct Curious(Arc<Mutex<Option<loop_bridge::ConcurrentFuture<Curious>>>>);
    impl Clone for Curious {
        fn clone(&self) -> Self {
            let future = self.0.lock().unwrap().clone().unwrap();
            assert!(future.done());
            assert!(!future.cancel());
            let nested = future.result(None);
            assert!(
                matches!(nested, Err(ConcurrentError::WouldDeadlock(_))),
                "{nested:?}"
            );
            Curious(Arc::clone(&self.0))
        }
    }

    let (promise, future) = concurrent_future();
    let place = Arc::new(Mutex::new(Some(future.clone())));
    promise.set_result(Curious(Arc::clone(&place))).unwrap();
    assert!(future.result(None).is_ok());
    assert!(future.take_result(None).is_ok(), "the value came back");
    place.lock().unwrap().take();
}

#[test]
fn a_clone_that_panics_leaves_the_value() {
    let (promise, future) = concurrent_future();
    promise.set_result(Touchy).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| future.result(None))).is_err());
    assert!(future.take_result(None).is_ok());
}

#[test]
fn many_threads_clone_a_value_that_is_not_sync() {
    let (promise, future) = concurrent_future();
    promise.set_result(std::cell::Cell::new(7)).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    assert_eq!(future.result(None).unwrap().get(), 7);
                }
            });
        }
    });
}

/// Cloning is the value's own code, which runs while it is away: others wait for it, to clone it too or to judge it.
#[test]
fn who_needs_a_value_that_is_being_cloned_waits_for_it() {
    /// Clones itself when it is told to.
    #[derive(Debug)]
    struct Slow(Arc<Mutex<mpsc::Receiver<()>>>, mpsc::Sender<()>);
    impl Clone for Slow {
        fn clone(&self) -> Self {
            self.1.send(()).unwrap();
            let _ = self.0.lock().unwrap().recv();
            Slow(Arc::clone(&self.0), self.1.clone())
        }
    }

    let ((go, wait), (begin, begun)) = (mpsc::channel::<()>(), mpsc::channel());
    let (promise, future) = concurrent_future::<Result<(), Slow>>();
    let (_never, pending) = concurrent_future();
    promise
        .set_result(Err(Slow(Arc::new(Mutex::new(wait)), begin)))
        .unwrap();
    thread::scope(|scope| {
        scope.spawn(|| future.result(None).unwrap().unwrap_err());
        begun.recv().unwrap();
        let (ready, are_ready) = mpsc::channel();
        let other = ready.clone();
        let (future, pending) = (&future, &pending);
        let cloner = scope.spawn(move || {
            ready.send(()).unwrap();
            future.result(None).unwrap().unwrap_err();
        });
        let judge = scope.spawn(move || {
            other.send(()).unwrap();
            try_wait([future, pending], None, ReturnWhen::FirstException).unwrap()
        });
        assert_eq!(are_ready.iter().take(2).count(), 2);
        (0..1_000).for_each(|_| thread::yield_now()); // by now they wait, most of the time
        drop(go);
        cloner.join().unwrap();
        assert_eq!(judge.join().unwrap().done.len(), 1, "it is a failure");
    });
}
