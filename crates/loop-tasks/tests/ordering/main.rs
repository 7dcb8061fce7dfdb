//! The order of things is a contract, hop for hop: whole traces, each with a ticker that marks the iterations.
//!
//! A ticker made by the main task in iteration N notes `tick 1` first in iteration N + 1, and so on: what stands
//! between two ticks happened in one iteration. The same programs on CPython 3.13 leave the same traces.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

#[path = "../common/mod.rs"]
mod common;
mod ending;
mod many;
mod queue;

use std::future::Future;
use std::time::Duration;

use common::{Log, run, ticker};
use loop_core::get_running_loop;
use loop_tasks::{LoopFuture, Task, create_task};

/// Runs `body` in the main task with a ticker of `ticks` ticks, and gives the trace.
pub(crate) fn trace<F: Future<Output = ()> + 'static>(
    ticks: usize,
    body: impl FnOnce(Log) -> F + 'static,
) -> Vec<String> {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let ticking = ticker(&note, ticks);
        body(note).await;
        ticking.await.unwrap();
    });
    log.take()
}

/// A task that notes its name when it runs.
pub(crate) fn noting(log: &Log, name: &'static str) -> Task<()> {
    let log = log.clone();
    create_task(async move { log.add(name) })
}

/// A task that awaits the future, then notes its name.
pub(crate) fn waiting(log: &Log, future: &LoopFuture<i32>, name: &'static str) -> Task<()> {
    let (log, future) = (log.clone(), future.clone());
    create_task(async move {
        let _ = (&future).await;
        log.add(name);
    })
}

pub(crate) fn soon(log: &Log, name: &'static str) {
    let log = log.clone();
    get_running_loop()
        .unwrap()
        .call_soon(move || log.add(name))
        .unwrap();
}

pub(crate) fn later(log: &Log, delay: Duration, name: &'static str) {
    let log = log.clone();
    get_running_loop()
        .unwrap()
        .call_later(delay, move || log.add(name))
        .unwrap();
}

pub(crate) fn waiting_for(log: &Log, task: &Task<()>) -> Task<()> {
    let (log, task) = (log.clone(), task.clone());
    create_task(async move {
        let _ = task.await;
        log.add("awaiting");
    })
}
