//! The state machine of a concurrent future, seen from both sides.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{Counted, Tally, logged};
use loop_bridge::{ConcurrentError, FutureState, JobPanicked, concurrent_future, guarded_future};

#[test]
fn result_blocks_until_another_thread_sets_it() {
    let (promise, future) = concurrent_future();
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let future = future.clone();
            thread::spawn(move || future.result(None).unwrap())
        })
        .collect();
    promise.set_result("page").unwrap();
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), "page");
    }
}

#[test]
fn a_timeout_leaves_the_work_and_its_result_alone() {
    let (promise, future) = concurrent_future();
    assert!(promise.set_running_or_notify_cancel());
    let early = future.result(Some(Duration::from_millis(5)));
    assert!(matches!(early, Err(ConcurrentError::TimedOut)));
    assert!(matches!(
        future.take_result(Some(Duration::ZERO)),
        Err(ConcurrentError::TimedOut)
    ));
    assert!(matches!(
        future.exception(Some(Duration::ZERO)),
        Err(ConcurrentError::TimedOut)
    ));
    assert!(future.running());
    promise.set_result(1).unwrap();
    assert_eq!(future.result(Some(Duration::ZERO)).unwrap(), 1);
}

#[test]
fn the_longest_timeout_is_accepted() {
    let (promise, future) = concurrent_future();
    let waiter = thread::spawn(move || future.result(Some(Duration::MAX)));
    promise.set_result(1).unwrap();
    assert_eq!(waiter.join().unwrap().unwrap(), 1);
}

#[test]
fn a_pending_future_is_cancelled_once_and_for_all() {
    let (promise, future) = concurrent_future::<u32>();
    assert!(future.cancel());
    assert_eq!(future.state(), FutureState::Cancelled);
    assert!(future.cancelled() && future.done() && !future.running());
    assert!(future.cancel(), "cancelling twice is no error");
    assert!(matches!(
        future.result(None),
        Err(ConcurrentError::Cancelled)
    ));
    assert!(matches!(
        future.exception(None),
        Err(ConcurrentError::Cancelled)
    ));

    assert!(!promise.set_running_or_notify_cancel());
    assert_eq!(future.state(), FutureState::CancelledAndNotified);
    assert!(!promise.set_running_or_notify_cancel());
    let refused = promise.set_result(3).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "invalid state: the future is already cancelled"
    );
    assert_eq!(refused.into_inner(), 3);
    assert!(future.cancelled());
}

#[test]
fn a_running_future_is_not_cancelled() {
    let (promise, future) = concurrent_future();
    assert!(promise.set_running_or_notify_cancel());
    assert!(promise.set_running_or_notify_cancel());
    assert!(!future.cancel());
    promise.set_result(1).unwrap();
    assert!(!future.cancel(), "nor is one that is done");
    assert_eq!(future.result(None).unwrap(), 1);
}

#[test]
fn work_that_can_be_stopped_is_cancelled_while_it_runs() {
    let (promise, future) = concurrent_future::<()>();
    let stops = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&stops);
    promise.on_cancel(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    assert!(promise.set_running_cancellable());
    assert!(future.cancel());
    assert!(future.cancel());
    assert_eq!(stops.load(Ordering::SeqCst), 1);
    assert_eq!(future.state(), FutureState::CancelledAndNotified);
    assert!(promise.set_error(ConcurrentError::LoopGone).is_err());
}

#[test]
fn the_producer_cancels_what_runs() {
    let (promise, future) = concurrent_future::<()>();
    promise.set_running_or_notify_cancel();
    promise.set_error(ConcurrentError::Cancelled).unwrap();
    assert!(future.cancelled());
}

