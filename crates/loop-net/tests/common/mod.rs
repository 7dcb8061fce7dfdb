//! What the test files share.

use std::time::Duration;

use loop_core::EventLoop;
use loop_tasks::{LoopExt, timeout};

/// No test takes nearly as long, also on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a coroutine on a loop of its own; a hang ends as a failure.
pub(crate) fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    let event_loop = EventLoop::new().unwrap();
    let result = event_loop.run_until_complete(timeout(LIMIT, main));
    let result = result.unwrap().expect("it hangs");
    event_loop.close().unwrap();
    result
}
