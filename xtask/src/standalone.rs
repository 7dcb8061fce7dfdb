//! `standalone`: every published crate builds on its own.

use crate::command;
use crate::step::{Step, passed_with};
use crate::workspace::Workspace;

/// Checks each published crate alone: built with the whole workspace, a crate may live on a feature
/// that only its neighbour asked for.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let packages = workspace.published()?;
    for package in &packages {
        let name = package.name.as_str();
        let all = [
            "check",
            "--quiet",
            "-p",
            name,
            "--all-targets",
            "--all-features",
        ];
        command::cargo(workspace, all).run()?;
        command::cargo(
            workspace,
            ["check", "--quiet", "-p", name, "--no-default-features"],
        )
        .run()?;
    }
    passed_with(format!("{} crates", packages.len()))
}
