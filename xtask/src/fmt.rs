//! `fmt`: rustfmt would change nothing.

use crate::command;
use crate::step::{Step, passed};
use crate::workspace::Workspace;

/// Checks the formatting of every package.
pub(crate) fn run(workspace: &Workspace) -> Step {
    command::cargo(workspace, ["fmt", "--all", "--check"]).run()?;
    passed()
}
