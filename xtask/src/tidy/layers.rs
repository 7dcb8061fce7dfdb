//! Layers: a crate knows only crates that stand above it in the design's table.

use std::collections::BTreeSet;

use super::tree::Finding;
use crate::workspace::Package;

/// Each crate, and the crates that it knows; it also knows what those know. Siblings do not appear
/// in each other's rows. A crate that is not here has no place yet.
const KNOWS: [(&str, &[&str]); 13] = [
    ("loop-timers", &[]),
    ("loop-core", &["loop-timers"]),
    ("loop-tasks", &["loop-core"]),
    ("loop-bridge", &["loop-tasks"]),
    ("loop-executor", &["loop-bridge"]),
    ("loop-signal", &["loop-core"]),
    ("loop-sync", &["loop-tasks"]),
    ("loop-net", &["loop-tasks", "loop-executor"]),
    ("loop-process", &["loop-net", "loop-signal"]),
    ("asyncloop", &["loop-process", "loop-signal", "loop-sync"]),
    ("loop-conformance", &["asyncloop"]),
    ("loop-bench", &["asyncloop"]),
    ("xtask", &[]),
];

/// Checks every dependency between packages, those of tests too: what a crate's tests need from
/// below, the crate cannot be tested without.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let Some(known) = known(&package.name) else {
            findings.push(Finding::at(
                &package.name,
                "has no row in the table of layers",
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let ours = KNOWS.iter().any(|(name, _)| name == dependency);
            if ours && !known.contains(dependency.as_str()) {
                let what = format!("must not know `{dependency}`, which is beside it or below it");
                findings.push(Finding::at(&package.name, what));
            }
        }
    }
    findings
}

/// All crates that a crate may know, or nothing if it is not in the table.
fn known(name: &str) -> Option<BTreeSet<&'static str>> {
    let (_, direct) = KNOWS.iter().find(|(row, _)| *row == name)?;
    let mut all: BTreeSet<&'static str> = direct.iter().copied().collect();
    for above in *direct {
        all.extend(known(above).unwrap_or_default());
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            description: String::new(),
            folder: format!("crates/{name}"),
            published: true,
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_crate_knows_what_stands_above_it() {
        let packages = [
            package("loop-timers", &["slab"]),
            package(
                "loop-executor",
                &["loop-bridge", "loop-tasks", "loop-core", "rayon"],
            ),
            package("asyncloop", &["loop-sync", "loop-executor", "loop-timers"]),
        ];
        assert_eq!(check(&packages), []);
    }

    #[test]
    fn a_crate_knows_neither_siblings_nor_what_stands_below() {
        for (name, dependency) in [
            ("loop-timers", "loop-core"),
            ("loop-sync", "loop-bridge"),
            ("loop-bridge", "loop-executor"),
            ("loop-core", "asyncloop"),
            ("xtask", "loop-core"),
        ] {
            assert_eq!(
                check(&[package(name, &[dependency])]).len(),
                1,
                "{name} {dependency}"
            );
        }
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert_eq!(check(&[package("loop-misc", &[])]).len(), 1);
    }
}
