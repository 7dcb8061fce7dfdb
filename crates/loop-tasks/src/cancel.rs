//! Cancellation: where it lands, and who takes it.
//!
//! A *request* (`task.cancel()`) goes to the one thing that the task waits for, if there is one, as [`request`] says;
//! otherwise it becomes an *interrupt*, which lands at the await where the task stands. A *frame* ([`catch_cancel`], a
//! timeout, a group) takes an interrupt; the innermost one does. Between the two a request may be *armed*: it waits for
//! the end of a step, or for the step that is on its way.
//!
//! [`request`]: crate::request

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cell::TaskRef;
use crate::current;
use crate::state::State;
use crate::step;
use crate::task_core::{Flags, TaskCore};

/// Takes a frame's own request back.
pub(crate) fn end_own(core: &TaskCore) {
    core.end_own();
    uncancel(core);
}

/// Gives a request back to a task whose await passed it on and was dropped before it came to anything.
pub(crate) fn give_back(task: &TaskRef) {
    let core = task.core();
    if core.has(Flags::ABSORBING) || task.header().state.get().has(State::OVER) {
        return;
    }
    core.set(Flags::ARMED);
    if !core.has(Flags::RUNNING) {
        step::schedule(task);
    }
}

/// Raises an interrupt inside the poll of the current task; the caller returns `Pending`.
///
/// # Panics
/// Outside of a task.
pub(crate) fn raise() {
    let raised = current::with_current(|task| task.core().set(Flags::INTERRUPT | Flags::RAISED));
    assert!(
        raised.is_some(),
        "a cancellation can only be resumed inside a task"
    );
}

/// Takes back one request; at none, what was still on its way to a frame is disarmed. Says how many are left.
pub(crate) fn uncancel(core: &TaskCore) -> u32 {
    let left = core.requests.get().saturating_sub(1);
    core.requests.set(left);
    if left == 0 {
        core.clear(Flags::ARMED | Flags::INTERRUPT);
    }
    left
}

/// What a frame's poll of its inside came to.
pub(crate) enum FramePoll<T> {
    Ready(T),
    Pending,
    /// The interrupt was taken, and what is inside has not been dropped yet: see [`Frame::clear`].
    Interrupted,
}

/// What a frame remembers: the protocol by which the innermost one takes an interrupt.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// A frame inside this one was pending at the last poll.
    inside: bool,
}

impl Frame {
    /// Polls what is inside, or takes the interrupt.
    pub(crate) fn poll<F: Future>(
        &mut self,
        inner: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> FramePoll<F::Output> {
        let Some(task) = current::current() else {
            return match inner.poll(cx) {
                Poll::Ready(value) => FramePoll::Ready(value),
                Poll::Pending => FramePoll::Pending,
            };
        };
        self.poll_in(&task, inner, cx)
    }

    /// As `poll`, inside the current task.
    #[inline]
    pub(crate) fn poll_in<F: Future>(
        &mut self,
        task: &TaskRef,
        inner: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> FramePoll<F::Output> {
        let core = task.core();
        // Raised in this very step and not inside this frame: by somebody beside it, in a `join!`.
        let beside = core.has(Flags::INTERRUPT) && core.has(Flags::RAISED);
        if core.has(Flags::INTERRUPT) && !self.inside {
            take(task, beside);
            return FramePoll::Interrupted;
        }
        let frame_pending = Restore::after(core, Flags::FRAME_PENDING, false);
        let polled = inner.poll(cx);
        let inside = core.has(Flags::FRAME_PENDING);
        drop(frame_pending);
        match polled {
            Poll::Ready(value) => FramePoll::Ready(value),
            Poll::Pending if core.has(Flags::INTERRUPT) => {
                take(task, beside);
                FramePoll::Interrupted
            }
            Poll::Pending => {
                self.inside = inside;
                core.set(Flags::FRAME_PENDING);
                FramePoll::Pending
            }
        }
    }

    /// Drops what is inside, as the interrupt does it.
    pub(crate) fn clear<F>(mut inner: Pin<&mut Option<F>>) {
        let task = current::current();
        let _absorbing = task
            .as_ref()
            .map(|task| Restore::after(task.core(), Flags::ABSORBING, true));
        inner.set(None);
    }
}

/// A frame takes the interrupt.
fn take(task: &TaskRef, beside: bool) {
    task.core().clear(Flags::INTERRUPT);
    if beside {
        // Whoever raised it still waits, and nobody else would poll it again.
        step::schedule(task);
    }
}

/// Sets a flag, and sets it back when this is dropped, also by a panic.
struct Restore<'a> {
    core: &'a TaskCore,
    flag: Flags,
    before: bool,
}

impl<'a> Restore<'a> {
    #[inline]
    fn after(core: &'a TaskCore, flag: Flags, value: bool) -> Restore<'a> {
        let before = core.has(flag);
        core.put(flag, value);
        Restore { core, flag, before }
    }
}

impl Drop for Restore<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.put(self.flag, self.before);
    }
}

