//! House rules: files are named by their idea, and `lib.rs` only says what there is.

use super::rust::code_lines;
use super::tree::{Finding, Tree};

/// Checks the shape of the source folders.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree
        .ending(".rs")
        .filter(|(path, _)| path.starts_with("crates/"))
    {
        let Some((_, inside)) = path.split_once("/src/") else {
            continue;
        };
        if inside.matches('/').count() > 1 {
            findings.push(Finding::at(path, "more than one folder below src"));
        }
        if ["utils.rs", "util.rs", "helpers.rs", "misc.rs"].contains(&last(inside)) {
            findings.push(Finding::at(path, "is not named by an idea"));
        }
        if inside == "lib.rs" {
            let code = code_lines(text);
            let logic = code.iter().position(|line| is_logic(line));
            let what = "lib.rs is docs, `mod` and `pub use`";
            findings.extend(logic.map(|line| Finding::in_line(path, line, what)));
        }
    }
    findings
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a line at the left margin starts something that does something.
fn is_logic(line: &str) -> bool {
    let item = line.strip_prefix("pub ").unwrap_or(line);
    ["fn ", "async fn ", "impl ", "impl<", "macro_rules!"]
        .iter()
        .any(|start| item.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_plain_crate_is_fine() {
        let lib = "//! A.\nmod ready;\npub use ready::Ready;\n#[cfg(doctest)]\nstruct Readme;\n";
        assert_eq!(count("crates/a/src/lib.rs", lib), 0);
        assert_eq!(count("crates/a/src/sys/unix.rs", "pub fn f() {}\n"), 0);
    }

    #[test]
    fn deep_vague_and_busy_files_are_found() {
        assert_eq!(count("crates/a/src/sys/unix/linux.rs", ""), 1);
        assert_eq!(count("crates/a/src/utils.rs", ""), 1);
        assert_eq!(count("crates/a/src/lib.rs", "//! A.\npub fn f() {}\n"), 1);
        assert_eq!(count("crates/a/src/lib.rs", "impl A {}\n"), 1);
    }
}
