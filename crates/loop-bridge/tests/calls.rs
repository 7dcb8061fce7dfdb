//! Calls into a loop that can be taken back, and the loop as a guard against blocking on itself.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use loop_bridge::{ConcurrentError, call_soon_threadsafe, guarded_future};
use loop_core::{EventLoop, UnboundLoop};

#[test]
fn calls_run_in_their_order_without_those_taken_back() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let trace = Arc::new(Mutex::new(Vec::new()));
    let calls: Vec<_> = (0..6)
        .map(|number| {
            let trace = Arc::clone(&trace);
            call_soon_threadsafe(&handle, move || trace.lock().unwrap().push(number)).unwrap()
        })
        .collect();
    assert!(calls[1].cancel() && calls[4].cancel());
    handle.stop();
    event_loop.run_forever().unwrap();
    assert_eq!(*trace.lock().unwrap(), [0, 2, 3, 5]);
    assert!(!calls[0].cancel(), "it has run");
    assert!(calls[1].cancel(), "it was taken back");
    assert!(!calls[0].cancelled() && calls[1].cancelled());
    assert_eq!(
        format!("{:?} {:?}", calls[0], calls[1]),
        "<ThreadsafeHandle> <ThreadsafeHandle cancelled>"
    );
}

#[test]
fn a_call_taken_back_lets_go_of_its_closure_at_once() {
    let event_loop = EventLoop::new().unwrap();
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let call = call_soon_threadsafe(&event_loop.handle(), move || drop(kept)).unwrap();
    call.cancel();
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_closed_loop_hands_the_closure_back() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    event_loop.close().unwrap();
    let (sender, receiver) = mpsc::channel();
    let refused = call_soon_threadsafe(&handle, move || sender.send(7).unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "Event loop is closed");
    (refused.0)();
    assert_eq!(receiver.recv(), Ok(7));
}

#[test]
fn a_call_may_cancel_itself_in_vain() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (sender, receiver) = mpsc::channel::<loop_bridge::ThreadsafeHandle>();
    let (answer, answers) = mpsc::channel();
    let call = call_soon_threadsafe(&handle, move || {
        answer.send(receiver.recv().unwrap().cancel()).unwrap();
    })
    .unwrap();
    sender.send(call).unwrap();
    handle.stop();
    event_loop.run_forever().unwrap();
    assert_eq!(answers.try_recv(), Ok(false));
}

#[test]
fn each_call_runs_or_is_taken_back() {
    const CALLS: usize = 2_000;

    let event_loop = UnboundLoop::new().unwrap();
    let handle = event_loop.handle();
    let runner = thread::spawn(move || event_loop.bind().run_forever().unwrap());
    let (sender, receiver) = mpsc::channel();
    let mut taken_back = 0;
    for number in 0..CALLS {
        let sender = sender.clone();
        let call = call_soon_threadsafe(&handle, move || sender.send(number).unwrap()).unwrap();
        if number % 2 == 0 && call.cancel() {
            taken_back += 1;
        }
    }
    drop(sender);
    let ran: Vec<_> = receiver.iter().collect();
    handle.stop();
    runner.join().unwrap();
    assert!(ran.is_sorted());
    assert_eq!(ran.len() + taken_back, CALLS);
}

#[test]
fn a_loop_guards_the_thread_that_it_is_bound_to() {
    let unbound = UnboundLoop::new().unwrap();
    let (_promise, early) = guarded_future::<u32>(unbound.handle());
    let limit = Some(Duration::from_millis(1));
    assert!(
        matches!(early.result(limit), Err(ConcurrentError::TimedOut)),
        "bound to none yet"
    );
    let event_loop = unbound.bind();
    assert!(matches!(
        early.result(limit),
        Err(ConcurrentError::WouldDeadlock(_))
    ));
    let elsewhere = thread::spawn({
        let early = early.clone();
        move || early.result(limit)
    });
    assert!(matches!(
        elsewhere.join().unwrap(),
        Err(ConcurrentError::TimedOut)
    ));
    drop(event_loop);
}
