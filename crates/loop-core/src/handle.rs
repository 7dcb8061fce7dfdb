//! Handles to scheduled callbacks.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use loop_timers::TimerKey;

use crate::clock::Nanos;
use crate::core::Core;

/// A callback scheduled with [`call_soon`](crate::EventLoop::call_soon).
///
/// Dropping it does not cancel the callback.
///
/// # asyncio
/// `asyncio.Handle`. A handle cannot be cloned, so that [`cancelled`](Handle::cancelled) is its own business.
pub struct Handle {
    core: Rc<Core>,
    position: u64,
    cancelled: Cell<bool>,
}

impl Handle {
    #[inline]
    pub(crate) fn new(core: Rc<Core>, position: u64) -> Handle {
        Handle {
            core,
            position,
            cancelled: Cell::new(false),
        }
    }

    /// Cancels the callback: it is dropped now and never runs. Does nothing the second time, or if it has run.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::new()?;
    /// let handle = event_loop.call_soon(|| unreachable!())?;
    /// handle.cancel();
    /// event_loop.run_once(None)?;
    /// assert!(handle.cancelled());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        if !self.cancelled.replace(true) {
            let job = self.core.ready.borrow_mut().cancel(self.position);
            drop(job);
        }
    }

    /// Whether [`cancel`](Handle::cancel) was called.
    ///
    /// # Examples
    /// See [`cancel`](Handle::cancel).
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.cancelled.get()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<Handle #{}{}>",
            self.position,
            if self.cancelled() { " cancelled" } else { "" }
        )
    }
}

/// A callback scheduled with [`call_later`](crate::EventLoop::call_later) or
/// [`call_at`](crate::EventLoop::call_at).
///
/// Dropping it does not cancel the callback.
///
/// # asyncio
/// `asyncio.TimerHandle`.
pub struct TimerHandle {
    core: Rc<Core>,
    key: TimerKey,
    when: Nanos,
    cancelled: Cell<bool>,
}

impl TimerHandle {
    #[inline]
    pub(crate) fn new(core: Rc<Core>, key: TimerKey, when: Nanos) -> TimerHandle {
        TimerHandle {
            core,
            key,
            when,
            cancelled: Cell::new(false),
        }
    }

    /// Cancels the callback: it is dropped now and never runs, also if its time has come and it stands in the
    /// ready queue. Does nothing the second time, or if it has run.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::builder().virtual_clock().build()?;
    /// let handle = event_loop.call_later(Duration::from_secs(3600), || unreachable!())?;
    /// handle.cancel();
    /// assert!(handle.cancelled() && event_loop.next_deadline().is_none());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        if !self.cancelled.replace(true) {
            let job = self.core.timers.borrow_mut().remove(self.key);
            drop(job);
        }
    }

    /// Whether [`cancel`](TimerHandle::cancel) was called.
    ///
    /// # Examples
    /// See [`cancel`](TimerHandle::cancel).
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.cancelled.get()
    }

    /// When the callback is due, on the loop's clock.
    ///
    /// # asyncio
    /// `TimerHandle.when()`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::builder().virtual_clock().build()?;
    /// let when = event_loop.time() + Duration::from_secs(1);
    /// assert_eq!(event_loop.call_at(when, || {})?.when(), when);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn when(&self) -> Instant {
        self.core.clock.nanos_to_instant(self.when)
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.cancelled() { " cancelled" } else { "" };
        write!(f, "<TimerHandle when={:?}{state}>", self.when())
    }
}
