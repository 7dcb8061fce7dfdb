//! Cancellation: where a request goes, and where it lands.
//!
//! A *request* (`task.cancel()`) goes to the one thing that the task waits for, if there is one; otherwise it becomes
//! an *interrupt*, which lands at the await where the task stands. A *frame* ([`catch_cancel`], a timeout, a group)
//! takes an interrupt; the innermost one does. Between the two a request may be *armed*: it waits for the end of a
//! step, or for the step that is on its way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cell::AnyFuture;
use crate::current;
use crate::state::State;
use crate::step;
use crate::task_core::TaskCore;

/// The cancel hook of a task.
pub(crate) fn request(task: &AnyFuture, core: &TaskCore) -> bool {
    if core.asking.get() {
        interrupt(task, core);
        return true;
    }
    if !accept(task, core) {
        return false;
    }
    if core.running.get() {
        core.armed.set(true);
    } else {
        direct(task.clone());
    }
    true
}

/// Counts a request. `false`: the task is done and refuses it.
fn accept(task: &AnyFuture, core: &TaskCore) -> bool {
    if task.header().state.get().has(State::SETTLED | State::LOST) {
        return false;
    }
    core.requests.set(core.requests.get().saturating_add(1));
    true
}

/// At the end of a step with a request armed: the task is suspended now, so the request can go somewhere.
pub(crate) fn pass_on(task: &AnyFuture, core: &TaskCore) {
    core.armed.set(false);
    direct(task.clone());
}

/// Sends a request where a suspended task's requests go. From task to task in a loop: a chain of awaits may be longer
/// than the stack.
fn direct(mut task: AnyFuture) {
    // Tasks that await each other in a circle: the walk meets this mark again, which moves on ever more rarely.
    let (mut mark, mut walked, mut far) = (task.address(), 0u32, 1u32);
    while let Some(core) = task.task() {
        let Some(target) = core
            .waits
            .borrow_mut()
            .only()
            .map(|wait| wait.target.clone())
        else {
            return interrupt(&task, core);
        };
        let Some(next) = target.task() else {
            // No borrow is held: the hook of a gather comes back here for its children, of which this task may be one.
            core.asking.set(true);
            let accepted = target.cancel();
            core.asking.set(false);
            return passed(core, accepted);
        };
        let accepted = accept(&target, next);
        passed(core, accepted);
        if !accepted {
            return;
        }
        if next.running.get() {
            return next.armed.set(true);
        }
        if target.address() == mark || next.asking.get() {
            return interrupt(&target, next);
        }
        walked += 1;
        if walked == far {
            (mark, walked, far) = (target.address(), 0, far.saturating_mul(2));
        }
        task = target;
    }
}

/// The task's one wait has accepted a request, or refused it: then it is done or will be without further ado, and a
/// step is on its way.
fn passed(core: &TaskCore, accepted: bool) {
    if !accepted {
        core.armed.set(true);
    } else if let Some(wait) = core.waits.borrow_mut().only() {
        wait.passed = true;
    }
}

/// Schedules an interrupt at the await where a suspended task stands.
fn interrupt(task: &AnyFuture, core: &TaskCore) {
    core.armed.set(true);
    step::schedule(task);
}

/// Gives a request back to a task whose await passed it on and was dropped before it came to anything.
pub(crate) fn give_back(task: &AnyFuture, core: &TaskCore) {
    if core.absorbing.get() || task.header().state.get().has(State::SETTLED | State::LOST) {
        return;
    }
    core.armed.set(true);
    if !core.running.get() {
        step::schedule(task);
    }
}

/// Raises an interrupt inside the poll of the current task; the caller returns `Pending`.
///
/// # Panics
/// Outside of a task.
pub(crate) fn raise() {
    let raised = current::with_current(|task| {
        if let Some(core) = task.task() {
            core.interrupt.set(true);
        }
    });
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
        core.armed.set(false);
        core.interrupt.set(false);
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
        let Some(core) = task.task() else {
            return FramePoll::Pending;
        };
        if core.interrupt.get() && !self.inside {
            core.interrupt.set(false);
            return FramePoll::Interrupted;
        }
        let before = core.frame_pending.replace(false);
        let polled = inner.poll(cx);
        let inside = core.frame_pending.replace(before);
        match polled {
            Poll::Ready(value) => FramePoll::Ready(value),
            Poll::Pending if core.interrupt.replace(false) => FramePoll::Interrupted,
            Poll::Pending => {
                self.inside = inside;
                core.frame_pending.set(true);
                FramePoll::Pending
            }
        }
    }

    /// Drops what is inside, as the interrupt does it.
    pub(crate) fn clear<F>(mut inner: Pin<&mut Option<F>>) {
        let task = current::current();
        let core = task.as_ref().and_then(AnyFuture::task);
        let before = core.map(|core| core.absorbing.replace(true));
        inner.set(None);
        if let (Some(core), Some(before)) = (core, before) {
            core.absorbing.set(before);
        }
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
