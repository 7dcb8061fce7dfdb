//! `demo`: the tour, and the crawler on its own site.

use std::time::Duration;

use crate::command;
use crate::step::{Step, passed, skipped};
use crate::workspace::Workspace;

/// Runs the tour and the crawler, which take a few seconds each.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let source = "crates/asyncloop/examples/tour.rs";
    if !workspace.has(source) {
        return skipped(format!("{source} is not there"));
    }
    command::cargo(workspace, ["build", "--release", "--example", "tour"]).run()?;
    let run = ["run", "--release", "--example", "tour"];
    command::cargo(workspace, run)
        .limit(Duration::from_secs(60))
        .run()?;
    let crawler = ["run", "--release", "--example", "crawler"];
    command::cargo(workspace, ["build", "--release", "--example", "crawler"]).run()?;
    // Its site has broken links, which it finds: that is status 1.
    match command::cargo(workspace, crawler)
        .limit(Duration::from_secs(60))
        .code()?
    {
        Some(1) => passed(),
        status => Err(format!("the crawler ended with {status:?}, and not with 1")),
    }
}
