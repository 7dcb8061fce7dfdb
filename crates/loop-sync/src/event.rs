//! A flag to wait for.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use crate::lock::write_waiters;
use crate::waiters::Waiters;

/// A flag that tasks wait for: `asyncio.Event`.
///
/// A cheap reference: clones name the same event.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_sync::Event;
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let event = Event::new();
/// let setter = event.clone();
/// event_loop.call_soon(move || setter.set())?;
/// event_loop.run_until_complete(event.wait())?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Event(Rc<Inner>);

#[derive(Default)]
struct Inner {
    set: Cell<bool>,
    waiters: Waiters,
}

impl Event {
    /// Makes an event that is not set.
    ///
    /// # asyncio
    /// `asyncio.Event()`.
    ///
    /// # Examples
    /// See [`Event`].
    #[must_use]
    pub fn new() -> Event {
        Event::default()
    }

    /// Whether it is set.
    ///
    /// # asyncio
    /// `Event.is_set()`.
    ///
    /// # Examples
    /// See [`clear`](Event::clear).
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.set.get()
    }

    /// Sets it and wakes all who wait. From now on nobody waits for it.
    ///
    /// # Ordering
    /// Each waiting task steps one hop later, in the order in which they came, even if the event is cleared before.
    ///
    /// # asyncio
    /// `Event.set()`.
    ///
    /// # Examples
    /// See [`clear`](Event::clear).
    pub fn set(&self) {
        if !self.0.set.replace(true) {
            self.0.waiters.wake(self.0.waiters.len());
        }
    }

    /// Clears it: from now on whoever comes waits.
    ///
    /// # asyncio
    /// `Event.clear()`.
    ///
    /// # Examples
    /// ```
    /// let event = loop_sync::Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    pub fn clear(&self) {
        self.0.set.set(false);
    }

    /// Waits until it is set: without a hop if it is.
    ///
    /// # Panics
    /// When it has to wait where no loop is running, or while tasks of another loop wait for it.
    ///
    /// # Cancel safety
    /// Cancelled or dropped, it has changed nothing.
    ///
    /// # asyncio
    /// `await event.wait()`.
    ///
    /// # Examples
    /// See [`Event`].
    pub fn wait(&self) -> impl Future<Output = ()> + use<> {
        let event = self.clone();
        async move {
            if !event.is_set() {
                event.0.waiters.wait(|_| {}).await;
            }
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Event [{}", if self.is_set() { "set" } else { "unset" })?;
        write_waiters(&self.0.waiters, f)?;
        f.write_str("]>")
    }
}
