//! `examples`: the release examples; those that end by themselves are run, and the seed programs held to their contracts.

use std::time::Duration;

use crate::command;
use crate::step::{Step, passed_with, skipped};
use crate::workspace::Workspace;

/// Programs that take seconds, and say by their status whether all went well.
const PROGRAMS: [&str; 2] = ["pools", "remote_engine"];

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
    for program in PROGRAMS {
        let which = [
            "--release",
            "--package",
            "asyncloop",
            "--all-features",
            "--example",
            program,
        ];
        // The features of one package are not those of all: it is built once more, however long that takes.
        command::cargo(workspace, ["build"].into_iter().chain(which)).run()?;
        command::cargo(workspace, ["run"].into_iter().chain(which))
            .limit(Duration::from_secs(120))
            .run()?;
    }
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
        0 => skipped("the examples are built and run; no seed program is among them"),
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
