//! The timer queue: a data structure that is told the time.
#![forbid(unsafe_code)]

mod key;
mod near;
mod queue;
mod slots;
mod wheel;

pub use key::TimerKey;
pub use queue::TimerQueue;
