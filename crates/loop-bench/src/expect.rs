//! Handles whose output says whether the task ended well: here they all do.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An output that may be none.
pub(crate) trait Outcome {
    type Value;

    fn value(self) -> Self::Value;
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;

    #[inline]
    fn value(self) -> T {
        match self {
            Ok(value) => value,
            Err(_) => panic!("a task of a benchmark failed"),
        }
    }
}

impl<T> Outcome for Option<T> {
    type Value = T;

    #[inline]
    fn value(self) -> T {
        self.expect("a task of a benchmark was cancelled")
    }
}

/// The future inside, with its output taken for granted.
#[derive(Debug)]
pub(crate) struct Expect<F>(pub(crate) F);

impl<F: Future<Output: Outcome> + Unpin> Future for Expect<F> {
    type Output = <F::Output as Outcome>::Value;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Outcome::value)
    }
}
