//! `doc`: the documentation builds, and its examples run.

use crate::command;
use crate::step::{Step, passed};
use crate::workspace::Workspace;

/// Builds the documentation with warnings as errors, then runs the doctests.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let doc = ["doc", "--workspace", "--no-deps", "--all-features"];
    command::cargo(workspace, doc)
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    let test = [
        "test",
        "--doc",
        "--workspace",
        "--all-features",
        "--no-fail-fast",
    ];
    command::cargo(workspace, test).run()?;
    passed()
}
