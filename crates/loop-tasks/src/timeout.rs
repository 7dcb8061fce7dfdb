//! Deadlines for whatever a task does.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loop_core::{EventLoop, Handle, Job, LoopRef, LoopTime, TimerId};

use crate::cell::TaskRef;
use crate::own_request::OwnRequest;
use crate::timeout_run::TimeoutRun;

/// The time was over.
///
/// With `?` it becomes an [`io::Error`] too, [`TimedOut`](io::ErrorKind::TimedOut), with this inside.
///
/// # asyncio
/// `TimeoutError`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed {
    stall: Duration,
}

impl Elapsed {
    pub(crate) fn new(stall: Duration) -> Elapsed {
        Elapsed { stall }
    }

    /// For how long the loop had been busy and had not looked at its timers when this one was found to be due.
    ///
    /// Near zero, the operation was slow. If it is a good part of the timeout, the operation may have been innocent:
    /// something blocked the loop. Debug mode says what.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, timeout};
    /// let event_loop = EventLoop::builder().virtual_clock().build()?;
    /// let elapsed = event_loop
    ///     .run_until_complete(timeout(Duration::from_secs(1), std::future::pending::<()>()))?
    ///     .unwrap_err();
    /// assert_eq!(elapsed.loop_stall(), Duration::ZERO); // nobody can block virtual time
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn loop_stall(&self) -> Duration {
        self.stall
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has elapsed")?;
        if self.stall >= Duration::from_millis(1) {
            write!(f, ", after the loop was blocked for {:.1?}", self.stall)?;
        }
        Ok(())
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}

/// The timeout is not active: it has not begun, or it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotActive;

impl fmt::Display for NotActive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the timeout is not active: it is rescheduled while its future runs")
    }
}

impl std::error::Error for NotActive {}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Created,
    Active,
    /// The deadline came, and the task was asked to cancel.
    Expiring,
    Expired,
    Finished,
}

enum Alarm {
    Soon(Handle),
    Timer(TimerId),
}

#[derive(Clone, Copy, Default)]
enum When {
    #[default]
    Never,
    /// Before it begins: from then on.
    After(Duration),
    At(Instant),
    /// On the clock of the loop that it runs on.
    Due(LoopTime),
}

#[derive(Default)]
struct Inner {
    stage: Cell<Stage>,
    when: Cell<When>,
    /// Since it began.
    owner: OnceCell<LoopRef>,
    alarm: RefCell<Option<Alarm>>,
    stall: Cell<Duration>,
    own: OwnRequest,
}

thread_local! {
    /// The memory of a timeout that is over: timeouts are mostly made one after the other.
    static SPARE: Cell<Option<Rc<Inner>>> = const { Cell::new(None) };
}

/// A deadline that can be moved while it runs: `asyncio.Timeout`.
///
/// A cheap reference: clones name the same deadline.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, Timeout, sleep};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// event_loop.run_until_complete(async {
///     let limit = Timeout::new(Duration::from_secs(1));
///     let inside = limit.clone();
///     let result = limit
///         .run(async move {
///             inside.reschedule_after(Some(Duration::from_secs(60))).unwrap();
///             sleep(Duration::from_secs(10)).await;
///         })
///         .await;
///     assert!(result.is_ok() && !limit.expired());
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Timeout(Rc<Inner>);

impl Timeout {
    fn with(when: When) -> Timeout {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        let timeout = Timeout(spare.unwrap_or_default());
        timeout.0.when.set(when);
        timeout
    }

    /// Keeps the memory for the next one, if nobody else holds it.
    pub(crate) fn recycle(&mut self) {
        if let Some(inner) = Rc::get_mut(&mut self.0) {
            *inner = Inner::default();
            // Where the thread is ending there is no next one.
            let former = SPARE.try_with(|spare| spare.replace(Some(Rc::clone(&self.0))));
            drop(former);
        }
    }

    /// A limit of `delay`, from when [`run`](Timeout::run) is first polled. [`Duration::MAX`] is none.
    ///
    /// # asyncio
    /// `asyncio.timeout(delay)`.
    ///
    /// # Examples
    /// See [`Timeout`].
    #[must_use]
    pub fn new(delay: Duration) -> Timeout {
        Timeout::with(if delay == Duration::MAX {
            When::Never
        } else {
            When::After(delay)
        })
    }

