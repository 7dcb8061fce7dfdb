//! Clocks, and what the system knows of this process.

use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// One figure: the smaller, the better.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metric {
    /// The row of the table.
    pub(crate) row: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

impl Metric {
    pub(crate) fn new(row: impl Into<String>, value: f64, unit: &str) -> Metric {
        Metric {
            row: row.into(),
            value,
            unit: unit.to_owned(),
        }
    }

    /// The time that each of `count` operations took.
    pub(crate) fn each(row: impl Into<String>, time: Duration, count: usize) -> Metric {
        Metric::new(row, time.as_nanos() as f64 / count as f64, "ns")
    }
}

/// The one place that reads the system's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and not that of any loop"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A stopwatch of wall time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The processor time of the whole process.
pub(crate) fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// The processor time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).expect("time goes forward");
    let nanos = u32::try_from(time.tv_nsec).expect("a second has 10^9 of them");
    Duration::new(seconds, nanos)
}

#[cfg(feature = "peers")]
/// The number of processors that this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processors that this process may use. A thread that another starts is kept where that one is.
#[derive(Clone, Copy)]
pub(crate) struct Processors(CpuSet);

impl Processors {
    pub(crate) fn allowed() -> Processors {
        Processors(sched_getaffinity(None).expect("the system knows"))
    }

    /// Keeps this thread on the first of them.
    pub(crate) fn pin_to_first(self) {
        pin(self.numbers().next());
    }

    /// Keeps this thread on the last of them, which is another than the first if there are two.
    pub(crate) fn pin_to_last(self) {
        pin(self.numbers().next_back());
    }

    fn numbers(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..CpuSet::MAX_CPU).filter(|cpu| self.0.is_set(*cpu))
    }
}

fn pin(processor: Option<usize>) {
    let mut one = CpuSet::new();
    one.set(processor.expect("it runs on one of them"));
    sched_setaffinity(None, &one).expect("a part of what is allowed is allowed");
}

/// The memory that the process has in use, in bytes.
pub(crate) fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the system says");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    let pages: usize = pages.expect("the second figure is the resident set");
    pages * rustix::param::page_size()
}

/// The value below which a share of the sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    sorted[index.min(sorted.len() - 1)]
}

/// The middle value; the mean of the two middle ones of an even number.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        (sorted[half - 1] + sorted[half]) / 2.0
    } else {
        sorted[half]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_quantile_is_a_value() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert_eq!(quantile(&values, 0.5), 50.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }
}
