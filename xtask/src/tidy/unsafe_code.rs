//! Unsafe code: only in the files named here, each use with the reason why it is sound.

use super::rust::code_lines;
use super::tree::{Finding, Tree};

/// The files that may hold unsafe code, and what for. An entry that is not needed fails.
const PERMITTED: &[(&str, &str)] = &[
    (
        "crates/loop-core/src/current.rs",
        "the running loop is looked up at every wake and every await",
    ),
    (
        "crates/loop-core/src/epoll.rs",
        "waiting to the nanosecond in one system call is not in mio",
    ),
    (
        "crates/loop-core/src/lookout.rs",
        "a question to io_uring may name memory, which this one does not",
    ),
    (
        "crates/loop-core/src/raw.rs",
        "small closures are kept inline",
    ),
    (
        "crates/loop-core/src/runtime.rs",
        "the runtime's type is compared without a call",
    ),
    (
        "crates/loop-core/src/sys.rs",
        "libc tells of forks and of the time",
    ),
    (
        "crates/loop-core/src/waker.rs",
        "a waker is a number with a table of functions",
    ),
    ("crates/loop-core/tests/fork.rs", "std does not fork"),
    (
        "crates/loop-core/tests/interrupted.rs",
        "std neither handles signals nor sends them",
    ),
    (
        "crates/loop-signal/src/sys.rs",
        "a signal's handler is called by the system, wherever it strikes",
    ),
    (
        "crates/loop-signal/tests/process.rs",
        "std neither forks nor raises signals",
    ),
    (
        "crates/loop-tasks/src/cell.rs",
        "a task is one allocation behind a thin pointer",
    ),
    (
        "crates/loop-tasks/src/vtable.rs",
        "what a cell does in a way of its own is found through that pointer",
    ),
    (
        "crates/loop-tasks/src/current.rs",
        "the current task is looked up at every await",
    ),
    (
        "crates/loop-tasks/tests/wakers.rs",
        "only a raw waker can do something when it is cloned",
    ),
    (
        "crates/loop-tasks/src/seldom.rs",
        "what holds nothing is dropped without a call",
    ),
    (
        "crates/loop-tasks/src/recycle.rs",
        "memory is kept without the type that it had",
    ),
];

/// The crates of the permitted files.
pub(crate) fn packages() -> Vec<String> {
    let mut names: Vec<String> = PERMITTED
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("crates/")?.split('/').next())
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

/// Checks where unsafe code stands, that it says why, and that crates without it forbid it.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    check_with(tree, PERMITTED)
}

fn check_with(tree: &Tree, permitted: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs") {
        let code = code_lines(text);
        let uses: Vec<usize> = (0..code.len())
            .filter(|line| has_unsafe(&code[*line]))
            .collect();
        let listed = permitted.iter().any(|(permitted, _)| *permitted == path);
        match (listed, uses.first()) {
            (false, Some(line)) => {
                findings.push(Finding::in_line(
                    path,
                    *line,
                    "unsafe code in a file that may hold none",
                ));
            }
            (true, None) => {
                findings.push(Finding::at(path, "may hold unsafe code, and holds none"))
            }
            (true, Some(_)) if !expects_unsafe(text) => {
                findings.push(Finding::at(
                    path,
                    "no `#![expect(unsafe_code, reason = ...)]`",
                ));
            }
            _ => {}
        }
        let raw: Vec<&str> = text.lines().collect();
        let bare = uses.into_iter().filter(|line| needs_reason(&code[*line]));
        let bare = bare.filter(|line| !is_explained(&raw, *line));
        findings.extend(bare.map(|line| Finding::in_line(path, line, "no `// SAFETY:` above it")));
    }
    for (path, _) in permitted.iter().filter(|(path, _)| !tree.has(path)) {
        findings.push(Finding::at(*path, "may hold unsafe code, and is not there"));
    }
    findings.extend(unprotected(tree, permitted));
    findings
}

/// Whether a file says that it holds unsafe code, on one line or on several.
fn expects_unsafe(text: &str) -> bool {
    text.split_whitespace()
        .collect::<String>()
        .contains("expect(unsafe_code,reason=")
}

