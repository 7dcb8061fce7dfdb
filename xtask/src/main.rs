//! The project's own tools: `cargo xtask VERB`.
//!
//! Each verb is a file with a `run` that says how its step ended. [`test_all`] runs the steps one
//! after the other and ends with a table. Nothing here is installed or downloaded, apart from the
//! dependencies that `Cargo.lock` names, once.

#![forbid(unsafe_code)]

mod asan;
mod bench;
mod command;
mod conformance;
mod demo;
mod doc;
mod examples;
mod fetch;
mod fmt;
mod help;
mod lint;
mod loom;
mod soak;
mod standalone;
mod step;
mod test;
mod test_all;
mod tidy;
mod workspace;

use std::process::ExitCode;

use step::Step;
use workspace::Workspace;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let verb = args.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = args.collect();
    let workspace = Workspace::of_this_tool();
    if !rest.is_empty() && !["bench", "conformance"].contains(&verb.as_str()) {
        eprintln!("`cargo xtask {verb}` takes no arguments; see `cargo xtask help`.");
        return ExitCode::from(2);
    }
    match verb.as_str() {
        "help" | "--help" | "-h" => help::print(),
        "fetch" => alone(&verb, &workspace, fetch::run),
        "fmt" => alone(&verb, &workspace, fmt::run),
        "tidy" => alone(&verb, &workspace, tidy::run),
        "lint" => built(&verb, &workspace, lint::run),
        "standalone" => built(&verb, &workspace, standalone::run),
        "test" => built(&verb, &workspace, test::run),
        "doc" => built(&verb, &workspace, doc::run),
        "examples" => built(&verb, &workspace, examples::run),
        "conformance" => built(&verb, &workspace, |workspace| {
            conformance::run(workspace, &rest)
        }),
        "loom" => built(&verb, &workspace, loom::run),
        "asan" => built(&verb, &workspace, asan::run),
        "bench" => built(&verb, &workspace, |workspace| bench::run(workspace, &rest)),
        "soak" => built(&verb, &workspace, soak::run),
        "demo" => built(&verb, &workspace, demo::run),
        "test-all" => test_all::run(&workspace),
        _ => {
            eprintln!("There is no verb `{verb}`; `cargo xtask help` names them all.");
            ExitCode::from(2)
        }
    }
}

/// Runs one step and says how it ended.
fn alone(verb: &str, workspace: &Workspace, step: impl FnOnce(&Workspace) -> Step) -> ExitCode {
    let report = step::timed(verb, || step(workspace));
    println!("{report}");
    if report.failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Runs one step that compiles: the dependencies are there before it starts, so that the step
/// itself can be offline.
fn built(verb: &str, workspace: &Workspace, step: impl FnOnce(&Workspace) -> Step) -> ExitCode {
    alone(verb, workspace, |workspace| {
        fetch::run(workspace)?;
        step(workspace)
    })
}
