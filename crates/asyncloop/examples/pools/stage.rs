//! A stage: the same work on one thread and in a pool, beside each other.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Result;

pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) files: usize,
    pub(crate) mib: f64,
}

/// How far the work is. Where there is no terminal, nobody sees it.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Counts a file, and gives what came of it.
    pub(crate) fn wrap<T>(&self, outcome: T) -> T {
        self.0.inc(1);
        outcome
    }
}

impl Stage {
    /// Does the work in both ways, and gives what both came to.
    pub(crate) fn compare<T: PartialEq>(
        self,
        one: impl FnOnce(&Bar) -> Result<T>,
        pool: impl FnOnce(&Bar) -> Result<T>,
    ) -> Result<T> {
        let (alone, expected) = self.timed("one thread", one)?;
        let (pooled, outcome) = self.timed(self.name, pool)?;
        if outcome != expected {
            return Err(format!("{}: not what one thread came to", self.name).into());
        }
        let speed = |time: Duration| self.mib / time.as_secs_f64();
        println!(
            "{:<20} {:>7.0} MiB/s; one thread {:>7.0} MiB/s: {:.2} times as fast",
            self.name,
            speed(pooled),
            speed(alone),
            alone.as_secs_f64() / pooled.as_secs_f64(),
        );
        Ok(outcome)
    }

    fn timed<T>(
        &self,
        who: &'static str,
        work: impl FnOnce(&Bar) -> Result<T>,
    ) -> Result<(Duration, T)> {
        let style = ProgressStyle::with_template("{msg:<20} {wide_bar} {pos}/{len}")?;
        let bar = ProgressBar::new(self.files as u64).with_style(style);
        let bar = Bar(bar.with_message(who));
        #[expect(
            clippy::disallowed_methods,
            reason = "there is no loop whose clock could be asked"
        )]
        let start = Instant::now();
        let outcome = work(&bar)?;
        let time = start.elapsed();
        bar.0.finish_and_clear();
        Ok((time, outcome))
    }
}
