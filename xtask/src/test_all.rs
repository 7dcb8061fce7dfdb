//! `test-all`: every step, and a table at the end.

use std::process::ExitCode;

use crate::step::{self, Report, Step};
use crate::workspace::Workspace;
use crate::{
    asan, bench, conformance, demo, doc, examples, fetch, fmt, lint, loom, standalone, test, tidy,
};

/// What a step does.
type Verb = fn(&Workspace) -> Step;

/// The steps, the quick ones first: what is wrong with the text of a change is known at once.
const STEPS: [(&str, Verb); 13] = [
    ("fetch", fetch::run),
    ("fmt", fmt::run),
    ("tidy", tidy::run),
    ("lint", lint::run),
    ("standalone", standalone::run),
    ("test", test::run),
    ("doc", doc::run),
    ("examples", examples::run),
    ("conformance", |workspace| conformance::run(workspace, &[])),
    ("loom", loom::run),
    ("asan", asan::run),
    ("bench", bench::leave),
    ("demo", demo::run),
];

/// Runs the steps, goes on after a failure, and fails if any of them did.
pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    let mut reports: Vec<Report> = Vec::new();
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let report = step::timed(name, || step(workspace));
        println!("{report}");
        reports.push(report);
    }
    println!("\n{}", step::table(&reports));
    if reports.iter().any(Report::failed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
