//! The script runner's command line: see the crate's README.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    loop_conformance::command_line(&args, &mut loop_conformance::run)
}
