//! Results of many calls in other processes, in the order of the items.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;
use std::vec;

use loop_bridge::ConcurrentError;

use crate::{JobError, Map};

type Outcomes<T> = Vec<Result<T, JobError>>;

/// An iterator over the results of [`ProcessPoolExecutor::map`](crate::ProcessPoolExecutor::map),
/// which blocks for each chunk in turn.
///
/// It ends, and cancels what is left, as [`Map`] does.
///
/// # Examples
/// See [`ProcessPoolExecutor::map`](crate::ProcessPoolExecutor::map).
#[must_use = "dropping the results cancels the jobs"]
pub struct ProcessMap<T> {
    chunks: Map<Outcomes<T>>,
    /// How many calls each chunk has.
    sizes: VecDeque<usize>,
    /// What is left of the chunk at hand.
    outcomes: vec::IntoIter<Result<T, JobError>>,
    /// The fate of the chunk at hand, and of how many calls it still is.
    failed: Option<(ConcurrentError, usize)>,
}

impl<T> ProcessMap<T> {
    pub(crate) fn new(chunks: Map<Outcomes<T>>, sizes: Vec<usize>) -> Self {
        ProcessMap {
            chunks,
            sizes: sizes.into(),
            outcomes: Vec::new().into_iter(),
            failed: None,
        }
    }

    /// Gives up on results that are not there when `timeout` has elapsed, from now.
    ///
    /// By default, there is no limit.
    ///
    /// # Examples
    /// See [`Map::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.chunks = self.chunks.timeout(timeout);
        self
    }
}

impl<T> Iterator for ProcessMap<T> {
    type Item = Result<T, ConcurrentError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(outcome) = self.outcomes.next() {
                return Some(outcome.map_err(ConcurrentError::failed));
            }
            if let Some((error, calls)) = &mut self.failed
                && *calls > 0
            {
                *calls -= 1;
                return Some(Err(error.clone()));
            }
            let calls = self.sizes.pop_front()?;
            match self.chunks.next()? {
                Ok(outcomes) if outcomes.len() == calls => self.outcomes = outcomes.into_iter(),
                Ok(outcomes) => {
                    let message = format!("{} results of {calls} calls", outcomes.len());
                    let function = std::any::type_name::<T>().to_owned();
                    let error = JobError::DecodeResult { function, message };
                    self.failed = Some((ConcurrentError::failed(error), calls));
                }
                // The wait is over, once for all calls.
                Err(error @ (ConcurrentError::TimedOut | ConcurrentError::WouldDeadlock(_))) => {
                    self.failed = Some((error, 1));
                    self.sizes.clear();
                }
                Err(error) => self.failed = Some((error, calls)),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let failed = self.failed.as_ref().map_or(0, |(_, calls)| *calls);
        let at_hand = self.outcomes.len() + failed;
        let most = at_hand + self.sizes.iter().sum::<usize>();
        // An error of the wait ends it early.
        (at_hand.max(most.min(1)), Some(most))
    }
}

impl<T> fmt::Debug for ProcessMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, most) = self.size_hint();
        write!(f, "<ProcessMap of {} results to come>", most.unwrap_or(0))
    }
}
