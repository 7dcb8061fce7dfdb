//! `bench`: the benchmarks, which are a workspace of their own.

use crate::command;
use crate::step::{Step, passed, passed_with, skipped};
use crate::workspace::Workspace;

const MANIFEST: &str = "crates/loop-bench/Cargo.toml";

/// Runs the benchmarks with the arguments given.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Step {
    if !workspace.has(MANIFEST) {
        return skipped(format!("{MANIFEST} is not there"));
    }
    fetch(workspace)?;
    let run = ["run", "--release", "--manifest-path", MANIFEST, "--"];
    command::cargo(
        workspace,
        run.into_iter().chain(args.iter().map(String::as_str)),
    )
    .run()?;
    passed()
}

/// Compiles the benchmarks and leaves it at that: what they measure on a busy machine says nothing.
pub(crate) fn compile(workspace: &Workspace) -> Step {
    if !workspace.has(MANIFEST) {
        return skipped(format!("{MANIFEST} is not there"));
    }
    fetch(workspace)?;
    command::cargo(workspace, ["check", "--manifest-path", MANIFEST]).run()?;
    passed_with("compiled, not run: `cargo xtask bench` runs them")
}

/// Downloads the peers that the benchmarks measure against: nobody else needs them.
fn fetch(workspace: &Workspace) -> Result<(), String> {
    let fetch = ["fetch", "--locked", "--manifest-path", MANIFEST];
    command::cargo(workspace, fetch)
        .env("CARGO_NET_OFFLINE", "false")
        .run()
}
