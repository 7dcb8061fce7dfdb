//! What a worker remembers of a panic, to send it home.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::PanicHookInfo;

use loop_bridge::JobPanicked;

use super::wire::Failure;
use crate::job::contain;

thread_local! {
    /// Where the last panic of this thread was, and how it got there.
    static LAST: RefCell<Option<(String, Backtrace)>> = const { RefCell::new(None) };
}

/// Has the panic hook remember where panics are, before it does what it did.
pub(crate) fn remember() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        // What stands where is found out when somebody wants to know: most panics of a job that
        // catches them are nobody's business.
        LAST.set(Some((place, Backtrace::force_capture())));
        before(info);
    }));
}

/// Makes a failure of a panic's payload.
pub(crate) fn describe(payload: Box<dyn Any + Send>) -> Failure {
    let message = text(payload);
    let (place, backtrace) = LAST.take().unzip();
    Failure::Panicked {
        message,
        place,
        backtrace: backtrace.map(|trace| trace.to_string()).unwrap_or_default(),
    }
}

/// The text of a panic's payload, which goes no further.
pub(crate) fn text(payload: Box<dyn Any + Send>) -> String {
    let panic = JobPanicked::new(payload);
    let message = panic.message().to_owned();
    contain(|| drop(panic));
    message
}