    /// A limit at `deadline` of the loop's clock.
    ///
    /// # asyncio
    /// `asyncio.timeout_at(when)`.
    ///
    /// # Examples
    /// See [`timeout_at`].
    #[must_use]
    pub fn at(deadline: Instant) -> Timeout {
        Timeout::with(When::At(deadline))
    }

    /// No limit yet: see [`reschedule`](Timeout::reschedule).
    ///
    /// # asyncio
    /// `asyncio.timeout(None)`.
    ///
    /// # Examples
    /// ```
    /// assert!(!loop_tasks::Timeout::never().expired());
    /// ```
    #[must_use]
    pub fn never() -> Timeout {
        Timeout::with(When::Never)
    }

    /// Runs a future under this deadline.
    ///
    /// At the deadline the task is cancelled, and the interrupt that reaches this place becomes [`Elapsed`] if it is
    /// this deadline's own. `future` may borrow.
    ///
    /// # Panics
    /// When it is polled outside of a task, or if this deadline was used before.
    ///
    /// # Cancel safety
    /// Dropped early, it stops its timer and takes its request back.
    ///
    /// # asyncio
    /// `async with timeout:`.
    ///
    /// # Examples
    /// See [`Timeout`].
    pub fn run<F: IntoFuture>(&self, future: F) -> TimeoutRun<F::IntoFuture> {
        TimeoutRun::new(self.clone(), future.into_future())
    }

    /// Moves the deadline; `None` takes it away.
    ///
    /// # Errors
    /// [`NotActive`] if the future does not run, or the deadline has come.
    ///
    /// # asyncio
    /// `Timeout.reschedule(when)`.
    ///
    /// # Examples
    /// ```
    /// let limit = loop_tasks::Timeout::never();
    /// assert!(limit.reschedule(None).is_err());
    /// ```
    pub fn reschedule(&self, deadline: Option<Instant>) -> Result<(), NotActive> {
        let owner = self.active()?;
        self.move_to(owner, deadline.map(|deadline| owner.time_of(deadline)));
        Ok(())
    }

    /// Moves the deadline to `delay` from now; `None` takes it away.
    ///
    /// # Errors
    /// As [`reschedule`](Timeout::reschedule).
    ///
    /// # Examples
    /// See [`Timeout`].
    pub fn reschedule_after(&self, delay: Option<Duration>) -> Result<(), NotActive> {
        let owner = self.active()?;
        self.move_to(
            owner,
            delay.and_then(|delay| owner.now().checked_add(delay)),
        );
        Ok(())
    }

    fn active(&self) -> Result<&LoopRef, NotActive> {
        let owner = self.0.owner.get().ok_or(NotActive)?;
        match self.0.stage.get() {
            Stage::Active => Ok(owner),
            _ => Err(NotActive),
        }
    }

    /// The deadline, once it is known.
    ///
    /// # asyncio
    /// `Timeout.when()`.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(loop_tasks::Timeout::never().when(), None);
    /// ```
    #[must_use]
    pub fn when(&self) -> Option<Instant> {
        match self.0.when.get() {
            When::At(deadline) => Some(deadline),
            When::Due(due) => self.0.owner.get().map(|owner| owner.instant_of(due)),
            When::Never | When::After(_) => None,
        }
    }

    /// Whether the deadline came before the future was done.
    ///
    /// # asyncio
    /// `Timeout.expired()`.
    ///
    /// # Examples
    /// See [`Timeout`].
    #[must_use]
    pub fn expired(&self) -> bool {
        matches!(self.0.stage.get(), Stage::Expiring | Stage::Expired)
    }

    fn move_to(&self, owner: &LoopRef, due: Option<LoopTime>) {
        self.clear_alarm();
        self.0.when.set(due.map_or(When::Never, When::Due));
        if let Some(due) = due {
            self.set_alarm(owner, due, owner.now());
        }
    }

    fn set_alarm(&self, owner: &LoopRef, due: LoopTime, now: LoopTime) {
        let ring = Ring(self.clone());
        // A deadline that is due already is no timer: it is the next callback.
        let alarm = if due <= now {
            let ring = move || ring.0.ring();
            owner.event_loop().call_soon(ring).map(Alarm::Soon).ok()
        } else {
            owner.schedule_at(now, due, ring).map(Alarm::Timer)
        };
        self.0.alarm.replace(alarm);
    }

