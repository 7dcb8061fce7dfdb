//! A future in miniature that makes one mistake, to see that the models notice.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};

use super::Subject;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mistake {
    None,
    /// M2: waiters are woken before there is anything to see.
    NotifyBeforeStore,
    /// M3: the callbacks are taken, the lock is released, and the state changes under the next.
    CallbacksApart,
    /// M4: one of many waiters is woken.
    NotifyOne,
    /// The state is checked under one lock and changed under the next.
    CheckThenClaim,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Pending,
    Running,
    Cancelled,
    Finished(u32),
}

struct Inner {
    state: State,
    callbacks: Vec<Box<dyn FnOnce() + Send>>,
}

#[derive(Clone)]
pub(crate) struct Mutant {
    mistake: Mistake,
    shared: Arc<(Mutex<Inner>, Condvar)>,
}

impl Mutant {
    pub(crate) fn with(mistake: Mistake) -> Self {
        let inner = Inner {
            state: State::Pending,
            callbacks: Vec::new(),
        };
        Mutant {
            mistake,
            shared: Arc::new((Mutex::new(inner), Condvar::new())),
        }
    }

    fn finish(&self, allowed: fn(State) -> bool, state: State) -> bool {
        let (lock, changed) = &*self.shared;
        if self.mistake == Mistake::NotifyBeforeStore {
            // Without the lock: under it, the order of the two would not matter.
            changed.notify_all();
        }
        let mut inner = lock.lock().unwrap();
        if !allowed(inner.state) {
            return false;
        }
        let callbacks = std::mem::take(&mut inner.callbacks);
        if matches!(
            self.mistake,
            Mistake::CheckThenClaim | Mistake::CallbacksApart
        ) {
            drop(inner);
            inner = lock.lock().unwrap();
        }
        inner.state = state;
        match self.mistake {
            Mistake::NotifyBeforeStore => {}
            Mistake::NotifyOne => changed.notify_one(),
            _ => changed.notify_all(),
        }
        drop(inner);
        for callback in callbacks {
            callback();
        }
        true
    }
}

impl Subject for Mutant {
    fn new() -> Self {
        Mutant::with(Mistake::None)
    }

    fn set_running(&self) -> bool {
        let mut inner = self.shared.0.lock().unwrap();
        if inner.state == State::Pending {
            inner.state = State::Running;
        }
        inner.state == State::Running
    }

    fn set_result(&self, value: u32) -> bool {
        let allowed = |state| matches!(state, State::Pending | State::Running);
        self.finish(allowed, State::Finished(value))
    }

    fn cancel(&self) -> bool {
        self.finish(|state| state == State::Pending, State::Cancelled)
    }

    fn result(&self) -> Option<u32> {
        let (lock, changed) = &*self.shared;
        let mut inner = lock.lock().unwrap();
        loop {
            match inner.state {
                State::Finished(value) => return Some(value),
                State::Cancelled => return None,
                State::Pending | State::Running => inner = changed.wait(inner).unwrap(),
            }
        }
    }

    fn add_done_callback(&self, callback: impl FnOnce() + Send + 'static) {
        let mut inner = self.shared.0.lock().unwrap();
        if matches!(inner.state, State::Pending | State::Running) {
            inner.callbacks.push(Box::new(callback));
        } else {
            drop(inner);
            callback();
        }
    }
}
