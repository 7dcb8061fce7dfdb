//! The loop as its own thread sees it.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::clock::{Nanos, nanos};
use crate::core::{Core, Phase};
use crate::error::LoopClosed;
use crate::handle::{Handle, TimerHandle};
use crate::raw::{Call, Placed, RawJob};
use crate::ready::Place;
use crate::remote::LoopHandle;
use crate::runtime::LoopRef;
use crate::unbound::LoopBuilder;

/// An event loop, bound to the thread that made it.
///
/// A cheap reference: clones name the same loop, and comparing them compares identity. It is not `Send`, so that
/// "one loop, one thread" is checked by the compiler; what another thread may hold is a [`LoopHandle`]. When the
/// last one goes without [`close`](EventLoop::close), the loop says so and closes itself. (A callback that is
/// queued on a loop and holds an `EventLoop` for the same loop keeps it open, like any cycle of references: close
/// loops that you did not run to the end.)
///
/// # asyncio
/// `asyncio.EventLoop`. `call_soon`, `call_later` and `call_at` are not thread-safe there; here they cannot be
/// called from another thread:
///
/// ```compile_fail
/// let event_loop = loop_core::EventLoop::new().unwrap();
/// std::thread::spawn(move || event_loop.stop());
/// ```
pub struct EventLoop(Rc<Core>);

