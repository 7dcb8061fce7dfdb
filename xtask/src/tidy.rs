//! `tidy`: what a reader relies on, and no compiler checks.
//!
//! Each file below holds one checker: a function from the tracked files, or from what cargo says of
//! the packages, to what is wrong. None of them touches the disk, so that each is tested on trees
//! that never existed.

mod houserules;
mod layers;
mod lockfile;
mod manifests;
mod paths;
mod readmes;
mod rust;
mod sizes;
mod steps;
mod tree;
mod unsafe_code;
mod words;

use crate::step::{Step, passed_with};
use crate::workspace::Workspace;
use tree::{Finding, Tree};

/// Runs every checker and prints what each found.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let tree = Tree::tracked(workspace)?;
    let packages = workspace.packages()?;
    let checks: [(&str, Vec<Finding>); 10] = [
        ("layers", layers::check(&packages)),
        ("manifests", manifests::check(&tree, &packages)),
        ("lock file", lockfile::check(&tree)),
        ("paths", paths::check(&tree)),
        ("readmes", readmes::check(&tree)),
        ("sizes", sizes::check(&tree)),
        ("steps", steps::check(&tree)),
        ("unsafe code", unsafe_code::check(&tree)),
        ("words", words::check(&tree)),
        ("house rules", houserules::check(&tree)),
    ];
    let (mut wrong, mut notes) = (0, 0);
    for (name, findings) in &checks {
        for finding in findings {
            println!("{name}: {finding}");
            if finding.is_note() {
                notes += 1;
            } else {
                wrong += 1;
            }
        }
    }
    match (wrong, notes) {
        (0, 0) => passed_with(format!("{} files", tree.len())),
        (0, notes) => passed_with(format!("{} files, {notes} noted above", tree.len())),
        (wrong, _) => Err(format!("{wrong} things to mend, listed above")),
    }
}

/// The crates that hold unsafe code, as the list of permitted files says.
pub(crate) fn packages_with_unsafe() -> Vec<String> {
    unsafe_code::packages()
}
