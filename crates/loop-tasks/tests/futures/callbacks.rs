//! Who is told that a future is done, and when.

use std::cell::Cell;
use std::rc::Rc;

use crate::common::{Drops, Log, virtual_loop};
use loop_tasks::{CallbackToken, LoopExt, LoopFuture};

#[test]
fn callbacks_run_in_order_with_the_future_and_never_inside_the_call() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future = event_loop.create_future();
    for name in ["a", "b", "c"] {
        let log = log.clone();
        future.add_done_callback(move |future: &LoopFuture<i32>| {
            log.add(format_args!("{name} {:?}", future.result().unwrap().ok()));
        });
    }
    future.set_result(1).unwrap();
    let note = log.clone();
    future.add_done_callback(move |_| note.add("late"));
    assert_eq!(log.take(), [""; 0]);
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["a Some(1)", "b Some(1)", "c Some(1)", "late"]);
}

#[test]
fn callbacks_are_told_of_a_cancellation() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let note = log.clone();
    future.add_done_callback(move |future| note.add(future.cancelled()));
    future.cancel();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["true"]);
}

#[test]
fn a_removed_callback_is_dropped_unrun_and_the_others_keep_their_order() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let tokens: Vec<CallbackToken> = ["a", "b", "c", "d"]
        .into_iter()
        .map(|name| {
            let (note, dropped) = (log.clone(), log.on_drop("dropped"));
            future.add_done_callback(move |_| {
                note.add(name);
                dropped.disarm();
            })
        })
        .collect();
    assert!(future.remove_done_callback(tokens[0]));
    assert!(future.remove_done_callback(tokens[2]));
    assert!(!future.remove_done_callback(tokens[2]));
    assert_eq!(log.take(), ["dropped", "dropped"]);
    let note = log.clone();
    future.add_done_callback(move |_| note.add("e"));
    future.set_result(()).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["b", "d", "e"]);
}

/// Settling schedules them all, so none can be removed from inside another one: as in asyncio.
#[test]
fn a_callback_that_is_scheduled_cannot_be_removed() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let second = Rc::new(Cell::new(None));
    let (note, token) = (log.clone(), Rc::clone(&second));
    future.add_done_callback(move |future| {
        let removed = future.remove_done_callback(token.get().unwrap());
        note.add(format_args!("removed: {removed}"));
    });
    let note = log.clone();
    second.set(Some(future.add_done_callback(move |_| note.add("second"))));
    future.set_result(()).unwrap();
    assert!(!future.remove_done_callback(second.get().unwrap()));
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["removed: false", "second"]);
}

#[test]
fn a_callback_added_inside_a_callback_runs_in_the_next_iteration() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let note = log.clone();
    future.add_done_callback(move |future| {
        note.add("first");
        let inner = note.clone();
        future.add_done_callback(move |_| inner.add("added"));
    });
    let note = log.clone();
    future.add_done_callback(move |_| note.add("second"));
    future.set_result(()).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["first", "second"]);
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["added"]);
}

#[test]
fn inside_a_callback_the_future_cannot_be_settled_again() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future = event_loop.create_future();
    let note = log.clone();
    future.add_done_callback(move |future| {
        note.add(future.cancel());
        note.add(future.set_result(2).unwrap_err().0);
    });
    future.set_result(1).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["false", "2"]);
    assert_eq!(future.result().unwrap().unwrap(), 1);
}

/// One callback settles the next future, and so on: each link of the chain is one iteration.
#[test]
fn a_callback_may_settle_another_future() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let futures: Vec<LoopFuture<usize>> = (0..4).map(|_| event_loop.create_future()).collect();
    for pair in 0..3 {
        let (next, note) = (futures[pair + 1].clone(), log.clone());
        futures[pair].add_done_callback(move |future| {
            let value = future.result().unwrap().unwrap();
            note.add(value);
            next.set_result(value + 1).unwrap();
        });
    }
    futures[0].set_result(0).unwrap();
    for iteration in 0..3 {
        event_loop.run_once(None).unwrap();
        assert_eq!(log.take(), [iteration.to_string()]);
    }
    assert_eq!(futures[3].result().unwrap().unwrap(), 3);
}

#[test]
fn the_callbacks_of_a_future_that_nobody_will_settle_are_dropped_with_it() {
    let (event_loop, drops) = (virtual_loop(), Drops::default());
    let future: LoopFuture<()> = event_loop.create_future();
    for _ in 0..3 {
        let counted = drops.counted();
        future.add_done_callback(move |_| drop(counted));
    }
    let clone = future.clone();
    drop(future);
    assert_eq!(drops.count(), 0);
    drop(clone);
    assert_eq!(drops.count(), 3);
}

/// The references inside a callback go when it has run, not when the future goes.
#[test]
fn a_callback_that_has_run_keeps_nothing() {
    let (event_loop, drops) = (virtual_loop(), Drops::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let counted = drops.counted();
    future.add_done_callback(move |_| {
        let _ = &counted;
    });
    future.set_result(()).unwrap();
    assert_eq!(drops.count(), 0);
    event_loop.run_once(None).unwrap();
    assert_eq!(drops.count(), 1);
}
