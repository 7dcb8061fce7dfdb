//! Cancellation: where a request goes, where it lands, whose it was, and what becomes of one that comes too late.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod given_back;
mod interrupt;
mod late;
mod prototype;
mod request;
mod shared;
mod whose;

use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use common::MS;
use loop_tasks::{AnyTask, Task, catch_cancel, create_task, current_task, sleep};

pub(crate) fn me() -> AnyTask {
    current_task().unwrap()
}

/// Counts the polls of a future.
pub(crate) struct Polls<F>(F, Rc<Cell<u32>>);

impl<F: Future + Unpin> Future for Polls<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.set(self.1.get() + 1);
        Pin::new(&mut self.0).poll(cx)
    }
}

/// A task that takes its time to clean up when it is cancelled, and then does what it is told.
pub(crate) fn stubborn<T: 'static>(clean_up: u32, end: impl FnOnce() -> T + 'static) -> Task<T> {
    create_task(async move {
        if catch_cancel(pending::<()>()).await.is_err() {
            sleep(clean_up * MS).await;
        }
        end()
    })
}
