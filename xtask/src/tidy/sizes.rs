//! Sizes: a file is one idea, a README is read to its end.

use super::tree::{Finding, Tree};

/// A source file past this has usually two ideas in it.
const LONG: usize = 500;
/// A source file past this has them for certain.
const TOO_LONG: usize = 600;

/// Checks the lines of source files and READMEs.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        let lines = text.lines().count();
        let source = path.starts_with("crates/") && path.contains("/src/") && path.ends_with(".rs");
        if source && lines > TOO_LONG {
            findings.push(Finding::at(
                path,
                format!("{lines} lines, {TOO_LONG} at most"),
            ));
        } else if source && lines > LONG {
            findings.push(Finding::note(path, format!("{lines} lines: two ideas?")));
        }
        if let Some(limit) = readme_limit(path)
            && lines >= limit
        {
            findings.push(Finding::at(
                path,
                format!("{lines} lines, fewer than {limit} wanted"),
            ));
        }
    }
    findings
}

fn readme_limit(path: &str) -> Option<usize> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["README.md"] => Some(150),
        ["crates", _, "README.md"] => Some(60),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, lines: usize) -> Vec<Finding> {
        check(&Tree::of(&[(path, "x\n".repeat(lines))]))
    }

    #[test]
    fn a_long_source_file_is_noted_and_a_longer_one_fails() {
        assert_eq!(findings("crates/a/src/b.rs", 500), []);
        assert!(findings("crates/a/src/b.rs", 501)[0].is_note());
        assert!(!findings("crates/a/src/b/c.rs", 601)[0].is_note());
        assert_eq!(findings("crates/a/tests/b.rs", 601), []);
    }

    #[test]
    fn readmes_are_short() {
        assert_eq!(findings("README.md", 149), []);
        assert_eq!(findings("README.md", 150).len(), 1);
        assert_eq!(findings("crates/a/README.md", 59), []);
        assert_eq!(findings("crates/a/README.md", 60).len(), 1);
        assert_eq!(findings("docs/README.md", 600), []);
    }
}
