//! What the tests of this crate share: a trace to compare, things that tell when they are dropped, a watchdog.

#![allow(dead_code, reason = "every test file has a copy, none needs all of it")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

pub(crate) mod log;

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use loop_core::{EventLoop, ExceptionContext, get_running_loop};

/// Ends the running loop after the present iteration.
pub(crate) fn stop() {
    get_running_loop().unwrap().stop();
}

/// A loop whose time jumps.
pub(crate) fn virtual_loop() -> EventLoop {
    EventLoop::builder().virtual_clock().build().unwrap()
}

/// What happened, in order; clones write the same one.
#[derive(Debug)]
pub(crate) struct Trace<T>(Rc<RefCell<Vec<T>>>);

impl<T: Debug + PartialEq + 'static> Trace<T> {
    pub(crate) fn new() -> Self {
        Trace(Rc::new(RefCell::new(Vec::new())))
    }

    pub(crate) fn push(&self, event: T) {
        self.0.borrow_mut().push(event);
    }

    /// A callback that leaves `event` behind.
    pub(crate) fn note(&self, event: T) -> impl FnOnce() + use<T> {
        let trace = self.clone();
        move || trace.push(event)
    }

    /// What happened since the last call.
    #[must_use]
    pub(crate) fn take(&self) -> Vec<T> {
        self.0.take()
    }
}

impl<T> Clone for Trace<T> {
    fn clone(&self) -> Self {
        Trace(Rc::clone(&self.0))
    }
}

/// Calls its closure when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Counts the drops of the values that it gives out.
#[derive(Clone, Default)]
pub(crate) struct Drops(Rc<Cell<usize>>);

/// One of the values that [`Drops`] counts.
pub(crate) struct Counted(Rc<Cell<usize>>);

impl Drops {
    pub(crate) fn counted(&self) -> Counted {
        Counted(Rc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.get()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Collects what the exception handler of a loop is told, as text.
pub(crate) fn reports(event_loop: &EventLoop) -> Trace<String> {
    let trace = Trace::new();
    let note = trace.clone();
    event_loop.set_exception_handler(move |_, context: &ExceptionContext| {
        note.push(context.to_string());
    });
    trace
}

/// Aborts the test program if it is not dropped in time: a hang must not look like a slow machine.
pub(crate) struct Watchdog(Option<mpsc::Sender<()>>);

/// Starts a watchdog with so much patience that only a hang exhausts it.
pub(crate) fn watchdog() -> Watchdog {
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    let (alive, end) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if end.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            std::process::abort();
        }
    });
    Watchdog(Some(alive))
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.take();
    }
}
