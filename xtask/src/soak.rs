//! `soak`: what a test does for seconds, for minutes.

use std::time::Duration;

use crate::command;
use crate::step::{Step, passed_with};
use crate::workspace::Workspace;

/// How many workers are killed under load. Each kill takes some milliseconds, and costs at most one
/// job.
const KILLS: u32 = 50_000;

/// For how long pools have everything at once, how many workers each has, and how many pools come and go after that.
const SECONDS: u32 = 1_800;
const WORKERS: u32 = 8;
const CYCLES: u32 = 10_000;

/// How many streams of each kind are garbled.
const STREAMS: u32 = 100_000;

/// Kills workers of process pools for minutes, gives them everything at once for half an hour, and garbles what they hear. It is no part of
/// `test-all`, whose tests do the same for seconds.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let tests = |which: &[&'static str]| {
        let all = ["test", "--release", "-p", "loop-executor", "--all-features"];
        command::cargo(workspace, all.into_iter().chain(which.iter().copied()))
    };
    tests(&["--test", "process_kills"])
        .env("KILLS", KILLS.to_string())
        .run()?;
    tests(&["--test", "process_soak", "--", "--nocapture"])
        .env("SOAK_SECONDS", SECONDS.to_string())
        .env("SOAK_WORKERS", WORKERS.to_string())
        .env("SOAK_CYCLES", CYCLES.to_string())
        .limit(Duration::from_secs(2 * u64::from(SECONDS)))
        .run()?;
    tests(&["--lib", "process::"])
        .env("PROPTEST_CASES", STREAMS.to_string())
        .run()?;
    passed_with(format!(
        "{KILLS} workers killed under load, {SECONDS} s of everything at once, {STREAMS} streams of each kind"
    ))
}
