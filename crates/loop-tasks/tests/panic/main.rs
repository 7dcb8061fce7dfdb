//! Panics in everything of the user's that the library calls or drops: none gets through the loop, none keeps others
//! from going on, none is lost. Panics of wakers are in `wakers.rs`.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod closures;
#[path = "../common/mod.rs"]
mod common;
mod drops;
mod steps;

use loop_tasks::TaskError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// A coroutine that holds a bomb, and ends with `output` at its first or second step.
struct Holding<T> {
    _bomb: Bomb,
    yields: u32,
    output: Option<T>,
}

impl<T: Unpin> Future for Holding<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if self.yields > 0 {
            self.yields -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.output.take().unwrap())
    }
}

fn holding<T>(yields: u32, output: T) -> Holding<T> {
    Holding {
        _bomb: Bomb("coroutine"),
        yields,
        output: Some(output),
    }
}

async fn boom() {
    if true {
        panic!("boom");
    }
}

fn message<T>(outcome: Result<T, TaskError>) -> String {
    match outcome {
        Err(TaskError::Panicked(panicked)) => panicked.message().to_owned(),
        Err(error) => format!("not a panic: {error}"),
        Ok(_) => "a value".to_owned(),
    }
}
