//! The tasks that wait for one object.
//!
//! Each stands at a gate of its own, made when it begins to wait, as asyncio makes a future: so a request for
//! cancellation goes to that gate, and order and hops are asyncio's. No borrow is held while a gate is opened or user
//! code may run.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use loop_tasks::{Gate, GateOpener, TaskError};

use crate::line::Line;

/// Those who wait for one thing to happen to one object, oldest first.
#[derive(Default)]
pub(crate) struct Waiters {
    line: RefCell<Line<GateOpener>>,
    /// The number of the loop whose tasks stand in the line.
    owner: Cell<u64>,
}

impl Waiters {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.line.borrow().len()
    }

    /// Whether anybody stands in the line whose wait is not cancelled: woken or not, it comes first.
    pub(crate) fn any(&self) -> bool {
        self.line.borrow().iter().any(|who| !who.is_over())
    }

    /// Waits at the end of the line until it is woken.
    ///
    /// `abandoned` is called instead if the wait does not come to its end, by a cancellation or because it is
    /// dropped: when its place in the line is gone, and with whether it had been woken.
    ///
    /// # Panics
    /// Where no loop is running, and if tasks of another loop stand in the line.
    pub(crate) fn wait<F: FnOnce(bool) + Unpin>(&self, abandoned: F) -> Turn<'_, F> {
        Turn {
            waiters: self,
            gate: Gate::new(),
            key: None,
            abandoned: Some(abandoned),
        }
    }

    fn enter(&self, who: GateOpener) -> usize {
        let mut line = self.line.borrow_mut();
        let id = who.loop_id();
        if line.len() == 0 {
            self.owner.set(id);
        }
        assert!(
            self.owner.get() == id,
            "it is bound to a different event loop, whose tasks wait for it"
        );
        line.push(who)
    }

    /// The oldest that still sleeps. It is given out once: the caller wakes it.
    #[inline]
    pub(crate) fn next(&self) -> Option<Asleep> {
        loop {
            let who = self.give_out()?;
            if who.is_closed() {
                return Some(Asleep(who));
            }
        }
    }

    #[inline]
    fn give_out(&self) -> Option<GateOpener> {
        self.line.borrow_mut().give_out()
    }

    /// Wakes up to `most` of those who still sleep, oldest first.
    #[inline]
    pub(crate) fn wake(&self, most: usize) {
        let mut left = most;
        while left > 0 {
            match self.give_out() {
                Some(who) => left -= usize::from(who.open()),
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
pub(crate) struct Asleep(GateOpener);

impl Asleep {
    #[inline]
    pub(crate) fn wake(self) {
        // Refused by one that is awake already.
        self.0.open();
    }
}

/// A wait in the line, and what is due if it does not come to its end.
#[must_use = "futures do nothing unless they are awaited"]
pub(crate) struct Turn<'a, F: FnOnce(bool) + Unpin> {
    waiters: &'a Waiters,
    gate: Gate,
    key: Option<usize>,
    abandoned: Option<F>,
}

impl<F: FnOnce(bool) + Unpin> Turn<'_, F> {
    #[inline]
    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            let who = self.waiters.line.borrow_mut().remove(key);
            drop(who);
        }
    }
}

impl<F: FnOnce(bool) + Unpin> Future for Turn<'_, F> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Turn {
            waiters, gate, key, ..
        } = &mut *self;
        match gate.poll_with(cx, |who| *key = Some(waiters.enter(who))) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                self.leave();
                self.abandoned = None;
                Poll::Ready(())
            }
            // Begun in one task and moved into another, which is not the one that the request was for.
            Poll::Ready(Err(TaskError::Cancelled(token))) => {
                std::pin::pin!(token.resume()).poll(cx).map(|never| never)
            }
            Poll::Ready(Err(error)) => panic!("{error}"),
        }
    }
}

impl<F: FnOnce(bool) + Unpin> Drop for Turn<'_, F> {
    #[inline]
    fn drop(&mut self) {
        if let Some(abandoned) = self.abandoned.take() {
            let woken = self.gate.is_open();
            // The request that came to it is given back before the next in the line hears of anything.
            drop(std::mem::take(&mut self.gate));
            let waited = self.key.is_some();
            self.leave();
            if waited {
                abandoned(woken);
            }
        }
    }
}