/// It is for cancellations by the other side: of an outcome of its own the producer knows.
#[test]
fn a_cancel_hook_goes_unused_with_an_outcome_of_the_producer() {
    for outcome in [
        Ok(()),
        Err(ConcurrentError::LoopGone),
        Err(ConcurrentError::Cancelled),
    ] {
        let (promise, _future) = concurrent_future::<()>();
        let stops = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&stops);
        promise.on_cancel(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        match outcome {
            Ok(value) => promise.set_result(value).unwrap(),
            Err(error) => promise.set_error(error).unwrap(),
        }
        assert_eq!(Arc::strong_count(&stops), 1, "it is gone");
        assert_eq!(stops.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_cancel_hook_that_comes_late_runs_at_once() {
    let (promise, future) = concurrent_future::<()>();
    future.cancel();
    let stops = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&stops);
    promise.on_cancel(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(stops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_dropped_promise_abandons_its_future() {
    let (promise, future) = concurrent_future::<u32>();
    let waiter = {
        let future = future.clone();
        thread::spawn(move || future.result(None))
    };
    drop(promise);
    assert!(matches!(
        waiter.join().unwrap(),
        Err(ConcurrentError::Abandoned)
    ));
    assert!(matches!(
        future.exception(None),
        Ok(Some(ConcurrentError::Abandoned))
    ));
}

#[test]
fn a_thread_that_dies_of_a_panic_abandons_its_future() {
    let (promise, future) = concurrent_future::<u32>();
    let worker = thread::spawn(move || {
        let _promise = promise;
        std::panic::resume_unwind(Box::new("not by way of run"));
    });
    assert!(matches!(
        future.result(None),
        Err(ConcurrentError::Abandoned)
    ));
    assert!(worker.join().is_err());
}

#[test]
fn work_that_panics_is_an_outcome() {
    let (promise, future) = concurrent_future::<u32>();
    assert!(promise.run(|| std::panic::resume_unwind(Box::new(String::from("no such page")))));
    let Err(ConcurrentError::Panicked(panic)) = future.result(None) else {
        panic!()
    };
    assert_eq!(panic.to_string(), "the job panicked: no such page");
    let payload = panic.take_payload().unwrap();
    assert_eq!(*payload.downcast::<String>().unwrap(), "no such page");
    let Err(ConcurrentError::Panicked(again)) = future.result(None) else {
        panic!()
    };
    assert_eq!(again.message(), "no such page");
    assert!(
        again.take_payload().is_none(),
        "the payload can be taken once"
    );
    let resumed = catch_unwind(AssertUnwindSafe(|| again.resume())).unwrap_err();
    assert_eq!(JobPanicked::new(resumed).message(), "no such page");
}

#[test]
fn cancelled_work_is_dropped_unstarted() {
    let (promise, future) = concurrent_future::<u32>();
    let argument = Arc::new(());
    let kept = Arc::clone(&argument);
    future.cancel();
    assert!(!promise.run(move || unreachable!("cancelled with {kept:?}")));
    assert_eq!(Arc::strong_count(&argument), 1);
}

#[test]
fn the_errors_of_the_machinery_keep_their_source() {
    use std::error::Error;
    use std::fmt;

    #[derive(Debug)]
    struct BrokenPool(std::io::Error);
    impl fmt::Display for BrokenPool {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the pool is broken")
        }
    }
    impl Error for BrokenPool {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    let (promise, future) = concurrent_future::<u32>();
    let broken = BrokenPool(std::io::Error::other("no such process"));
    promise.set_error(ConcurrentError::failed(broken)).unwrap();
    let error = future.result(None).unwrap_err();
    assert_eq!(error.to_string(), "the pool is broken");
    assert_eq!(error.source().unwrap().to_string(), "no such process");
    assert!(matches!(&error, ConcurrentError::Failed(inner) if inner.is::<BrokenPool>()));
}

#[test]
fn every_value_is_dropped_once() {
    let tally = Tally::default();
    let make = || Counted(tally.clone());
    // Cloned and left; taken; refused; never asked for; abandoned with a value in the work.
    let (promise, future) = concurrent_future();
    promise.set_result(make()).unwrap();
    drop(future.result(None).unwrap());
    let (promise, taken) = concurrent_future();
    promise.set_result(make()).unwrap();
    drop(taken.take_result(None).unwrap());
    let (promise, cancelled) = concurrent_future();
    cancelled.cancel();
    assert!(promise.set_result(make()).is_err());
    let (promise, unasked) = concurrent_future();
    drop(unasked);
    promise.set_result(make()).unwrap();
    let (promise, _kept) = concurrent_future();
    let value = make();
    promise.run(move || {
        let _value = value;
    });
    drop((future, taken, cancelled));
    tally.assert_balanced(5);
}

#[test]
fn a_value_that_panics_in_its_destructor_takes_nobody_down() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                std::panic::resume_unwind(Box::new("bomb"));
            }
        }
    }

    let lines = logged(|| {
        let (promise, future) = concurrent_future();
        promise.set_result(Bomb).unwrap();
        drop(future);
        let (promise, future) = concurrent_future();
        drop(future);
        promise.set_result(Bomb).unwrap();
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("destructor") && lines[0].contains("bomb"),
        "{lines:?}"
    );
}

#[test]
fn the_guard_refuses_a_wait_only_where_it_would_block() {
    let (promise, future) = guarded_future::<u32>(thread::current().id());
    assert!(matches!(
        future.result(None),
        Err(ConcurrentError::WouldDeadlock(_))
    ));
    let limited = future.exception(Some(Duration::from_secs(3600)));
    assert!(matches!(limited, Err(ConcurrentError::WouldDeadlock(_))));
    assert!(matches!(
        future.result(Some(Duration::ZERO)),
        Err(ConcurrentError::TimedOut)
    ));
    let elsewhere = {
        let future = future.clone();
        thread::spawn(move || future.result(None).unwrap())
    };
    promise.set_result(1).unwrap();
    assert_eq!(elsewhere.join().unwrap(), 1);
    assert_eq!(future.result(None).unwrap(), 1);
}

#[test]
fn a_guard_may_use_the_future_and_panic() {
    let (sender, receiver) = std::sync::mpsc::channel::<loop_bridge::ConcurrentFuture<u32>>();
    let receiver = std::sync::Mutex::new(receiver);
    let (promise, future) = guarded_future(move |_timeout: Option<Duration>| {
        let future = receiver.lock().unwrap().recv().unwrap();
        assert!(future.done(), "still pending");
        Ok(())
    });
    sender.send(future.clone()).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| future.result(None))).is_err());
    promise.set_result(4).unwrap();
    assert_eq!(future.result(None).unwrap(), 4);
}

#[test]
fn futures_are_known_by_identity() {
    let (_promise, future) = concurrent_future::<u32>();
    let (_other_promise, other) = concurrent_future::<u32>();
    #[expect(
        clippy::mutable_key_type,
        reason = "the key is the identity, which does not change"
    )]
    let set = std::collections::HashSet::from([future.clone(), future.clone(), other.clone()]);
    assert_eq!(set.len(), 2);
    assert_ne!(future, other);
}

#[test]
fn debug_tells_the_state() {
    let (promise, future) = concurrent_future::<u32>();
    assert_eq!(format!("{future:?}"), "<ConcurrentFuture pending>");
    assert_eq!(format!("{promise:?}"), "<Promise pending>");
    promise.set_result(1).unwrap();
    assert_eq!(
        format!("{future:?}"),
        "<ConcurrentFuture finished returned u32>"
    );
    let (promise, future) = concurrent_future::<u32>();
    promise.set_error(ConcurrentError::LoopGone).unwrap();
    assert!(format!("{future:?}").contains("error="));
    let (_promise, future) = concurrent_future::<u32>();
    future.cancel();
    assert_eq!(format!("{future:?}"), "<ConcurrentFuture cancelled>");
}
