//! The one seam to the locks: std's, or loom's when the models are built.
//!
//! Everything shared between threads in this crate sits in a [`Monitor`]: a mutex with the
//! condition variable that tells of its changes. No code of a caller ever runs while one is
//! locked, so a poisoned lock means nothing and is ignored.

use std::time::Duration;
use std::time::Instant;

pub(crate) use imp::{Guard, Monitor, ThreadId, current_thread};

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
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    pub(crate) use std::thread::ThreadId;

    pub(crate) type Guard<'a, S> = MutexGuard<'a, S>;

    pub(crate) fn current_thread() -> ThreadId {
        std::thread::current().id()
    }

    pub(crate) struct Monitor<S> {
        state: Mutex<S>,
        changed: Condvar,
    }

    impl<S> Monitor<S> {
        pub(crate) fn new(state: S) -> Self {
            Monitor {
                state: Mutex::new(state),
                changed: Condvar::new(),
            }
        }

        pub(crate) fn lock(&self) -> Guard<'_, S> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Waits while `unchanged` holds, and no longer than `timeout`.
        pub(crate) fn wait_while<'a>(
            &self,
            guard: Guard<'a, S>,
            timeout: Option<Duration>,
            unchanged: impl FnMut(&mut S) -> bool,
        ) -> Guard<'a, S> {
            match timeout {
                None => self
                    .changed
                    .wait_while(guard, unchanged)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(timeout) => {
                    self.changed
                        .wait_timeout_while(guard, timeout, unchanged)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            }
        }

        pub(crate) fn notify_all(&self) {
            self.changed.notify_all();
        }

        pub(crate) fn get_mut(&mut self) -> &mut S {
            self.state.get_mut().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(loom)]
mod imp {
    use std::sync::{Arc, PoisonError};
    use std::time::Duration;

    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) use loom::thread::ThreadId;

    pub(crate) type Guard<'a, S> = MutexGuard<'a, S>;

    pub(crate) fn current_thread() -> ThreadId {
        loom::thread::current().id()
    }

    pub(crate) struct Monitor<S> {
        state: Mutex<S>,
        changed: Arc<Condvar>,
    }

    impl<S> Monitor<S> {
        pub(crate) fn new(state: S) -> Self {
            Monitor {
                state: Mutex::new(state),
                changed: Arc::new(Condvar::new()),
            }
        }

        pub(crate) fn lock(&self) -> Guard<'_, S> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Time is a thread here: wherever the model lets it run, there the timeout is over.
        pub(crate) fn wait_while<'a>(
            &self,
            mut guard: Guard<'a, S>,
            timeout: Option<Duration>,
            mut unchanged: impl FnMut(&mut S) -> bool,
        ) -> Guard<'a, S> {
            if timeout == Some(Duration::ZERO) {
                return guard;
            }
            let expired = Arc::new(AtomicBool::new(false));
            if timeout.is_some() {
                let (expired, changed) = (Arc::clone(&expired), Arc::clone(&self.changed));
                loom::thread::spawn(move || {
                    expired.store(true, Ordering::SeqCst);
                    changed.notify_all();
                });
            }
            while unchanged(&mut guard) && !expired.load(Ordering::SeqCst) {
                guard = self
                    .changed
                    .wait(guard)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            guard
        }

        pub(crate) fn notify_all(&self) {
            self.changed.notify_all();
        }

        pub(crate) fn get_mut(&mut self) -> &mut S {
            self.state.get_mut().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
