//! Awaiting a loop future: the tie between it and the task that waits.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use crate::callbacks::Callback;
use crate::cancel;
use crate::cell::{AnyFuture, TaskRef};
use crate::current;
use crate::ensure::Share;
use crate::error::TaskError;
use crate::future::LoopFuture;
use crate::outcome::Outcome;
use crate::state::State;
use crate::task_core::Flags;

/// How an await is tied to its future. Who has one unties it in the end.
#[derive(Default)]
pub(crate) enum Tie {
    /// It was not polled yet, or is over.
    #[default]
    None,
    /// With the task's own waker: it counts among the task's waits.
    Task {
        task: TaskRef,
        wait: u32,
        callback: u32,
    },
    /// With somebody else's waker: what becomes of it is a combinator's business.
    Waker { callback: u32 },
}

impl Tie {
    /// Waits until the future is settled.
    ///
    /// It is not, for this await, if it was cancelled through it: then that interrupts the task.
    ///
    /// # Errors
    /// Why it cannot begin to wait.
    pub(crate) fn poll(
        &mut self,
        future: &AnyFuture,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TaskError>> {
        if future.is_settled() {
            return self.end(future);
        }
        // Whoever polled it last is told: an await may move to another task, or into a combinator.
        if self.is_tied() {
            if self.would_wake(future, cx.waker()) {
                return Poll::Pending;
            }
            self.untie(future);
        }
        self.tie(future, cx)
    }

    /// Whether there is something to untie.
    #[inline]
    pub(crate) fn is_tied(&self) -> bool {
        !matches!(self, Tie::None)
    }

    fn would_wake(&self, future: &AnyFuture, waker: &Waker) -> bool {
        match self {
            Tie::None => false,
            Tie::Task { task, .. } => task.wakes(waker),
            Tie::Waker { callback } => {
                let callbacks = future.header().callbacks.borrow();
                matches!(callbacks.get(*callback), Some(Callback::Wake(own)) if own.will_wake(waker))
            }
        }
    }

    #[inline]
    fn tie(&mut self, future: &AnyFuture, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        let header = future.header();
        let task = current::current();
        if let Some(task) = &task {
            if task.is(future) {
                return Poll::Ready(Err(TaskError::SelfAwait));
            }
            if !task.header().owner.same(&header.owner) {
                let error = TaskError::wrong_loop(&header.owner, &task.header().owner);
                return Poll::Ready(Err(error));
            }
        }
        if header.state.get().has(State::LOST) {
            return Poll::Pending; // Its loop is closed: nobody will be told of anything.
        }
        if let Some(task) = task.filter(|task| task.wakes(cx.waker())) {
            let mut callbacks = header.callbacks.borrow_mut();
            let callback = callbacks.add(Callback::Step(task.clone()));
            let wait = task.core().waits.borrow_mut().add(Some(future.clone()));
            *self = Tie::Task {
                task,
                wait,
                callback,
            };
            return Poll::Pending;
        }
        self.tie_to_waker(future, cx)
    }

    fn tie_to_waker(
        &mut self,
        future: &AnyFuture,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TaskError>> {
        // Before anything is borrowed: a clone is foreign code, which may even settle the future.
        let waker = cx.waker().clone();
        if future.is_settled() {
            return self.end(future);
        }
        let mut callbacks = future.header().callbacks.borrow_mut();
        let callback = callbacks.add(Callback::Wake(waker));
        *self = Tie::Waker { callback };
        Poll::Pending
    }

    /// The future is settled.
    #[inline(always)]
    fn end(&mut self, future: &AnyFuture) -> Poll<Result<(), TaskError>> {
        if let Tie::Task { task, wait, .. } = std::mem::take(self) {
            let (passed, waited) = task.core().waits.borrow_mut().leave(wait);
            drop(waited);
            if passed && future.was_cancelled() {
                return answer(&task, future);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the await back, as if it had never been.
    #[cold]
    pub(crate) fn untie(&mut self, future: &AnyFuture) {
        match std::mem::take(self) {
            Tie::None => {}
            Tie::Waker { callback } => {
                let callback = future.header().callbacks.borrow_mut().remove(callback);
                drop(callback);
            }
            Tie::Task {
                task,
                wait,
                callback,
            } => {
                let callback = future.header().callbacks.borrow_mut().remove(callback);
                drop(callback);
                let core = task.core();
                let (passed, waited) = core.waits.borrow_mut().leave(wait);
                drop(waited);
                // A request that the future has answered with a value is answered.
                let settled = future.is_settled();
                if settled && core.has(Flags::ABSORBING) {
                    // It is on its way to a task that was cancelled in the meantime: nobody will ever look.
                    future.mark_retrieved();
                }
                if passed && (!settled || future.was_cancelled()) {
                    cancel::give_back(&task);
                }
            }
        }
    }
}

/// A request for cancellation went through the await of this task, and the future took it.
#[cold]
fn answer(task: &TaskRef, future: &AnyFuture) -> Poll<Result<(), TaskError>> {
    if current::is_current(task) {
        future.mark_retrieved();
        cancel::raise();
        return Poll::Pending;
    }
    // The await has moved on; the request was that task's.
    cancel::give_back(task);
    Poll::Ready(Ok(()))
}

/// One await on a future of whatever type. Dropping it unties it.
pub(crate) struct Link {
    future: AnyFuture,
    tie: Tie,
}

impl Link {
    #[inline]
    pub(crate) fn new(future: AnyFuture) -> Link {
        Link {
            future,
            tie: Tie::None,
        }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        self.tie.poll(&self.future, cx)
    }
}

impl Drop for Link {
    #[inline]
    fn drop(&mut self) {
        if self.tie.is_tied() {
            self.tie.untie(&self.future);
        }
    }
}

/// The future of awaiting a [`LoopFuture`] or a [`Task`](crate::Task).
///
/// By value the outcome is moved out, by reference it is cloned. See [`LoopFuture`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Join<T> {
    future: LoopFuture<T>,
    /// Untied by `drop`, which leaves nothing in it.
    tie: ManuallyDrop<Tie>,
    /// `None`: the value is moved out.
    share: Option<Share<T>>,
}

impl<T: 'static> Join<T> {
    pub(crate) fn new(future: LoopFuture<T>, share: Option<Share<T>>) -> Join<T> {
        Join {
            future,
            tie: ManuallyDrop::default(),
            share,
        }
    }
}

impl<T: 'static> Future for Join<T> {
    type Output = Result<T, TaskError>;

    // As part of whoever awaits: the result is not put into memory only to be read again at once.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let future = this.future.any();
        if this.tie.is_tied() || !future.is_settled() {
            ready!(this.tie.poll(future, cx))?;
        }
        Poll::Ready(this.future.extract(this.share))
    }
}

impl<T> Drop for Join<T> {
    #[inline]
    fn drop(&mut self) {
        if self.tie.is_tied() {
            self.tie.untie(self.future.any());
        }
    }
}

impl<T: 'static> fmt::Debug for Join<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Join").field(self.future.any()).finish()
    }
}

impl<T> LoopFuture<T> {
    /// The outcome of a settled future, moved out or shared.
    #[inline(always)]
    pub(crate) fn extract(&self, share: Option<Share<T>>) -> Result<T, TaskError> {
        self.mark_retrieved();
        let outcome = self.typed().outcome();
        if let Some(share) = share {
            return outcome.borrow().share(share);
        }
        Outcome::take(outcome)
    }
}
