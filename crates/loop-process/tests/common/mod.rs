//! What the test files share.

#![allow(dead_code, reason = "every test file has a copy, not each needs all")]

use std::process::Stdio;
use std::time::Duration;

use loop_core::EventLoop;
use loop_process::CreateSubprocess;
use loop_tasks::{LoopExt, timeout};

/// Runs a coroutine on a loop of its own; a hang ends as a failure.
pub(crate) fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    let event_loop = EventLoop::new().unwrap();
    let result = event_loop.run_until_complete(timeout(Duration::from_secs(120), main));
    let result = result.unwrap().expect("it hangs");
    event_loop.close().unwrap();
    result
}

/// With pipes for everything.
pub(crate) fn piped(child: CreateSubprocess) -> CreateSubprocess {
    child
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
}
