//! `doc`: the documentation builds, and its examples run.

use crate::command;
use crate::step::{Step, passed};
use crate::workspace::Workspace;

/// Builds the documentation with warnings as errors, and runs the doctests whatever came of that:
/// whoever mends the one wants to know of the other.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let doc = ["doc", "--workspace", "--no-deps", "--all-features"];
    let doc = command::cargo(workspace, doc).env("RUSTDOCFLAGS", "-D warnings");
    let test = [
        "test",
        "--doc",
        "--workspace",
        "--all-features",
        "--no-fail-fast",
    ];
    let test = command::cargo(workspace, test);
    match (doc.run(), test.run()) {
        (Err(built), Err(tested)) => Err(format!("{built}; {tested}")),
        (built, tested) => built.and(tested).and_then(|()| passed()),
    }
}
