//! The tasks that wait for one object.
//!
//! Each stands at a gate of its own, made when it begins to wait, as asyncio makes a future: so a request for
//! cancellation goes to that gate, and order and hops are asyncio's. No borrow is held while a gate is opened or user
//! code may run.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loop_tasks::{Gate, GateOpener, TaskError};

use crate::line::Line;

/// Those who wait for one thing to happen to one object, oldest first.
#[derive(Default)]
pub(crate) struct Waiters {
    /// Whether anybody in the line may not have been woken yet.
    asleep: Cell<bool>,
    line: RefCell<Line<GateOpener>>,
    /// The number of the loop whose tasks stand in the line.
    owner: Cell<u64>,
}

impl Waiters {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.line.borrow().len()
    }

    /// How many stand in the line and were not woken yet.
    pub(crate) fn len_asleep(&self) -> usize {
        self.line.borrow().len_asleep()
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
    #[inline]
    pub(crate) fn wait<F: FnOnce(bool) + Unpin>(&self, abandoned: F) -> Turn<'_, F> {
        Turn {
            waiters: self,
            standing: Standing::default(),
            abandoned: Some(abandoned),
        }
    }

    #[inline(always)]
    fn enter(&self, who: GateOpener) -> u64 {
        let mut line = self.line.borrow_mut();
        let id = who.loop_id();
        if line.is_empty() {
            self.owner.set(id);
        }
        assert!(
            self.owner.get() == id,
            "it is bound to a different event loop, whose tasks wait for it"
        );
        self.asleep.set(true);
        line.push(who)
    }

    #[inline(always)]
    fn leave(&self, key: u64) {
        let who = self.line.borrow_mut().remove(key);
        drop(who);
    }

    #[inline(always)]
    fn give_out(&self) -> Option<GateOpener> {
        let mut line = self.line.borrow_mut();
        let who = line.give_out().cloned();
        self.asleep.set(!line.is_awake());
        who
    }

    /// Wakes up to `most` of those who still sleep, oldest first.
    #[inline(always)]
    pub(crate) fn wake(&self, most: usize) {
        if self.asleep.get() {
            self.wake_some(most);
        }
    }

    #[inline]
    fn wake_some(&self, most: usize) {
        let mut left = most;
        while left > 0 && self.wake_next() {
            left -= 1;
        }
    }

    /// Wakes the oldest that still sleeps. `false`: nobody does.
    #[inline]
    pub(crate) fn wake_next(&self) -> bool {
        while let Some(who) = self.give_out() {
            if who.open() {
                return true;
            }
        }
        false
    }

    /// Wakes the one that is first in the line, unless it is awake already.
    #[inline]
    pub(crate) fn wake_first(&self) {
        let first = self.line.borrow().first().cloned();
        if let Some(first) = first {
            // Refused by one that is awake already.
            first.open();
        }
    }
}

/// One wait in a line: not begun, or standing there.
#[derive(Default)]
pub(crate) enum Standing {
    /// It has not begun, or has come to an end.
    #[default]
    Aside,
    InLine {
        gate: Gate,
        key: u64,
    },
}

impl Standing {
    /// Whether it has begun, and has come to no end.
    #[inline]
    pub(crate) fn is_in_line(&self) -> bool {
        matches!(self, Standing::InLine { .. })
    }

    /// Comes to the end of the line, to wait there until it is woken.
    ///
    /// # Panics
    /// As [`Waiters::wait`].
    #[inline(never)]
    pub(crate) fn begin(&mut self, waiters: &Waiters, cx: &mut Context<'_>) {
        let (gate, who) = Gate::begin(cx, "to wait");
        let key = waiters.enter(who);
        *self = Standing::InLine { gate, key };
    }

    /// Goes on waiting, and is as new when it was woken.
    #[inline(never)]
    pub(crate) fn poll(&mut self, waiters: &Waiters, cx: &mut Context<'_>) -> Poll<()> {
        let Standing::InLine { gate, key } = self else {
            return Poll::Ready(());
        };
        match ready!(gate.poll(cx)) {
            Ok(()) => {
                let key = *key;
                // An open gate holds nothing.
                std::mem::forget(std::mem::take(self));
                waiters.leave(key);
                Poll::Ready(())
            }
            Err(error) => ended(error, cx),
        }
    }

    /// Leaves the line before the end. Whether it had been woken.
    pub(crate) fn give_up(&mut self, waiters: &Waiters) -> bool {
        let Standing::InLine { gate, key } = std::mem::take(self) else {
            return false;
        };
        let woken = gate.is_open();
        // The request that came to it is given back before the next in the line hears of anything.
        drop(gate);
        waiters.leave(key);
        woken
    }
}

/// What has become of a wait that nobody woke.
#[cold]
fn ended(error: TaskError, cx: &mut Context<'_>) -> Poll<()> {
    match error {
        // Begun in one task and moved into another, which is not the one that the request was for.
        TaskError::Cancelled(token) => std::pin::pin!(token.resume()).poll(cx).map(|never| never),
        error => panic!("{error}"),
    }
}

/// A wait in the line, and what is due if it does not come to its end.
#[must_use = "futures do nothing unless they are awaited"]
pub(crate) struct Turn<'a, F: FnOnce(bool) + Unpin> {
    waiters: &'a Waiters,
    standing: Standing,
    /// Taken by `drop`.
    abandoned: Option<F>,
}

impl<F: FnOnce(bool) + Unpin> Future for Turn<'_, F> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waiters = self.waiters;
        if self.standing.is_in_line() {
            return self.standing.poll(waiters, cx);
        }
        self.standing.begin(waiters, cx);
        Poll::Pending
    }
}

impl<F: FnOnce(bool) + Unpin> Drop for Turn<'_, F> {
    #[inline]
    fn drop(&mut self) {
        if self.standing.is_in_line() {
            let woken = self.standing.give_up(self.waiters);
            if let Some(abandoned) = self.abandoned.take() {
                abandoned(woken);
            }
        }
    }
}
