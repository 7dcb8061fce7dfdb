//! Instructions instead of time: what a hot path of this library costs, whatever else the machine does.
//!
//! Each path runs twice under callgrind, once for some operations and once for twice as many: the difference is what
//! the operations cost, and starting and ending is not in it. The counts depend on the compiler, so the accepted ones
//! name it, and others are not compared.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::paths;

/// How many instructions more than accepted fail, in parts of a hundred.
const TOLERANCE: f64 = 5.0;

/// Operations of the shorter run.
const OPERATIONS: usize = 5_000;

/// The argument that makes this program run one path.
pub(crate) const ARGUMENT: &str = "--path";

fn accepted_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("accepted-counts.txt")
}

/// Counts every path and compares, or accepts what came out.
pub(crate) fn run(accept: bool, only: &[String]) -> Result<(), String> {
    let Some(tools) = tools() else {
        println!("skipped: valgrind is not here");
        return Ok(());
    };
    let file = accepted_file();
    let accepted = std::fs::read_to_string(&file).unwrap_or_default();
    let comparable = accepted.lines().next() == Some(tools.as_str());
    if !comparable && !accept {
        println!(
            "not compared: accepted with\n  {}\nand this is\n  {tools}",
            accepted.lines().next().unwrap_or("nothing")
        );
    }
    let (mut text, mut worse) = (format!("{tools}\n"), Vec::new());
    for (name, _) in paths::ALL {
        if !only.is_empty() && !only.iter().any(|prefix| name.starts_with(prefix.as_str())) {
            continue;
        }
        let count = count(name)?;
        let _ = writeln!(text, "{name} {count:.0}");
        let before = comparable.then(|| find(&accepted, name)).flatten();
        let Some(before) = before else {
            println!("{name:24} {count:8.0}");
            continue;
        };
        let change = (count / before - 1.0) * 100.0;
        println!("{name:24} {count:8.0} {change:+6.1} %");
        if change > TOLERANCE {
            worse.push(*name);
        }
    }
    if accept {
        return std::fs::write(&file, text).map_err(|error| error.to_string());
    }
    if worse.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more than {TOLERANCE} % above what was accepted: {}; `--count --accept` accepts it",
        worse.join(", ")
    ))
}

/// What the counts depend on; `None` without valgrind.
fn tools() -> Option<String> {
    let ask = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    Some(format!("{}, {}", ask("rustc")?, ask("valgrind")?))
}

fn find(accepted: &str, name: &str) -> Option<f64> {
    let mut lines = accepted.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(other, _)| *other == name)?.1.parse().ok()
}

/// The instructions of one operation.
fn count(name: &str) -> Result<f64, String> {
    let few = collect(name, OPERATIONS)?;
    let many = collect(name, 2 * OPERATIONS)?;
    Ok((many - few) / OPERATIONS as f64)
}

fn collect(name: &str, operations: usize) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([ARGUMENT, name, &operations.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    match collected.map(|(_, count)| count.trim().parse()) {
        Some(Ok(count)) if output.status.success() => Ok(count),
        _ => Err(format!("{name} under valgrind: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_count_is_found_by_its_whole_name() {
        let text = "rustc 1, valgrind 2\nsleep-drop 12\nsleep 34\n";
        assert_eq!(find(text, "sleep"), Some(34.0));
        assert_eq!(find(text, "wake"), None);
    }
}
