//! Clients and servers that nobody here wrote, at the other end: `curl`, `wrk`, nginx, tungstenite's websockets.
//!
//! What needs a program is skipped where that is not installed, and says so.

mod curl;
mod nginx;
mod program;
mod server;
mod websocket;
mod wrk;

use std::time::Duration;

use loop_core::EventLoop;
use loop_tasks::{LoopExt, timeout};

/// Runs a coroutine on a loop of its own; a hang ends as a failure.
fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    let event_loop = EventLoop::new().unwrap();
    let result = event_loop.run_until_complete(timeout(Duration::from_secs(120), main));
    let result = result.unwrap().expect("it hangs");
    event_loop.close().unwrap();
    result
}
