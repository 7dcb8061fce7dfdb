//! `soak`: what a test does for seconds, for minutes.

use crate::command;
use crate::step::{Step, passed_with};
use crate::workspace::Workspace;

/// How many workers are killed under load. Each kill takes some milliseconds, and costs at most one
/// job.
const KILLS: u32 = 50_000;

/// Kills workers of process pools for minutes. It is no part of `test-all`, whose tests do the same
/// for seconds.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let kills = [
        "test",
        "--release",
        "-p",
        "loop-executor",
        "--all-features",
        "--test",
        "process_kills",
    ];
    command::cargo(workspace, kills)
        .env("KILLS", KILLS.to_string())
        .run()?;
    passed_with(format!("{KILLS} workers killed under load"))
}
