//! `lint`: clippy, with warnings as errors.

use crate::command;
use crate::step::{Step, passed};
use crate::workspace::Workspace;

/// Lints every target of every package.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let args = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    command::cargo(workspace, args).run()?;
    passed()
}
