//! Coroutines that another thread asks a loop to run.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use loop_core::{EventLoop, Job, LoopClosed, LoopHandle, get_running_loop};
use loop_tasks::{Task, TaskBuilder, TaskError};

use crate::bridged::Bridged;
use crate::{ConcurrentError, ConcurrentFuture, JobPanicked, Promise, guarded_future};

/// Asks the loop to run the coroutine that `make` makes there, and gives a future of its output.
///
/// `make` travels and is called on the loop's thread, so the coroutine itself need not be `Send`: it may hold an
/// `Rc`. It works before the loop runs, from other loops, and on the loop's own thread, where only blocking on the
/// result is refused. Cancelling the future cancels the task.
///
/// # Errors
/// [`LoopClosed`] with `make`, if the loop is closed. In the future:
/// [`Cancelled`](ConcurrentError::Cancelled) and [`Panicked`](ConcurrentError::Panicked) as the task ends,
/// [`LoopGone`](ConcurrentError::LoopGone) if the loop is closed first.
///
/// # Ordering
/// As [`LoopHandle::call_soon_threadsafe`]; the task takes its first step one iteration later.
///
/// # asyncio
/// `asyncio.run_coroutine_threadsafe(coro, loop)`. A coroutine there is made here and run there.
///
/// # Examples
/// ```
/// use std::{rc::Rc, time::Duration};
/// use loop_bridge::run_coroutine_threadsafe;
/// use loop_core::UnboundLoop;
///
/// let unbound = UnboundLoop::new()?;
/// let handle = unbound.handle();
/// let thread = std::thread::spawn(move || unbound.bind().run_forever());
/// let answer = run_coroutine_threadsafe(&handle, || async {
///     let local = Rc::new(42); // never leaves that thread
///     loop_tasks::sleep(Duration::from_millis(1)).await;
///     *local
/// })?;
/// assert_eq!(answer.result(None)?, 42);
/// handle.stop();
/// thread.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn run_coroutine_threadsafe<M, F>(
    handle: &LoopHandle,
    make: M,
) -> Result<ConcurrentFuture<F::Output>, LoopClosed<M>>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output: Send + 'static> + 'static,
{
    start(handle, make, |make| make())
}

/// As [`run_coroutine_threadsafe`], for a future that can travel itself.
///
/// # Errors
/// [`LoopClosed`] with the future, if the loop is closed.
///
/// # Examples
/// ```
/// use loop_bridge::run_future_threadsafe;
/// use loop_core::EventLoop;
///
/// let event_loop = EventLoop::new()?;
/// let handle = event_loop.handle();
/// let thread = std::thread::spawn(move || {
///     let sum = run_future_threadsafe(&handle, async { 1 + 1 }).unwrap().result(None);
///     handle.stop();
///     sum
/// });
/// event_loop.run_forever()?;
/// assert_eq!(thread.join().unwrap()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn run_future_threadsafe<F>(
    handle: &LoopHandle,
    future: F,
) -> Result<ConcurrentFuture<F::Output>, LoopClosed<F>>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    start(handle, future, |future| future)
}

#[track_caller]
fn start<M, F>(
    handle: &LoopHandle,
    make: M,
    call: fn(M) -> F,
) -> Result<ConcurrentFuture<F::Output>, LoopClosed<M>>
where
    M: Send + 'static,
    F: Future<Output: Send + 'static> + 'static,
{
    let (promise, future) = guarded_future(handle.clone());
    let start = Start {
        make,
        call,
        owed: Owed(Some(promise)),
        handle: handle.clone(),
        place: Location::caller(),
    };
    match handle.post(start) {
        Ok(()) => Ok(future),
        Err(LoopClosed(start)) => Err(LoopClosed(start.make)),
    }
}

/// A promise that the loop owes: when everything else lets go of it, the loop is gone.
struct Owed<T>(Option<Promise<T>>);

impl<T> Owed<T> {
    fn pay(mut self, outcome: Result<T, ConcurrentError>) {
        let Some(promise) = self.0.take() else { return };
        // It can only have been cancelled in the meantime, and then nobody wants the outcome.
        match outcome {
            Ok(value) => drop(promise.set_result(value)),
            Err(error) => drop(promise.set_error(error)),
        }
    }
}

impl<T> Drop for Owed<T> {
    fn drop(&mut self) {
        if let Some(promise) = self.0.take() {
            drop(promise.set_error(ConcurrentError::LoopGone));
        }
    }
}

struct Start<M, F: Future> {
    make: M,
    call: fn(M) -> F,
    owed: Owed<F::Output>,
    handle: LoopHandle,
    place: &'static Location<'static>,
}

impl<M, F> Job for Start<M, F>
where
    M: Send + 'static,
    F: Future<Output: Send + 'static> + 'static,
{
    fn run(self, event_loop: &EventLoop) {
        let Start {
            make,
            call,
            owed,
            handle,
            place,
        } = self;
        if owed.0.as_ref().is_some_and(Promise::is_cancelled) {
            return; // Nobody wants it any more: it is never made.
        }
        let coroutine = match catch_unwind(AssertUnwindSafe(|| call(make))) {
            Ok(coroutine) => coroutine,
            Err(panic) => return owed.pay(Err(JobPanicked::new(panic).into())),
        };
        let (Some(bridged), Ok(task)) = (
            Bridged::of(event_loop),
            TaskBuilder::new()
                .place(place)
                .spawn_on(event_loop, coroutine),
        ) else {
            return; // The loop is closed, which `owed` says by being dropped.
        };
        let id = bridged.next_id();
        bridged.insert(id, Rc::new(task.clone()));
        if let Some(promise) = &owed.0 {
            promise.on_cancel(move || {
                // A loop that is closed has dropped the task.
                let _ = handle.call_soon_threadsafe(move || cancel::<F::Output>(id));
            });
        }
        task.add_done_callback(move |task| {
            bridged.remove(id);
            owed.pay(outcome(task));
        });
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "start of {} asked for at {}",
            type_name::<F>(),
            self.place
        )
    }
}

fn cancel<T: 'static>(id: u64) {
    let bridged = get_running_loop()
        .ok()
        .and_then(|event_loop| Bridged::of(&event_loop));
    if let Some(task) = bridged.and_then(|bridged| bridged.get::<Task<T>>(id)) {
        task.cancel();
    }
}

fn outcome<T: 'static>(task: &Task<T>) -> Result<T, ConcurrentError> {
    match task.take_result() {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(TaskError::Cancelled(cancelled))) => {
            drop(cancelled); // it is passed on as an outcome
            Err(ConcurrentError::Cancelled)
        }
        Ok(Err(TaskError::Panicked(panicked))) => Err(match panicked.take_payload() {
            Some(payload) => JobPanicked::new(payload).into(),
            None => ConcurrentError::failed(panicked),
        }),
        Ok(Err(other)) => Err(ConcurrentError::failed(other)),
        Err(not_ready) => Err(ConcurrentError::failed(not_ready)),
    }
}
