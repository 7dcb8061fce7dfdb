//! The one seam to the locks: std's, or loom's when the models are built.
//!
//! Everything shared between threads in this crate sits in a [`Monitor`]: a mutex with the
//! condition variable that tells of its changes. No code of a caller ever runs while one is
//! locked, so a poisoned lock means nothing and is ignored.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

pub(crate) use imp::{ThreadId, current_thread};

/// A value behind a lock, and threads that wait for it to change.
pub(crate) struct Monitor<S> {
    cell: imp::Mutex<Cell<S>>,
    changed: imp::Condvar,
}

struct Cell<S> {
    value: S,
    /// How many threads wait. Telling nobody costs no system call.
    sleepers: usize,
}

/// The right to the value of a locked [`Monitor`].
pub(crate) struct Guard<'a, S> {
    cell: imp::MutexGuard<'a, Cell<S>>,
    changed: &'a imp::Condvar,
}

impl<S> Monitor<S> {
    pub(crate) fn new(value: S) -> Self {
        let cell = imp::Mutex::new(Cell { value, sleepers: 0 });
        Monitor {
            cell,
            changed: imp::Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_, S> {
        let cell = self.cell.lock().unwrap_or_else(PoisonError::into_inner);
        Guard {
            cell,
            changed: &self.changed,
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut S {
        &mut self
            .cell
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .value
    }
}

impl<S> Guard<'_, S> {
    /// Unlocks, and wakes every thread that waits, in this order: one that is woken runs at once where there is one
    /// processor, and would only find the lock closed.
    ///
    /// Whoever calls this keeps the monitor alive: what a woken thread does with its own reference is not known here.
    pub(crate) fn unlock_and_notify_all(self) {
        let (changed, sleepers) = (self.changed, self.cell.sleepers);
        drop(self);
        // One who begins to wait now has seen the change.
        if sleepers > 0 {
            changed.notify_all();
        }
    }

    /// Waits while `unchanged` holds, and no longer than `timeout`.
    pub(crate) fn wait_while(
        mut self,
        timeout: Option<Duration>,
        mut unchanged: impl FnMut(&mut S) -> bool,
    ) -> Self {
        self.cell.sleepers += 1;
        let unchanged = |cell: &mut Cell<S>| unchanged(&mut cell.value);
        let mut cell = imp::wait_while(self.changed, self.cell, timeout, unchanged);
        cell.sleepers -= 1;
        Guard {
            cell,
            changed: self.changed,
        }
    }
}

impl<S> Deref for Guard<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.cell.value
    }
}

impl<S> DerefMut for Guard<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.cell.value
    }
}

/// The moment at which a blocking wait gives up, or never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline `timeout` from now; one too far to be represented is never reached.
    #[expect(
        clippy::disallowed_methods,
        reason = "a blocked thread waits in real time"
    )]
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// What is left until then: `None` for ever, zero once it has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "a blocked thread waits in real time"
    )]
    pub(crate) fn left(self) -> Option<Duration> {
        self.0
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

#[cfg(not(loom))]
mod imp {
    use std::sync::PoisonError;
    use std::time::Duration;

    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::thread::ThreadId;

    pub(crate) fn current_thread() -> ThreadId {
        std::thread::current().id()
    }

    pub(crate) fn wait_while<'a, S>(
        changed: &Condvar,
        guard: MutexGuard<'a, S>,
        timeout: Option<Duration>,
        unchanged: impl FnMut(&mut S) -> bool,
    ) -> MutexGuard<'a, S> {
        match timeout {
            None => changed
                .wait_while(guard, unchanged)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = changed.wait_timeout_while(guard, timeout, unchanged);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

#[cfg(loom)]
mod imp {
    use std::sync::{Arc, PoisonError};
    use std::time::Duration;

    use loom::sync::atomic::{AtomicBool, Ordering};

    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use loom::thread::ThreadId;

    pub(crate) struct Condvar(Arc<loom::sync::Condvar>);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Condvar(Arc::new(loom::sync::Condvar::new()))
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    pub(crate) fn current_thread() -> ThreadId {
        loom::thread::current().id()
    }

    /// Time is a thread here: wherever the model lets it run, there the timeout is over.
    pub(crate) fn wait_while<'a, S>(
        changed: &Condvar,
        mut guard: MutexGuard<'a, S>,
        timeout: Option<Duration>,
        mut unchanged: impl FnMut(&mut S) -> bool,
    ) -> MutexGuard<'a, S> {
        if timeout == Some(Duration::ZERO) {
            return guard;
        }
        let expired = Arc::new(AtomicBool::new(false));
        if timeout.is_some() {
            let (expired, changed) = (Arc::clone(&expired), Arc::clone(&changed.0));
            loom::thread::spawn(move || {
                expired.store(true, Ordering::SeqCst);
                changed.notify_all();
            });
        }
        while unchanged(&mut guard) && !expired.load(Ordering::SeqCst) {
            guard = changed
                .0
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        guard
    }
}
