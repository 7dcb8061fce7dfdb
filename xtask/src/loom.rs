//! `loom`: the models of the atomic protocols, each in a process of its own.
//!
//! A model that finds a deadlock aborts its process, so that one process for all of them would hide
//! the rest, and `#[should_panic]` cannot tell. Hence the mutants: tests named `mutant_*` hold the
//! protocol with one rule broken, and the step fails unless the model finds that out.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use crate::command;
use crate::step::{Step, passed_with, skipped};
use crate::workspace::Workspace;

const LIMIT: Duration = Duration::from_secs(120);

/// A model's test file: the crate that it belongs to, and its name.
type Target = (String, String);

/// Builds every `tests/loom_*.rs` with `--cfg loom` and runs their models one by one.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let targets = targets(workspace)?;
    if targets.is_empty() {
        return skipped("no crate has a tests/loom_*.rs");
    }
    let folder = workspace.target()?.join("loom");
    let (mut models, mut wrong) = (0, Vec::new());
    for (package, test) in &targets {
        let binary = build(workspace, &folder, package, test)?;
        let names = list(workspace, &binary)?;
        if names.is_empty() {
            wrong.push(format!("{package} {test}: no model in it"));
        }
        for name in names {
            models += 1;
            if let Err(why) = model(workspace, &binary, &name) {
                println!("{package} {test} {name}: {why}");
                wrong.push(format!("{test} {name}"));
            }
        }
    }
    match wrong.as_slice() {
        [] => passed_with(format!("{models} models in {} files", targets.len())),
        wrong => Err(wrong.join(", ")),
    }
}

/// Finds the model files of all packages.
fn targets(workspace: &Workspace) -> Result<Vec<Target>, String> {
    let mut found = Vec::new();
    for package in workspace.packages()? {
        let tests = workspace.root().join(&package.folder).join("tests");
        let Ok(entries) = std::fs::read_dir(tests) else {
            continue;
        };
        for entry in entries.flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            if let Some(test) = file.strip_suffix(".rs")
                && test.starts_with("loom_")
            {
                found.push((package.name.clone(), test.to_owned()));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn build(
    workspace: &Workspace,
    folder: &Path,
    package: &str,
    test: &str,
) -> Result<PathBuf, String> {
    let args = [
        "test",
        "--release",
        "-p",
        package,
        "--test",
        test,
        "--no-run",
    ];
    let args = args
        .into_iter()
        .chain(["--all-features", "--message-format=json-render-diagnostics"]);
    let messages = command::cargo(workspace, args)
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", folder)
        .stdout()?;
    executable(&messages, test).ok_or_else(|| format!("cargo built no executable for {test}"))
}

/// Finds the executable of a test among cargo's messages.
fn executable(messages: &str, test: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == test)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

fn list(workspace: &Workspace, binary: &Path) -> Result<Vec<String>, String> {
    let text = command::program(workspace, binary, ["--list", "--format", "terse"]).stdout()?;
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

fn model(workspace: &Workspace, binary: &Path, name: &str) -> Result<(), String> {
    let output = command::program(workspace, binary, ["--exact", name, "--nocapture"])
        .env("LOOM_MAX_PREEMPTIONS", "2")
        .env("LOOM_MAX_BRANCHES", "10000")
        .limit(LIMIT)
        .output()?;
    judge(name, output.status).map_err(|why| {
        let log = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!("{why}\n{}", tail.join("\n"))
    })
}

/// Says whether a model ended as it had to.
fn judge(name: &str, status: ExitStatus) -> Result<(), String> {
    let mutant = name
        .rsplit("::")
        .next()
        .is_some_and(|test| test.starts_with("mutant_"));
    match (mutant, ended(status)) {
        (false, Some(0)) | (true, Some(101 | 134)) => Ok(()),
        (true, Some(0)) => Err("the mutant passed: the model does not see the broken rule".into()),
        _ => Err(format!("ended with {status}")),
    }
}

/// The exit code as a shell shows it: a process that a signal ended has 128 and the signal's number.
fn ended(status: ExitStatus) -> Option<i32> {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Some(128 + signal);
    }
    status.code()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(script: &str) -> ExitStatus {
        let run = command::program(&Workspace::of_this_tool(), "sh", ["-c", script]);
        run.output().expect("sh is there").status
    }

    #[test]
    fn a_model_must_pass_and_a_mutant_must_be_found() {
        assert_eq!(judge("wakes_once", status("exit 0")), Ok(()));
        assert!(judge("wakes_once", status("exit 101")).is_err());
        assert_eq!(judge("mutant_no_fence", status("exit 101")), Ok(()));
        assert_eq!(
            judge("models::mutant_no_fence", status("kill -ABRT $$")),
            Ok(())
        );
        assert!(judge("mutant_no_fence", status("exit 0")).is_err());
    }

    #[test]
    fn a_mutant_that_fails_for_another_reason_is_not_found() {
        assert!(judge("mutant_no_fence", status("kill -KILL $$")).is_err());
        assert!(judge("mutant_no_fence", status("exit 1")).is_err());
    }

    #[test]
    fn the_executable_is_the_one_of_the_test() {
        let messages = concat!(
            r#"{"target":{"name":"loom_core"},"executable":null}"#,
            "\nnot json\n",
            r#"{"target":{"name":"other"},"executable":"/t/other"}"#,
            "\n",
            r#"{"target":{"name":"loom_core"},"executable":"/t/loom_core"}"#,
        );
        assert_eq!(
            executable(messages, "loom_core"),
            Some(PathBuf::from("/t/loom_core"))
        );
        assert_eq!(executable(messages, "loom_tasks"), None);
    }
}
