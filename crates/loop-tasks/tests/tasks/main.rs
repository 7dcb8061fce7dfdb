//! Tasks: what they are called, what they look like, who keeps them, when they start.

#[path = "../common/mod.rs"]
mod common;
mod eager;
mod factory;
mod life;
mod shown;
