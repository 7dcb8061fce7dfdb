//! `examples`: the release examples, and the seed programs among them held to their contracts.

use crate::command;
use crate::step::{Step, passed_with, skipped};
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
    match seed_programs(workspace) {
        0 => skipped("the examples are built; no seed program is among them"),
        count => passed_with(format!("{count} seed programs keep their contracts")),
    }
}

fn seed_programs(workspace: &Workspace) -> usize {
    let folder = workspace.root().join("crates/asyncloop/examples");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("seed_"))
        .count()
}
