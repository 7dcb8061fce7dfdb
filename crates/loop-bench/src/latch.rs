//! A count that one future waits for: what the workloads themselves need, the same for every engine.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Opens when it has been counted down to zero.
#[derive(Clone, Default)]
pub(crate) struct Latch(Rc<Inner>);

#[derive(Default)]
struct Inner {
    left: Cell<usize>,
    waker: Cell<Option<Waker>>,
}

impl Latch {
    pub(crate) fn new(count: usize) -> Latch {
        let latch = Latch::default();
        latch.0.left.set(count);
        latch
    }

    #[inline]
    pub(crate) fn count_down(&self) {
        let left = self.0.left.get() - 1;
        self.0.left.set(left);
        if left == 0
            && let Some(waker) = self.0.waker.take()
        {
            waker.wake();
        }
    }

    pub(crate) fn left(&self) -> usize {
        self.0.left.get()
    }

    /// Waits until it is open. One future at a time.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + 'static {
        let inner = Rc::clone(&self.0);
        poll_fn(move |cx| {
            if inner.left.get() == 0 {
                return Poll::Ready(());
            }
            inner.waker.set(Some(cx.waker().clone()));
            Poll::Pending
        })
    }
}

/// A gate that any number of futures wait at until it opens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Rc<GateInner>);

#[derive(Debug, Default)]
struct GateInner {
    open: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.0.open.set(true);
        for waker in self.0.waiting.take() {
            waker.wake();
        }
    }

    pub(crate) fn wait(&self) -> impl Future<Output = ()> + 'static {
        let inner = Rc::clone(&self.0);
        poll_fn(move |cx| {
            if inner.open.get() {
                return Poll::Ready(());
            }
            inner.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
    }
}

thread_local! {
    /// The latch of this thread: a function that comes from another thread can carry none.
    static HERE: RefCell<Latch> = RefCell::new(Latch::new(0));
}

/// Makes a new latch that of this thread.
pub(crate) fn set_here(count: usize) -> Latch {
    let latch = Latch::new(count);
    HERE.set(latch.clone());
    latch
}

/// Counts this thread's latch down.
pub(crate) fn count_down_here() {
    HERE.with_borrow(Latch::count_down);
}

/// Wakes itself and waits once.
pub(crate) fn yield_once() -> impl Future<Output = ()> + 'static {
    let mut woken = false;
    poll_fn(move |cx| {
        if woken {
            return Poll::Ready(());
        }
        woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
