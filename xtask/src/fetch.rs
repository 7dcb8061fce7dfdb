//! `fetch`: the dependencies, downloaded once.

use crate::command;
use crate::step::{Step, passed};
use crate::workspace::Workspace;

/// Downloads what `Cargo.lock` names, unless it is there already: the only verb that may use the
/// network, so that everything after it is offline.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let here = command::cargo(workspace, ["fetch", "--locked", "--quiet"]).output()?;
    if !here.status.success() {
        command::cargo(workspace, ["fetch", "--locked"])
            .env("CARGO_NET_OFFLINE", "false")
            .run()?;
    }
    passed()
}
