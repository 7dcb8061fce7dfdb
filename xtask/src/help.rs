//! `help`: all verbs, in a sentence each.

use std::process::ExitCode;

/// The verbs, in the order in which a reader would want them.
const VERBS: [(&str, &str); 16] = [
    (
        "test-all",
        "Runs every step below but `soak` and `help`, goes on after a failure, ends with a table.",
    ),
    (
        "fetch",
        "Downloads the dependencies that Cargo.lock names, once; all other verbs are offline.",
    ),
    ("fmt", "Checks that rustfmt would change nothing."),
    (
        "tidy",
        "Checks what a reader relies on: layers, links, sizes, words, where unsafe code lives.",
    ),
    (
        "lint",
        "Runs clippy on everything, with warnings as errors.",
    ),
    (
        "standalone",
        "Checks every published crate on its own, with all its features and with none.",
    ),
    (
        "test",
        "Runs all tests but the doctests, the seed programs among them.",
    ),
    (
        "doc",
        "Builds the documentation with warnings as errors, and runs the doctests.",
    ),
    (
        "examples",
        "Builds the examples for release, runs some, and holds the seed programs to their contracts.",
    ),
    (
        "conformance",
        "Runs the corpus and compares with the traces that asyncio left; `--fresh COUNT` makes new ones.",
    ),
    (
        "loom",
        "Runs each loom model in a process of its own; the mutants among them must fail.",
    ),
    (
        "asan",
        "Runs the tests of the crates that hold unsafe code under AddressSanitizer (nightly).",
    ),
    (
        "bench",
        "Runs the benchmarks; what follows is theirs (--help), but `--check` checks them. Not in test-all.",
    ),
    (
        "demo",
        "Runs the tour, the story on a real clock, and the crawler.",
    ),
    (
        "soak",
        "Does for an hour what tests do for seconds: kills workers, mixes jobs, garbles frames. No part of test-all.",
    ),
    ("help", "Prints this."),
];

/// Prints the verbs.
pub(crate) fn print() -> ExitCode {
    println!("cargo xtask VERB\n");
    for (verb, sentence) in VERBS {
        println!("  {verb:<12} {sentence}");
    }
    ExitCode::SUCCESS
}
