//! `asan`: the crates that hold unsafe code, under AddressSanitizer.

use crate::command::{self, Run};
use crate::step::{Step, passed_with, skipped};
use crate::tidy;
use crate::workspace::Workspace;

/// Runs the tests of the crates that hold unsafe code with a sanitizer that finds uses of freed
/// memory and, at the end, leaks. It needs a nightly compiler, installed by whoever wants it.
pub(crate) fn run(workspace: &Workspace) -> Step {
    let packages = tidy::packages_with_unsafe();
    let Some(target) = nightly_host(workspace) else {
        return skipped("no nightly toolchain: `rustup toolchain install nightly` brings one");
    };
    let folder = workspace.target()?.join("asan");
    let tests = |last: &[&str]| {
        let mut args = vec![
            "test",
            "--target",
            &target,
            "--all-features",
            "--lib",
            "--tests",
        ];
        for package in &packages {
            args.extend(["-p", package]);
        }
        args.extend(last);
        nightly(workspace, "cargo", &args)
            .env("RUSTFLAGS", "-Zsanitizer=address")
            .env("CARGO_TARGET_DIR", &folder)
            .env("CARGO_NET_OFFLINE", "true")
            // Each case takes many times as long, and what there is to see is in the first few hundred.
            .env("PROPTEST_CASES", "500")
    };
    let names = tests(&["--", "--list", "--format", "terse"]).stdout()?;
    let count = names
        .lines()
        .filter(|line| line.ends_with(": test"))
        .count();
    if count == 0 {
        return skipped(format!("no tests in {}", packages.join(", ")));
    }
    tests(&["--no-fail-fast"]).run()?;
    passed_with(format!("{count} tests of {}", packages.join(", ")))
}

/// Makes a run of a program of the nightly toolchain.
fn nightly(workspace: &Workspace, program: &str, args: &[&str]) -> Run {
    let through = ["run", "nightly", program].into_iter();
    // The stable cargo that started this tool left its choice of compiler in the environment.
    command::program(workspace, "rustup", through.chain(args.iter().copied()))
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC")
}

/// The platform of the nightly compiler, if there is one.
fn nightly_host(workspace: &Workspace) -> Option<String> {
    let output = nightly(workspace, "rustc", &["-vV"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
}
