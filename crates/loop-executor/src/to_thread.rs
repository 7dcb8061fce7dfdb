//! A blocking function, awaited.

use std::future::Future;
use std::panic::Location;

use loop_core::get_running_loop;
use loop_tasks::{Context, LoopFuture, TaskError};

use crate::on_loop::run_by_default;

/// Calls a function in a thread of the running loop's own executor; context variables travel with
/// it.
///
/// The function is submitted when this is first polled.
///
/// # Errors
/// [`TaskError`]: the function panicked, or its job was cancelled with the executor.
/// [`Failed`](TaskError::Failed) with a [`SubmitError`](crate::SubmitError) if the executor
/// did not take it.
///
/// # Panics
/// If it is polled outside of a running loop.
///
/// # Cancel safety
/// Cancelled or dropped while it is awaited, it cancels the job if that has not begun. A thread
/// that runs cannot be stopped: the function goes on, and its result is dropped.
///
/// # asyncio
/// `asyncio.to_thread(func, *args)`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_executor::to_thread;
/// use loop_tasks::{ContextVar, LoopExt};
///
/// static USER: ContextVar<&str> = ContextVar::new();
///
/// let event_loop = EventLoop::new()?;
/// let seen = event_loop.run_until_complete(async {
///     USER.set("ada");
///     to_thread(|| USER.get()).await
/// })?;
/// assert_eq!(seen?, Some("ada"));
/// event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn to_thread<F, T>(function: F) -> impl Future<Output = Result<T, TaskError>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // A coroutine does not know who called it: its place is asked for before it begins.
    run_at(Location::caller(), function)
}

async fn run_at<F, T>(place: &'static Location<'static>, function: F) -> Result<T, TaskError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let event_loop = match get_running_loop() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("{error}: to_thread needs the executor of a running loop"),
    };
    let context = Context::current();
    let submitted = run_by_default(&event_loop, move || context.run(function), place);
    // A coroutine that is suspended must not keep its loop alive.
    drop(event_loop);
    let future = match submitted {
        Ok(future) => future,
        Err(refused) => return Err(TaskError::failed(refused.map(drop))),
    };
    let _guard = CancelOnDrop(future.clone());
    future.await
}

/// Takes the job back if nobody awaits it any more. On a future that is done it does nothing.
struct CancelOnDrop<T>(LoopFuture<T>);

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
