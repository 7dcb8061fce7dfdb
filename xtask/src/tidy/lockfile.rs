//! The lock file: no release of a dependency that an advisory names.

use super::tree::{Finding, Tree};

/// The first release without the fault, and the advisory that names it.
const AT_LEAST: [(&str, [u64; 3], &str); 7] = [
    ("bytes", [1, 11, 1], "an overflow that an advisory names"),
    (
        "crossbeam-channel",
        [0, 5, 15],
        "RUSTSEC-2025-0024, a double free",
    ),
    ("crossbeam-epoch", [0, 9, 20], "RUSTSEC-2026-0204"),
    ("event-listener", [5, 4, 2], "RUSTSEC-2026-0221"),
    ("mio", [1, 2, 1], "long timeouts that wrap around"),
    ("rmp-serde", [1, 1, 1], "RUSTSEC-2022-0092"),
    (
        "slab",
        [0, 4, 11],
        "RUSTSEC-2025-0047, an out-of-bounds read",
    ),
];

/// Crates that nobody maintains any more.
const NEVER: [(&str, &str); 3] = [
    ("async-std", "RUSTSEC-2025-0052"),
    ("bincode", "RUSTSEC-2025-0141"),
    ("serde_cbor", "RUSTSEC-2021-0127"),
];

/// Checks the versions that the lock file names.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(lock) = tree.text("Cargo.lock") else {
        return vec![Finding::at("Cargo.lock", "is not tracked")];
    };
    let mut findings = Vec::new();
    let mut name = "";
    for (number, line) in lock.lines().enumerate() {
        if let Some(value) = quoted(line, "name") {
            name = value;
            if let Some((_, advisory)) = NEVER.iter().find(|(never, _)| *never == name) {
                let what = format!("`{name}` is not maintained: {advisory}");
                findings.push(Finding::in_line("Cargo.lock", number, what));
            }
        } else if let Some(version) = quoted(line, "version")
            && let Some((_, least, why)) = AT_LEAST.iter().find(|(row, ..)| *row == name)
            && numbers(version) < *least
        {
            let [major, minor, patch] = least;
            let what = format!("{name} {version} is older than {major}.{minor}.{patch}: {why}");
            findings.push(Finding::in_line("Cargo.lock", number, what));
        }
    }
    findings
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?
        .strip_prefix(" = \"")?
        .strip_suffix('"')
}

fn numbers(version: &str) -> [u64; 3] {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = core.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(name: &str, version: &str) -> Vec<Finding> {
        let text =
            format!("version = 4\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        check(&Tree::of(&[("Cargo.lock", text)]))
    }

    #[test]
    fn a_release_with_a_known_fault_is_found() {
        assert_eq!(lock("mio", "1.2.0").len(), 1);
        assert_eq!(lock("crossbeam-channel", "0.5.9").len(), 1);
        assert_eq!(lock("bincode", "2.0.0").len(), 1);
    }

    #[test]
    fn later_releases_and_other_crates_are_fine() {
        assert_eq!(lock("mio", "1.10.0"), []);
        assert_eq!(lock("slab", "0.4.11"), []);
        assert_eq!(lock("mio-ish", "0.0.1"), []);
    }

    #[test]
    fn a_missing_lock_file_is_found() {
        assert_eq!(check(&Tree::default()).len(), 1);
    }
}
