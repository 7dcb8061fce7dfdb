//! Whose worker this thread is.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loop_bridge::{BlockingGuard, WouldDeadlock};

use crate::sync::thread_local;

/// What tells one pool from another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolId(u64);

thread_local! {
    #[cfg_attr(
        not(loom),
        expect(
            clippy::missing_const_for_thread_local,
            reason = "loom's macro knows no const block"
        )
    )]
    static WORKS_FOR: Cell<Option<PoolId>> = Cell::new(None);
}

impl PoolId {
    pub(crate) fn next() -> Self {
        // Not a protocol: a number that nobody else has. Loom need not know of it.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        PoolId(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// Makes this thread a worker of the pool, for good.
    pub(crate) fn enter(self) {
        WORKS_FOR.with(|pool| pool.set(Some(self)));
    }

    /// Refuses what must not be done in a worker of the pool.
    pub(crate) fn refuse_inside(self) -> Result<(), WouldDeadlock> {
        // A thread that is so far gone that it has no locals any more runs no jobs.
        match WORKS_FOR.try_with(Cell::get) {
            Ok(Some(pool)) if pool == self => Err(WouldDeadlock::inside_worker()),
            _ => Ok(()),
        }
    }
}

/// Refuses waits without an end in workers of the pool: the job may be queued behind the very one
/// that waits. With a timeout the wait ends anyway.
///
/// It refuses them all, also those that might go well because another worker is free: whether one
/// is would be a matter of luck, and programs would fail when they are busy.
impl BlockingGuard for PoolId {
    fn check(&self, timeout: Option<Duration>) -> Result<(), WouldDeadlock> {
        match timeout {
            Some(_) => Ok(()),
            None => self.refuse_inside(),
        }
    }
}
