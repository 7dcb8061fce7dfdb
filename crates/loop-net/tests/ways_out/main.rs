//! Every way out of a connection, and whoever waits on it then: nobody waits for ever, and each hears the answer that is
//! documented.
//!
//! The connection is a fake that does what it is told, so nothing here waits for the system.

#[path = "../common/mod.rs"]
mod common;
mod fake;
mod streams;
mod transports;

use loop_core::{EventLoop, get_running_loop};
use loop_tasks::{Task, yield_now};

use common::run;
use fake::{Does, FILE, Fake, Script, file};

/// Lets everything happen that can.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

const LOST: &str = "Connection lost";
const RESET: &str = "connection reset";
const BROKEN: &str = "broken pipe";
const PANICKED: &str = "the connection panicked: it panics";
const FAILED: &str = "protocol.eof_received() call failed: it panics";
const REFUSED: &str = "fallback is disabled and native sendfile is not supported here";

/// What a task has come to.
async fn outcome(task: &Task<std::io::Result<u64>>) -> String {
    if !task.done() {
        return "waits".into();
    }
    match task.clone().await {
        Ok(Ok(count)) => format!("ok {count}"),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "panics".into(),
    }
}

/// The panics here are expected, and told to nobody.
fn expect_panics() {
    let event_loop = get_running_loop().unwrap();
    event_loop.set_exception_handler(|_: &EventLoop, _| {});
}
