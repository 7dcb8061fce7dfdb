//! Waiting for many futures without taking their results.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::ensure::Waitable;
use crate::sleep::running_loop;
use crate::wait_one::Signal;
use crate::waiting::Listening;

/// When [`wait`] returns.
///
/// # asyncio
/// `return_when=FIRST_COMPLETED`, `FIRST_EXCEPTION`, `ALL_COMPLETED`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReturnWhen {
    /// When any of them is done or cancelled.
    FirstCompleted,
    /// When any of them has failed: a panic, or an error of a task made with
    /// [`try_create_task`](crate::try_create_task). Cancelled ones do not count. If none fails, when all are done.
    FirstException,
    /// When all of them are done or cancelled.
    #[default]
    AllCompleted,
}

/// There is nothing to wait for.
///
/// # asyncio
/// `ValueError: Set of Tasks/Futures is empty.`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmptySet;

impl fmt::Display for EmptySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Set of Tasks/Futures is empty.")
    }
}

impl std::error::Error for EmptySet {}

impl From<EmptySet> for io::Error {
    fn from(error: EmptySet) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

/// What [`wait`] found: both lists in the order given, each future once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waited<H> {
    /// Done, failed or cancelled: their results are still in them.
    pub done: Vec<H>,
    /// Not done. They go on.
    pub pending: Vec<H>,
}

/// Waits until some or all are done, or the time is over. Raises nothing and cancels nothing.
///
/// Coroutines become tasks. Results stay in the tasks: ask them. Tasks of different types are waited for by
/// [`erase`](crate::Task::erase).
///
/// # Errors
/// [`EmptySet`] if there are none.
///
/// # Panics
/// When it is awaited where no loop is running.
///
/// # Ordering
/// It always waits for at least one done callback, also if all are done already.
///
/// # asyncio
/// `asyncio.wait(fs, timeout=, return_when=)`; the lists are sets there, and coroutines are forbidden since 3.11.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, ReturnWhen, sleep_result, wait};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// event_loop.run_until_complete(async {
///     let jobs = [3, 1].map(|n| sleep_result(Duration::from_secs(n), n));
///     let waited = wait(jobs, None, ReturnWhen::FirstCompleted).await.unwrap();
///     assert_eq!(waited.done[0].result().unwrap().unwrap(), 1);
///     assert_eq!(waited.pending.len(), 1);
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// Of different types:
/// ```
/// # use std::time::Duration;
/// # use loop_core::EventLoop;
/// # use loop_tasks::{LoopExt, ReturnWhen, sleep_result, wait};
/// use loop_tasks::create_task;
/// # let event_loop = EventLoop::builder().virtual_clock().build()?;
/// event_loop.run_until_complete(async {
///     let number = create_task(sleep_result(Duration::from_secs(2), 7));
///     let text = create_task(sleep_result(Duration::from_secs(1), String::from("seven")));
///     let both = [number.erase(), text.erase()];
///     let waited = wait(both, None, ReturnWhen::FirstCompleted).await.unwrap();
///     assert_eq!(waited.done, [text.erase()]);
///     assert!(text.done() && !number.done());
///     assert_eq!(text.await.unwrap(), "seven"); // no hop: it is done
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn wait<A: Waitable>(
    awaitables: impl IntoIterator<Item = A>,
    timeout: Option<Duration>,
    return_when: ReturnWhen,
) -> Result<Waited<A::Handle>, EmptySet> {
    let event_loop = running_loop("wait");
    let handles: Vec<A::Handle> = awaitables
        .into_iter()
        .map(|awaitable| awaitable.ensure_waitable(&event_loop))
        .collect();
    if handles.is_empty() {
        return Err(EmptySet);
    }
    let signal = Signal::new(&event_loop.loop_ref());
    let timer = timeout.map(|timeout| {
        let signal = signal.clone();
        event_loop
            .call_later(timeout, move || signal.set())
            .expect("a running loop is not closed")
    });
    // Also when this is cancelled or dropped: nobody tells any more, and the timer goes.
    let listening = Listening::<A>::to(handles, return_when, signal.clone(), timer);
    signal.wait().await;
    let (done, pending) = listening.end();
    Ok(Waited { done, pending })
}
