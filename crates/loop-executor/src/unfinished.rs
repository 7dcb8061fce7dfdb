//! Jobs that have not ended, for the report about them.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// A job that has not ended: where it was submitted, and for how long it has been running.
///
/// # Examples
/// See [`ThreadPoolExecutor::shutdown_timeout`](crate::ThreadPoolExecutor::shutdown_timeout).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnfinishedJob {
    place: &'static Location<'static>,
    running_for: Option<Duration>,
}

impl UnfinishedJob {
    /// Describes a job; `None` if it has not begun.
    ///
    /// # Examples
    /// ```
    /// use std::panic::Location;
    /// use loop_executor::UnfinishedJob;
    ///
    /// let job = UnfinishedJob::new(Location::caller(), None);
    /// assert!(job.to_string().ends_with("has not begun"));
    /// ```
    #[must_use]
    pub fn new(place: &'static Location<'static>, running_for: Option<Duration>) -> Self {
        UnfinishedJob { place, running_for }
    }

    /// The place in the program that submitted it.
    ///
    /// # Examples
    /// See [`new`](UnfinishedJob::new).
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// For how long it has been running; `None` if it has not begun.
    ///
    /// # Examples
    /// ```
    /// use std::panic::Location;
    /// use loop_executor::UnfinishedJob;
    ///
    /// assert!(UnfinishedJob::new(Location::caller(), None).running_for().is_none());
    /// ```
    #[must_use]
    pub fn running_for(&self) -> Option<Duration> {
        self.running_for
    }
}

impl fmt::Display for UnfinishedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the job submitted at {} ", self.place)?;
        match self.running_for {
            Some(time) => write!(f, "has been running for {time:.1?}"),
            None => f.write_str("has not begun"),
        }
    }
}

/// A pool was given time to end, and jobs of it did not.
///
/// # Examples
/// See [`ThreadPoolExecutor::shutdown_timeout`](crate::ThreadPoolExecutor::shutdown_timeout).
#[derive(Clone, Debug)]
pub struct StillRunning {
    jobs: Vec<UnfinishedJob>,
}

impl StillRunning {
    /// Makes the error of the jobs.
    ///
    /// # Examples
    /// ```
    /// use std::panic::Location;
    /// use loop_executor::{StillRunning, UnfinishedJob};
    ///
    /// let job = UnfinishedJob::new(Location::caller(), None);
    /// assert!(StillRunning::new(vec![job]).to_string().contains("1 job"));
    /// ```
    #[must_use]
    pub fn new(jobs: Vec<UnfinishedJob>) -> Self {
        StillRunning { jobs }
    }

    /// The jobs, as far as the pool knows them: those that run, then those that have not begun.
    ///
    /// # Examples
    /// See [`StillRunning`].
    #[must_use]
    pub fn jobs(&self) -> &[UnfinishedJob] {
        &self.jobs
    }
}

impl fmt::Display for StillRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.jobs.len() == 1 { "" } else { "s" };
        write!(
            f,
            "the executor did not finish: {} job{plural}",
            self.jobs.len()
        )?;
        // A few of them say what is wrong; a thousand would hide it.
        for (number, job) in self.jobs.iter().take(10).enumerate() {
            f.write_str(if number == 0 { ": " } else { "; " })?;
            job.fmt(f)?;
        }
        if self.jobs.len() > 10 {
            f.write_str("; ...")?;
        }
        Ok(())
    }
}

impl Error for StillRunning {}
