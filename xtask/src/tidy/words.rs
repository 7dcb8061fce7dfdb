//! Words: what must not stand in a tracked file.

use super::rust::code_lines;
use super::tree::{Finding, Tree};

/// Code that is not finished, a test that is not run, a test that cannot fail.
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "#[ignore", "assert!(true"];

/// Places on the machine of whoever wrote the file. Spelled so that this file does not hold them.
const ELSEWHERE: [&str; 3] = [
    concat!("../", "shared"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
];

/// The tests that may sleep in real time, and why. An entry that is not needed fails.
const SLEEPERS: &[(&str, &str)] = &[(
    "crates/loop-tasks/tests/timeouts/stall.rs",
    "it blocks a loop, to see that a deadline tells of that",
)];

/// Checks every tracked file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    check_with(tree, SLEEPERS)
}

fn check_with(tree: &Tree, sleepers: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        findings.extend(layout(path, text));
        for (number, line) in text.lines().enumerate() {
            for word in ELSEWHERE.iter().filter(|word| line.contains(**word)) {
                findings.push(Finding::in_line(path, number, format!("names `{word}`")));
            }
        }
    }
    for (path, text) in tree.ending(".rs") {
        let code = code_lines(text);
        for (number, line) in code.iter().enumerate() {
            for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
                findings.push(Finding::in_line(path, number, format!("holds `{word}`")));
            }
        }
        let sleeps = sleep_in_test(path, &code);
        let listed = sleepers.iter().any(|(sleeper, _)| *sleeper == path);
        match (sleeps, listed) {
            (Some(line), false) => {
                let what = "a test that sleeps in real time: use the virtual clock";
                findings.push(Finding::in_line(path, line, what));
            }
            (None, true) => {
                findings.push(Finding::at(path, "may sleep in real time, and does not"))
            }
            _ => {}
        }
    }
    findings
}

/// The line of a test that puts its thread to sleep.
fn sleep_in_test(path: &str, code: &[String]) -> Option<usize> {
    let tests = if path.contains("/tests/") {
        0
    } else {
        code.iter().position(|line| line.contains("#[cfg(test)]"))?
    };
    (tests..code.len()).find(|line| code[*line].contains("thread::sleep"))
}

/// Finds tabs, trailing blanks and a last line that does not end.
fn layout(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::in_line(
                path,
                number,
                "blanks at the end of the line",
            ));
        } else if line.contains('\t') {
            findings.push(Finding::in_line(path, number, "a tab"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::at(path, "the last line does not end"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check_with(&Tree::of(&[(path, text)]), &[]).len()
    }

    #[test]
    fn unfinished_code_is_found_and_talk_of_it_is_not() {
        for bad in [
            "todo!()\n",
            "unimplemented!(\"later\")\n",
            "#[ignore]\n",
            "#[ignore = \"x\"]\n",
        ] {
            assert_eq!(count("crates/a/src/b.rs", bad), 1, "{bad}");
        }
        assert_eq!(
            count(
                "crates/a/src/b.rs",
                "// no todo!() here\nlet s = \"#[ignore]\";\n"
            ),
            0
        );
    }

    #[test]
    fn places_elsewhere_are_found_in_any_file() {
        for word in ELSEWHERE {
            assert_eq!(count("docs/a.md", &format!("see {word}x\n")), 1);
            assert_eq!(count("crates/a/src/b.rs", &format!("// see {word}x\n")), 1);
        }
        assert_eq!(count("docs/a.md", "shared work at the root\n"), 0);
    }

    #[test]
    fn tests_do_not_sleep_unless_listed() {
        let sleep = "fn f() { std::thread::sleep(d); }\n";
        let path = "crates/a/tests/b.rs";
        assert_eq!(count(path, sleep), 1);
        assert_eq!(count("crates/a/src/b.rs", sleep), 0);
        assert_eq!(
            count(
                "crates/a/src/b.rs",
                &format!("#[cfg(test)]\nmod tests {{}}\n{sleep}")
            ),
            1
        );
        let listed = [(path, "time itself")];
        assert_eq!(check_with(&Tree::of(&[(path, sleep)]), &listed), []);
        assert_eq!(
            check_with(&Tree::of(&[(path, "fn f() {}\n")]), &listed).len(),
            1
        );
    }

    #[test]
    fn layout_is_plain() {
        assert_eq!(count("a.md", "fine\n"), 0);
        assert_eq!(count("a.md", ""), 0);
        for bad in ["blank \nx\n", "a\tb\n", "no end", "return\r\n"] {
            assert_eq!(count("a.md", bad), 1, "{bad:?}");
        }
    }
}
