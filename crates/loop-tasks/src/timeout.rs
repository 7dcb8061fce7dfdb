//! Deadlines for whatever a task does.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use loop_core::{EventLoop, Handle, TimerHandle};
use pin_project_lite::pin_project;

use crate::cancel::{self, Frame, FramePoll};
use crate::cell::AnyFuture;
use crate::current;
use crate::sleep::running_loop;

/// The time was over.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Created,
    Active,
    /// The deadline came, and the task was asked to cancel.
    Expiring,
    Expired,
    Finished,
}

enum Alarm {
    Soon(Handle),
    Timer(TimerHandle),
}

#[derive(Clone, Copy)]
enum When {
    Never,
    After(Duration),
    At(Instant),
}

struct Inner {
    stage: Cell<Stage>,
    when: Cell<When>,
    alarm: RefCell<Option<Alarm>>,
    /// The task that it was entered in, and how many requests that had then.
    task: RefCell<Option<AnyFuture>>,
    requests: Cell<u32>,
    stall: Cell<Duration>,
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
        Timeout(Rc::new(Inner {
            stage: Cell::new(Stage::Created),
            when: Cell::new(when),
            alarm: RefCell::default(),
            task: RefCell::default(),
            requests: Cell::new(0),
            stall: Cell::new(Duration::ZERO),
        }))
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
        TimeoutRun {
            frame: Frame::default(),
            inner: Some(future.into_future()),
            timeout: self.clone(),
        }
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
        if self.0.stage.get() != Stage::Active {
            return Err(NotActive);
        }
        self.0.when.set(deadline.map_or(When::Never, When::At));
        self.set_alarm();
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
        let task = self.0.task.borrow().clone();
        let Some(task) = task else {
            return Err(NotActive);
        };
        let now = task.header().owner.event_loop().time();
        self.reschedule(delay.and_then(|delay| now.checked_add(delay)))
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

    fn enter(&self) {
        let task = current::current().expect("Timeout should be used inside a task");
        let core = task.task().expect("the current task is one");
        assert!(
            self.0.stage.get() == Stage::Created,
            "a Timeout is used once"
        );
        self.0.stage.set(Stage::Active);
        self.0.requests.set(core.requests.get());
        if let When::After(delay) = self.0.when.get() {
            let now = task.header().owner.event_loop().time();
            self.0
                .when
                .set(now.checked_add(delay).map_or(When::Never, When::At));
        }
        self.0.task.replace(Some(task));
        self.set_alarm();
    }

    fn set_alarm(&self) {
        self.clear_alarm();
        let When::At(deadline) = self.0.when.get() else {
            return;
        };
        let event_loop = running_loop("a timeout");
        let this = self.clone();
        let ring = move || this.ring();
        // A deadline that is due already is no timer: it is the next callback.
        let alarm = if deadline <= event_loop.time() {
            event_loop.call_soon(ring).map(Alarm::Soon).ok()
        } else {
            event_loop.call_at(deadline, ring).map(Alarm::Timer).ok()
        };
        self.0.alarm.replace(alarm);
    }

    fn clear_alarm(&self) {
        match self.0.alarm.take() {
            Some(Alarm::Soon(handle)) => handle.cancel(),
            Some(Alarm::Timer(handle)) => handle.cancel(),
            None => {}
        }
    }

    fn ring(&self) {
        let alarm = self.0.alarm.take();
        drop(alarm);
        let task = self.0.task.borrow().clone();
        if let (Some(task), Stage::Active) = (task, self.0.stage.get()) {
            self.0
                .stall
                .set(stall_of(&task.header().owner.event_loop()));
            task.cancel();
            self.0.stage.set(Stage::Expiring);
        }
    }

    /// Leaves, with the future done or interrupted. Whether the interrupt was this deadline's own.
    fn leave(&self) -> bool {
        self.clear_alarm();
        let task = self.0.task.take();
        match self.0.stage.get() {
            Stage::Expiring => {
                self.0.stage.set(Stage::Expired);
                let core = task.as_ref().and_then(AnyFuture::task);
                core.is_some_and(|core| cancel::uncancel(core) <= self.0.requests.get())
            }
            _ => {
                self.0.stage.set(Stage::Finished);
                false
            }
        }
    }
}

fn stall_of(event_loop: &EventLoop) -> Duration {
    event_loop.stall()
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Timeout [{:?}]>", self.0.stage.get())
    }
}

/// Runs `future` for at most `delay`.
///
/// At the deadline the task is cancelled where it stands, and that becomes [`Elapsed`] here. What is inside may
/// clean up, and may even finish: then its result counts. `future` may borrow. [`Duration::MAX`] is no limit.
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

pin_project! {
    /// The future of [`timeout`] and [`Timeout::run`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct TimeoutRun<F> {
        frame: Frame,
        #[pin]
        inner: Option<F>,
        timeout: Timeout,
    }

    impl<F> PinnedDrop for TimeoutRun<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // First what is inside: it may give back the very request that is taken back below.
            this.inner.set(None);
            if matches!(this.timeout.0.stage.get(), Stage::Active | Stage::Expiring) {
                this.timeout.leave();
            }
        }
    }
}

impl<F> fmt::Debug for TimeoutRun<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timeout.fmt(f)
    }
}

impl<F: Future> Future for TimeoutRun<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this
            .inner
            .as_mut()
            .as_pin_mut()
            .expect("polled after it was ready");
        if this.timeout.0.task.borrow().is_none() {
            this.timeout.enter();
        }
        match this.frame.poll(inner, cx) {
            FramePoll::Pending => Poll::Pending,
            FramePoll::Ready(value) => {
                this.inner.set(None);
                this.timeout.leave();
                Poll::Ready(Ok(value))
            }
            FramePoll::Interrupted => {
                Frame::clear(this.inner);
                if this.timeout.leave() {
                    return Poll::Ready(Err(Elapsed::new(this.timeout.0.stall.get())));
                }
                cancel::raise();
                Poll::Pending
            }
        }
    }
}
