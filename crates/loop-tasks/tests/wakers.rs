//! Wakers of others that panic or come back into the library when they are cloned, called or dropped.

#![expect(
    unsafe_code,
    reason = "only a raw waker can do something when it is cloned"
)]

mod common;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use common::{Log, reports, virtual_loop};
use loop_tasks::{Join, LoopExt, LoopFuture, catch_cancel};

type Hook = Rc<dyn Fn(&'static str)>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    /// How many of these wakers there are.
    static ALIVE: Cell<isize> = const { Cell::new(0) };
}

fn call(event: &'static str) {
    let hook = HOOK.with_borrow(Clone::clone);
    if let Some(hook) = hook {
        hook(event);
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |_| {
        call("clone");
        ALIVE.set(ALIVE.get() + 1);
        RawWaker::new(std::ptr::null(), &VTABLE)
    },
    |_| {
        ALIVE.set(ALIVE.get() - 1);
        call("wake");
    },
    |_| call("wake_by_ref"),
    |_| {
        ALIVE.set(ALIVE.get() - 1);
        call("drop");
    },
);

/// A waker that calls the hook of this thread.
fn hooked(hook: impl Fn(&'static str) + 'static) -> Waker {
    HOOK.set(Some(Rc::new(hook)));
    ALIVE.set(1);
    // SAFETY: the functions of the table never look at the pointer. They are called on this thread alone, since
    // nothing here sends the waker anywhere.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) }
}

fn unhook(waker: Waker) {
    HOOK.set(None);
    drop(waker);
    assert_eq!(ALIVE.get(), 0, "every clone was called or dropped");
}

fn poll<T: 'static>(join: &mut Join<T>, waker: &Waker) -> bool {
    Pin::new(join)
        .poll(&mut Context::from_waker(waker))
        .is_ready()
}

#[test]
fn an_await_clones_its_waker_once_and_calls_it_once() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<i32> = event_loop.create_future();
    let note = log.clone();
    let waker = hooked(move |event| note.add(event));
    let mut join = (&future).into_future();
    assert!(!poll(&mut join, &waker) && !poll(&mut join, &waker));
    assert_eq!(log.take(), ["clone"]);
    future.set_result(1).unwrap();
    assert_eq!(log.take(), ["wake"]);
    assert!(poll(&mut join, &waker));
    drop(join);
    assert_eq!(log.take(), [""; 0]);

    let dropped: LoopFuture<i32> = event_loop.create_future();
    let mut join = (&dropped).into_future();
    assert!(!poll(&mut join, &waker));
    drop(join);
    assert_eq!(log.take(), ["clone", "drop"]);
    unhook(waker);
}

/// tokio#5429, #4129: foreign code was called under a lock. Each event here uses the very future that it is about.
#[test]
fn a_waker_may_use_the_future_that_it_waits_for() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    for ending in ["settled", "cancelled", "dropped", "replaced"] {
        let future: LoopFuture<i32> = event_loop.create_future();
        let (inner, note) = (future.clone(), log.clone());
        let waker = hooked(move |event| {
            let token = inner.add_done_callback(|_| ());
            inner.remove_done_callback(token);
            let other = Pin::new(&mut (&inner).into_future())
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready();
            note.add(format_args!("{event} {} {other} {inner:?}", inner.done()));
        });
        let mut join = (&future).into_future();
        assert!(!poll(&mut join, &waker));
        match ending {
            "settled" => future.set_result(1).unwrap(),
            "cancelled" => assert!(future.cancel()),
            "dropped" => drop(join),
            _ => assert!(!poll(&mut join, Waker::noop())),
        }
        unhook(waker);
        let events = log.take();
        let words: Vec<&str> = events
            .iter()
            .map(|event| event.split(' ').next().unwrap_or_default())
            .collect();
        let last = if matches!(ending, "settled" | "cancelled") {
            "wake"
        } else {
            "drop"
        };
        assert_eq!(words, ["clone", last], "{ending}");
    }
    event_loop.close().unwrap();
}