    fn clear_alarm(&self) {
        match self.0.alarm.take() {
            Some(Alarm::Soon(handle)) => handle.cancel(),
            Some(Alarm::Timer(timer)) => {
                if let Some(owner) = self.0.owner.get() {
                    owner.cancel_timer(timer);
                }
            }
            None => {}
        }
    }

    fn ring(&self) {
        let alarm = self.0.alarm.take();
        drop(alarm);
        if let (Some(task), Stage::Active) = (self.0.own.task(), self.0.stage.get())
            && !task.is_settled()
        {
            self.0.stall.set(task.header().owner.event_loop().stall());
            self.0.stage.set(Stage::Expiring);
            self.0.own.ask();
        }
    }

    pub(crate) fn own(&self) -> &OwnRequest {
        &self.0.own
    }

    pub(crate) fn elapsed(&self) -> Elapsed {
        Elapsed::new(self.0.stall.get())
    }

    /// A run begins inside the current task.
    pub(crate) fn enter(&self, task: &TaskRef) {
        assert!(
            self.0.stage.get() == Stage::Created,
            "a Timeout is used once"
        );
        self.0.stage.set(Stage::Active);
        self.0.own.enter(task);
        let owner = self.0.owner.get_or_init(|| task.header().owner.clone());
        let now = match self.0.when.get() {
            When::Never => return,
            _ => owner.now(),
        };
        let due = match self.0.when.get() {
            When::After(delay) => now.checked_add(delay),
            When::At(deadline) => Some(owner.time_of(deadline)),
            When::Due(due) => Some(due),
            When::Never => None,
        };
        self.0.when.set(due.map_or(When::Never, When::Due));
        if let Some(due) = due {
            self.set_alarm(owner, due, now);
        }
    }

    /// The run is over, or interrupted. Whether the interrupt was this deadline's own.
    pub(crate) fn leave(&self) -> bool {
        self.clear_alarm();
        self.0.stage.set(match self.0.stage.get() {
            Stage::Expiring => Stage::Expired,
            _ => Stage::Finished,
        });
        self.0.own.take_back()
    }
}

/// The job of a timer.
struct Ring(Timeout);

impl Job for Ring {
    fn run(self, _: &EventLoop) {
        self.0.ring();
    }

    fn name() -> &'static str {
        "the deadline of a timeout"
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.0.stage.get() {
            Stage::Created => "created",
            Stage::Active => "active",
            Stage::Expiring => "expiring",
            Stage::Expired => "expired",
            Stage::Finished => "finished",
        };
        write!(f, "<Timeout [{stage}]>")
    }
}

/// Runs `future` for at most `delay`.
///
/// At the deadline the task is cancelled where it stands, and that becomes [`Elapsed`] here. What is inside may
/// clean up, and may even finish: then its result counts. `future` may borrow. [`Duration::MAX`] is no limit.
/// Several in one task, in a `join!`, are each for what it holds, and leave the rest alone.
///
/// # Panics
/// When it is polled outside of a task.
///
/// # Cancel safety
/// Dropped early, it stops its timer and takes its request back.
///
/// # asyncio
/// `async with asyncio.timeout(delay):`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, sleep, timeout};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// event_loop.run_until_complete(async {
///     let second = Duration::from_secs(1);
///     assert!(timeout(second, sleep(2 * second)).await.is_err());
///     assert!(timeout(2 * second, sleep(second)).await.is_ok());
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn timeout<F: IntoFuture>(delay: Duration, future: F) -> TimeoutRun<F::IntoFuture> {
    Timeout::new(delay).run(future)
}

/// Runs `future` until `deadline` of the loop's clock at most. Otherwise as [`timeout`].
///
/// # Panics
/// When it is polled outside of a task.
///
/// # asyncio
/// `async with asyncio.timeout_at(when):`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, timeout_at};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// let deadline = event_loop.time() + Duration::from_secs(1);
/// let never = std::future::pending::<()>();
/// assert!(event_loop.run_until_complete(timeout_at(deadline, never))?.is_err());
/// assert_eq!(event_loop.time(), deadline);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> TimeoutRun<F::IntoFuture> {
    Timeout::at(deadline).run(future)
}
