//! Concurrent futures as futures of a loop.

use loop_core::{EventLoop, External, get_event_loop};
use loop_tasks::{LoopExt, LoopFuture, Task, TaskError};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::bridges::{Bridge, Bridges, Signal};
use crate::{ConcurrentError, ConcurrentFuture, JobPanicked};

/// Makes a future of the running loop, or of the current one, out of one that another thread or
/// another loop will settle.
///
/// The result goes from `future` to the new one, in a callback of the loop. Cancellation goes the
/// other way: cancelling the new one, or the task that awaits it, cancels `future`, unless that
/// is running and cannot be cancelled. Dropping the new one cancels nothing. While `future` is
/// pending, virtual time waits for it.
///
/// Given by value, the value is moved out of `future`; by reference it is cloned. A future or a
/// task of a loop is returned as it is.
///
/// # Failures
/// Awaiting gives `Result<T, TaskError>`, like awaiting a task, so both mix in `gather` and
/// `wait`, and one `?` is enough: a panic is [`TaskError::Panicked`], a cancellation is one, and
/// anything else (a pool that broke, a loop that closed) is [`TaskError::Failed`].
///
/// # Panics
/// If there is neither a running nor a current loop: use [`wrap_future_on`] then.
///
/// # asyncio
/// `asyncio.wrap_future(future)`.
///
/// # Examples
/// ```
/// use loop_bridge::{concurrent_future, wrap_future};
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, TaskError};
///
/// let event_loop = EventLoop::new()?;
/// let (promise, future) = concurrent_future();
/// std::thread::spawn(move || promise.run(|| "page".len()));
/// let length = event_loop.run_until_complete(async {
///     let length = wrap_future(future).await?;
///     Ok::<_, TaskError>(length)
/// })??;
/// assert_eq!(length, 4);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn wrap_future<W: IntoLoopFuture>(future: W) -> LoopFuture<W::Output> {
    match get_event_loop() {
        Ok(event_loop) => future.into_loop_future(&event_loop),
        Err(error) => panic!("{error} Say which one with wrap_future_on."),
    }
}

/// Does what [`wrap_future`] does, on a loop of this thread that need not be running.
///
/// On a closed loop the result is a failure at once.
///
/// # asyncio
/// `asyncio.wrap_future(future, loop=loop)`.
///
/// # Examples
/// ```
/// use loop_bridge::{concurrent_future, wrap_future_on};
/// use loop_core::EventLoop;
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let (promise, future) = concurrent_future();
/// let wrapped = wrap_future_on(&event_loop, future);
/// promise.set_result("page").unwrap();
/// assert_eq!(event_loop.run_until_complete(wrapped)?, "page");
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn wrap_future_on<W: IntoLoopFuture>(
    event_loop: &EventLoop,
    future: W,
) -> LoopFuture<W::Output> {
    future.into_loop_future(event_loop)
}

/// What [`wrap_future`] takes: concurrent futures, and what is a future of a loop already.
///
/// # Examples
/// ```
/// use loop_bridge::wrap_future;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, LoopFuture};
///
/// let event_loop = EventLoop::new()?;
/// let future: LoopFuture<u32> = event_loop.create_future();
/// assert!(wrap_future(&future).same(&future));
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait IntoLoopFuture {
    /// What it gives.
    type Output: 'static;

    /// Makes it a future of `event_loop`, unless it is one of some loop already.
    ///
    /// # Examples
    /// See [`wrap_future_on`].
    #[track_caller]
    fn into_loop_future(self, event_loop: &EventLoop) -> LoopFuture<Self::Output>;
}

impl<T: Send + 'static> IntoLoopFuture for ConcurrentFuture<T> {
    type Output = T;

    #[track_caller]
    fn into_loop_future(self, event_loop: &EventLoop) -> LoopFuture<T> {
        chain(event_loop, self, |source| {
            source.take_result(Some(Duration::ZERO))
        })
    }
}

