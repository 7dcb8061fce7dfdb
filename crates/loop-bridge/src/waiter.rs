//! One wait over many futures: what they report to, and the mark it leaves in each of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::Monitor;

/// Collects which futures of a wait are done, in the order in which they were.
pub(crate) struct Waiter {
    monitor: Monitor<Report>,
}

#[derive(Default)]
pub(crate) struct Report {
    /// Positions in the wait's list of futures.
    pub(crate) done: VecDeque<usize>,
    /// Whether one of them failed.
    pub(crate) failed: bool,
}

impl Waiter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Waiter {
            monitor: Monitor::new(Report::default()),
        })
    }

    /// A future finishes with its own lock held, so that reports come in the order of completion.
    /// That is the only order of these two locks.
    pub(crate) fn report(&self, position: usize, failed: bool) {
        let mut report = self.monitor.lock();
        report.done.push_back(position);
        report.failed |= failed;
        report.unlock_and_notify_all();
    }

    /// Blocks until `enough` and gives what it has, or after `timeout` whatever there is.
    pub(crate) fn wait<R>(
        &self,
        timeout: Option<Duration>,
        mut enough: impl FnMut(&Report) -> bool,
        take: impl FnOnce(&mut Report) -> R,
    ) -> R {
        let report = self.monitor.lock();
        take(&mut report.wait_while(timeout, |report| !enough(report)))
    }
}

/// A wait's mark in one of its futures.
pub(crate) struct Watch<T> {
    waiter: Arc<Waiter>,
    position: usize,
    failed: fn(&T) -> bool,
}

impl<T> Watch<T> {
    /// `failed` runs under the lock of the future: it must be code of this crate.
    pub(crate) fn new(waiter: &Arc<Waiter>, position: usize, failed: fn(&T) -> bool) -> Self {
        Watch {
            waiter: Arc::clone(waiter),
            position,
            failed,
        }
    }

    pub(crate) fn done(&self, failed: bool) {
        self.waiter.report(self.position, failed);
    }

    pub(crate) fn counts_as_failed(&self, value: &T) -> bool {
        (self.failed)(value)
    }

    pub(crate) fn same_wait(&self, other: &Watch<T>) -> bool {
        Arc::ptr_eq(&self.waiter, &other.waiter)
    }
}
