//! `conformance`: programs whose traces must be the ones that asyncio left.

use crate::command;
use crate::step::{Step, passed, skipped};
use crate::workspace::Workspace;

/// What the runner ends with if there is no CPython of the right version to compare with.
const NO_REFERENCE: i32 = 77;

/// Runs the corpus, or with `--fresh COUNT` and what else follows, programs made for the occasion.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Step {
    let runner = "crates/loop-conformance/src/main.rs";
    if !workspace.has(runner) {
        return skipped(format!("{runner} is not there"));
    }
    command::cargo(workspace, ["build", "--release", "-p", "loop-conformance"]).run()?;
    let run = [
        "run",
        "--release",
        "--quiet",
        "-p",
        "loop-conformance",
        "--",
    ];
    let rest = asked(args)?;
    match command::cargo(workspace, run.into_iter().chain(rest)).code()? {
        Some(0) => passed(),
        Some(NO_REFERENCE) => skipped("there is no CPython 3.13 to compare with"),
        _ => Err("the traces differ".to_owned()),
    }
}

/// Says to the runner what was asked of this tool.
fn asked(args: &[String]) -> Result<Vec<&str>, String> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.split_first() {
        None => Ok(vec!["check"]),
        Some((&"--fresh", rest)) => Ok(std::iter::once("fresh")
            .chain(rest.iter().copied())
            .collect()),
        Some((other, _)) => Err(format!("`{other}` is no argument: `--fresh COUNT` is one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_corpus_is_checked_unless_fresh_programs_are_asked_for() {
        assert_eq!(asked(&[]), Ok(vec!["check"]));
        let args = words("--fresh 100 --profile sync");
        assert_eq!(asked(&args), Ok(vec!["fresh", "100", "--profile", "sync"]));
        assert!(asked(&words("100")).is_err());
    }
}