impl<T: Clone + Send + 'static> IntoLoopFuture for &ConcurrentFuture<T> {
    type Output = T;

    #[track_caller]
    fn into_loop_future(self, event_loop: &EventLoop) -> LoopFuture<T> {
        chain(event_loop, self.clone(), |source| {
            source.result(Some(Duration::ZERO))
        })
    }
}

impl<T: 'static> IntoLoopFuture for LoopFuture<T> {
    type Output = T;

    fn into_loop_future(self, _: &EventLoop) -> LoopFuture<T> {
        self
    }
}

impl<T: 'static> IntoLoopFuture for &LoopFuture<T> {
    type Output = T;

    fn into_loop_future(self, _: &EventLoop) -> LoopFuture<T> {
        self.clone()
    }
}

impl<T: 'static> IntoLoopFuture for Task<T> {
    type Output = T;

    fn into_loop_future(self, _: &EventLoop) -> LoopFuture<T> {
        self.into()
    }
}

impl<T: 'static> IntoLoopFuture for &Task<T> {
    type Output = T;

    fn into_loop_future(self, _: &EventLoop) -> LoopFuture<T> {
        self.clone().into()
    }
}

/// How the value leaves a source that is done.
type TakeOut<T> = fn(&ConcurrentFuture<T>) -> Result<T, ConcurrentError>;

/// The way from a source to its wrapper.
struct Wrapper<T> {
    source: ConcurrentFuture<T>,
    take_out: TakeOut<T>,
    wrapper: LoopFuture<T>,
    _external: Option<External>,
}

#[track_caller]
fn chain<T: Send + 'static>(
    event_loop: &EventLoop,
    source: ConcurrentFuture<T>,
    take_out: TakeOut<T>,
) -> LoopFuture<T> {
    let wrapper = event_loop.create_future();
    let Some(bridges) = Bridges::of(event_loop) else {
        fail(&wrapper, TaskError::failed(loop_core::LoopError::Closed));
        return wrapper;
    };
    let handle = event_loop.handle();
    // What this thread would wait for in vain is done by itself: virtual time goes on for it.
    let is_away = source.check_blocking(None).is_ok();
    let key = bridges.add(Wrapper {
        source: source.clone(),
        take_out,
        wrapper: wrapper.clone(),
        _external: is_away.then(|| handle.expect_external()),
    });
    let on_cancel = source.clone();
    wrapper.add_done_callback(move |wrapper| {
        let entry = Bridges::of(&wrapper.get_loop()).and_then(|bridges| bridges.remove(key));
        drop(entry);
        if wrapper.cancelled() {
            on_cancel.cancel();
        }
    });
    source.add_done_callback(move |_| {
        // A loop that is closed wants nothing any more.
        let _ = handle.post(Signal(key));
    });
    wrapper
}

impl<T: Send + 'static> Bridge for Wrapper<T> {
    fn signal(self: Box<Self>) {
        if self.wrapper.done() {
            return; // Cancelled, and its callback has not run yet.
        }
        // To take it out may be to clone it, which is the value's own code: whoever awaits it hears how that ends.
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.take_out)(&self.source)));
        match outcome.unwrap_or_else(|panic| Err(JobPanicked::new(panic).into())) {
            Ok(value) => {
                let set = self.wrapper.set_result(value);
                debug_assert!(set.is_ok(), "it was not done a moment ago");
            }
            Err(error) => fail_with(&self.wrapper, error),
        }
    }
}

pub(crate) fn fail_with<T: 'static>(wrapper: &LoopFuture<T>, error: ConcurrentError) {
    match error {
        ConcurrentError::Cancelled => {
            wrapper.cancel();
        }
        ConcurrentError::Panicked(panic) => fail(wrapper, TaskError::Panicked(panic.into())),
        ConcurrentError::Failed(error) => fail(wrapper, TaskError::Failed(error)),
        ConcurrentError::Taken => fail(wrapper, TaskError::Taken),
        error => fail(wrapper, TaskError::failed(error)),
    }
}

fn fail<T: 'static>(wrapper: &LoopFuture<T>, error: TaskError) {
    let set = wrapper.set_failure(error);
    debug_assert!(set.is_ok(), "who asks has looked that it is not done");
}
