//! How a step ended, how long it took, and the table of all of them.

use std::fmt;
use std::time::{Duration, Instant};

/// The end of a step that did not fail.
#[derive(Debug)]
pub(crate) enum Done {
    /// The step did its work. The text says what the reader should know, and is mostly empty.
    Passed(String),
    /// The step had nothing to do here, because of the reason given.
    Skipped(String),
}

/// The end of a step; the error says what failed.
pub(crate) type Step = Result<Done, String>;

/// Says that a step passed, with nothing to add.
pub(crate) fn passed() -> Step {
    Ok(Done::Passed(String::new()))
}

/// Says that a step passed, with something to add.
pub(crate) fn passed_with(note: impl Into<String>) -> Step {
    Ok(Done::Passed(note.into()))
}

/// Says that a step had nothing to do, and why.
pub(crate) fn skipped(reason: impl Into<String>) -> Step {
    Ok(Done::Skipped(reason.into()))
}

/// A step that has ended: a row of the table.
#[derive(Debug)]
pub(crate) struct Report {
    name: String,
    took: Duration,
    end: Step,
}

impl Report {
    /// Whether the step failed.
    pub(crate) fn failed(&self) -> bool {
        self.end.is_err()
    }

    fn word(&self) -> &'static str {
        match self.end {
            Ok(Done::Passed(_)) => "passed",
            Ok(Done::Skipped(_)) => "skipped",
            Err(_) => "FAILED",
        }
    }

    fn because(&self) -> &str {
        match &self.end {
            Ok(Done::Passed(text) | Done::Skipped(text)) | Err(text) => text,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, word, because) = (&self.name, self.word(), self.because());
        let line = format!(
            "{name:<12} {word:<8} {:>7.1} s   {because}",
            self.took.as_secs_f64()
        );
        f.write_str(line.trim_end())
    }
}

/// Runs a step and keeps how it ended and how long it took.
pub(crate) fn timed(name: &str, step: impl FnOnce() -> Step) -> Report {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the time of a person who waits"
    )]
    let start = Instant::now();
    let end = step();
    Report {
        name: name.to_owned(),
        took: start.elapsed(),
        end,
    }
}

/// Writes the closing table: a row a step, then a line that counts them.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut text = format!("{:<12} {:<8} {:>9}   because\n", "step", "result", "time");
    for report in reports {
        text.push_str(&format!("{report}\n"));
    }
    let count = |word| {
        reports
            .iter()
            .filter(|report| report.word() == word)
            .count()
    };
    let (passed, failed, skipped) = (count("passed"), count("FAILED"), count("skipped"));
    text.push_str(&format!(
        "\n{passed} passed, {failed} failed, {skipped} skipped"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_each_kind_of_end() {
        let reports = [
            timed("fmt", passed),
            timed("lint", || Err("clippy found something".to_owned())),
            timed("bench", || skipped("no crate")),
            timed("doc", || passed_with("3 crates")),
        ];
        let text = table(&reports);
        assert!(text.ends_with("2 passed, 1 failed, 1 skipped"), "{text}");
        assert!(text.contains("FAILED"), "{text}");
        assert!(text.contains("clippy found something"), "{text}");
        assert!(text.contains("no crate"), "{text}");
        assert!(reports[1].failed() && !reports[2].failed());
    }
}
