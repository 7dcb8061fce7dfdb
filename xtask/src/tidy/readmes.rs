//! READMEs: each crate has one, and what it shows compiles.

use super::tree::{Finding, Tree};

/// Checks that every crate below `crates`, and the project, has a README that is a doctest.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !tree.has("README.md") {
        findings.push(Finding::at("README.md", "is not there"));
    }
    let root = "include_str!(\"../../../README.md\")";
    if !tree
        .ending("/src/lib.rs")
        .any(|(_, text)| text.contains(root))
    {
        findings.push(Finding::at(
            "README.md",
            format!("is no doctest: no lib.rs has `{root}`"),
        ));
    }
    for name in tree.crates() {
        let readme = format!("crates/{name}/README.md");
        let lib = format!("crates/{name}/src/lib.rs");
        if !tree.has(&readme) {
            findings.push(Finding::at(&readme, "is not there"));
        }
        // A crate that is only a program has no doctests.
        if let Some(text) = tree.text(&lib)
            && !text.contains("include_str!(\"../README.md\")")
        {
            let what = "the README is no doctest: no `include_str!(\"../README.md\")`";
            findings.push(Finding::at(lib, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "#[doc = include_str!(\"../README.md\")]\n\
                       #[doc = include_str!(\"../../../README.md\")]\n";

    #[test]
    fn a_readme_that_is_tested_is_fine() {
        let tree = Tree::of(&[
            ("README.md", ""),
            ("crates/a/Cargo.toml", ""),
            ("crates/a/README.md", ""),
            ("crates/a/src/lib.rs", LIB),
            ("crates/tool/Cargo.toml", ""),
            ("crates/tool/README.md", ""),
            ("crates/tool/src/main.rs", ""),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_readme_that_is_missing_or_untested_is_found() {
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", ""),
            ("crates/a/src/lib.rs", "//! A."),
        ]);
        let findings = check(&tree);
        let places: Vec<&str> = findings.iter().map(Finding::place).collect();
        let crates = ["crates/a/README.md", "crates/a/src/lib.rs"];
        assert_eq!(places, ["README.md", "README.md", crates[0], crates[1]]);
    }
}
