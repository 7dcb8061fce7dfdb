//! Results of ever so many jobs, of which only a few are submitted at a time.

use std::fmt;
use std::time::Duration;

use loop_bridge::{ConcurrentError, ConcurrentFuture};

use crate::{Map, SubmitError};

/// Submits the next job, if there is one.
type Next<'a, T, I> = Box<dyn FnMut() -> Option<Result<ConcurrentFuture<T>, SubmitError<I>>> + 'a>;

/// An iterator over the results of [`ExecutorExt::map_buffered`](crate::ExecutorExt::map_buffered). The next item is
/// taken, and its job submitted, when a result is asked for.
///
/// Otherwise as [`Map`]. If a job is refused, that is an item after those of the jobs that were accepted,
/// [`ConcurrentError::Failed`], and the last one.
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::new(2)?;
/// // Of all numbers there are, four at a time.
/// let squares = pool.map_buffered(0_u64.., 4, |n| n * n)?;
/// let some: Vec<u64> = squares.map(Result::unwrap).take(5).collect();
/// assert_eq!(some, [0, 1, 4, 9, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the results cancels the jobs"]
pub struct MapBuffered<'a, T, I> {
    results: Map<T>,
    /// Until the items have ended, or a job was refused.
    next: Option<Next<'a, T, I>>,
    refused: Option<SubmitError<I>>,
}

impl<'a, T, I> MapBuffered<'a, T, I> {
    /// Submits the first jobs.
    pub(crate) fn begin(next: Next<'a, T, I>, buffer: usize) -> Result<Self, SubmitError<I>> {
        let mut map = MapBuffered {
            results: Map::default(),
            next: Some(next),
            refused: None,
        };
        for _ in 0..buffer.max(1) {
            if map.next.is_none() {
                break; // The buffer may be larger than anybody can count to.
            }
            map.submit_next();
        }
        map.refused.take().map_or(Ok(map), Err)
    }

    fn submit_next(&mut self) {
        match self.next.as_mut().and_then(|next| next()) {
            Some(Ok(future)) => self.results.push(future),
            Some(Err(refused)) => {
                self.refused = Some(refused);
                self.next = None;
            }
            None => self.next = None,
        }
    }

    /// As [`Map::timeout`].
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// let lengths = pool.map_buffered(["a", "bb"], 1, str::len)?.timeout(Duration::from_secs(60));
    /// assert_eq!(lengths.collect::<Result<Vec<_>, _>>()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.results = std::mem::take(&mut self.results).timeout(timeout);
        self
    }
}

impl<T, I> Iterator for MapBuffered<'_, T, I> {
    type Item = Result<T, ConcurrentError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Before the wait, so that the workers have something to do meanwhile.
        self.submit_next();
        let Some(result) = self.results.next() else {
            let refused = self.refused.take()?;
            return Some(Err(ConcurrentError::failed(refused.map(drop))));
        };
        if let Err(ConcurrentError::TimedOut | ConcurrentError::WouldDeadlock(_)) = result {
            self.next = None;
            self.refused = None;
        }
        Some(result)
    }
}

impl<T, I> fmt::Debug for MapBuffered<'_, T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapBuffered")
            .field("submitted", &self.results)
            .field("more", &self.next.is_some())
            .finish()
    }
}
