//! Values of a loop, as other threads name them.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use loop_bridge::ThreadsafeRef;
use loop_core::EventLoop;
use loop_tasks::{LoopExt, LoopFuture, yield_now};

/// Says in which thread it was dropped.
struct Dropped(mpsc::Sender<thread::ThreadId>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

#[test]
fn calls_of_another_thread_meet_the_value_on_its_loop_in_their_order() {
    let event_loop = EventLoop::new().unwrap();
    let seen: Rc<RefCell<Vec<u32>>> = Rc::default();
    let there = ThreadsafeRef::new(&event_loop, Rc::clone(&seen));
    let handle = event_loop.handle();
    let here = thread::current().id();
    let other = thread::spawn(move || {
        for number in 0..100 {
            let call = move |seen: &Rc<RefCell<Vec<u32>>>| {
                assert_eq!(thread::current().id(), here);
                seen.borrow_mut().push(number);
            };
            there.clone().call_soon_threadsafe(call).unwrap();
        }
        handle.stop();
    });
    event_loop.run_forever().unwrap();
    other.join().unwrap();
    assert!(seen.take().into_iter().eq(0..100));
}

#[test]
fn a_coroutine_of_the_value_gives_its_result_to_the_thread() {
    let event_loop = EventLoop::new().unwrap();
    let answer: LoopFuture<u32> = event_loop.create_future();
    let there = ThreadsafeRef::new(&event_loop, answer.clone());
    let other = thread::spawn(move || {
        let waits = |answer: LoopFuture<u32>| async move { (&answer).await.unwrap() + 2 };
        let waiting = there.run_coroutine_threadsafe(waits).unwrap();
        let call = |answer: &LoopFuture<u32>| answer.set_result(40).unwrap();
        there.call_soon_threadsafe(call).unwrap();
        waiting.result(None).unwrap()
    });
    assert_eq!(event_loop.run_until_complete(&answer).unwrap(), 40);
    // The result travels in an iteration after.
    while !other.is_finished() {
        event_loop.run_until_complete(yield_now()).unwrap();
    }
    assert_eq!(other.join().unwrap(), 42);
}

#[test]
fn the_value_goes_on_its_loops_thread_when_the_last_reference_has_gone_elsewhere() {
    let event_loop = EventLoop::new().unwrap();
    let (sender, dropped) = mpsc::channel();
    let first = ThreadsafeRef::new(&event_loop, Dropped(sender));
    let second = first.clone();
    thread::spawn(move || drop(first)).join().unwrap();
    event_loop.run_until_complete(yield_now()).unwrap();
    assert!(dropped.try_recv().is_err(), "there is another reference");
    thread::spawn(move || drop(second)).join().unwrap();
    assert!(dropped.try_recv().is_err(), "not in that thread");
    event_loop.run_until_complete(yield_now()).unwrap();
    assert_eq!(dropped.try_recv(), Ok(thread::current().id()));
}

/// A call that was accepted runs before the loop closes, and meets the value; the next one comes back.
#[test]
fn a_loop_that_closes_answers_first_and_then_lets_go() {
    let event_loop = EventLoop::new().unwrap();
    let (sender, dropped) = mpsc::channel();
    let there = ThreadsafeRef::new(&event_loop, Dropped(sender.clone()));
    let (met, meets) = mpsc::channel();
    let call = move |_: &Dropped| met.send("met").unwrap();
    there.call_soon_threadsafe(call).unwrap();
    event_loop.close().unwrap();
    assert_eq!(meets.try_recv(), Ok("met"));
    assert_eq!(dropped.try_recv(), Ok(thread::current().id()));
    let refused = there.call_soon_threadsafe(|_| unreachable!("it is closed"));
    assert_eq!(refused.unwrap_err().to_string(), "Event loop is closed");
    assert_eq!(
        format!("{there:?}"),
        "<ThreadsafeRef of references::Dropped>"
    );

    let late = ThreadsafeRef::new(&event_loop, Dropped(sender));
    assert_eq!(
        dropped.try_recv(),
        Ok(thread::current().id()),
        "nobody keeps it"
    );
    assert!(late.call_soon_threadsafe(|_| ()).is_err());
}

#[test]
fn each_reference_names_its_own_value() {
    let event_loop = EventLoop::new().unwrap();
    let values = [1, 2, 3].map(|value| ThreadsafeRef::new(&event_loop, value));
    let (tell, told) = mpsc::channel();
    for there in values {
        let tell = tell.clone();
        there
            .call_soon_threadsafe(move |value| tell.send(*value).unwrap())
            .unwrap();
    }
    event_loop.run_until_complete(yield_now()).unwrap();
    assert!(told.try_iter().eq([1, 2, 3]));
}

/// The value may hold what other threads hold of it: nothing is borrowed while either goes.
#[test]
fn a_value_that_holds_its_own_reference_goes_with_its_loop() {
    struct Circle(
        RefCell<Option<ThreadsafeRef<Circle>>>,
        #[expect(dead_code, reason = "its drop tells")] Dropped,
    );
    let event_loop = EventLoop::new().unwrap();
    let (sender, dropped) = mpsc::channel();
    let there = ThreadsafeRef::new(&event_loop, Circle(RefCell::default(), Dropped(sender)));
    let own = there.clone();
    let call = move |circle: &Circle| drop(circle.0.replace(Some(own)));
    there.call_soon_threadsafe(call).unwrap();
    drop(there);
    event_loop.run_until_complete(yield_now()).unwrap();
    assert!(dropped.try_recv().is_err());
    event_loop.close().unwrap();
    assert!(dropped.try_recv().is_ok());
}