/// A cancellation that was caught, or seen on another task. Not to look at it ends it.
///
/// # asyncio
/// `CancelledError`, caught.
#[derive(Clone)]
#[must_use = "dropping it swallows the cancellation: `resume().await` passes it on"]
pub struct Cancelled(());

impl Cancelled {
    pub(crate) fn new() -> Cancelled {
        Cancelled(())
    }

    /// Raises the cancellation again, at this place and with no further hop: the code after it does not run.
    ///
    /// # Panics
    /// Outside of a task.
    ///
    /// # asyncio
    /// `raise`, in an `except CancelledError` block.
    ///
    /// # Examples
    /// See [`catch_cancel`].
    pub async fn resume(self) -> ! {
        loop {
            Raise.await;
        }
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancelled")
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// A future that is an interrupt.
struct Raise;

impl Future for Raise {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        raise();
        Poll::Pending
    }
}

/// Runs a future and catches the cancellation that interrupts it.
///
/// When the task is cancelled while it stands inside, `future` is dropped where it stands, innermost first, and the
/// result is `Err`: the place for clean-up that awaits. Returning normally afterwards swallows the cancellation;
/// [`Cancelled::resume`] passes it on. Without any such frame a cancelled task is dropped.
///
/// Outside of a task it is the future alone: there is nothing to catch.
///
/// # Cancel safety
/// Dropping it drops the future.
///
/// # asyncio
/// `try: await future` / `except CancelledError:`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, catch_cancel, create_task, sleep};
///
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// event_loop.run_until_complete(async {
///     let task = create_task(async {
///         if let Err(cancelled) = catch_cancel(sleep(Duration::from_secs(3600))).await {
///             sleep(Duration::from_millis(10)).await; // say good-bye to the server
///             cancelled.resume().await;
///         }
///     });
///     sleep(Duration::ZERO).await;
///     task.cancel();
///     assert!(task.clone().await.is_err());
///     assert!(task.cancelled());
/// })?;
/// event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn catch_cancel<F: IntoFuture>(future: F) -> CatchCancel<F::IntoFuture> {
    CatchCancel {
        frame: Frame::default(),
        inner: Some(future.into_future()),
    }
}

pin_project! {
    /// The future of [`catch_cancel`].
    #[must_use = "futures do nothing unless they are awaited"]
    #[derive(Debug)]
    pub struct CatchCancel<F> {
        frame: Frame,
        #[pin]
        inner: Option<F>,
    }
}

impl<F: Future> Future for CatchCancel<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this
            .inner
            .as_mut()
            .as_pin_mut()
            .expect("polled after it was ready");
        match this.frame.poll(inner, cx) {
            FramePoll::Pending => Poll::Pending,
            FramePoll::Ready(value) => Poll::Ready(Ok(value)),
            FramePoll::Interrupted => {
                Frame::clear(this.inner);
                Poll::Ready(Err(Cancelled::new()))
            }
        }
    }
}
