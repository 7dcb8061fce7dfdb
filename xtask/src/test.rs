//! `test`: all tests but the doctests.

use crate::command;
use crate::step::{Step, passed};
use crate::workspace::Workspace;

/// Runs the tests with plain `cargo test`, whatever other runner is installed: what passes here
/// passes on any machine. The examples are built first, because the seed programs are among them
/// and a test runs those.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let build = ["build", "--workspace", "--examples", "--all-features"];
    command::cargo(workspace, build).run()?;
    let test = [
        "test",
        "--workspace",
        "--all-features",
        "--lib",
        "--bins",
        "--tests",
    ];
    command::cargo(workspace, test.into_iter().chain(["--no-fail-fast"])).run()?;
    passed()
}
