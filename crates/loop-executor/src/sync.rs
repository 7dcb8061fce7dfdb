//! The one seam to locks and threads: std's, or loom's when the models are built.
//!
//! No code of a caller ever runs under one of these locks, so a poisoned one means nothing.

use std::sync::PoisonError;

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

/// Waits for the condition variable while `unchanged` holds.
pub(crate) fn wait_while<'a, S>(
    changed: &Condvar,
    mut guard: MutexGuard<'a, S>,
    mut unchanged: impl FnMut(&S) -> bool,
) -> MutexGuard<'a, S> {
    while unchanged(&guard) {
        guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
    guard
}
