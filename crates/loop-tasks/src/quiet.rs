//! Foreign code whose panic must go no further.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_core::{drop_quietly, panic_message};

/// Calls `f`; if it panics, gives what the panic said.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let text = panic_message(&*panic).to_owned();
        drop_quietly(panic);
        text
    })
}
