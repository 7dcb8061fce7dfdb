//! One awaitable with a limit.

use std::time::Duration;

use crate::builder::create_task;
use crate::ensure::Awaitable;
use crate::sleep::running_loop;
use crate::timeout::{Elapsed, timeout};
use crate::wait_one::{OnDone, Signal};

/// Waits for `awaitable` for at most `limit`; at the deadline it is cancelled, and this waits until it has finished.
///
/// A coroutine runs inside the calling task, and may borrow. A task or future is awaited, and cancelled at the
/// deadline; if it gives a value all the same, that counts. With a limit of zero, what is done already gives its
/// result, and anything else is cancelled: a coroutine is dropped without having begun.
///
/// # Errors
/// [`Elapsed`].
///
/// # Panics
/// When it is awaited outside of a task.
///
/// # asyncio
/// `asyncio.wait_for(aw, timeout)`, as since 3.12: `timeout()` around an `await`. Where a factory makes all tasks eager, a
/// coroutine takes its first step there even with a limit of zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, create_task, sleep, wait_for};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// event_loop.run_until_complete(async {
///     let task = create_task(sleep(Duration::from_secs(9)));
///     assert!(wait_for(Duration::from_secs(1), &task).await.is_err());
///     assert!(task.cancelled());
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn wait_for<A: Awaitable>(limit: Duration, awaitable: A) -> Result<A::Output, Elapsed> {
    if !limit.is_zero() {
        return timeout(limit, awaitable).await;
    }
    let stall = running_loop("wait_for").stall();
    let future = match awaitable.scheduled() {
        Some(scheduled) => scheduled.0,
        None => {
            // It is dropped unstarted, and a task that is cancelled unstarted takes just as many hops as one that
            // had it would.
            drop(awaitable);
            let stand_in = create_task(std::future::pending::<()>());
            cancel_and_wait(stand_in.any()).await;
            return Err(Elapsed::new(stall));
        }
    };
    if !future.is_settled() {
        cancel_and_wait(&future).await;
        if future.was_cancelled() {
            future.mark_retrieved();
            return Err(Elapsed::new(stall));
        }
    }
    Ok(awaitable.await)
}

async fn cancel_and_wait(future: &crate::cell::AnyFuture) {
    let signal = Signal::new(&future.header().owner);
    let _callback = OnDone::new(future, {
        let signal = signal.clone();
        move || signal.set()
    });
    future.cancel();
    signal.wait().await;
}
