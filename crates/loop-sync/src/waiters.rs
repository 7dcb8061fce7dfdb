//! The tasks that wait for one object.
//!
//! Each has a future of its own, made when it begins to wait, as asyncio does it: so a request for cancellation goes
//! to that future, and order and hops are asyncio's. No borrow is held while a future is settled or user code may run.

use std::cell::{Cell, RefCell};

use loop_core::get_running_loop;
use loop_tasks::{LoopExt, LoopFuture, TaskError};

use crate::line::Line;

/// Those who wait for one thing to happen to one object, oldest first.
#[derive(Default)]
pub(crate) struct Waiters {
    line: RefCell<Line>,
    /// The number of the loop whose tasks stand in the line.
    owner: Cell<u64>,
}

impl Waiters {
    pub(crate) fn len(&self) -> usize {
        self.line.borrow().len()
    }

    /// Whether anybody stands in the line whose wait is not cancelled: woken or not, it comes first.
    pub(crate) fn any(&self) -> bool {
        self.line.borrow().iter().any(|future| !future.cancelled())
    }

    /// Waits at the end of the line until it is woken.
    ///
    /// `abandoned` is called instead if the wait does not come to its end, by a cancellation or because it is
    /// dropped: when its place in the line is gone, and with whether it had been woken.
    ///
    /// # Panics
    /// Where no loop is running, and if tasks of another loop stand in the line.
    pub(crate) async fn wait(&self, abandoned: impl FnOnce(bool)) {
        let mut turn = Turn {
            place: self.enter(),
            abandoned: Some(abandoned),
        };
        match (&turn.place.future).await {
            Ok(()) => turn.abandoned = None,
            // Begun in one task and moved into another, which is not the one that the request was for.
            Err(TaskError::Cancelled(token)) => token.resume().await,
            Err(error) => panic!("{error}"),
        }
    }

    fn enter(&self) -> InLine<'_> {
        let event_loop = match get_running_loop() {
            Ok(event_loop) => event_loop,
            Err(error) => panic!("{error}: to wait in a line needs one"),
        };
        let future = event_loop.create_future();
        if self.len() == 0 {
            self.owner.set(event_loop.id());
        }
        assert!(
            self.owner.get() == event_loop.id(),
            "it is bound to a different event loop, whose tasks wait for it"
        );
        InLine {
            key: Some(self.line.borrow_mut().push(future.clone())),
            future,
            waiters: self,
        }
    }

    /// The oldest that still sleeps. It is given out once: the caller wakes it.
    pub(crate) fn next(&self) -> Option<Asleep> {
        self.line.borrow_mut().next_asleep().map(Asleep)
    }

    /// Wakes up to `most` of those who still sleep, oldest first.
    pub(crate) fn wake(&self, most: usize) {
        for _ in 0..most {
            match self.next() {
                Some(asleep) => asleep.wake(),
                None => break,
            }
        }
    }

    /// Wakes the one that is first in the line, unless it is awake already.
    pub(crate) fn wake_first(&self) {
        let first = self.line.borrow().first().cloned();
        if let Some(first) = first {
            Asleep(first).wake();
        }
    }
}

/// One that waits, and may not have been woken yet.
#[must_use]
pub(crate) struct Asleep(LoopFuture<()>);

impl Asleep {
    pub(crate) fn wake(self) {
        // Refused by one that is awake already, and by one whose loop is closed: its task is gone.
        let _ = self.0.set_result(());
    }
}

/// A place in the line, left when it is dropped.
struct InLine<'a> {
    waiters: &'a Waiters,
    future: LoopFuture<()>,
    key: Option<usize>,
}

impl InLine<'_> {
    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            let future = self.waiters.line.borrow_mut().remove(key);
            drop(future);
        }
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A wait, and what is due if it does not come to its end.
struct Turn<'a, F: FnOnce(bool)> {
    place: InLine<'a>,
    abandoned: Option<F>,
}

impl<F: FnOnce(bool)> Drop for Turn<'_, F> {
    fn drop(&mut self) {
        if let Some(abandoned) = self.abandoned.take() {
            self.place.leave();
            let future = &self.place.future;
            abandoned(future.done() && !future.cancelled());
        }
    }
}