impl EventLoop {
    /// Makes a loop for this thread. It is not running, and not the current one.
    ///
    /// # Errors
    /// If the process has 65,536 loops already.
    ///
    /// # asyncio
    /// `asyncio.new_event_loop()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::new()?;
    /// assert!(!event_loop.is_running() && !event_loop.is_closed());
    /// event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> std::io::Result<EventLoop> {
        LoopBuilder::default().build()
    }

    /// Starts to describe a loop: its clock, its debug mode, how often it polls.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::builder().virtual_clock().debug(true).build()?;
    /// assert!(event_loop.get_debug());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn builder() -> LoopBuilder {
        LoopBuilder::default()
    }

    #[inline]
    pub(crate) fn from_core(core: Rc<Core>) -> EventLoop {
        core.users.set(core.users.get() + 1);
        EventLoop(core)
    }

    #[inline]
    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.0
    }

    /// A reference for what lives on the loop and must not keep it open.
    ///
    /// # Examples
    /// See [`LoopRef`].
    #[must_use]
    #[inline]
    pub fn loop_ref(&self) -> LoopRef {
        LoopRef::new(Rc::clone(&self.0))
    }

    /// What other threads may hold of this loop.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let thread = std::thread::spawn(move || handle.stop());
    /// event_loop.run_forever()?;
    /// thread.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(self.0.shared.clone())
    }

    /// The loop's number, never used twice in a process.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// assert_ne!(EventLoop::new()?.id(), EventLoop::new()?.id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.shared.id
    }

    /// Schedules a callback for the next iteration.
    ///
    /// # Ordering
    /// First in, first out, each once. What a callback schedules runs in the iteration after its own. Timers that
    /// come due join the queue behind what stands in it.
    ///
    /// # Errors
    /// [`LoopClosed`] with the closure, if the loop is closed.
    ///
    /// # asyncio
    /// `loop.call_soon(callback, *args)`; arguments are what the closure captures.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// # use std::{cell::RefCell, rc::Rc};
    /// let event_loop = EventLoop::new()?;
    /// let log = Rc::new(RefCell::new(Vec::new()));
    /// for i in 0..3 {
    ///     let log = Rc::clone(&log);
    ///     event_loop.call_soon(move || log.borrow_mut().push(i))?;
    /// }
    /// event_loop.run_once(None)?;
    /// assert_eq!(*log.borrow(), [0, 1, 2]);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_soon<F: FnOnce() + 'static>(&self, callback: F) -> Result<Handle, LoopClosed<F>> {
        let core = &self.0;
        if core.is_closed() {
            return Err(LoopClosed(callback));
        }
        if core.debug.get() {
            return Ok(self.queue(placed(callback, Location::caller())));
        }
        Ok(self.queue(RawJob::new(Call(callback))))
    }

    #[inline(always)]
    fn queue(&self, job: RawJob) -> Handle {
        let position = self.0.ready.borrow_mut().push(job);
        Handle::new(Rc::clone(&self.0), position)
    }

    /// Schedules a callback for `delay` from now.
    ///
    /// # Ordering
    /// By deadline; equal deadlines in the order of the calls. A delay of zero is a timer that is due at once: it
    /// runs in the next iteration, behind what `call_soon` queued before that iteration began. Among 100 timers or more,
    /// one may be met up to 100 microseconds late, together with others.
    ///
    /// # Errors
    /// [`LoopClosed`] with the closure, if the loop is closed. Any `Duration` is accepted; one of centuries never
    /// comes.
    ///
    /// # asyncio
    /// `loop.call_later(delay, callback, *args)`. For delays as `float` see [`seconds`](crate::seconds); for one
    /// that is negative, [`call_at`](EventLoop::call_at).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_core::{EventLoop, get_running_loop};
    /// let event_loop = EventLoop::builder().virtual_clock().build()?;
    /// let start = event_loop.time();
    /// event_loop.call_later(Duration::from_secs(3600), || get_running_loop().unwrap().stop())?;
    /// event_loop.run_forever()?;
    /// assert_eq!(event_loop.time() - start, Duration::from_secs(3600));
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_later<F: FnOnce() + 'static>(
        &self,
        delay: Duration,
        callback: F,
    ) -> Result<TimerHandle, LoopClosed<F>> {
        let now = self.0.clock.now();
        self.timer(Some(now), now.saturating_add(nanos(delay)), callback)
    }

    /// Schedules a callback for the moment `when` of the loop's clock.
    ///
    /// # Ordering
    /// As [`call_later`](EventLoop::call_later). A moment in the past keeps its rank: the older deadline is first.
    ///
    /// # Errors
    /// [`LoopClosed`] with the closure, if the loop is closed.
    ///
    /// # asyncio
    /// `loop.call_at(when, callback, *args)`.
    ///
    /// # Examples
    /// See [`TimerHandle::when`].
    #[inline]
    #[track_caller]
    pub fn call_at<F: FnOnce() + 'static>(
        &self,
        when: Instant,
        callback: F,
    ) -> Result<TimerHandle, LoopClosed<F>> {
        self.timer(None, self.0.clock.instant_to_nanos(when), callback)
    }

    #[inline]
    #[track_caller]
    fn timer<F: FnOnce() + 'static>(
        &self,
        now: Option<Nanos>,
        when: Nanos,
        callback: F,
    ) -> Result<TimerHandle, LoopClosed<F>> {
        let core = &self.0;
        if core.is_closed() {
            return Err(LoopClosed(callback));
        }
        let job = if core.debug.get() {
            placed(callback, Location::caller())
        } else {
            RawJob::new(Call(callback))
        };
        let key = core.add_timer(now, when, job);
        Ok(TimerHandle::new(Rc::clone(core), key, when))
    }

    /// The loop's monotonic clock: what deadlines are compared with.
    ///
    /// # asyncio
    /// `loop.time()`, a `float` of seconds there.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert!(event_loop.time() <= event_loop.time());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn time(&self) -> Instant {
        self.0.clock.nanos_to_instant(self.0.clock.now())
    }

    /// When the next timer is due.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let event_loop = loop_core::EventLoop::builder().virtual_clock().build()?;
    /// assert_eq!(event_loop.next_deadline(), None);
    /// event_loop.call_later(Duration::from_millis(5), || {})?;
    /// assert_eq!(event_loop.next_deadline(), Some(event_loop.time() + Duration::from_millis(5)));
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.0.timers.borrow_mut().next_deadline()?;
        Some(self.0.clock.nanos_to_instant(deadline))
    }

    /// For how long the loop has been busy without a look at its timers.
    ///
    /// That is the time before the last look, or the time since then, if a callback asks and that is longer: a timer that
    /// fires late since a callback blocked finds the length of that block here, whether the block was in the same
    /// iteration or in the one before. Zero if there was no timer to look at, and in virtual time.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert_eq!(event_loop.stall(), Duration::ZERO);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn stall(&self) -> Duration {
        Duration::from_nanos(self.0.stall_at(self.0.clock.now()))
    }

    /// Whether the loop is being run.
    ///
    /// # Examples
    /// See [`new`](EventLoop::new).
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.0.phase.get() == Phase::Running
    }

    /// Whether the loop is closed.
    ///
    /// # Examples
    /// See [`close`](EventLoop::close).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Ends `run_forever` after the present iteration, or after one pass if it has not begun.
    ///
    /// What is queued by then and later stays queued, and runs when the loop is run again. It does not close the
    /// loop.
    ///
    /// # asyncio
    /// `loop.stop()`.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// event_loop.stop();
    /// event_loop.run_forever()?; // one pass
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop(&self) {
        self.0.stopping.set(true);
    }

    /// Whether debug mode is on.
    ///
    /// # Examples
    /// See [`set_debug`](EventLoop::set_debug).
    #[must_use]
    pub fn get_debug(&self) -> bool {
        self.0.debug.get()
    }

    /// Turns debug mode on or off: callbacks remember who scheduled them, slow ones are reported when they end
    /// ([`set_slow_callback_duration`](EventLoop::set_slow_callback_duration)), those that do not end while they
    /// last ([`set_blocked_after`](EventLoop::set_blocked_after)).
    ///
    /// # asyncio
    /// `loop.set_debug(enabled)`. The checks for calls from the wrong thread are the compiler's here.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// event_loop.set_debug(true);
    /// assert!(event_loop.get_debug());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_debug(&self, enabled: bool) {
        self.0.debug.set(enabled);
        self.0.shared.debug.store(enabled, Ordering::Relaxed);
        if !enabled {
            self.0.shared.running.leave();
        }
    }

    /// Sets from how long on a callback counts as slow in debug mode. By default, 100 ms.
    ///
    /// # asyncio
    /// `loop.slow_callback_duration`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// event_loop.set_slow_callback_duration(Duration::from_millis(20));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.0.slow_callback.set(duration);
    }

    /// Sets from how long on a callback that has not ended is reported: see [`LoopBuilder::blocked_after`]. It counts for
    /// callbacks that begin from now on.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// event_loop.set_blocked_after(Duration::from_secs(5));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_blocked_after(&self, duration: Duration) {
        self.0.shared.running.set_blocked_after(duration);
    }
}

/// What is scheduled in debug mode.
#[cold]
fn placed<F: FnOnce() + 'static>(callback: F, place: Place) -> RawJob {
    RawJob::new(Placed(Call(callback), place))
}

impl Clone for EventLoop {
    #[inline]
    fn clone(&self) -> Self {
        EventLoop::from_core(Rc::clone(&self.0))
    }
}

impl PartialEq for EventLoop {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for EventLoop {}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
