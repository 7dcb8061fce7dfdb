//! Foreign code whose panic must go no further.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_core::panic_message;

/// Calls `f`; if it panics, gives what the panic said.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let text = panic_message(&*panic).to_owned();
        // What a panic carries is foreign too. One that panics when it is dropped is leaked: there would be no end.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(second);
        }
        text
    })
}
