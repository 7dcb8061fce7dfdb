//! What both sides of a concurrent future share, and the only code that changes it.
//!
//! One lock guards everything. Code that is not ours (wakers, callbacks, hooks, `T::clone`,
//! destructors, guards) runs with the lock released: it may call back into the same future.
//!
//! Finishing happens in this order: the state and the outcome are stored, waits over many
//! futures are told, both under the lock; then, without it, blocked threads are woken, and after
//! them the cancel hook, the wakers and the done callbacks, oldest first.

use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::panicked::contain;
use crate::sync::{Guard, Monitor, ThreadId, current_thread};
use crate::waiter::Watch;
use crate::{BlockingGuard, ConcurrentError, ConcurrentFuture, FutureState, WouldDeadlock};

pub(crate) type Callback<T> = Box<dyn FnOnce(&ConcurrentFuture<T>) + Send>;
pub(crate) type CancelHook = Box<dyn FnOnce() + Send>;

pub(crate) struct Shared<T> {
    monitor: Monitor<Inner<T>>,
    guard: Option<Box<dyn BlockingGuard>>,
}

pub(crate) struct Inner<T> {
    state: FutureState,
    /// Whether `cancel` is accepted while the work runs.
    cancel_while_running: bool,
    slot: Slot<T>,
    next_waker: u64,
    observers: Observers<T>,
}

/// Where the outcome is.
enum Slot<T> {
    /// Not there yet; only while the state is not final.
    Empty,
    Value(T),
    Error(ConcurrentError),
    /// With a thread that clones it and will bring it back. `T` need not be `Sync`, and its
    /// `clone` must not run under the lock, so one thread at a time has it for itself.
    Lent(ThreadId),
    /// Moved out for good.
    Taken,
}

struct Observers<T> {
    watches: Vec<Watch<T>>,
    wakers: Vec<(u64, Waker)>,
    callbacks: Vec<Callback<T>>,
    on_cancel: Option<CancelHook>,
}

impl<T> Default for Observers<T> {
    fn default() -> Self {
        Observers {
            watches: Vec::new(),
            wakers: Vec::new(),
            callbacks: Vec::new(),
            on_cancel: None,
        }
    }
}

impl<T> Inner<T> {
    pub(crate) fn state(&self) -> FutureState {
        self.state
    }

    pub(crate) fn error(&self) -> Option<&ConcurrentError> {
        match &self.slot {
            Slot::Error(error) => Some(error),
            _ => None,
        }
    }
}

