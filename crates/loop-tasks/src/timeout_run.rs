//! A future that runs under a deadline.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::{self, Frame, FramePoll};
use crate::current;
use crate::own_request::OwnFrame;
use crate::timeout::{Elapsed, Timeout};

pin_project! {
    /// The future of [`timeout`](crate::timeout()) and [`Timeout::run`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct TimeoutRun<F> {
        frame: OwnFrame,
        #[pin]
        inner: Option<F>,
        timeout: Timeout,
        progress: Progress,
    }

    impl<F> PinnedDrop for TimeoutRun<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.progress == Progress::Begun {
                this.timeout.own().drop_inside(this.inner);
                this.timeout.leave();
            }
            this.timeout.recycle();
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

impl<F> TimeoutRun<F> {
    pub(crate) fn new(timeout: Timeout, inner: F) -> TimeoutRun<F> {
        TimeoutRun {
            frame: OwnFrame::default(),
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
        if *this.progress == Progress::New {
            current::with_current(|task| this.timeout.enter(task))
                .expect("Timeout should be used inside a task");
            *this.progress = Progress::Begun;
        }
        match this.frame.poll(this.timeout.own(), inner, cx) {
            FramePoll::Pending => Poll::Pending,
            FramePoll::Ready(value) => {
                this.inner.set(None);
                this.timeout.leave();
                *this.progress = Progress::Ended;
                Poll::Ready(Ok(value))
            }
            FramePoll::Interrupted => {
                Frame::clear(this.inner);
                *this.progress = Progress::Ended;
                if this.timeout.leave() {
                    return Poll::Ready(Err(this.timeout.elapsed()));
                }
                *this.progress = Progress::Interrupted;
                cancel::raise();
                Poll::Pending
            }
        }
    }
}
