//! A future that runs under a deadline.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::{self, Frame, FramePoll};
use crate::cell::AnyFuture;
use crate::current;
use crate::task_core::TaskCore;
use crate::timeout::{Elapsed, Stage, Timeout, When};

pin_project! {
    /// The future of [`timeout`] and [`Timeout::run`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct TimeoutRun<F> {
        frame: Frame,
        #[pin]
        inner: Option<F>,
        timeout: Timeout,
        progress: Progress,
    }

    impl<F> PinnedDrop for TimeoutRun<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.progress == Progress::Begun {
                this.timeout.abandon(this.inner);
            }
        }
    }
}

impl<F> TimeoutRun<F> {
    pub(crate) fn new(timeout: Timeout, inner: F) -> TimeoutRun<F> {
        TimeoutRun {
            frame: Frame::default(),
            inner: Some(inner),
            timeout,
            progress: Progress::New,
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
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            assert!(
                *this.progress == Progress::Interrupted,
                "polled after it was ready"
            );
            // Somebody beside this, in a `join!`, has caught what went on from here: that must not go unheard.
            cancel::raise();
            return Poll::Pending;
        };
        let begun = this.timeout.begin_poll(cx, *this.progress);
        *this.progress = Progress::Begun;
        let core = begun.task.task().expect("the current task is one");
        let polled = {
            let _around = Around::begin(core, this.timeout.0.stage.get());
            this.frame.poll(inner, cx)
        };
        match polled {
            FramePoll::Pending => {
                let mut inside = this.timeout.0.inside.borrow_mut();
                inside.note(&core.waits.borrow(), begun.mark);
                Poll::Pending
            }
            FramePoll::Ready(value) => {
                if begun.raised {
                    core.interrupt.set(false); // It came too late, and was for nobody else.
                }
                this.inner.set(None);
                this.timeout.leave();
                *this.progress = Progress::Ended;
                Poll::Ready(Ok(value))
            }
            FramePoll::Interrupted => {
                Frame::clear(this.inner);
                *this.progress = Progress::Ended;
                if this.timeout.leave() {
                    return Poll::Ready(Err(Elapsed::new(this.timeout.0.stall.get())));
                }
                *this.progress = Progress::Interrupted;
                cancel::raise();
                Poll::Pending
            }
        }
    }
}

/// How far a [`TimeoutRun`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    New,
    Begun,
    Ended,
    /// An interrupt that was not its own ended it, and has gone on from there.
    Interrupted,
}

/// What a poll of a [`TimeoutRun`] began with.
struct Begun {
    task: AnyFuture,
    /// An interrupt of its own was raised.
    raised: bool,
    /// What tells the waits that began since from the others.
    mark: u32,
}

/// As long as this lives, a deadline that has come is being polled.
struct Around<'a>(Option<&'a Cell<u32>>);

impl<'a> Around<'a> {
    fn begin(core: &'a TaskCore, stage: Stage) -> Around<'a> {
        let around = (stage == Stage::Expiring).then_some(&core.expiring_around);
        if let Some(around) = around {
            around.set(around.get() + 1);
        }
        Around(around)
    }
}

impl Drop for Around<'_> {
    fn drop(&mut self) {
        if let Some(around) = self.0 {
            around.set(around.get().saturating_sub(1));
        }
    }
}

impl Timeout {
    /// Before the future is polled: keeps who polls it, and raises its own interrupt if that is due.
    fn begin_poll(&self, cx: &Context<'_>, progress: Progress) -> Begun {
        let task = current::current().expect("Timeout should be used inside a task");
        let core = task.task().expect("the current task is one");
        let own = cx.waker().will_wake(&task.header().owner.waker(core.key));
        let waker = (!own).then(|| cx.waker().clone());
        let former = self.0.waker.replace(waker);
        drop(former);
        let known = self.0.task.borrow().clone();
        if progress == Progress::New {
            self.enter(&task, core);
        } else if !known.is_some_and(|known| known.is(&task)) {
            self.follow(&task, core);
        }
        // Somebody may have taken back every request in the meantime.
        let due = self.0.due.take() && core.requests.get() > 0;
        let raised = due && !core.interrupt.replace(true);
        let mark = core.waits.borrow().mark();
        Begun { task, raised, mark }
    }

    fn enter(&self, task: &AnyFuture, core: &TaskCore) {
        assert!(
            self.0.stage.get() == Stage::Created,
            "a Timeout is used once"
        );
        self.0.stage.set(Stage::Active);
        self.0.requests.set(core.requests_here());
        if let When::After(delay) = self.0.when.get() {
            let now = task.header().owner.event_loop().time();
            self.0
                .when
                .set(now.checked_add(delay).map_or(When::Never, When::At));
        }
        self.0.task.replace(Some(task.clone()));
        self.set_alarm();
    }

    /// The future has moved to another task since it was polled last.
    fn follow(&self, task: &AnyFuture, core: &TaskCore) {
        let former = self.0.task.replace(Some(task.clone()));
        self.0.requests.set(core.requests_here());
        if self.0.stage.get() == Stage::Expiring {
            if let Some(former) = former.as_ref().and_then(AnyFuture::task) {
                cancel::end_expiring(former);
            }
            cancel::begin_expiring(core);
            self.0.due.set(true);
        }
    }

    /// The future is dropped before its end: drops it, and takes the request back if there was one.
    fn abandon<F>(&self, mut inner: Pin<&mut Option<F>>) {
        let task = self.0.task.borrow().clone();
        let armed = task
            .as_ref()
            .and_then(AnyFuture::task)
            .map(|core| &core.armed);
        let before = armed.is_some_and(Cell::get);
        // First what is inside: it may give back the very request that is taken back then.
        inner.set(None);
        let own = self.leave();
        if let Some(armed) = armed
            && own
            && !before
        {
            armed.set(false);
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
                core.is_some_and(|core| {
                    cancel::end_expiring(core);
                    core.requests_here() <= self.0.requests.get()
                })
            }
            _ => {
                self.0.stage.set(Stage::Finished);
                false
            }
        }
    }
}
