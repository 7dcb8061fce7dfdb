//! Descriptors: levels and not edges, callbacks that add and remove each other, numbers that are used again.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

#[path = "../common/mod.rs"]
mod common;
mod fairness;
mod levels;
mod registry;
mod reuse;

use common::Trace;
use loop_core::EventLoop;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A loop that looks at its descriptors in every iteration.
fn polling_loop() -> EventLoop {
    EventLoop::builder()
        .poll_every_iteration(true)
        .build()
        .unwrap()
}

fn look(event_loop: &EventLoop) {
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
}

/// A reader that is called and reads nothing.
fn readable(trace: &Trace<&'static str>, name: &'static str) -> impl FnMut() + 'static {
    let trace = trace.clone();
    move || trace.push(name)
}

fn ready_pair() -> (UnixStream, UnixStream) {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"x").unwrap();
    (near, far)
}
