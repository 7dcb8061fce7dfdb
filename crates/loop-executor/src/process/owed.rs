//! What is owed for a job, when its arguments are on their way or not needed any more.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::time::Duration;

use loop_bridge::{ConcurrentError, Promise};

use super::content::Content;
use super::remote_panic;
use crate::JobError;
use crate::job::contain;

/// What is owed for a job: its result. The arguments are elsewhere.
pub(crate) struct Owed {
    pub(crate) promise: Box<dyn AnyPromise>,
    pub(crate) name: &'static str,
    pub(crate) place: &'static Location<'static>,
    pub(crate) timeout: Option<Duration>,
}

impl Owed {
    pub(crate) fn claim(&self) -> bool {
        self.promise.claim()
    }

    pub(crate) fn on_cancel(&self, stop: impl FnOnce() + Send + 'static) {
        self.promise.on_cancel(Box::new(stop));
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.promise.is_cancelled()
    }

    pub(crate) fn complete(self, result: Result<&[u8], JobError>) {
        contain(|| self.promise.complete(result));
    }

    pub(crate) fn cancel(self) {
        self.fail(ConcurrentError::Cancelled);
    }

    pub(crate) fn fail(self, error: ConcurrentError) {
        contain(|| self.promise.fail(error));
    }
}

/// The promise of a result whose type is forgotten.
pub(crate) trait AnyPromise: Send {
    fn claim(&self) -> bool;
    fn on_cancel(&self, stop: Box<dyn FnOnce() + Send>);
    fn is_cancelled(&self) -> bool;
    fn complete(self: Box<Self>, result: Result<&[u8], JobError>);
    fn fail(self: Box<Self>, error: ConcurrentError);
}

pub(crate) struct Promised<C: Content>(pub(crate) Promise<C::Output>);

impl<C: Content> AnyPromise for Promised<C> {
    fn claim(&self) -> bool {
        self.0.set_running_cancellable()
    }

    fn on_cancel(&self, stop: Box<dyn FnOnce() + Send>) {
        self.0.on_cancel(stop);
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    fn complete(self: Box<Self>, result: Result<&[u8], JobError>) {
        let decoded = result.and_then(|bytes| {
            catch_unwind(AssertUnwindSafe(|| C::decode(bytes)))
                .unwrap_or_else(|payload| Err(format!("panicked: {}", remote_panic::text(payload))))
                .map_err(|message| JobError::DecodeResult {
                    function: C::NAME.to_owned(),
                    message,
                })
        });
        match decoded {
            // One that was cancelled meanwhile has its outcome, and this one goes.
            Ok(value) => drop(self.0.set_result(value)),
            Err(error) => self.fail(ConcurrentError::failed(error)),
        }
    }

    fn fail(self: Box<Self>, error: ConcurrentError) {
        let _ = self.0.set_error(error);
    }
}
