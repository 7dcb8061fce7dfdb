//! Blocking waits over many futures, for threads.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::Deadline;
use crate::waiter::{Waiter, Watch};
use crate::{ConcurrentFuture, WouldDeadlock};

/// When [`wait`] and [`try_wait`] return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReturnWhen {
    /// As soon as any future is done.
    FirstCompleted,
    /// As soon as any future failed; if none does, when all are done. A cancelled one has not
    /// failed.
    FirstException,
    /// When all futures are done.
    #[default]
    AllCompleted,
}

/// What [`wait`] gives: each future once, in the order in which they were given.
#[derive(Debug)]
#[non_exhaustive]
pub struct DoneAndNotDone<T> {
    /// Those with an outcome, cancelled ones among them.
    pub done: Vec<ConcurrentFuture<T>>,
    /// The others.
    pub not_done: Vec<ConcurrentFuture<T>>,
}

/// Blocks the thread until enough of `futures` are done, or for `timeout`.
///
/// A future given twice counts once. Without any it returns at once.
///
/// # Errors
/// [`WouldDeadlock`] if the wait would block and could not end but by its timeout, because this
/// thread is the one that the missing outcomes depend on.
///
/// # asyncio
/// `concurrent.futures.wait`, whose two results are sets. A future counts as done as soon as it
/// is cancelled; there, only when a worker has noticed.
///
/// # Examples
/// ```
/// use loop_bridge::{ReturnWhen, concurrent_future, wait};
///
/// let (first, quick) = concurrent_future();
/// let (second, slow) = concurrent_future();
/// first.set_result(1).unwrap();
/// let waited = wait([&quick, &slow], None, ReturnWhen::FirstCompleted).unwrap();
/// assert_eq!(waited.done, [quick]);
/// assert_eq!(waited.not_done, [slow]);
/// # second.set_result(2).unwrap();
/// ```
pub fn wait<T, I>(
    futures: I,
    timeout: Option<Duration>,
    return_when: ReturnWhen,
) -> Result<DoneAndNotDone<T>, WouldDeadlock>
where
    I: IntoIterator,
    I::Item: Borrow<ConcurrentFuture<T>>,
{
    wait_judging(distinct(futures), timeout, return_when, |_| false)
}

/// Does what [`wait`] does, and an `Err` that the work returned counts as a failure too.
///
/// # Errors
/// Those of [`wait`].
///
/// # Examples
/// ```
/// use loop_bridge::{ReturnWhen, concurrent_future, try_wait};
///
/// let (first, bad) = concurrent_future::<Result<u32, String>>();
/// let (second, slow) = concurrent_future();
/// first.set_result(Err("no such page".into())).unwrap();
/// let waited = try_wait([&bad, &slow], None, ReturnWhen::FirstException).unwrap();
/// assert_eq!(waited.done, [bad]);
/// # drop(second);
/// ```
pub fn try_wait<T, E, I>(
    futures: I,
    timeout: Option<Duration>,
    return_when: ReturnWhen,
) -> Result<DoneAndNotDone<Result<T, E>>, WouldDeadlock>
where
    I: IntoIterator,
    I::Item: Borrow<ConcurrentFuture<Result<T, E>>>,
{
    wait_judging(distinct(futures), timeout, return_when, Result::is_err)
}

fn wait_judging<T>(
    futures: Vec<ConcurrentFuture<T>>,
    timeout: Option<Duration>,
    return_when: ReturnWhen,
    failed: fn(&T) -> bool,
) -> Result<DoneAndNotDone<T>, WouldDeadlock> {
    let waiter = Waiter::new();
    for (position, future) in futures.iter().enumerate() {
        if let Some(failed) = future.watch(Watch::new(&waiter, position, failed)) {
            waiter.report(position, failed);
        }
    }
    let total = futures.len();
    let enough = |done: usize, failed: bool| {
        done == total
            || match return_when {
                ReturnWhen::FirstCompleted => done > 0,
                ReturnWhen::FirstException => failed,
                ReturnWhen::AllCompleted => false,
            }
    };
    let blocks = waiter.wait(
        Some(Duration::ZERO),
        |_| true,
        |report| !enough(report.done.len(), report.failed),
    );
    let refusal = if blocks {
        check(&futures, timeout, return_when).err()
    } else {
        None
    };
    if refusal.is_none() {
        waiter.wait(
            timeout,
            |report| enough(report.done.len(), report.failed),
            |_| (),
        );
    }
    for future in &futures {
        future.unwatch(&Watch::new(&waiter, 0, failed));
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }

    let mut is_done = vec![false; total];
    waiter.wait(
        Some(Duration::ZERO),
        |_| true,
        |report| {
            for &position in &report.done {
                is_done[position] = true;
            }
        },
    );
    let mut split = DoneAndNotDone {
        done: Vec::new(),
        not_done: Vec::new(),
    };
    for (future, is_done) in futures.into_iter().zip(is_done) {
        if is_done {
            &mut split.done
        } else {
            &mut split.not_done
        }
        .push(future);
    }
    Ok(split)
}

