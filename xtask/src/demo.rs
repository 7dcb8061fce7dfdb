//! `demo`: the tour.

use std::time::Duration;

use crate::command;
use crate::step::{Step, passed, skipped};
use crate::workspace::Workspace;

/// Runs the tour, which takes a few seconds.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let source = "crates/asyncloop/examples/tour.rs";
    if !workspace.has(source) {
        return skipped(format!("{source} is not there"));
    }
    command::cargo(workspace, ["build", "--release", "--example", "tour"]).run()?;
    let run = ["run", "--release", "--example", "tour"];
    command::cargo(workspace, run)
        .limit(Duration::from_secs(60))
        .run()?;
    passed()
}
