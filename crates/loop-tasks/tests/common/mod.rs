//! What the tests of this crate share: a trace to compare, things that tell when they are dropped, wakers to abuse.

#![allow(dead_code, reason = "every test file has a copy, none needs all of it")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use loop_core::{EventLoop, ExceptionContext, get_running_loop};
use loop_tasks::{LoopExt, LoopFuture, Task, create_task, yield_now};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// A loop whose time jumps.
pub(crate) fn virtual_loop() -> EventLoop {
    EventLoop::builder().virtual_clock().build().unwrap()
}

/// Runs a coroutine on a loop of its own in virtual time; nothing may be reported to the handler.
pub(crate) fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let value = event_loop.run_until_complete(future).unwrap();
    event_loop.close().unwrap();
    assert_eq!(reports.take(), [""; 0], "the exception handler was called");
    value
}

/// A future of the running loop.
pub(crate) fn create_future<T: 'static>() -> LoopFuture<T> {
    get_running_loop().unwrap().create_future()
}

/// What happened, in order; clones write the same one.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, event: impl fmt::Display) {
        self.0.borrow_mut().push(event.to_string());
    }

    /// Adds an event with the virtual time at which it happens, in milliseconds since `start`.
    pub(crate) fn at(&self, start: Instant, event: impl fmt::Display) {
        let now = get_running_loop().unwrap().time() - start;
        self.add(format_args!("{} {event}", now.as_millis()));
    }

    /// Something that notes its drop.
    pub(crate) fn on_drop(&self, event: &'static str) -> OnDrop {
        let log = self.clone();
        OnDrop::new(move || log.add(event))
    }

    /// What happened since the last call.
    #[must_use]
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Notes `tick N` once in every iteration, so that a trace shows in which iteration things happen.
pub(crate) fn ticker(log: &Log, ticks: usize) -> Task<()> {
    let log = log.clone();
    create_task(async move {
        for tick in 1..=ticks {
            log.add(format_args!("tick {tick}"));
            yield_now().await;
        }
    })
}

/// Lets `n` iterations pass.
pub(crate) async fn yields(n: usize) {
    for _ in 0..n {
        yield_now().await;
    }
}

/// Calls its closure when it is dropped.
pub(crate) struct OnDrop(Option<Box<dyn FnOnce()>>);

impl OnDrop {
    pub(crate) fn new(f: impl FnOnce() + 'static) -> OnDrop {
        OnDrop(Some(Box::new(f)))
    }

    /// Drops it without the call.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Counts the values that it gives out, and those of them that were dropped.
#[derive(Clone, Default, Debug)]
pub(crate) struct Drops(Rc<(Cell<usize>, Cell<usize>)>);

/// One of the values that [`Drops`] counts.
#[derive(Debug)]
pub(crate) struct Counted(Drops);

impl Drops {
    pub(crate) fn counted(&self) -> Counted {
        self.0.0.set(self.0.0.get() + 1);
        Counted(self.clone())
    }

    /// How many were dropped.
    pub(crate) fn count(&self) -> usize {
        self.0.1.get()
    }

    /// How many are alive.
    pub(crate) fn alive(&self) -> usize {
        self.0.0.get() - self.0.1.get()
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.counted()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let dropped = &self.0.0.1;
        dropped.set(dropped.get() + 1);
    }
}

/// Collects what the exception handler of a loop is told, as text.
pub(crate) fn reports(event_loop: &EventLoop) -> Log {
    let log = Log::default();
    let note = log.clone();
    event_loop.set_exception_handler(move |_, context: &ExceptionContext| note.add(context));
    log
}

/// A channel for one value that knows nothing of any loop: it wakes whatever waker polled it last.
pub(crate) struct Oneshot<T>(Rc<RefCell<Shot<T>>>);

struct Shot<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> Oneshot<T> {
    pub(crate) fn new() -> Oneshot<T> {
        Oneshot(Rc::new(RefCell::new(Shot {
            value: None,
            waker: None,
        })))
    }

    pub(crate) fn send(&self, value: T) {
        self.0.borrow_mut().value = Some(value);
        let waker = self.0.borrow_mut().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Clone for Oneshot<T> {
    fn clone(&self) -> Self {
        Oneshot(Rc::clone(&self.0))
    }
}

impl<T> Future for Oneshot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut shot = self.0.borrow_mut();
        match shot.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                shot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Polls a future once with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// As `std::mem::forget`, but where a leak checker still sees it: what is tested is not the leak.
pub(crate) fn forget<T>(value: T) {
    static FORGOTTEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let address = Box::into_raw(Box::new(value)).expose_provenance();
    FORGOTTEN.lock().unwrap().push(address);
}
