//! Running other programs: what they are given, and how long they may take.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::workspace::Workspace;

/// A command that hangs must not hang the whole run: no step needs half of this.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// How long killed processes may take to be gone.
const MOURNING: Duration = Duration::from_secs(10);

/// A program to be run from the top of the workspace.
#[derive(Debug)]
pub(crate) struct Run {
    command: Command,
    shown: String,
    limit: Duration,
}

/// Makes a run of cargo, which never touches the network: [`crate::fetch`] came first.
pub(crate) fn cargo<'a>(workspace: &Workspace, args: impl IntoIterator<Item = &'a str>) -> Run {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    program(workspace, cargo, args)
        .shown_as("cargo")
        .env("CARGO_NET_OFFLINE", "true")
}

/// Makes a run of any program.
pub(crate) fn program<'a>(
    workspace: &Workspace,
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = &'a str>,
) -> Run {
    let mut command = Command::new(&program);
    command.current_dir(workspace.root()).stdin(Stdio::null());
    // What cargo told this tool about itself is not true of the packages that it builds next.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let mut shown = Path::new(program.as_ref()).display().to_string();
    for arg in args {
        command.arg(arg);
        shown.push_str(&format!(" {arg}"));
    }
    Run {
        command,
        shown,
        limit: LIMIT,
    }
}

impl Run {
    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets how long the program may take. By default, 40 minutes.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn shown_as(mut self, name: &str) -> Self {
        let args = self.shown.find(' ').map_or("", |at| &self.shown[at..]);
        self.shown = format!("{name}{args}");
        self
    }

    /// Runs the program, its output going where this tool's goes.
    pub(crate) fn run(self) -> Result<(), String> {
        let shown = self.shown.clone();
        check(&shown, self.loudly()?)
    }

    /// Runs the program likewise and returns its exit code, whatever that is. A program that a
    /// signal ended has none.
    pub(crate) fn code(self) -> Result<Option<i32>, String> {
        Ok(self.loudly()?.code())
    }

    fn loudly(mut self) -> Result<ExitStatus, String> {
        println!("> {}", self.shown);
        self.command
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit());
        Ok(self.wait()?.status)
    }

    /// Runs the program and returns its standard output; standard error goes where this tool's goes.
    pub(crate) fn stdout(mut self) -> Result<String, String> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let shown = self.shown.clone();
        let output = self.wait()?;
        check(&shown, output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs the program and returns all that it wrote, and how it ended, whatever that was.
    pub(crate) fn output(mut self) -> Result<Output, String> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.wait()
    }

    fn wait(mut self) -> Result<Output, String> {
        let shown = self.shown;
        let child = self
            .command
            .spawn()
            .map_err(|error| format!("`{shown}`: {error}"))?;
        let pid = child.id();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        match receiver.recv_timeout(self.limit) {
            Ok(ended) => ended.map_err(|error| format!("`{shown}`: {error}")),
            Err(_) => {
                kill_family(pid);
                // The pipes end when the last of the family has.
                let end = receiver.recv_timeout(MOURNING);
                let fate = if end.is_ok() {
                    "was killed"
                } else {
                    "could not be killed"
                };
                Err(format!("`{shown}` {fate} after {} s", self.limit.as_secs()))
            }
        }
    }
}

fn check(shown: &str, status: ExitStatus) -> Result<(), String> {
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{shown}` failed: {status}"))
    }
}

/// Kills a process that this tool started, and what that process started: a test that hangs is a
/// grandchild, and would outlive its cargo.
fn kill_family(pid: u32) {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(children_of(parent));
        next += 1;
    }
    let pids = family.iter().map(u32::to_string);
    // A process that is gone already is no fault: the status says nothing of use.
    let _ = Command::new("kill").arg("-KILL").args(pids).status();
}

/// Lists a process's children where the system shows them as files, else nothing.
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|line| {
            line.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Run {
        program(&Workspace::of_this_tool(), "sh", ["-c", script])
    }

    #[test]
    fn a_program_that_fails_is_named() {
        let error = shell("exit 3")
            .output()
            .map(|output| check("sh", output.status));
        let error = error.expect("sh is there").expect_err("it ended with 3");
        assert!(error.contains("`sh` failed"), "{error}");
        assert_eq!(shell("echo hello").stdout().as_deref(), Ok("hello\n"));
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        // The child holds the output open: a survivor would be noticed.
        let run = shell("sleep 600 & wait").limit(Duration::from_millis(200));
        let error = run.output().expect_err("it cannot end by itself");
        assert!(error.contains("was killed"), "{error}");
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let run = program(&Workspace::of_this_tool(), "no-such-program-here", []);
        assert!(
            run.output()
                .expect_err("it does not exist")
                .contains("no-such-program-here")
        );
    }
}
