//! `soak`: what a test does for seconds, for minutes.

use crate::command;
use crate::step::{Step, passed_with};
use crate::workspace::Workspace;

/// How many workers are killed under load. Each kill takes some milliseconds, and costs at most one
/// job.
const KILLS: u32 = 50_000;

/// How many streams of each kind are garbled.
const STREAMS: u32 = 100_000;

/// Kills workers of process pools for minutes, and garbles what they hear. It is no part of
/// `test-all`, whose tests do the same for seconds.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let tests = |which: &[&'static str]| {
        let all = ["test", "--release", "-p", "loop-executor", "--all-features"];
        command::cargo(workspace, all.into_iter().chain(which.iter().copied()))
    };
    tests(&["--test", "process_kills"])
        .env("KILLS", KILLS.to_string())
        .run()?;
    tests(&["--lib", "process::"])
        .env("PROPTEST_CASES", STREAMS.to_string())
        .run()?;
    passed_with(format!(
        "{KILLS} workers killed under load, {STREAMS} streams of each kind"
    ))
}
