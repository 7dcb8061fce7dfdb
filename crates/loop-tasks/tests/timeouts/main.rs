//! Deadlines: when they come, whose interrupt it is, and what becomes of those that are moved, nested, or dropped.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

#[path = "../common/mod.rs"]
mod common;
mod deadline;
mod interrupt;
mod many;
mod stall;

use std::time::Instant;

use loop_core::get_running_loop;

pub(crate) fn now() -> Instant {
    get_running_loop().unwrap().time()
}

pub(crate) fn no_timer_is_left() -> bool {
    get_running_loop().unwrap().next_deadline().is_none()
}
