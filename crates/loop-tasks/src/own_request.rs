//! A frame's own request for cancellation: what a deadline or a group asks of what it holds, and of nothing beside it.
//!
//! A task may poll several frames beside each other, in a `join!`, and its one interrupt would be taken by whichever
//! comes first. So such a request does not go to the task. It goes to the one thing that the task waits for *inside*
//! the frame; if there is no such thing, or if it refuses, the request is *due*: the frame raises the interrupt itself
//! when it is polled next, and sees to it that it is.
//!
//! It is counted among the task's requests as long as the frame has not ended, but only for those who are inside.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::cancel::{self, Cancelled, Frame, FramePoll};
use crate::cell::TaskRef;
use crate::current;
use crate::request::{self, Sent};
use crate::step;
use crate::task_core::{Flags, TaskCore};
use crate::waits::Inside;

#[derive(Default)]
pub(crate) struct OwnRequest {
    /// The task that polls the frame, and how many requests that had when the frame was entered.
    task: RefCell<Option<TaskRef>>,
    requests: Cell<u32>,
    state: Cell<State>,
    /// Who polled the frame last, if that was not the task itself but a combinator.
    waker: RefCell<Option<Waker>>,
    /// What the task waits for inside: the request may go there.
    inside: RefCell<Inside>,
}

/// What is so of a request, in one byte: of nearly all nothing is when their frame is polled.
#[derive(Clone, Copy, Default)]
struct State(u8);

impl State {
    /// The request was made, and nobody has taken it back.
    const ASKED: State = State(1);
    /// It was made while the frame is polled: it goes to what the frame waits for at the end of that.
    const ARMED: State = State(1 << 1);
    /// It is raised when the frame is polled next.
    const DUE: State = State(1 << 2);
    /// The frame is being polled.
    const POLLING: State = State(1 << 3);
    /// There is a waker.
    const WAKER: State = State(1 << 4);
}

impl OwnRequest {
    #[inline]
    fn has(&self, state: State) -> bool {
        self.state.get().0 & state.0 != 0
    }

    #[inline]
    fn put(&self, state: State, value: bool) {
        let others = self.state.get().0 & !state.0;
        self.state
            .set(State(if value { others | state.0 } else { others }));
    }

    /// Clears it, and says whether it was so.
    #[inline]
    fn take(&self, state: State) -> bool {
        let had = self.has(state);
        self.put(state, false);
        had
    }

    /// A frame begins inside the current task. Requests that the task has had already are not of its making.
    pub(crate) fn enter(&self, task: &TaskRef) {
        self.requests.set(task.core().requests_here());
        self.task.replace(Some(task.clone()));
    }

    /// The task, while a frame is entered.
    pub(crate) fn task(&self) -> Option<TaskRef> {
        self.task.borrow().clone()
    }

    pub(crate) fn asked(&self) -> bool {
        self.has(State::ASKED)
    }

    /// Makes the request. `false`: the task is done, or there is none.
    pub(crate) fn ask(&self) -> bool {
        let Some(task) = self.task().filter(|task| !task.is_settled()) else {
            return false;
        };
        self.put(State::ASKED, true);
        task.core().begin_own();
        if self.has(State::POLLING) {
            task.core().enter_own();
            self.put(State::ARMED, true);
        } else {
            self.send(&task);
        }
        true
    }

    fn send(&self, task: &TaskRef) {
        let inside = self.inside.take();
        let sent = request::send_within(task, &inside);
        self.inside.replace(inside);
        self.put(State::DUE, !matches!(sent, Sent::Away));
        if matches!(sent, Sent::Nowhere) {
            let waker = self.waker.take();
            self.put(State::WAKER, false);
            match waker {
                Some(waker) => waker.wake(),
                None => step::schedule(task),
            }
        }
    }

    /// Takes the request back, if it was made: the frame has ended. Whether an interrupt that ended it was its own.
    pub(crate) fn take_back(&self) -> bool {
        let asked = self.has(State::ASKED);
        let kept = State::POLLING.0 | State::WAKER.0;
        self.state.set(State(self.state.get().0 & kept));
        let Some(task) = self.task.take() else {
            return false;
        };
        if !asked {
            return false;
        }
        let core = task.core();
        cancel::end_own(core);
        core.requests_here() <= self.requests.get()
    }

    /// The frame is dropped before its end: drops what it holds, and takes the request back.
    pub(crate) fn drop_inside<F>(&self, mut inner: Pin<&mut Option<F>>) {
        let task = self.task();
        let before = task
            .as_ref()
            .is_some_and(|task| task.core().has(Flags::ARMED));
        // First what is inside: it may give back the very request that is taken back then.
        inner.set(None);
        let own = self.take_back();
        if let Some(task) = task
            && own
            && !before
        {
            task.core().clear(Flags::ARMED);
        }
    }

