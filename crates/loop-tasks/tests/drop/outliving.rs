//! Who outlives whom: futures their loops, loops their futures, both the thread.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::FAR;
use crate::common::{Counted, Drops, create_future, reports, virtual_loop};
use loop_core::EventLoop;
use loop_tasks::{LoopExt, LoopFuture, Task, TaskBuilder, create_task, gather, shield, sleep};

#[test]
fn what_is_made_on_a_closed_loop_comes_back() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    event_loop.close().unwrap();
    let counted = drops.counted();
    let refused = TaskBuilder::new().spawn_on(&event_loop, async move { drop(counted) });
    let refused = refused.unwrap_err();
    assert_eq!(refused.to_string(), "Event loop is closed");
    assert_eq!(drops.count(), 0, "the coroutine is in the error");
    drop(refused);
    assert_eq!(drops.count(), 1);
    assert_eq!(
        event_loop
            .run_until_complete(async {})
            .unwrap_err()
            .to_string(),
        "Event loop is closed"
    );
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        event_loop.create_task(async {})
    }));
    assert!(made.is_err());
}

#[test]
fn futures_that_outlive_their_loop_can_still_be_used_and_dropped() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let (settled, open) = (event_loop.create_future(), event_loop.create_future());
    settled.set_result(drops.counted()).unwrap();
    for future in [&settled, &open] {
        let counted = drops.counted();
        future.add_done_callback(move |_| drop(counted));
    }
    event_loop.close().unwrap();
    drop(event_loop);
    assert!(settled.result().unwrap().is_ok());
    open.set_result(drops.counted()).unwrap();
    assert!(open.done());
    assert!(!open.cancel());
    let late = drops.counted();
    open.add_done_callback(move |_| drop(late));
    // From a loop of its own a task cannot await it, settled or not.
    let stranger = virtual_loop();
    let outcome = stranger.run_until_complete(async move { open.await.is_ok() });
    assert!(
        outcome.unwrap(),
        "it is settled: there is nothing to wait for"
    );
    drop((settled, stranger));
    assert_eq!(drops.alive(), 0);
}

#[test]
fn gathers_that_outlive_their_loop_are_never_done() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let _reports = reports(&event_loop);
    let counter = drops.clone();
    let (of_tasks, of_futures) = event_loop
        .run_until_complete(async move {
            let counted = counter.counted();
            let task = create_task(async move {
                pending::<()>().await;
                counted
            });
            let future: LoopFuture<Counted> = create_future();
            let counted = counter.counted();
            future.add_done_callback(move |_| drop(counted));
            (gather([task]), gather([future]))
        })
        .unwrap();
    event_loop.close().unwrap();
    for gathered in [of_tasks, of_futures] {
        assert!(!gathered.done() && !gathered.cancel() && gathered.result().is_err());
        assert!(format!("{gathered:?}").contains("lost"));
    }
    assert_eq!(drops.alive(), 0);
}

/// Each of these is a circle of references as long as it is not settled.
#[test]
fn gathers_and_shields_over_futures_that_nobody_settles_are_freed_with_the_loop() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let held: Rc<RefCell<Vec<LoopFuture<i32>>>> = Rc::default();
    let make = |event_loop: &EventLoop| {
        let counted = drops.counted();
        let future: LoopFuture<i32> = event_loop.create_future();
        future.add_done_callback(move |_| drop(counted));
        future
    };
    let futures: Vec<LoopFuture<i32>> = (0..6).map(|_| make(&event_loop)).collect();
    let kept = Rc::clone(&held);
    event_loop
        .call_soon(move || {
            let [a, b, c, d, e, f] = futures.try_into().unwrap();
            drop(gather([a.clone(), a]));
            drop(shield(b));
            drop(shield(shield(c)));
            assert!(shield(gather([d])).cancel());
            kept.borrow_mut().push(e.clone());
            drop(gather([e, f]));
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.close().unwrap();
    assert_eq!(drops.alive(), 1, "only the one that somebody holds");
    drop(held);
    assert_eq!(drops.alive(), 0);
}

/// tokio#5162: loops, tasks and futures that live in the storage of a thread die with it, in whatever order.
#[test]
fn a_loop_and_its_futures_may_die_with_their_thread() {
    thread_local! {
        static FUTURES: RefCell<Vec<LoopFuture<Counted>>> = const { RefCell::new(Vec::new()) };
        static LOOP: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
        static TASKS: RefCell<Vec<Task<()>>> = const { RefCell::new(Vec::new()) };
    }
    for order in 0..3 {
        std::thread::spawn(move || {
            let event_loop = virtual_loop();
            event_loop.set_exception_handler(|_, _| ());
            // Whose destructor runs first depends on which was used first.
            if order == 0 {
                LOOP.with_borrow(|_| ());
            } else if order == 1 {
                TASKS.with_borrow(|_| ());
            }
            let drops = Drops::default();
            let (done, open) = (event_loop.create_future(), event_loop.create_future());
            done.set_result(drops.counted()).unwrap();
            let counted = drops.counted();
            open.add_done_callback(move |_| drop(counted));
            let awaited = open.clone();
            let task = event_loop.create_task(async move {
                let _ = sleep(FAR).await;
                let _ = awaited.await;
            });
            event_loop.run_once(None).unwrap();
            FUTURES.set(vec![done, open]);
            TASKS.set(vec![task]);
            LOOP.set(Some(event_loop));
        })
        .join()
        .unwrap();
    }
}

#[test]
fn a_waker_that_outlives_its_loop_wakes_nobody() {
    let event_loop = virtual_loop();
    let _reports = reports(&event_loop);
    let slot: Rc<Cell<Option<std::task::Waker>>> = Rc::default();
    let put = Rc::clone(&slot);
    let task = event_loop.create_task(poll_fn(move |cx| {
        put.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    }));
    event_loop.run_once(None).unwrap();
    event_loop.close().unwrap();
    let waker = slot.take().unwrap();
    waker.wake_by_ref();
    drop((task, event_loop));
    // Others come and go, perhaps in its place.
    for _ in 0..3 {
        let other = virtual_loop();
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        other
            .run_until_complete(async move { count.set(count.get() + 1) })
            .unwrap();
        waker.wake_by_ref();
        assert_eq!(polls.get(), 1);
    }
    std::thread::spawn(move || waker.wake()).join().unwrap();
}

/// Nobody will be told of anything: so nobody's waker is kept.
#[test]
fn an_await_of_a_task_whose_loop_is_closed_keeps_no_waker() {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }

    let event_loop = virtual_loop();
    let task = event_loop.create_task(pending::<()>());
    event_loop.close().unwrap();
    let nothing = Arc::new(Nothing);
    let waker = Waker::from(Arc::clone(&nothing));
    let mut wait = task.into_future();
    let polled = Pin::new(&mut wait).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    assert_eq!(Arc::strong_count(&nothing), 2, "`waker` is one of them");
}
