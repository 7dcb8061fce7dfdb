//! Steps: an iteration has the same numbers where it is explained and where it is run.

use std::collections::BTreeSet;

use super::tree::{Finding, Tree};

const EXPLAINED: &str = "docs/iteration.md";
const RUN: &str = "crates/loop-core/src/iteration.rs";

/// Checks that both number the same steps. Files that are not there are for another checker.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let (Some(explained), Some(run)) = (tree.text(EXPLAINED), tree.text(RUN)) else {
        return Vec::new();
    };
    let explained: BTreeSet<u32> = explained.lines().filter_map(number).collect();
    let comments = run
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with("//"));
    let run: BTreeSet<u32> = comments.filter_map(number).collect();
    if !explained.is_empty() && explained == run {
        return Vec::new();
    }
    let what = format!("has the steps {explained:?}, and {RUN} has {run:?}");
    vec![Finding::at(EXPLAINED, what)]
}

/// The number of a step: a line of a list, a heading or a comment that begins with `3. `.
fn number(line: &str) -> Option<u32> {
    let text = line.trim_start_matches(['/', '!', '#', ' ']);
    let (number, _) = text.split_once(". ")?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(explained: &str, run: &str) -> usize {
        check(&Tree::of(&[(EXPLAINED, explained), (RUN, run)])).len()
    }

    #[test]
    fn the_same_numbers_are_fine() {
        assert_eq!(
            count(
                "1. Wait.\n2. Run.\n",
                "    /// 1. Waits.\n    // 2. Runs.\nlet x = 3. ;\n"
            ),
            0
        );
        assert_eq!(
            count(
                "# One\n## 1. Wait\ntext\n## 2. Run\n",
                "/// 1. Waits.\n/// 2. Runs.\n"
            ),
            0
        );
    }

    #[test]
    fn other_numbers_are_found() {
        assert_eq!(count("1. Wait.\n2. Run.\n", "/// 1. Waits.\n"), 1);
        assert_eq!(count("1. Wait.\n", "/// 1. Waits.\n/// 2. Runs.\n"), 1);
        assert_eq!(count("nothing\n", "// nothing\n"), 1);
    }
}
