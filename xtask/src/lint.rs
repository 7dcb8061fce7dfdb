//! `lint`: clippy, with warnings as errors.

use crate::command;
use crate::step::{Step, passed};
use crate::workspace::Workspace;

/// Lints every target of every package. In tests and examples `unwrap` says what it should: that the reader need not
/// look there. In libraries it has to say why it holds.
pub(crate) fn run(workspace: &Workspace) -> Step {
    for (targets, lenient) in [
        (["--lib", "--bins"].as_slice(), false),
        (&["--all-targets"], true),
    ] {
        let mut args = vec!["clippy", "--workspace", "--all-features"];
        args.extend(targets);
        args.extend(["--", "-D", "warnings"]);
        if lenient {
            args.extend(["-A", "clippy::unwrap_used"]);
        }
        command::cargo(workspace, args).run()?;
    }
    passed()
}
