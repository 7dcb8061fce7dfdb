//! `conformance`: the corpus of programs, whose traces must be the ones that asyncio left.
//!
//! `corpus/NAME.programs.jsonl` holds a program a line, `corpus/NAME.traces.jsonl` the trace of each.
//! The runner reads programs on its standard input and writes traces on its standard output.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command;
use crate::step::{Step, passed_with, skipped};
use crate::workspace::Workspace;

const RUNNER: &str = "crates/loop-conformance";
const PROGRAMS: &str = ".programs.jsonl";
const TRACES: &str = ".traces.jsonl";

/// How many programs that differ are named before the rest is only counted.
const SHOWN: usize = 10;

/// Runs every file of the corpus and compares the traces.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let corpus = format!("{RUNNER}/corpus");
    for path in [format!("{RUNNER}/src/main.rs"), corpus.clone()] {
        if !workspace.has(&path) {
            return skipped(format!("{path} is not there"));
        }
    }
    command::cargo(workspace, ["build", "--release", "-p", "loop-conformance"]).run()?;
    let runner = workspace.target()?.join("release/loop-conformance");
    let files = programs(&workspace.root().join(corpus))?;
    let (mut compared, mut differ) = (0, Vec::new());
    for file in &files {
        let input = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let actual = command::program(workspace, &runner, [])
            .input(input)
            .stdout()?;
        let expected = read(&PathBuf::from(
            file.display().to_string().replace(PROGRAMS, TRACES),
        ))?;
        let expected = traces(&expected)?;
        compared += expected.len();
        differ.extend(differing(&expected, &traces(&actual)?));
    }
    for id in differ.iter().take(SHOWN) {
        println!("the trace of `{id}` differs");
    }
    match (compared, differ.len()) {
        (0, _) => Err("the corpus holds no traces: nothing was compared".to_owned()),
        (_, 0) => passed_with(format!("{compared} traces are equal")),
        (_, wrong) => Err(format!("{wrong} of {compared} traces differ")),
    }
}

fn programs(corpus: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = fs::read_dir(corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    let mut files: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.display().to_string().ends_with(PROGRAMS));
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads a trace a line, by the id of its program.
fn traces(text: &str) -> Result<BTreeMap<String, Value>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let trace: Value =
                serde_json::from_str(line).map_err(|error| format!("a trace: {error}"))?;
            let id = trace["id"]
                .as_str()
                .ok_or("a trace without an id")?
                .to_owned();
            Ok((id, trace))
        })
        .collect()
}

/// Names the programs whose trace is missing, different, or was not asked for.
fn differing(expected: &BTreeMap<String, Value>, actual: &BTreeMap<String, Value>) -> Vec<String> {
    let wrong = expected
        .iter()
        .filter(|(id, trace)| actual.get(*id) != Some(trace));
    let extra = actual.keys().filter(|id| !expected.contains_key(*id));
    wrong
        .map(|(id, _)| id.clone())
        .chain(extra.cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[&str]) -> BTreeMap<String, Value> {
        traces(&lines.join("\n")).expect("each line is a trace")
    }

    #[test]
    fn equal_traces_need_not_be_equal_text() {
        let expected = map(&[r#"{"id": "a", "trace": [[0, "main", "end", null]], "tasks": {}}"#]);
        let actual = map(&[r#"{"tasks":{},"trace":[[0,"main","end",null]],"id":"a"}"#]);
        assert_eq!(differing(&expected, &actual), Vec::<String>::new());
    }

    #[test]
    fn a_trace_that_is_other_missing_or_extra_is_named() {
        let expected = map(&[r#"{"id":"a","trace":[1]}"#, r#"{"id":"b","trace":[]}"#]);
        let actual = map(&[r#"{"id":"a","trace":[2]}"#, r#"{"id":"c","trace":[]}"#]);
        assert_eq!(differing(&expected, &actual), ["a", "b", "c"]);
    }

    #[test]
    fn a_line_that_is_no_trace_is_an_error() {
        assert!(traces("panicked").is_err());
        assert!(traces(r#"{"trace":[]}"#).is_err());
    }
}
