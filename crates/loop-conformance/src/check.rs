//! Checks: running programs and comparing what they leave with what is expected.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::corpus::{Entry, corpus_entries, corpus_files};
use crate::program::Program;
use crate::trace::{Difference, Trace};

/// How many programs that failed are kept; the others are only counted.
const KEPT: usize = 10;

/// What came of running programs.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many programs were run.
    pub compared: usize,
    /// How many of them left another trace than asyncio.
    pub failed: usize,
    /// The first of these.
    pub failures: Vec<Failed>,
}

/// A program that left another trace than asyncio.
#[derive(Debug)]
pub struct Failed {
    /// The program's id.
    pub id: String,
    /// The line that the program was read from.
    pub line: String,
    /// Where the traces part.
    pub difference: Difference,
}

impl Tally {
    /// Runs the program of an entry and compares its trace. A runner that panics left none.
    ///
    /// # Examples
    /// ```
    /// use loop_conformance::{Entry, Tally, Trace};
    ///
    /// let line = r#"{"id": "p", "main": [], "trace": [[0, "main", "end", null]], "tasks": {}}"#;
    /// let mut tally = Tally::default();
    /// tally.add(Entry::read(line)?, &mut |_| Trace::default());
    /// assert_eq!((tally.compared, tally.failed), (1, 1));
    /// assert_eq!(tally.failures[0].difference.actual, "the end");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn add(&mut self, entry: Entry, run: &mut dyn FnMut(&Program) -> Trace) {
        self.compared += 1;
        let difference = match catch_unwind(AssertUnwindSafe(|| run(&entry.program))) {
            Ok(trace) => entry.expected.difference(&trace),
            Err(_) => Some(Difference {
                place: "the whole run".to_owned(),
                expected: format!("{} events", entry.expected.trace.len()),
                actual: "the runner panicked".to_owned(),
            }),
        };
        let Some(difference) = difference else {
            return;
        };
        self.failed += 1;
        if self.failures.len() < KEPT {
            self.failures.push(Failed {
                id: entry.program.id,
                line: entry.line,
                difference,
            });
        }
    }

    /// Whether every trace was equal, and there was one at all.
    ///
    /// # Examples
    /// ```
    /// assert!(!loop_conformance::Tally::default().is_equal());
    /// ```
    pub fn is_equal(&self) -> bool {
        self.failed == 0 && self.compared > 0
    }
}

/// The failures that were kept, and a line that counts all.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Failed { id, difference, .. } in &self.failures {
            writeln!(f, "{id}: {difference}")?;
        }
        let equal = self.compared - self.failed;
        write!(f, "{equal} of {} traces equal", self.compared)
    }
}

/// Runs every program of a corpus.
///
/// # Errors
/// A file of the corpus cannot be read.
///
/// # Examples
/// ```
/// use loop_conformance::{Trace, check_corpus};
///
/// let folder = std::env::temp_dir().join("an empty corpus");
/// std::fs::create_dir_all(&folder)?;
/// let tally = check_corpus(&folder, &mut |_| Trace::default())?;
/// assert_eq!(tally.to_string(), "0 of 0 traces equal");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_corpus(folder: &Path, run: &mut dyn FnMut(&Program) -> Trace) -> io::Result<Tally> {
    let mut tally = Tally::default();
    for file in corpus_files(folder)? {
        for entry in corpus_entries(&file)? {
            tally.add(entry?, run);
        }
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> Entry {
        let line = format!(r#"{{"id": "{id}", "main": [], "trace": [[0]], "tasks": {{}}}}"#);
        Entry::read(&line).unwrap()
    }

    #[test]
    fn a_runner_that_panics_fails_the_program_and_not_the_check() {
        let mut tally = Tally::default();
        let mut run = |program: &Program| {
            assert_ne!(program.id, "b", "this one panics");
            entry(&program.id).expected
        };
        for id in ["a", "b", "c"] {
            tally.add(entry(id), &mut run);
        }
        assert_eq!((tally.compared, tally.failed), (3, 1));
        assert_eq!(tally.failures[0].id, "b");
        assert!(
            tally.to_string().ends_with("2 of 3 traces equal"),
            "{tally}"
        );
        assert!(!tally.is_equal());
    }
}
