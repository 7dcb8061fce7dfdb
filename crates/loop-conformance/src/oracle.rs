//! The oracle: finding a Python that can be the reference, and asking it.

use std::ffi::OsString;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::corpus::{Entry, entries};

/// What a generator of programs can be asked for.
pub const PROFILES: [&str; 8] = [
    "tasks", "cancel", "groups", "sync", "all", "eager", "contend", "edges",
];

/// The oracle's script, run by a CPython 3.13.
#[derive(Clone, Debug)]
pub struct Oracle {
    python: OsString,
    script: PathBuf,
}

impl Oracle {
    /// Looks for a CPython 3.13: what the variable `CONFORMANCE_PYTHON` names, `python3.13`,
    /// `python3`, then those that pyenv keeps. `None` if there is none.
    ///
    /// # Examples
    /// ```
    /// if loop_conformance::Oracle::find().is_none() {
    ///     println!("skipped: there is no CPython 3.13");
    /// }
    /// ```
    pub fn find() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/oracle.py");
        pythons()
            .into_iter()
            .map(|python| Self {
                python,
                script: script.clone(),
            })
            .find(Self::is_the_reference)
    }

    /// Whether the script takes this Python for a reference: one that is not ends with an error.
    fn is_the_reference(&self) -> bool {
        let mut command = self.command(["run"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).args(args).stdin(Stdio::null());
        command
    }

    /// Makes new programs of a profile, with the traces that asyncio leaves; programs that asyncio
    /// leaves stuck are left out.
    ///
    /// # Errors
    /// Python cannot be started. What follows may fail as well, each line for itself.
    ///
    /// # Examples
    /// ```
    /// if let Some(oracle) = loop_conformance::Oracle::find() {
    ///     for entry in oracle.fresh("tasks", 1, 5)? {
    ///         assert!(entry?.program.id.starts_with("tasks-"));
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fresh(
        &self,
        profile: &str,
        seed: u64,
        count: u64,
    ) -> io::Result<impl Iterator<Item = io::Result<Entry>> + use<>> {
        let (seed, count) = (seed.to_string(), count.to_string());
        let gen_args = [
            "gen",
            "--profile",
            profile,
            "--seed",
            &seed,
            "--count",
            &count,
        ];
        let mut made = self.command(gen_args).stdout(Stdio::piped()).spawn()?;
        let programs = made.stdout.take().ok_or_else(no_pipe)?;
        let mut expect = self.command(["expect"]);
        let mut told = expect.stdin(programs).stdout(Stdio::piped()).spawn()?;
        let output = told.stdout.take().ok_or_else(no_pipe)?;
        Ok(Answers {
            lines: entries(BufReader::new(output)),
            children: Some([made, told]),
        })
    }

    /// Makes a failing program small. The shell command reads programs and writes traces. Returns
    /// the small program and what is wrong with it, for a reader.
    ///
    /// # Errors
    /// Python cannot be started.
    ///
    /// # Examples
    /// ```
    /// if let Some(oracle) = loop_conformance::Oracle::find() {
    ///     let program = r#"{"id": "p", "main": [["sleep", 1], ["log", "a"]]}"#;
    ///     let small = oracle.shrink(program, "true")?;
    ///     assert!(small.starts_with(r#"{"id":"p","main":[]}"#), "{small}");
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shrink(&self, program: &str, runner: &str) -> io::Result<String> {
        let mut command = self.command(["shrink", "--runner", runner]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().ok_or_else(no_pipe)?;
        writeln!(input, "{program}")?;
        drop(input);
        let output = child.wait_with_output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn no_pipe() -> io::Error {
    io::Error::other("a pipe that was asked for is not there")
}

/// The Pythons worth a try.
fn pythons() -> Vec<OsString> {
    let mut found: Vec<OsString> = std::env::var_os("CONFORMANCE_PYTHON").into_iter().collect();
    found.extend(["python3.13".into(), "python3".into()]);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or(home);
    let versions = pyenv.and_then(|folder| folder.join("versions").read_dir().ok());
    for version in versions.into_iter().flatten().flatten() {
        if version.file_name().to_string_lossy().starts_with("3.13") {
            found.push(version.path().join("bin/python3.13").into());
        }
    }
    found
}

/// The entries that come out of the oracle, and an error if it did not end well.
struct Answers<L> {
    lines: L,
    children: Option<[Child; 2]>,
}

impl<L: Iterator<Item = io::Result<Entry>>> Iterator for Answers<L> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.lines.next() {
            return Some(entry);
        }
        for mut child in self.children.take()? {
            match child.wait() {
                Ok(status) if status.success() => {}
                Ok(status) => {
                    return Some(Err(io::Error::other(format!(
                        "the oracle failed: {status}"
                    ))));
                }
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_python_is_no_reference() {
        let oracle = Oracle {
            python: "false".into(),
            script: "oracle.py".into(),
        };
        assert!(!oracle.is_the_reference());
    }

    #[test]
    fn an_oracle_that_fails_is_an_error_and_not_an_empty_answer() {
        let oracle = Oracle {
            python: "false".into(),
            script: "oracle.py".into(),
        };
        let mut answers = oracle.fresh("tasks", 1, 1).unwrap();
        assert!(answers.next().unwrap().is_err());
    }
}
