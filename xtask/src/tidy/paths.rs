//! Paths: a document names only files, tests and headings that exist.

use super::tree::{Finding, Tree};

/// A backticked word that starts so is a path from the top of the workspace.
const TOPS: [&str; 5] = ["crates/", "docs/", "xtask/", ".ci/", ".cargo/"];

/// A backticked word with a slash that ends so is a path from somewhere.
const ENDS: [&str; 6] = [".rs", ".md", ".toml", ".json", ".jsonl", ".sh"];

/// Checks the links and the backticked paths of Markdown files, and the backticked paths from the
/// top in the comment lines of source files.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        if path.ends_with(".md") {
            for (number, line) in prose(text) {
                let missing = links(line)
                    .filter(|link| !link_is_there(tree, path, link))
                    .chain(
                        ticked(line).filter(|word| is_path(word) && !is_there(tree, path, word)),
                    );
                findings.extend(missing.map(|name| named(path, number, name)));
            }
        } else if path.ends_with(".rs") {
            for (number, line) in text.lines().enumerate() {
                let Some(comment) = line.trim_start().strip_prefix("//") else {
                    continue;
                };
                let missing = ticked(comment)
                    .filter(|word| starts_at_top(word) && is_path(word))
                    .filter(|word| !is_there(tree, path, word));
                findings.extend(missing.map(|name| named(path, number, name)));
            }
        }
    }
    findings
}

fn named(path: &str, number: usize, name: &str) -> Finding {
    Finding::in_line(path, number, format!("names `{name}`, which is not there"))
}

/// The lines outside fenced code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The targets of a line's links that lead to a place in the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains(':') && !target.is_empty())
}

/// The words in backticks.
fn ticked(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn starts_at_top(word: &str) -> bool {
    TOPS.iter().any(|top| word.starts_with(top))
}

/// Whether a word looks like a path, and not like a pattern, a sentence or a fraction.
fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    let (file, _) = split(word);
    word.contains('/')
        && word.chars().all(plain)
        && !word.starts_with('/')
        && (starts_at_top(word) || ENDS.iter().any(|end| file.ends_with(end)))
}

/// Splits `path::test` and `path:12` into the path, and the test if there is one.
fn split(word: &str) -> (&str, Option<&str>) {
    match word.split_once("::") {
        Some((file, test)) => (file, test.rsplit("::").next()),
        None => (word.split(':').next().unwrap_or(word), None),
    }
}

/// Whether a path is there: from the top, from the document, from its crate, or below `crates`; and
/// whether the function that it names stands in the file.
fn is_there(tree: &Tree, document: &str, word: &str) -> bool {
    let (file, test) = split(word);
    let found = bases(document)
        .into_iter()
        .filter_map(|base| join(&base, file))
        .find(|candidate| tree.has(candidate));
    match (found, test) {
        (Some(path), Some(test)) => {
            let text = tree.text(&path).unwrap_or_default();
            [format!("fn {test}("), format!("fn {test}<")]
                .iter()
                .any(|name| text.contains(name))
        }
        (found, _) => found.is_some(),
    }
}

fn bases(document: &str) -> Vec<String> {
    let mut bases = vec![
        String::new(),
        "crates".to_owned(),
        folder(document).to_owned(),
    ];
    if let ["crates", name, ..] = document.split('/').collect::<Vec<_>>().as_slice() {
        bases.push(format!("crates/{name}"));
    }
    bases
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Joins a relative path to a folder, or nothing if it leads out of the workspace.
fn join(base: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a link's file is there, and its heading in it.
fn link_is_there(tree: &Tree, document: &str, link: &str) -> bool {
    let (file, heading) = link
        .split_once('#')
        .map_or((link, None), |(f, h)| (f, Some(h)));
    let target = match file {
        "" => Some(document.to_owned()),
        file => join(folder(document), file),
    };
    let Some(target) = target.filter(|target| target.is_empty() || tree.has(target)) else {
        return false;
    };
    match (heading, tree.text(&target)) {
        (Some(heading), Some(text)) if target.ends_with(".md") => {
            prose(text).any(|(_, line)| line.starts_with('#') && slug(line) == heading)
        }
        _ => true,
    }
}

/// The name under which a heading can be linked to.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(kept)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(document: &str, text: &str) -> usize {
        check(&Tree::of(&[
            (document, text),
            ("docs/iteration.md", "# One iteration: `run_once`\n"),
            (
                "crates/loop-core/src/ready.rs",
                "fn first_in_first_out() {}\n",
            ),
            ("crates/loop-core/tests/order.rs", "fn whole_trace() {}\n"),
        ]))
        .len()
    }

    #[test]
    fn paths_that_are_there() {
        for good in [
            "`crates/loop-core/src/ready.rs`, `crates/loop-core`, `loop-core/src/ready.rs:12`",
            "`crates/loop-core/tests/order.rs::whole_trace`",
            "[how](iteration.md), [one](iteration.md#one-iteration-run_once), [up](../docs)",
            "[web](https://example.org/no.md) and `and/or`, `crates/*/src`, `tests/<behaviour>.rs`",
            "```text\n`crates/none.rs` [x](none.md)\n```",
        ] {
            assert_eq!(wrong("docs/architecture.md", good), 0, "{good}");
        }
        assert_eq!(
            wrong(
                "crates/loop-core/README.md",
                "`src/ready.rs`, `tests/order.rs`"
            ),
            0
        );
    }

    #[test]
    fn paths_that_are_not_there() {
        for bad in [
            "`crates/loop-core/src/none.rs`",
            "`src/ready.rs`",
            "`docs/none.md`",
            "`crates/loop-core/tests/order.rs::another_trace`",
            "[how](none.md)",
            "[how](iteration.md#two)",
            "[how](../../elsewhere.md)",
        ] {
            assert_eq!(wrong("docs/architecture.md", bad), 1, "{bad}");
        }
    }

    #[test]
    fn comments_name_paths_from_the_top() {
        let path = "crates/loop-core/src/lib.rs";
        assert_eq!(
            wrong(path, "//! See `docs/iteration.md`, `src/none.rs`.\n"),
            0
        );
        assert_eq!(wrong(path, "    // See `docs/none.md`.\n"), 1);
        assert_eq!(wrong(path, "let x = \"`docs/none.md`\";\n"), 0);
    }
}
