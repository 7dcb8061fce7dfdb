//! Clients and servers that nobody here wrote, at the other end: `curl`, `wrk`, nginx, tungstenite's websockets.
//!
//! What needs a program is skipped where that is not installed, and says so.

#[path = "../common/mod.rs"]
mod common;
mod curl;
mod nginx;
mod program;
mod server;
mod websocket;
mod wrk;

use common::run;
