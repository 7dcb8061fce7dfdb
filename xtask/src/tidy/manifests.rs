//! Manifests: a crate is one sentence, its folder has its name, versions stand in one place.

use super::tree::{Finding, Tree};
use crate::workspace::Package;

/// Checks what the packages say of themselves, and where versions and reasons stand.
pub(crate) fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        if package.folder.rsplit('/').next() != Some(&package.name) {
            findings.push(Finding::at(
                &package.folder,
                "the folder has not the crate's name",
            ));
        }
        if package.description.is_empty() {
            findings.push(Finding::at(&package.name, "has no description"));
        }
        if package.published
            && package
                .description
                .split_whitespace()
                .any(|word| word == "and")
        {
            let what = "is described with an \"and\": a crate is one sentence without";
            findings.push(Finding::at(&package.name, what));
        }
        let manifest = format!("{}/Cargo.toml", package.folder);
        findings.extend(
            tree.text(&manifest)
                .map(|text| versions(&manifest, text))
                .into_iter()
                .flatten(),
        );
    }
    findings.extend(tree.text("Cargo.toml").map(reasons).into_iter().flatten());
    findings
}

/// Finds dependencies of a member that name a version of their own.
fn versions(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = "";
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies")
            && line.contains('=')
            && !line.starts_with('#')
            && !line.replace(' ', "").contains("workspace=true")
        {
            let what = "a version that does not stand in the workspace's manifest";
            findings.push(Finding::in_line(path, number, what));
        }
    }
    findings
}

/// Finds dependencies on crates of others without a comment above their group that says what for.
fn reasons(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut inside, mut reason) = (false, false);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            (inside, reason) = (line == "[workspace.dependencies]", false);
        } else if line.is_empty() {
            reason = false;
        } else if line.starts_with('#') {
            reason = true;
        } else if inside && !reason && line.contains('=') && !line.contains("path = ") {
            findings.push(Finding::in_line(
                "Cargo.toml",
                number,
                "a dependency without a reason",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, description: &str) -> Package {
        Package {
            name: name.to_owned(),
            description: description.to_owned(),
            folder: folder.to_owned(),
            published: true,
            dependencies: Vec::new(),
        }
    }

    #[test]
    fn a_crate_is_one_sentence_in_a_folder_of_its_name() {
        let none = Tree::default();
        assert_eq!(
            check(&none, &[package("a", "crates/a", "The sand of time")]),
            []
        );
        for wrong in [
            package("a", "crates/b", "One thing"),
            package("a", "crates/a", ""),
            package("a", "crates/a", "One thing and another"),
        ] {
            assert_eq!(check(&none, &[wrong]).len(), 1);
        }
    }

    #[test]
    fn a_version_in_a_member_is_found() {
        let good = "[package]\nversion = \"1\"\n[dependencies]\nslab.workspace = true\n\
                    # why\nmio = { workspace = true }\n[lints]\nx = 1\n";
        assert_eq!(versions("m", good), []);
        for bad in [
            "slab = \"0.4\"",
            "slab = { version = \"0.4\" }",
            "a = { path = \"../a\" }",
        ] {
            let text = format!("[target.'cfg(loom)'.dev-dependencies]\n{bad}\n");
            assert_eq!(
                versions("m", &text),
                [Finding::in_line("m", 1, versions_text())]
            );
        }
    }

    fn versions_text() -> &'static str {
        "a version that does not stand in the workspace's manifest"
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let good = "[workspace.dependencies]\nown = { path = \"x\" }\n\n# Polling.\nmio = \"1\"\nslab = \"1\"\n";
        assert_eq!(reasons(good), []);
        let bad = "[workspace.dependencies]\n# Polling.\nmio = \"1\"\n\nslab = \"1\"\n[profile.x]\na = 1\n";
        assert_eq!(reasons(bad).len(), 1);
    }
}
