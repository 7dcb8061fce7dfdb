//! The door for a layer that runs something better than callbacks on a loop, such as tasks.

#![expect(
    unsafe_code,
    reason = "every task that is made or done asks for the runtime: Any would call a function to learn its type"
)]

use std::any::{Any, TypeId};
use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use loop_timers::TimerKey;

use crate::EventLoop;
use crate::clock::{Nanos, nanos};
use crate::core::Core;
use crate::current::with_running;
use crate::error::NoRunningLoop;
use crate::raw::{Job, RawJob};
use crate::waker::WakeKey;

/// What a layer of tasks (or of a language's own coroutines) tells its loop.
///
/// A loop has at most one, set by [`LoopRef::runtime_or_init`]. `loop-tasks` is one; an embedder that brings its
/// own writes another.
///
/// # Examples
/// See [`LoopRef::runtime_or_init`].
pub trait Runtime: Any {
    /// Somebody called a waker made by [`LoopRef::waker`] for this key, which may be stale, or even that of a loop
    /// which had this loop's number before. Runs on the loop's thread: at once if the call was made there while the
    /// loop was running, in step 3 of an iteration otherwise.
    ///
    /// A panic goes to the exception handler in the second case, and to whoever called the waker in the first.
    fn wake(&self, key: WakeKey);

    /// A job unwound with this panic. Returns it if it was none of the runtime's business.
    fn recover(&self, panic: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>>;

    /// The loop is closing: what is unfinished will never be finished.
    fn close(&self);

    /// What is still waiting, oldest first, for [`Stuck`](crate::Stuck).
    fn waiting(&self) -> Vec<String>;
}

/// The runtime of a loop, which knows its type without being asked.
///
/// Invariant: `runtime` is of the type that `type_id` names.
pub(crate) struct Installed {
    type_id: TypeId,
    runtime: Box<dyn Runtime>,
}

impl Installed {
    fn new<R: Runtime>(runtime: R) -> Installed {
        Installed {
            type_id: TypeId::of::<R>(),
            runtime: Box::new(runtime),
        }
    }

    #[inline]
    fn downcast<R: Runtime>(&self) -> Option<&R> {
        let runtime: *const dyn Runtime = &*self.runtime;
        // SAFETY: it is an `R` (compared, and the invariant), borrowed for as long as `self`.
        (self.type_id == TypeId::of::<R>()).then(|| unsafe { &*runtime.cast::<R>() })
    }
}

impl Deref for Installed {
    type Target = dyn Runtime;

    #[inline]
    fn deref(&self) -> &(dyn Runtime + 'static) {
        &*self.runtime
    }
}

/// A reference to a loop that does not keep it open: for what lives on the loop.
///
/// An [`EventLoop`] is what a program holds, and the last one to be dropped closes the loop. A future that held
/// one would keep its own loop open, so it holds this.
#[derive(Clone, Debug)]
pub struct LoopRef(Rc<Core>);

/// A moment of a loop's clock, in the loop's own count: cheaper to come by and to compare than an [`Instant`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// let event_loop = loop_core::EventLoop::builder().virtual_clock().build()?;
/// let reference = event_loop.loop_ref();
/// let later = reference.now().checked_add(Duration::from_secs(1)).unwrap();
/// assert!(later > reference.now());
/// assert_eq!(reference.instant_of(later), event_loop.time() + Duration::from_secs(1));
/// assert_eq!(reference.time_of(event_loop.time()), reference.now());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoopTime(Nanos);

impl LoopTime {
    /// The moment that is `delay` later; `None` if there is no end to that.
    ///
    /// # Examples
    /// See [`LoopTime`].
    #[must_use]
    #[inline]
    pub fn checked_add(self, delay: Duration) -> Option<LoopTime> {
        self.0.checked_add(nanos(delay)).map(LoopTime)
    }
}

/// The name of a timer among those of its loop: see [`LoopRef::schedule_later`]. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId(TimerKey);

/// A [`LoopRef`] that does not keep the memory of the loop either.
#[derive(Clone, Debug)]
pub struct WeakLoop(Weak<Core>);

impl WeakLoop {
    /// The loop, if its memory is still there; it may be closed.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let weak = event_loop.loop_ref().downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(event_loop);
    /// assert!(weak.upgrade().is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<LoopRef> {
        self.0.upgrade().map(LoopRef)
    }
}