/// Settled between the look and the entry in the list of callbacks: the await must see it.
#[test]
fn a_waker_whose_clone_settles_the_future_loses_no_wake() {
    let event_loop = virtual_loop();
    let future: LoopFuture<i32> = event_loop.create_future();
    let setter = future.clone();
    let waker = hooked(move |event| {
        if event == "clone" {
            setter.set_result(5).unwrap();
        }
    });
    let mut join = (&future).into_future();
    let polled = Pin::new(&mut join).poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Ready(Ok(5))));
    unhook(waker);
}

#[test]
fn a_waker_whose_clone_drops_or_polls_another_await_of_the_future() {
    let event_loop = virtual_loop();
    let future: LoopFuture<i32> = event_loop.create_future();
    let other = Rc::new(RefCell::new(Some((&future).into_future())));
    assert!(!poll(other.borrow_mut().as_mut().unwrap(), Waker::noop()));
    let held = Rc::clone(&other);
    let waker = hooked(move |_| drop(held.take()));
    let mut join = (&future).into_future();
    assert!(!poll(&mut join, &waker));
    assert!(other.borrow().is_none());
    future.set_result(1).unwrap();
    unhook(waker);
}

/// tokio#3689: a panic in a clone must leave nothing half-entered; a good waker works afterwards.
#[test]
fn a_panic_in_a_clone_leaves_the_await_usable() {
    let event_loop = virtual_loop();
    let future: LoopFuture<i32> = event_loop.create_future();
    let waker = hooked(|event| {
        if event == "clone" {
            panic!("clone");
        }
    });
    let mut join = (&future).into_future();
    for _ in 0..2 {
        let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut join, &waker)));
        assert!(polled.is_err());
    }
    assert_eq!(format!("{future:?}"), "<LoopFuture pending>");
    assert!(!poll(&mut join, Waker::noop()));
    future.set_result(1).unwrap();
    assert!(poll(&mut join, Waker::noop()));
    unhook(waker);
}

/// tokio#4055: the callbacks behind the one that panics are called all the same, and whoever settles the future hears
/// nothing of it.
#[test]
fn a_panic_in_a_wake_costs_nobody_else_a_wake() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let reports = reports(&event_loop);
    let line = line!() + 1;
    let future: LoopFuture<i32> = event_loop.create_future();
    let task = event_loop.create_task((&future).into_future());
    event_loop.run_once(None).unwrap();
    let waker = hooked(|event| {
        if event == "wake" {
            panic!("bad waker");
        }
    });
    let mut joins = [(&future).into_future(), (&future).into_future()];
    let note = log.clone();
    future.add_done_callback(move |_| note.add("first"));
    assert!(!poll(&mut joins[0], &waker));
    let note = log.clone();
    future.add_done_callback(move |_| note.add("second"));
    assert!(!poll(&mut joins[1], &waker));
    let note = log.clone();
    future.add_done_callback(move |_| note.add("third"));
    future.set_result(1).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["first", "second", "third"]);
    assert!(task.done());
    let reports = reports.take();
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert!(
            report.starts_with("Exception in a waker: bad waker\n"),
            "{report}"
        );
        assert!(report.contains(&format!("{}:{line}:", file!())), "{report}");
    }
    unhook(waker);
}

#[test]
fn a_panic_in_the_drop_of_a_waker_reaches_who_drops_the_await_and_nothing_else() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<i32> = event_loop.create_future();
    let waker = hooked(|event| {
        if event == "drop" {
            panic!("drop");
        }
    });
    let mut join = (&future).into_future();
    assert!(!poll(&mut join, &waker));
    let note = log.clone();
    future.add_done_callback(move |_| note.add("callback"));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(join))).is_err());
    assert_eq!(format!("{future:?}"), "<LoopFuture pending cb=[1]>");
    future.set_result(1).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["callback"]);
    unhook(waker);
}

#[test]
fn a_frame_outside_of_a_task_lets_panics_of_wakers_through() {
    let event_loop = virtual_loop();
    let future: LoopFuture<i32> = event_loop.create_future();
    let mut caught = Box::pin(catch_cancel(&future));
    let waker = hooked(|event| {
        if event == "clone" {
            panic!("clone");
        }
    });
    let polled = catch_unwind(AssertUnwindSafe(|| {
        caught
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
    }));
    assert!(polled.is_err());
    future.set_result(1).unwrap();
    let polled = caught
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(Ok(1)))));
    unhook(waker);
}
