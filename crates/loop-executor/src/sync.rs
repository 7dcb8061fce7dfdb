//! The one seam to locks and threads: std's, or loom's when the models are built.
//!
//! No code of a caller ever runs under one of these locks, so a poisoned one means nothing.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

#[cfg(loom)]
pub(crate) use loom::{
    sync::{Condvar, Mutex, MutexGuard},
    thread, thread_local,
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread, thread_local,
};

pub(crate) fn lock<S>(mutex: &Mutex<S>) -> MutexGuard<'_, S> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time of the threads that wait here.
#[expect(
    clippy::disallowed_methods,
    reason = "a blocked thread waits in real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for the condition variable while `unchanged` holds, and no longer than `timeout`.
pub(crate) fn wait_while<'a, S>(
    changed: &Condvar,
    mut guard: MutexGuard<'a, S>,
    timeout: Option<Duration>,
    mut unchanged: impl FnMut(&S) -> bool,
) -> MutexGuard<'a, S> {
    // A deadline too far to be represented is never reached.
    let deadline = timeout.and_then(|timeout| now().checked_add(timeout));
    while unchanged(&guard) {
        guard = match deadline.map(|deadline| deadline.saturating_duration_since(now())) {
            None => changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Some(Duration::ZERO) => break,
            Some(left) => {
                let waited = changed.wait_timeout(guard, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
    guard
}
