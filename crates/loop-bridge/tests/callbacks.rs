//! Done callbacks: where they run, in which order, and what a bad one does to the others.

mod common;

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use common::logged;
use loop_bridge::{ConcurrentError, concurrent_future};

#[test]
fn callbacks_run_in_the_finishing_thread_oldest_first() {
    let (promise, future) = concurrent_future();
    let trace = Arc::new(Mutex::new(Vec::new()));
    for number in 0..3 {
        let trace = Arc::clone(&trace);
        future.add_done_callback(move |future| {
            let value = future.result(None).unwrap();
            trace
                .lock()
                .unwrap()
                .push((number, value, thread::current().id()));
        });
    }
    let worker = thread::spawn(move || {
        promise.set_result("page").unwrap();
        thread::current().id()
    });
    let id = worker.join().unwrap();
    assert_eq!(
        *trace.lock().unwrap(),
        [(0, "page", id), (1, "page", id), (2, "page", id)]
    );
}

#[test]
fn a_callback_on_a_done_future_runs_at_once() {
    let (promise, future) = concurrent_future();
    promise.set_result(1).unwrap();
    let (sender, receiver) = mpsc::channel();
    future.add_done_callback(move |_| sender.send(thread::current().id()).unwrap());
    assert_eq!(receiver.try_recv(), Ok(thread::current().id()));
}

#[test]
fn cancelling_and_abandoning_run_the_callbacks_too() {
    let (sender, receiver) = mpsc::channel();
    let (_promise, cancelled) = concurrent_future::<()>();
    let log = sender.clone();
    cancelled.add_done_callback(move |f| log.send(f.result(None).unwrap_err()).unwrap());
    cancelled.cancel();
    assert!(matches!(
        receiver.try_recv(),
        Ok(ConcurrentError::Cancelled)
    ));
    let (promise, abandoned) = concurrent_future::<()>();
    abandoned.add_done_callback(move |f| sender.send(f.result(None).unwrap_err()).unwrap());
    drop((abandoned, promise));
    assert!(matches!(
        receiver.try_recv(),
        Ok(ConcurrentError::Abandoned)
    ));
}

#[test]
fn the_cancel_hook_runs_before_the_callbacks() {
    let (promise, future) = concurrent_future::<()>();
    let trace = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&trace);
    future.add_done_callback(move |_| log.lock().unwrap().push("callback"));
    let log = Arc::clone(&trace);
    promise.on_cancel(move || log.lock().unwrap().push("hook"));
    future.cancel();
    assert_eq!(*trace.lock().unwrap(), ["hook", "callback"]);
}

#[test]
fn one_that_panics_keeps_no_other_from_running() {
    let (promise, future) = concurrent_future();
    let (sender, receiver) = mpsc::channel();
    let other = sender.clone();
    future.add_done_callback(move |_| other.send("first").unwrap());
    future.add_done_callback(|_| std::panic::resume_unwind(Box::new("second")));
    future.add_done_callback(move |_| sender.send("third").unwrap());
    let lines = logged(|| promise.set_result(1).unwrap());
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["first", "third"]);
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].contains("done callback") && lines[0].contains("second"),
        "{lines:?}"
    );
    assert_eq!(future.result(None).unwrap(), 1);

    let lines = logged(|| future.add_done_callback(|_| std::panic::resume_unwind(Box::new("4"))));
    assert_eq!(lines.len(), 1, "one that runs at once is contained as well");
}

#[test]
fn a_cancel_hook_that_panics_keeps_nothing_from_running() {
    let (promise, future) = concurrent_future::<()>();
    let (sender, receiver) = mpsc::channel();
    promise.on_cancel(|| std::panic::resume_unwind(Box::new("hook")));
    future.add_done_callback(move |_| sender.send(()).unwrap());
    let lines = logged(|| assert!(future.cancel()));
    assert_eq!(lines.len(), 1);
    assert_eq!(receiver.try_recv(), Ok(()));
}

#[test]
fn a_panic_whose_payload_panics_whenever_it_is_dropped_is_contained() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new(Payload));
        }
    }

    let (promise, future) = concurrent_future();
    future.add_done_callback(|_| std::panic::resume_unwind(Box::new(Payload)));
    promise.set_result(1).unwrap();
    assert!(future.done());
}

#[test]
fn callbacks_may_call_anything() {
    let (promise, future) = concurrent_future();
    let (sender, receiver) = mpsc::channel();
    future.add_done_callback(move |future| {
        assert!(!future.cancel());
        let nested = sender.clone();
        future.add_done_callback(move |_| nested.send("nested, at once").unwrap());
        let waited = loop_bridge::wait([future], None, loop_bridge::ReturnWhen::AllCompleted);
        assert_eq!(waited.unwrap().done.len(), 1);
        sender.send(future.result(None).unwrap()).unwrap();
    });
    promise.set_result("result").unwrap();
    assert_eq!(
        receiver.try_iter().collect::<Vec<_>>(),
        ["nested, at once", "result"]
    );
}

#[test]
fn each_callback_runs_once_however_it_races_with_the_result() {
    for _ in 0..500 {
        let (promise, future) = concurrent_future();
        let (sender, receiver) = mpsc::channel();
        let setter = thread::spawn(move || promise.set_result(1).unwrap());
        for number in 0..4 {
            let sender = sender.clone();
            future.add_done_callback(move |_| sender.send(number).unwrap());
        }
        setter.join().unwrap();
        let mut seen: Vec<_> = receiver.try_iter().collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
    }
}

#[test]
fn completing_races_with_cancelling_and_one_of_them_wins() {
    let (mut finished, mut cancelled) = (0, 0);
    for _ in 0..500 {
        let (promise, future) = concurrent_future();
        let canceller = {
            let future = future.clone();
            thread::spawn(move || future.cancel())
        };
        let set = promise.set_result(1);
        let was_cancelled = canceller.join().unwrap();
        assert_eq!(set.is_ok(), !was_cancelled);
        match (future.result(None), set) {
            (Ok(1), Ok(())) => finished += 1,
            (Err(ConcurrentError::Cancelled), Err(refused)) => {
                assert_eq!(refused.into_inner(), 1);
                cancelled += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(finished + cancelled, 500);
}
