//! `bench`: the benchmarks, which are a workspace of their own.

use crate::command;
use crate::step::{Step, passed, skipped};
use crate::workspace::Workspace;

const MANIFEST: &str = "crates/loop-bench/Cargo.toml";

/// Runs the benchmarks with the arguments given. Counting instructions needs no peers, and does not compile them.
/// `--check` alone is not theirs: it checks the benchmarks themselves.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Step {
    fetch(workspace)?;
    if args == ["--check"] {
        return check(workspace);
    }
    let mut command = vec!["run", "--release", "--manifest-path", MANIFEST];
    if args.iter().any(|arg| arg == "--count") {
        command.push("--no-default-features");
    }
    command.push("--");
    command.extend(args.iter().map(String::as_str));
    command::cargo(workspace, command).run()?;
    passed()
}

/// Holds the benchmarks to what `fmt`, `lint` and `test` demand of everything else.
fn check(workspace: &Workspace) -> Step {
    let manifest = ["--manifest-path", MANIFEST];
    let fmt = ["fmt", "--check"].into_iter().chain(manifest);
    command::cargo(workspace, fmt).run()?;
    let clippy = ["clippy", "--all-targets"].into_iter().chain(manifest);
    let clippy = clippy.chain(["--", "-D", "warnings"]);
    command::cargo(workspace, clippy).run()?;
    let test = ["test"].into_iter().chain(manifest);
    command::cargo(workspace, test).run()?;
    passed()
}

/// Leaves it alone: nobody who only tests the library compiles the peers, and what is measured on a busy machine says
/// nothing.
pub(crate) fn leave(_: &Workspace) -> Step {
    skipped("the peers are compiled and measured by `cargo xtask bench` alone")
}

/// Downloads the peers that the benchmarks measure against: nobody else needs them. Their lock file names the versions
/// of the peers; what the library itself has come to need since is added to it.
fn fetch(workspace: &Workspace) -> Result<(), String> {
    let fetch = ["fetch", "--manifest-path", MANIFEST];
    command::cargo(workspace, fetch)
        .env("CARGO_NET_OFFLINE", "false")
        .run()
}