impl LoopRef {
    #[inline]
    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.0
    }

    pub(crate) fn new(core: Rc<Core>) -> LoopRef {
        LoopRef(core)
    }

    /// The loop that is running in this thread: as [`get_running_loop`](crate::get_running_loop), for a layer that has
    /// no use for an [`EventLoop`].
    ///
    /// # Errors
    /// [`NoRunningLoop`] outside of callbacks and tasks, and in a child that a callback has forked.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, LoopRef};
    /// let event_loop = EventLoop::new()?;
    /// let reference = event_loop.loop_ref();
    /// event_loop.call_soon(move || assert!(LoopRef::running().unwrap().same(&reference)))?;
    /// event_loop.run_once(None)?;
    /// assert!(LoopRef::running().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn running() -> Result<LoopRef, NoRunningLoop> {
        with_running(|core| LoopRef(Rc::clone(core))).ok_or(NoRunningLoop)
    }

    /// Whether this loop is the one that is running in this thread.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let reference = event_loop.loop_ref();
    /// assert!(!reference.is_running());
    /// event_loop.call_soon(move || assert!(reference.is_running()))?;
    /// event_loop.run_once(None)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_running(&self) -> bool {
        with_running(|core| Rc::ptr_eq(core, &self.0)).unwrap_or(false)
    }

    /// The loop itself.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert_eq!(event_loop.loop_ref().event_loop(), event_loop);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn event_loop(&self) -> EventLoop {
        EventLoop::from_core(Rc::clone(&self.0))
    }

    /// A reference that keeps nothing.
    ///
    /// # Examples
    /// See [`WeakLoop::upgrade`].
    #[must_use]
    pub fn downgrade(&self) -> WeakLoop {
        WeakLoop(Rc::downgrade(&self.0))
    }

    /// Whether both name the same loop.
    ///
    /// # Examples
    /// ```
    /// let (a, b) = (loop_core::EventLoop::new()?, loop_core::EventLoop::new()?);
    /// assert!(a.loop_ref().same(&a.loop_ref()) && !a.loop_ref().same(&b.loop_ref()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn same(&self, other: &LoopRef) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// The loop's number, never used twice in a process.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert_eq!(event_loop.loop_ref().id(), event_loop.id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn id(&self) -> u64 {
        self.0.shared.id
    }

    /// Whether the loop is closed.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let reference = event_loop.loop_ref();
    /// event_loop.close()?;
    /// assert!(reference.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Puts a job at the end of the ready queue; drops it if the loop is closed.
    ///
    /// # Ordering
    /// As [`EventLoop::call_soon`].
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, Job};
    /// struct Hello;
    /// impl Job for Hello {
    ///     fn run(self, event_loop: &EventLoop) {
    ///         event_loop.stop();
    ///     }
    /// }
    /// let event_loop = EventLoop::new()?;
    /// event_loop.loop_ref().schedule(Hello);
    /// event_loop.run_forever()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn schedule(&self, job: impl Job) {
        if self.0.is_closed() {
            return;
        }
        let job = RawJob::new(job);
        self.0.ready.borrow_mut().push(job);
    }

    /// The time, as the loop counts it.
    ///
    /// # Examples
    /// See [`LoopTime`].
    #[must_use]
    #[inline]
    pub fn now(&self) -> LoopTime {
        LoopTime(self.0.clock.now())
    }

    /// A moment, as the loop counts it.
    ///
    /// # Examples
    /// See [`LoopTime`].
    #[must_use]
    pub fn time_of(&self, moment: Instant) -> LoopTime {
        LoopTime(self.0.clock.instant_to_nanos(moment))
    }

    /// A moment as everybody else counts it.
    ///
    /// # Examples
    /// See [`LoopTime`].
    #[must_use]
    pub fn instant_of(&self, time: LoopTime) -> Instant {
        self.0.clock.nanos_to_instant(time.0)
    }

    /// Runs a job after `delay`; drops it if the loop is closed. For a layer that keeps the timer's name where a
    /// [`TimerHandle`](crate::TimerHandle) would be too large.
    ///
    /// # Ordering
    /// As [`EventLoop::call_later`].
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_core::{EventLoop, Job};
    /// struct Stop;
    /// impl Job for Stop {
    ///     fn run(self, event_loop: &EventLoop) {
    ///         event_loop.stop();
    ///     }
    /// }
    /// let event_loop = EventLoop::builder().virtual_clock().build()?;
    /// let reference = event_loop.loop_ref();
    /// let early = reference.schedule_later(Duration::from_secs(1), Stop);
    /// let now = reference.now();
    /// reference.schedule_at(now, now.checked_add(Duration::from_secs(2)).unwrap(), Stop);
    /// reference.cancel_timer(early.unwrap());
    /// let start = event_loop.time();
    /// event_loop.run_forever()?;
    /// assert_eq!(event_loop.time() - start, Duration::from_secs(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn schedule_later(&self, delay: Duration, job: impl Job) -> Option<TimerId> {
        let now = self.0.clock.now();
        self.schedule_timer(now, now.saturating_add(nanos(delay)), job)
    }

    /// Runs a job at the moment `when` of the loop's clock, which the caller has just read: it is `now`. Otherwise as
    /// [`schedule_later`](Self::schedule_later).
    ///
    /// # Examples
    /// See [`schedule_later`](Self::schedule_later).
    #[inline]
    pub fn schedule_at(&self, now: LoopTime, when: LoopTime, job: impl Job) -> Option<TimerId> {
        self.schedule_timer(now.0, when.0, job)
    }

    #[inline]
    fn schedule_timer(&self, now: Nanos, when: Nanos, job: impl Job) -> Option<TimerId> {
        if self.0.is_closed() {
            return None;
        }
        let timer = self.0.add_timer(Some(now), when, RawJob::new(job));
        Some(TimerId(timer))
    }

    /// Cancels a timer: its job is dropped now and never runs. Does nothing if it has run.
    ///
    /// # Examples
    /// See [`schedule_later`](Self::schedule_later).
    #[inline]
    pub fn cancel_timer(&self, timer: TimerId) {
        let job = self.0.timers.borrow_mut().remove(timer.0);
        drop(job);
    }

    /// A waker that calls [`Runtime::wake`] with `key`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, WakeKey};
    /// let event_loop = EventLoop::new()?;
    /// let waker = event_loop.loop_ref().waker(WakeKey::new(0, 0));
    /// drop(event_loop);
    /// waker.wake(); // the loop is gone: nothing happens
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn waker(&self, key: WakeKey) -> Waker {
        key.waker(self.0.index)
    }

    /// Whether a waker is the one that [`waker`](Self::waker) makes for `key`: what `will_wake` says, without making it.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, WakeKey};
    /// let event_loop = EventLoop::new()?;
    /// let (reference, key) = (event_loop.loop_ref(), WakeKey::new(0, 0));
    /// assert!(reference.is_waker_of(key, &reference.waker(key)));
    /// assert!(!reference.is_waker_of(key, std::task::Waker::noop()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_waker_of(&self, key: WakeKey, waker: &Waker) -> bool {
        key.is_named_by(waker, self.0.index)
    }

    /// The runtime of this loop, if it is an `R`.
    ///
    /// # Examples
    /// See [`runtime_or_init`](Self::runtime_or_init).
    #[must_use]
    #[inline]
    pub fn runtime<R: Runtime>(&self) -> Option<&R> {
        self.0.runtime.get()?.downcast()
    }

    /// The runtime of this loop, made now if there is none.
    ///
    /// # Panics
    /// If the loop has a runtime of another type.
    ///
    /// # Examples
    /// ```
    /// use std::any::{Any, TypeId};
    /// use loop_core::{EventLoop, Runtime, WakeKey};
    /// struct Mine;
    /// impl Runtime for Mine {
    ///     fn wake(&self, _: WakeKey) {}
    ///     fn recover(&self, panic: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
    ///         Some(panic)
    ///     }
    ///     fn close(&self) {}
    ///     fn waiting(&self) -> Vec<String> {
    ///         Vec::new()
    ///     }
    /// }
    /// let event_loop = EventLoop::new()?;
    /// let reference = event_loop.loop_ref();
    /// reference.runtime_or_init(|| Mine);
    /// assert!(reference.runtime::<Mine>().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn runtime_or_init<R: Runtime>(&self, make: impl FnOnce() -> R) -> &R {
        let installed = self.0.runtime.get_or_init(|| Installed::new(make()));
        installed
            .downcast()
            .expect("the loop has a runtime of another type: one layer of tasks is all it takes")
    }

    /// What another layer keeps on this loop: made at the first call, dropped when the loop closes, the newest first.
    /// `None` if the loop is closed and has none of this type.
    ///
    /// # Examples
    /// ```
    /// #[derive(Default)]
    /// struct Counter(std::cell::Cell<u32>);
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let reference = event_loop.loop_ref();
    /// reference.extension::<Counter>().unwrap().0.set(1);
    /// assert_eq!(reference.extension::<Counter>().unwrap().0.get(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn extension<T: Default + 'static>(&self) -> Option<Rc<T>> {
        match self.find_extension() {
            None if !self.is_closed() => self.make_extension(),
            found => found,
        }
    }

    #[cold]
    fn make_extension<T: Default + 'static>(&self) -> Option<Rc<T>> {
        // Made before it is entered: `default` may ask for another extension, for this one, or close.
        let made: Rc<T> = Rc::default();
        if let Some(first) = self.find_extension() {
            return Some(first);
        }
        if self.is_closed() {
            return None;
        }
        let entry: Rc<dyn Any> = made.clone();
        let mut extensions = self.0.extensions.borrow_mut();
        extensions.push((TypeId::of::<T>(), entry));
        drop(extensions);
        Some(made)
    }

    #[inline]
    fn find_extension<T: 'static>(&self) -> Option<Rc<T>> {
        let extensions = self.0.extensions.borrow();
        let wanted = TypeId::of::<T>();
        let (_, extension) = extensions.iter().find(|(id, _)| *id == wanted)?;
        Rc::clone(extension).downcast().ok()
    }
}
