//! Loop futures by themselves: what state they are in, who is told, and that no value is lost.

mod aligned;
mod callbacks;
#[path = "../common/mod.rs"]
mod common;
mod model;
mod results;
