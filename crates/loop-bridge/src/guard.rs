//! The check that keeps a thread from blocking on itself.

use std::thread::ThreadId;
use std::time::Duration;

use loop_core::LoopHandle;

use crate::WouldDeadlock;

/// Says on which threads a blocking wait for a future can never end.
///
/// Whoever makes a future gives it a guard ([`guarded_future`](crate::guarded_future)); it is
/// asked, with no lock held, before a wait for a future that is not done would block. A
/// [`ThreadId`] is a guard that refuses that one thread, a [`LoopHandle`] one that refuses the
/// thread its loop is bound to, running or not: nobody else can run that loop. Any closure of the
/// right shape is a guard too.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_bridge::{ConcurrentError, WouldDeadlock, guarded_future};
///
/// let worker = |timeout: Option<Duration>| match timeout {
///     Some(_) => Ok(()),
///     None => Err(WouldDeadlock::inside_worker()),
/// };
/// let (promise, future) = guarded_future::<u32>(worker);
/// assert!(matches!(future.result(None), Err(ConcurrentError::WouldDeadlock(_))));
/// promise.set_result(5).unwrap();
/// assert_eq!(future.result(None).unwrap(), 5); // done: nothing to wait for
/// ```
pub trait BlockingGuard: Send + Sync {
    /// Refuses the wait if this thread must not block, for at most `timeout`, on the future.
    ///
    /// # Errors
    /// [`WouldDeadlock`] if the outcome cannot come while this thread waits for it.
    fn check(&self, timeout: Option<Duration>) -> Result<(), WouldDeadlock>;
}

impl BlockingGuard for ThreadId {
    fn check(&self, _timeout: Option<Duration>) -> Result<(), WouldDeadlock> {
        if std::thread::current().id() == *self {
            Err(WouldDeadlock::new(
                "blocking wait on the thread that produces the result",
            ))
        } else {
            Ok(())
        }
    }
}

impl BlockingGuard for LoopHandle {
    fn check(&self, _timeout: Option<Duration>) -> Result<(), WouldDeadlock> {
        if self.thread_id() == Some(std::thread::current().id()) {
            Err(WouldDeadlock::on_loop_thread())
        } else {
            Ok(())
        }
    }
}

impl<F> BlockingGuard for F
where
    F: Fn(Option<Duration>) -> Result<(), WouldDeadlock> + Send + Sync,
{
    fn check(&self, timeout: Option<Duration>) -> Result<(), WouldDeadlock> {
        self(timeout)
    }
}
