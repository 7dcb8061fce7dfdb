//! Outcomes of other threads that a loop's tasks can await.

use std::rc::Rc;

use loop_core::{EventLoop, External, LoopHandle, get_event_loop, get_running_loop};
use loop_tasks::{LoopExt, LoopFuture};

use crate::bridged::Bridged;
use crate::{ConcurrentError, ConcurrentFuture};

/// Makes the outcome of another thread a future of this thread's loop.
///
/// The outcome goes one way, from `future` to the wrapper; cancellation goes the other: cancelling the wrapper asks
/// `future` to cancel, which work that is running refuses. The value is moved; see [`wrap_future_shared`].
/// Awaiting gives `Result<Result<T, ConcurrentError>, TaskError>`: inside, what became of the work; outside, what
/// became of the wrapper. Virtual time waits for it in real time.
///
/// # Panics
/// If no loop is running in this thread and none is current.
///
/// # Ordering
/// The outcome arrives as a call of another thread does; the wrapper is settled in that callback.
///
/// # asyncio
/// `asyncio.wrap_future(future, loop=)`. A future of the loop needs no wrapping, here by its type.
///
/// # Examples
/// ```
/// use loop_bridge::{concurrent_future, wrap_future};
/// use loop_core::EventLoop;
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let (promise, future) = concurrent_future();
/// std::thread::spawn(move || promise.run(|| 6 * 7));
/// let answer = event_loop.run_until_complete(async { wrap_future(future).await })?;
/// assert_eq!(answer??, 42);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn wrap_future<T: Send + 'static>(
    future: ConcurrentFuture<T>,
) -> LoopFuture<Result<T, ConcurrentError>> {
    wrap_future_on(&the_loop(), future)
}

/// As [`wrap_future`], and the value stays in `future` for others as well.
///
/// # Panics
/// If no loop is running in this thread and none is current.
///
/// # Examples
/// ```
/// use loop_bridge::{concurrent_future, wrap_future_shared};
/// use loop_core::EventLoop;
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let (promise, future) = concurrent_future();
/// promise.set_result("page").unwrap();
/// let shared = future.clone();
/// let page = event_loop.run_until_complete(async move { wrap_future_shared(&shared).await })?;
/// assert_eq!((page??, future.result(None)?), ("page", "page"));
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn wrap_future_shared<T: Clone + Send + 'static>(
    future: &ConcurrentFuture<T>,
) -> LoopFuture<Result<T, ConcurrentError>> {
    wrap(&the_loop(), future.clone(), |future| future.result(None))
}

/// As [`wrap_future`], on this loop, which need not be running or current.
///
/// # Examples
/// ```
/// use loop_bridge::{concurrent_future, wrap_future_on};
/// use loop_core::EventLoop;
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let (promise, future) = concurrent_future();
/// let wrapper = wrap_future_on(&event_loop, future);
/// promise.set_result(1).unwrap();
/// assert_eq!(event_loop.run_until_complete(wrapper)??, 1);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn wrap_future_on<T: Send + 'static>(
    event_loop: &EventLoop,
    future: ConcurrentFuture<T>,
) -> LoopFuture<Result<T, ConcurrentError>> {
    wrap(event_loop, future, |future| future.take_result(None))
}

#[track_caller]
fn the_loop() -> EventLoop {
    match get_event_loop() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("{error} wrap_future needs a loop that is running or current"),
    }
}

/// A wrapper that waits for its outcome.
struct Entry<T> {
    wrapper: LoopFuture<Result<T, ConcurrentError>>,
    /// Virtual time must not run away from it.
    _external: External,
}

#[track_caller]
fn wrap<T: Send + 'static>(
    event_loop: &EventLoop,
    future: ConcurrentFuture<T>,
    outcome: fn(&ConcurrentFuture<T>) -> Result<T, ConcurrentError>,
) -> LoopFuture<Result<T, ConcurrentError>> {
    let wrapper: LoopFuture<Result<T, ConcurrentError>> = event_loop.create_future();
    let Some(bridged) = Bridged::of(event_loop) else {
        wrapper.cancel(); // The loop is closed: nothing can arrive.
        return wrapper;
    };
    let handle = event_loop.handle();
    let id = bridged.next_id();
    let entry = Entry {
        wrapper: wrapper.clone(),
        _external: handle.expect_external(),
    };
    bridged.insert(id, Rc::new(entry));
    wrapper.add_done_callback({
        let future = future.clone();
        move |wrapper| {
            bridged.remove(id);
            if wrapper.cancelled() {
                future.cancel();
            }
        }
    });
    future.add_done_callback(move |future| send(&handle, id, outcome(future)));
    wrapper
}

/// Sends an outcome to the loop; one that comes too late is dropped here.
fn send<T: Send + 'static>(handle: &LoopHandle, id: u64, outcome: Result<T, ConcurrentError>) {
    let _ = handle.call_soon_threadsafe(move || arrive(id, outcome));
}

fn arrive<T: 'static>(id: u64, outcome: Result<T, ConcurrentError>) {
    let bridged = get_running_loop()
        .ok()
        .and_then(|event_loop| Bridged::of(&event_loop));
    let Some(entry) = bridged.and_then(|bridged| bridged.get::<Entry<T>>(id)) else {
        return; // Cancelled meanwhile.
    };
    let wrapper = &entry.wrapper;
    if wrapper.done() {
        return;
    }
    match outcome {
        Ok(value) => drop(wrapper.set_result(Ok(value))),
        Err(error) if error.is_cancelled() => drop(wrapper.cancel()),
        Err(error) => drop(wrapper.set_exception(error)),
    }
}
