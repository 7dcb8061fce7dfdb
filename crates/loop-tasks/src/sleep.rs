//! Sleeping and yielding.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use loop_core::{EventLoop, Job, LoopRef, TimerId};

use crate::current;
use crate::gate::{Gate, GateOpener};
use crate::step;

/// Waits for `delay`. A delay of zero yields once, as [`yield_now`].
///
/// # Panics
/// When it is awaited where no loop is running.
///
/// # Ordering
/// When the delay is over, the timer is a ready callback that settles what the task waits for; the task steps one
/// iteration later.
///
/// # Cancel safety
/// Dropping it stops the timer.
///
/// # asyncio
/// `asyncio.sleep(delay)`; with a result, [`sleep_result`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, sleep};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// let start = event_loop.time();
/// event_loop.run_until_complete(sleep(Duration::from_secs(60)))?;
/// assert_eq!(event_loop.time() - start, Duration::from_secs(60));
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sleep(delay: Duration) -> Sleep {
    Sleep(if delay.is_zero() {
        State::Yield(yield_now())
    } else {
        State::After(delay)
    })
}

/// Waits until `deadline` of the loop's clock. One that is past yields once.
///
/// # Panics
/// When it is awaited where no loop is running.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, sleep_until};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// let deadline = event_loop.time() + Duration::from_secs(60);
/// event_loop.run_until_complete(sleep_until(deadline))?;
/// assert_eq!(event_loop.time(), deadline);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep(State::At(deadline))
}

/// Waits for `delay` and gives `result`.
///
/// # Panics
/// As [`sleep`].
///
/// # asyncio
/// `asyncio.sleep(delay, result)`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, sleep_result};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// assert_eq!(event_loop.run_until_complete(sleep_result(Duration::from_secs(1), 42))?, 42);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn sleep_result<T>(delay: Duration, result: T) -> T {
    sleep(delay).await;
    result
}

/// The future of [`sleep`].
#[must_use = "futures do nothing unless they are awaited"]
#[derive(Debug)]
pub struct Sleep(State);

#[derive(Debug)]
enum State {
    Yield(YieldNow),
    After(Duration),
    At(Instant),
    Waiting(Waiting),
}

struct Waiting {
    gate: Gate,
    timer: Option<TimerId>,
}

impl Waiting {
    /// Begins to wait for the timer that `schedule` makes.
    #[inline]
    fn begin(
        cx: &mut Context<'_>,
        schedule: impl FnOnce(&LoopRef, Wake) -> Option<TimerId>,
    ) -> Waiting {
        let (gate, opener) = Gate::begin(cx, "sleep");
        let timer = gate.owner().and_then(|owner| schedule(owner, Wake(opener)));
        Waiting { gate, timer }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gate.fmt(f)
    }
}

impl Drop for Waiting {
    #[inline]
    fn drop(&mut self) {
        // Of one that was opened the timer has run.
        if let (Some(timer), Some(owner)) = (self.timer, self.gate.owner()) {
            owner.cancel_timer(timer);
        }
    }
}

/// What the timer of a sleep does.
struct Wake(GateOpener);

impl Job for Wake {
    #[inline]
    fn run(self, _: &EventLoop) {
        self.0.open();
    }

    fn name() -> &'static str {
        "sleep"
    }
}

/// The loop that is running in this thread.
///
/// # Panics
/// If there is none: `what` says what needs one.
pub(crate) fn running(what: &str) -> LoopRef {
    match LoopRef::running() {
        Ok(owner) => owner,
        Err(error) => panic!("{error}: {what} needs one"),
    }
}

pub(crate) fn running_loop(what: &str) -> EventLoop {
    running(what).event_loop()
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waiting = match &mut self.0 {
            State::Yield(inner) => return Pin::new(inner).poll(cx),
            State::Waiting(waiting) => return waiting.gate.poll(cx).map(|_| ()),
            State::After(delay) => {
                let delay = *delay;
                Waiting::begin(cx, |owner, wake| owner.schedule_later(delay, wake))
            }
            State::At(deadline) => match wait_until(*deadline, cx) {
                Some(waiting) => waiting,
                None => {
                    self.0 = State::Yield(yield_now());
                    return self.poll(cx);
                }
            },
        };
        // What it replaces holds nothing.
        std::mem::forget(std::mem::replace(&mut self.0, State::Waiting(waiting)));
        Poll::Pending
    }
}

/// Waits for a moment that is still to come.
fn wait_until(deadline: Instant, cx: &mut Context<'_>) -> Option<Waiting> {
    let owner = running("sleep");
    let (now, due) = (owner.now(), owner.time_of(deadline));
    (due > now).then(|| Waiting::begin(cx, |owner, wake| owner.schedule_at(now, due, wake)))
}

/// Lets everything that is ready run before it goes on: one iteration.
///
/// # asyncio
/// `asyncio.sleep(0)`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, create_task, yield_now};
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let task = create_task(async {});
///     assert!(!task.done());
///     yield_now().await;
///     assert!(task.done());
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[must_use = "futures do nothing unless they are awaited"]
#[derive(Debug)]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        let steps = current::with_current(|task| {
            let steps = task.wakes(cx.waker());
            if steps {
                step::schedule(task);
            }
            steps
        });
        if steps != Some(true) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
