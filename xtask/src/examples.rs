//! `examples`: the release examples, and the seed programs among them held to their contracts.

use crate::command;
use crate::step::{Step, passed};
use crate::workspace::Workspace;

/// Builds the examples for release and runs the seed programs: their times are what a user sees.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let build = [
        "build",
        "--release",
        "--workspace",
        "--examples",
        "--all-features",
    ];
    command::cargo(workspace, build).run()?;
    let test = [
        "test",
        "--release",
        "--workspace",
        "--all-features",
        "--test",
        "seeds",
    ];
    command::cargo(workspace, test).run()?;
    passed()
}
