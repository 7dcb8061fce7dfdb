//! Results of many jobs, in the order in which they were submitted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loop_bridge::{ConcurrentError, ConcurrentFuture};

use crate::job::Call;
use crate::sync::now;

/// An iterator over the results of [`ExecutorExt::map`](crate::ExecutorExt::map), which blocks for
/// each of them in turn.
///
/// A job's own error or panic is an item like any other. An error of the wait itself
/// ([`TimedOut`](ConcurrentError::TimedOut), [`WouldDeadlock`](ConcurrentError::WouldDeadlock)) is
/// the last item. What is left when the iterator ends or is dropped is cancelled, as far as it has
/// not begun.
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::new(2)?;
/// let squares: Vec<u32> = pool.map(0..4, |n| n * n)?.map(Result::unwrap).collect();
/// assert_eq!(squares, [0, 1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the results cancels the jobs"]
pub struct Map<T> {
    futures: VecDeque<ConcurrentFuture<T>>,
    deadline: Option<Instant>,
}

impl<T> Map<T> {
    /// Gives up on results that are not there when `timeout` has elapsed, from now.
    ///
    /// By default, there is no limit.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use loop_bridge::ConcurrentError;
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// let (done, wait) = mpsc::channel::<()>();
    /// pool.submit(move || wait.recv())?;
    /// let mut results = pool.map(["late"], str::len)?.timeout(Duration::from_millis(1));
    /// assert!(matches!(results.next(), Some(Err(ConcurrentError::TimedOut))));
    /// assert!(results.next().is_none());
    /// drop(done);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = now().checked_add(timeout);
        self
    }

    pub(crate) fn push(&mut self, future: ConcurrentFuture<T>) {
        self.futures.push_back(future);
    }

    fn left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(now()))
    }

    fn cancel_rest(&mut self) {
        // The last first: were it the other way round, a worker could begin one just before its
        // turn to be cancelled, again and again.
        while let Some(future) = self.futures.pop_back() {
            future.cancel();
        }
    }
}

impl<T> Iterator for Map<T> {
    type Item = Result<T, ConcurrentError>;

    fn next(&mut self) -> Option<Self::Item> {
        let future = self.futures.pop_front()?;
        let result = future.take_result(self.left());
        if let Err(ConcurrentError::TimedOut | ConcurrentError::WouldDeadlock(_)) = result {
            future.cancel();
            self.cancel_rest();
        }
        Some(result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error of the wait ends it early.
        (self.futures.len().min(1), Some(self.futures.len()))
    }
}

impl<T> Default for Map<T> {
    fn default() -> Self {
        Map {
            futures: VecDeque::new(),
            deadline: None,
        }
    }
}

impl<T> Drop for Map<T> {
    fn drop(&mut self) {
        self.cancel_rest();
    }
}

impl<T> fmt::Debug for Map<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Map of {} results to come>", self.futures.len())
    }
}

/// The call of one item.
pub(crate) struct Mapped<F, I> {
    pub(crate) f: Arc<F>,
    pub(crate) item: I,
}

impl<F, I, T> Call for Mapped<F, I>
where
    F: Fn(I) -> T + Send + Sync + 'static,
    I: Send + 'static,
    T: Send + 'static,
{
    type Output = T;

    fn call(self) -> T {
        (self.f)(self.item)
    }
}
