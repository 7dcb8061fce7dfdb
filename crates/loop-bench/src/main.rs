//! The benchmarks: this library beside its peers, every measurement in a process of its own, in turns.
//!
//! An engine is a file below `engines`, a family of workloads one below `workloads`; [`rounds`] runs every pair in
//! turns and [`table`] shows what came of it.

#![forbid(unsafe_code)]
#![expect(
    clippy::manual_async_fn,
    reason = "what an engine returns does not borrow it, as that of an async fn would"
)]

mod child;
mod command_line;
mod count;
mod engine;
mod engines;
mod expect;
mod latch;
mod measure;
mod paths;
mod rounds;
mod table;
mod workloads;

use std::process::ExitCode;

use command_line::Command;

fn main() -> ExitCode {
    let done = match command_line::parse() {
        Ok(Command::Child {
            engine,
            workload,
            scale,
        }) => child::run(&engine, &workload, scale),
        Ok(Command::Run(options)) => rounds::run(&options),
        Ok(Command::Count { accept, only }) => count::run(accept, &only),
        Ok(Command::Path { name, count }) => paths::run(&name, count),
        Ok(Command::List) => {
            rounds::list();
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loop-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