/// Refuses the wait if the outcomes that it needs can only come from this thread: any one of the
/// missing for all, every one of them for the first.
fn check<T>(
    futures: &[ConcurrentFuture<T>],
    timeout: Option<Duration>,
    return_when: ReturnWhen,
) -> Result<(), WouldDeadlock> {
    let mut refusal = None;
    for future in futures.iter().filter(|future| !future.done()) {
        match future.check_blocking(timeout) {
            Ok(()) if return_when == ReturnWhen::AllCompleted => {}
            Ok(()) => return Ok(()),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// The futures, each once, in the order given. The caller's iterator runs to its end before
/// anything is touched.
pub(crate) fn distinct<T, I>(futures: I) -> Vec<ConcurrentFuture<T>>
where
    I: IntoIterator,
    I::Item: Borrow<ConcurrentFuture<T>>,
{
    let mut seen = HashSet::new();
    let futures = futures.into_iter().map(|future| future.borrow().clone());
    futures
        .filter(|future| seen.insert(future.identity()))
        .collect()
}

/// Why [`AsCompleted`] ended before every future was done.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// let (promise, future) = loop_bridge::concurrent_future::<()>();
/// let error = loop_bridge::as_completed([future], Some(Duration::ZERO)).next().unwrap();
/// assert_eq!(error.unwrap_err().to_string(), "1 (of 1) futures unfinished");
/// # drop(promise);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// The timeout elapsed.
    TimedOut {
        /// How many futures were not done.
        unfinished: usize,
        /// How many there were.
        total: usize,
    },
    /// Every future that is left depends on the thread that asked.
    WouldDeadlock(WouldDeadlock),
}

impl std::fmt::Display for WaitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WaitError::TimedOut { unfinished, total } => {
                write!(f, "{unfinished} (of {total}) futures unfinished")
            }
            WaitError::WouldDeadlock(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WaitError {}

/// Yields `futures` as they are done, each once; `next` blocks the thread.
///
/// Those done already come first, in the order given. `timeout` counts from this call and is for
/// all of them: once it has elapsed, and nothing more is done, the iterator yields
/// [`WaitError::TimedOut`] and ends.
///
/// # asyncio
/// `concurrent.futures.as_completed`, a generator, whose time starts with the first `next`.
///
/// # Examples
/// ```
/// let (first, a) = loop_bridge::concurrent_future();
/// let (second, b) = loop_bridge::concurrent_future();
/// let order = loop_bridge::as_completed([a, b], None);
/// second.set_result("b").unwrap();
/// first.set_result("a").unwrap();
/// let order: Vec<_> = order.map(|f| f.unwrap().result(None).unwrap()).collect();
/// assert_eq!(order, ["b", "a"]);
/// ```
pub fn as_completed<T, I>(futures: I, timeout: Option<Duration>) -> AsCompleted<T>
where
    I: IntoIterator,
    I::Item: Borrow<ConcurrentFuture<T>>,
{
    let futures = distinct(futures);
    let waiter = Waiter::new();
    for (position, future) in futures.iter().enumerate() {
        if let Some(failed) = future.watch(Watch::new(&waiter, position, |_| false)) {
            waiter.report(position, failed);
        }
    }
    AsCompleted {
        total: futures.len(),
        left: futures.len(),
        futures: futures.into_iter().map(Some).collect(),
        waiter,
        deadline: Deadline::after(timeout),
    }
}

/// The iterator that [`as_completed`] makes.
///
/// It lets go of each future that it has yielded.
///
/// # Examples
/// ```
/// let (promise, future) = loop_bridge::concurrent_future();
/// promise.set_result(1).unwrap();
/// let mut completed = loop_bridge::as_completed([&future], None);
/// assert_eq!(completed.next(), Some(Ok(future)));
/// assert_eq!(completed.next(), None);
/// ```
#[must_use = "iterators do nothing unless they are asked"]
pub struct AsCompleted<T> {
    futures: Vec<Option<ConcurrentFuture<T>>>,
    left: usize,
    total: usize,
    waiter: Arc<Waiter>,
    deadline: Deadline,
}

impl<T> AsCompleted<T> {
    /// Ends the iteration, and the reports to it.
    fn let_go(&mut self) {
        self.left = 0;
        for future in self.futures.drain(..).flatten() {
            future.unwatch(&Watch::new(&self.waiter, 0, |_| false));
        }
    }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = Result<ConcurrentFuture<T>, WaitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let pop = |timeout| {
            self.waiter.wait(
                timeout,
                |report| !report.done.is_empty(),
                |report| report.done.pop_front(),
            )
        };
        let mut position = pop(Some(Duration::ZERO));
        if position.is_none() {
            let timeout = self.deadline.left();
            let pending: Vec<_> = self.futures.iter().flatten().cloned().collect();
            if let Err(error) = check(&pending, timeout, ReturnWhen::FirstCompleted) {
                self.let_go();
                return Some(Err(WaitError::WouldDeadlock(error)));
            }
            position = pop(timeout);
        }
        let Some(position) = position else {
            let (unfinished, total) = (self.left, self.total);
            self.let_go();
            return Some(Err(WaitError::TimedOut { unfinished, total }));
        };
        self.left -= 1;
        Some(Ok(self.futures[position]
            .take()
            .expect("a future reports once")))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error may take the place of all that are left.
        (usize::from(self.left > 0), Some(self.left))
    }
}

impl<T> std::iter::FusedIterator for AsCompleted<T> {}

impl<T> Drop for AsCompleted<T> {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl<T> std::fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