    /// The frame is about to be polled: keeps who polls it, and raises the interrupt if that is due. Whether it did.
    #[inline]
    fn begin(&self, task: &TaskRef, cx: &Context<'_>) -> bool {
        let plain = self.state.get().0 == 0 && task.wakes(cx.waker()) && self.is_of(task);
        !plain && self.begin_slowly(task, cx)
    }

    #[cold]
    fn begin_slowly(&self, task: &TaskRef, cx: &Context<'_>) -> bool {
        let core = task.core();
        let waker = (!task.wakes(cx.waker())).then(|| cx.waker().clone());
        self.put(State::WAKER, waker.is_some());
        let former = self.waker.replace(waker);
        drop(former);
        if !self.is_of(task) {
            self.follow(task);
        }
        // Somebody may have taken back every request in the meantime.
        let due = self.take(State::DUE) && core.requests.get() > 0;
        due && !core.replace(Flags::INTERRUPT)
    }

    #[inline]
    fn is_of(&self, task: &TaskRef) -> bool {
        let known = self.task.borrow();
        known.as_ref().is_some_and(|known| known.is(task))
    }

    /// The frame has moved to another task since it was polled last.
    fn follow(&self, task: &TaskRef) {
        let former = self.task.replace(Some(task.clone()));
        self.requests.set(task.core().requests_here());
        if self.has(State::ASKED) {
            if let Some(former) = former {
                cancel::end_own(former.core());
            }
            task.core().begin_own();
            self.put(State::DUE, true);
        }
    }
}

/// As long as this lives, the frame of a request is being polled.
struct Polling<'a>(&'a OwnRequest, &'a TaskCore);

impl<'a> Polling<'a> {
    #[inline]
    fn begin(own: &'a OwnRequest, core: &'a TaskCore) -> Polling<'a> {
        own.put(State::POLLING, true);
        if own.has(State::ASKED) {
            core.enter_own();
        }
        Polling(own, core)
    }
}

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        let Polling(own, core) = self;
        own.put(State::POLLING, false);
        if own.has(State::ASKED) {
            core.leave_own();
        }
    }
}

/// A frame with a request of its own.
#[derive(Debug, Default)]
pub(crate) struct OwnFrame(Frame);

impl OwnFrame {
    /// As [`Frame::poll`].
    ///
    /// # Panics
    /// Outside of a task.
    pub(crate) fn poll<F: Future>(
        &mut self,
        own: &OwnRequest,
        inner: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> FramePoll<F::Output> {
        current::with_current(|task| self.poll_in(task, own, inner, cx))
            .expect("a frame with a request of its own is of a task")
    }

    #[inline]
    fn poll_in<F: Future>(
        &mut self,
        task: &TaskRef,
        own: &OwnRequest,
        inner: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> FramePoll<F::Output> {
        let core = task.core();
        let raised = own.begin(task, cx);
        let mark = core.waits.borrow().mark();
        let polled = {
            let _polling = Polling::begin(own, core);
            self.0.poll_in(task, inner, cx)
        };
        match polled {
            FramePoll::Pending => {
                let waits = core.waits.borrow();
                if waits.mark() != mark {
                    own.inside.borrow_mut().note(&waits, mark);
                }
                drop(waits);
                if own.take(State::ARMED) && core.requests.get() > 0 {
                    own.send(task);
                }
            }
            FramePoll::Ready(_) if raised => {
                core.clear(Flags::INTERRUPT); // It came too late, and was for nobody else.
            }
            FramePoll::Ready(_) | FramePoll::Interrupted => {}
        }
        polled
    }
}

/// As [`catch_cancel`](crate::catch_cancel), with a request of its own.
pub(crate) fn catch_own<F: Future>(own: &OwnRequest, future: F) -> CatchOwn<'_, F> {
    CatchOwn {
        own,
        frame: OwnFrame::default(),
        inner: Some(future),
    }
}

pin_project! {
    pub(crate) struct CatchOwn<'a, F> {
        own: &'a OwnRequest,
        frame: OwnFrame,
        #[pin]
        inner: Option<F>,
    }

    impl<'a, F> PinnedDrop for CatchOwn<'a, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.inner.is_some() {
                this.own.drop_inside(this.inner);
            }
        }
    }
}

impl<F: Future> Future for CatchOwn<'_, F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this.inner.as_mut().as_pin_mut();
        let inner = inner.expect("polled after it was ready");
        match this.frame.poll(this.own, inner, cx) {
            FramePoll::Pending => Poll::Pending,
            FramePoll::Ready(value) => {
                this.inner.set(None);
                Poll::Ready(Ok(value))
            }
            FramePoll::Interrupted => {
                Frame::clear(this.inner);
                Poll::Ready(Err(Cancelled::new()))
            }
        }
    }
}