/// Finds crates without a permitted file that do not forbid unsafe code.
fn unprotected(tree: &Tree, permitted: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in tree.crates() {
        let source = format!("crates/{name}/src/");
        if permitted.iter().any(|(path, _)| path.starts_with(&source)) {
            continue;
        }
        for root in ["lib.rs", "main.rs"].map(|file| format!("{source}{file}")) {
            if tree
                .text(&root)
                .is_some_and(|text| !text.contains("#![forbid(unsafe_code)]"))
            {
                findings.push(Finding::at(root, "no `#![forbid(unsafe_code)]`"));
            }
        }
    }
    findings
}

/// What follows each `unsafe` of a line of code.
fn after_unsafe(code: &str) -> impl Iterator<Item = &str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices("unsafe").filter_map(move |(at, found)| {
        let after = &code[at + found.len()..];
        let alone = !code[..at].ends_with(word) && !after.starts_with(word);
        alone.then(|| after.trim_start())
    })
}

fn has_unsafe(code: &str) -> bool {
    after_unsafe(code).next().is_some()
}

/// Whether a line claims that something is sound, which a function that is unsafe to call does not.
fn needs_reason(code: &str) -> bool {
    after_unsafe(code)
        .any(|after| after.is_empty() || after.starts_with('{') || after.starts_with("impl"))
}

/// Whether `// SAFETY:` stands in the line, or in the comment right above the statement it is in.
fn is_explained(lines: &[&str], line: usize) -> bool {
    if lines[line].contains("SAFETY:") {
        return true;
    }
    let mut above = lines[..line]
        .iter()
        .rev()
        .map(|text| text.trim())
        .skip_while(|text| {
            let ended = text.is_empty() || text.ends_with([';', '{', '}', ',']);
            !text.starts_with("//") && (!ended || text.starts_with("#["))
        });
    above
        .by_ref()
        .take_while(|text| text.starts_with("//"))
        .any(|text| text.contains("SAFETY:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/a/src/raw.rs";
    const WHY: &[(&str, &str)] = &[(PATH, "the cell")];

    fn findings(text: &str) -> Vec<String> {
        let text = format!("#![expect(unsafe_code, reason = \"\")]\n{text}");
        let tree = Tree::of(&[(PATH, text)]);
        check_with(&tree, WHY)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn unsafe_with_a_reason_is_fine() {
        for good in [
            "// SAFETY: the loop owns it.\nunsafe { f() }",
            "// SAFETY: the loop\n// owns it.\nlet x =\n    unsafe { f() };",
            "// SAFETY: no state.\n#[cfg(unix)]\nunsafe impl Send for A {}",
            "let x = unsafe { f() }; // SAFETY: it is ours.",
            "/// # Safety\n/// Ours.\nunsafe fn f() {}",
        ] {
            assert_eq!(findings(good), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn unsafe_without_a_reason_is_found() {
        for bad in [
            "unsafe { f() }",
            "// SAFETY: of the first one.\nunsafe { f() }\nunsafe { g() }",
            "// SAFETY: far away.\n\nunsafe { f() }",
            "/// Not why.\nunsafe impl Send for A {}",
        ] {
            assert_eq!(findings(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn unsafe_in_another_file_is_found() {
        let tree = Tree::of(&[("crates/b/tests/x.rs", "// SAFETY: no.\nunsafe { f() }")]);
        assert_eq!(check_with(&tree, &[]).len(), 1);
        let talk = Tree::of(&[(
            "crates/b/tests/x.rs",
            "// unsafe { }\nlet s = \"unsafe {\";",
        )]);
        assert_eq!(check_with(&talk, &[]), []);
    }

    #[test]
    fn a_file_says_that_it_holds_unsafe_code() {
        let bare = Tree::of(&[(PATH, "// SAFETY: ours.\nunsafe { f() }")]);
        assert_eq!(check_with(&bare, WHY).len(), 1);
    }

    #[test]
    fn an_entry_that_is_not_needed_is_found() {
        assert_eq!(check_with(&Tree::of(&[(PATH, "fn f() {}")]), WHY).len(), 1);
        assert_eq!(check_with(&Tree::default(), WHY).len(), 1);
    }

    #[test]
    fn a_crate_without_any_forbids_it() {
        let library =
            |text| Tree::of(&[("crates/b/Cargo.toml", ""), ("crates/b/src/lib.rs", text)]);
        assert_eq!(check_with(&library("#![forbid(unsafe_code)]"), &[]), []);
        assert_eq!(check_with(&library("//! B."), &[]).len(), 1);
    }
}