impl<T> Shared<T> {
    pub(crate) fn new(guard: Option<Box<dyn BlockingGuard>>) -> Self {
        Shared {
            monitor: Monitor::new(Inner {
                state: FutureState::Pending,
                cancel_while_running: false,
                slot: Slot::Empty,
                next_waker: 0,
                observers: Observers::default(),
            }),
            guard,
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_, Inner<T>> {
        self.monitor.lock()
    }

    // The producer's side.

    /// Moves a pending future on to running; `false` if it was cancelled before.
    pub(crate) fn set_running(&self, cancel_while_running: bool) -> bool {
        let mut inner = self.lock();
        match inner.state {
            FutureState::Pending | FutureState::Running => {
                inner.state = FutureState::Running;
                inner.cancel_while_running = cancel_while_running;
                true
            }
            FutureState::Cancelled => {
                inner.state = FutureState::CancelledAndNotified;
                false
            }
            FutureState::CancelledAndNotified | FutureState::Finished => false,
        }
    }

    /// Ends the future with `outcome`, which comes back if the future was done already.
    pub(crate) fn settle(
        self: &Arc<Self>,
        outcome: Result<T, ConcurrentError>,
    ) -> Result<(), (Result<T, ConcurrentError>, FutureState)> {
        let inner = self.lock();
        if inner.state.is_done() {
            let state = inner.state;
            drop(inner);
            return Err((outcome, state));
        }
        let (state, slot) = match outcome {
            Ok(value) => (FutureState::Finished, Slot::Value(value)),
            Err(error) if error.is_cancelled() => {
                (FutureState::CancelledAndNotified, Slot::Error(error))
            }
            Err(error) => (FutureState::Finished, Slot::Error(error)),
        };
        self.finish(inner, state, slot, false);
        Ok(())
    }

    /// Registers the hook for a consumer's cancellation, or runs it at once if that has been.
    pub(crate) fn on_cancel(&self, hook: CancelHook) {
        let mut inner = self.lock();
        if inner.state.is_cancelled() {
            drop(inner);
            contain("the cancel hook", hook);
        } else if !inner.state.is_done() {
            let replaced = inner.observers.on_cancel.replace(hook);
            drop(inner);
            contain("the destructor of a cancel hook", || drop(replaced));
        }
    }

    // The consumers' side.

    pub(crate) fn cancel(self: &Arc<Self>) -> bool {
        let inner = self.lock();
        let state = match inner.state {
            FutureState::Pending => FutureState::Cancelled,
            FutureState::Running if inner.cancel_while_running => FutureState::CancelledAndNotified,
            state => return state.is_cancelled(),
        };
        self.finish(inner, state, Slot::Error(ConcurrentError::Cancelled), true);
        true
    }

    pub(crate) fn add_done_callback(self: &Arc<Self>, callback: Callback<T>) {
        let mut inner = self.lock();
        if inner.state.is_done() {
            drop(inner);
            let future = ConcurrentFuture::new(Arc::clone(self));
            contain("a done callback", || callback(&future));
        } else {
            inner.observers.callbacks.push(callback);
        }
    }

    /// Adds `watch`, or says whether the finished future counts as failed.
    pub(crate) fn watch(&self, watch: Watch<T>) -> Option<bool> {
        let mut inner = self.lock();
        if !inner.state.is_done() {
            inner.observers.watches.push(watch);
            return None;
        }
        // The value has to be at home to be judged.
        inner = self.await_return(inner);
        Some(inner.slot.failed(&watch))
    }

    pub(crate) fn unwatch(&self, watch: &Watch<T>) {
        let mut inner = self.lock();
        inner
            .observers
            .watches
            .retain(|other| !other.same_wait(watch));
    }

    /// Refuses a wait that could never end. Nothing is locked while the guard is asked.
    pub(crate) fn check_blocking(&self, timeout: Option<Duration>) -> Result<(), WouldDeadlock> {
        match &self.guard {
            Some(guard) if timeout != Some(Duration::ZERO) => guard.check(timeout),
            _ => Ok(()),
        }
    }

    /// Blocks until the future is done.
    pub(crate) fn block(
        &self,
        timeout: Option<Duration>,
    ) -> Result<Guard<'_, Inner<T>>, ConcurrentError> {
        let mut inner = self.lock();
        if !inner.state.is_done() {
            drop(inner);
            self.check_blocking(timeout)?;
            inner = self
                .lock()
                .wait_while(timeout, |inner| !inner.state.is_done());
            if !inner.state.is_done() {
                return Err(ConcurrentError::TimedOut);
            }
        }
        Ok(inner)
    }

    /// Clones the outcome of a future that is done.
    pub(crate) fn clone_outcome(&self, inner: Guard<'_, Inner<T>>) -> Result<T, ConcurrentError>
    where
        T: Clone,
    {
        let value = self.take_outcome(inner, Slot::Lent(current_thread()))?;
        let loan = Loan {
            shared: self,
            value: Some(value),
        };
        Ok(loan
            .value
            .as_ref()
            .expect("a loan is given back only when it is dropped")
            .clone())
    }

    /// Moves the outcome of a future that is done out of it; an error stays for the others.
    pub(crate) fn move_outcome(&self, inner: Guard<'_, Inner<T>>) -> Result<T, ConcurrentError> {
        self.take_outcome(inner, Slot::Taken)
    }

    /// Registers `waker` for one awaiting future, which keeps the key between its polls; `true`
    /// if there is nothing to wait for.
    pub(crate) fn register(&self, key: &mut Option<u64>, waker: Waker) -> bool {
        let mut inner = self.lock();
        if inner.state.is_done() {
            drop(inner);
            drop(waker);
            return true;
        }
        let known = key.unwrap_or(inner.next_waker);
        let replaced = match inner
            .observers
            .wakers
            .iter_mut()
            .find(|(key, _)| *key == known)
        {
            Some((_, old)) => Some(mem::replace(old, waker)),
            None => {
                inner.next_waker += 1;
                inner.observers.wakers.push((known, waker));
                None
            }
        };
        *key = Some(known);
        drop(inner);
        // A waker's destructor is not our code.
        drop(replaced);
        false
    }

    /// Forgets the waker of an awaiting future that was dropped.
    pub(crate) fn unregister(&self, key: u64) {
        let mut inner = self.lock();
        let wakers = &mut inner.observers.wakers;
        let removed = wakers
            .iter()
            .position(|(other, _)| *other == key)
            .map(|at| wakers.remove(at));
        drop(inner);
        drop(removed);
    }

    // Helpers.

    fn finish(
        self: &Arc<Self>,
        mut inner: Guard<'_, Inner<T>>,
        state: FutureState,
        slot: Slot<T>,
        by_consumer: bool,
    ) {
        inner.state = state;
        inner.slot = slot;
        let observers = mem::take(&mut inner.observers);
        for watch in &observers.watches {
            watch.done(inner.slot.failed(watch));
        }
        inner.unlock_and_notify_all();

        if let Some(hook) = observers.on_cancel {
            if by_consumer {
                contain("the cancel hook", hook);
            } else {
                contain("the destructor of a cancel hook", || drop(hook));
            }
        }
        for (_, waker) in observers.wakers {
            contain("a waker", || waker.wake());
        }
        if !observers.callbacks.is_empty() {
            let future = ConcurrentFuture::new(Arc::clone(self));
            for callback in observers.callbacks {
                contain("a done callback", || callback(&future));
            }
        }
    }

    fn take_outcome(
        &self,
        inner: Guard<'_, Inner<T>>,
        leave: Slot<T>,
    ) -> Result<T, ConcurrentError> {
        let mut inner = self.await_return(inner);
        match &inner.slot {
            Slot::Value(_) => {}
            Slot::Error(error) => return Err(error.clone()),
            Slot::Lent(_) => {
                return Err(WouldDeadlock::new(
                    "the value was asked for from inside its own clone",
                )
                .into());
            }
            Slot::Empty | Slot::Taken => return Err(ConcurrentError::Taken),
        }
        match mem::replace(&mut inner.slot, leave) {
            Slot::Value(value) => Ok(value),
            _ => unreachable!("the slot was looked at under the same lock"),
        }
    }

    /// Waits until no other thread is cloning the value. The thread that does it itself goes on.
    fn await_return<'a>(&'a self, inner: Guard<'a, Inner<T>>) -> Guard<'a, Inner<T>> {
        let lent = |inner: &Inner<T>| match inner.slot {
            Slot::Lent(borrower) => borrower != current_thread(),
            _ => false,
        };
        if lent(&inner) {
            inner.wait_while(None, |inner| lent(inner))
        } else {
            inner
        }
    }
}

impl<T> Slot<T> {
    fn failed(&self, watch: &Watch<T>) -> bool {
        match self {
            Slot::Value(value) => watch.counts_as_failed(value),
            Slot::Error(error) => !error.is_cancelled(),
            Slot::Empty | Slot::Lent(_) | Slot::Taken => false,
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Which side goes last is a race: a value that panics in its destructor must not decide
        // by it whose thread it takes down.
        let slot = mem::replace(&mut self.monitor.get_mut().slot, Slot::Taken);
        contain("the destructor of the outcome", || drop(slot));
    }
}

/// A value that is being cloned; it goes back when this is dropped, also by a panic.
struct Loan<'a, T> {
    shared: &'a Shared<T>,
    value: Option<T>,
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            let mut inner = self.shared.lock();
            inner.slot = Slot::Value(value);
            inner.unlock_and_notify_all();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{ReturnWhen, as_completed, concurrent_future, wait};

    #[test]
    fn a_wait_over_many_leaves_no_watch_behind() {
        let (_promise, future) = concurrent_future::<()>();
        let futures = [future.clone()];
        let none = Some(Duration::ZERO);
        wait(&futures, none, ReturnWhen::AllCompleted).unwrap();
        let in_vain = as_completed(&futures, none).next().unwrap();
        assert!(in_vain.is_err());
        let dropped = as_completed(&futures, None);
        assert_eq!(future.shared().lock().observers.watches.len(), 1);
        drop(dropped);
        assert_eq!(future.shared().lock().observers.watches.len(), 0);
    }
}
