//! What is dropped, when, and in what order: coroutines at every step, loops before their futures, futures before
//! their loops.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

#[path = "../common/mod.rs"]
mod common;
mod given_up;
mod order;
mod outliving;
mod positions;
mod unheard;

const FAR: std::time::Duration = std::time::Duration::from_secs(3600);
