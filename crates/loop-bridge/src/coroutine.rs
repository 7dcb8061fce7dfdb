//! Coroutines for a loop, submitted from any thread.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use loop_core::{EventLoop, Job, LoopClosed, LoopHandle};
use loop_tasks::{AnyTask, Context, Task, TaskBuilder};

use crate::bridges::{Bridge, BridgeKey, Bridges, Signal};
use crate::{ConcurrentError, ConcurrentFuture, JobPanicked, Promise, guarded_future};

/// Runs a coroutine as a task of a loop, submitted from any thread.
///
/// `make` is sent to the loop and makes the future there, so that the future itself need not be
/// `Send`: it may hold an `Rc`, or use what lives on that loop. The task inherits the context of
/// the caller. It works before the loop runs, from other loops, and on the loop's own thread,
/// where blocking on the result is refused with
/// [`WouldDeadlock`](ConcurrentError::WouldDeadlock).
///
/// Cancelling the future cancels the task on its loop; before the task exists, `make` is dropped
/// there and not called. A task that is cancelled cancels the future, one that panics ends it
/// with [`Panicked`](ConcurrentError::Panicked), and a loop that closes before the task is done
/// with [`LoopGone`](ConcurrentError::LoopGone).
///
/// # Errors
/// [`LoopClosed`] with `make`, if the loop is closed.
///
/// # Ordering
/// The task is made in its turn among the calls of this thread
/// ([`LoopHandle::call_soon_threadsafe`]). The future ends in a done callback of the task, one
/// iteration after it.
///
/// # asyncio
/// `asyncio.run_coroutine_threadsafe(coro, loop)`. There, the future is never `running()`, and a
/// coroutine that was cancelled too early still runs to its first `await`.
///
/// # Examples
/// ```
/// use std::{rc::Rc, time::Duration};
/// use loop_bridge::run_coroutine_threadsafe;
/// use loop_core::UnboundLoop;
/// use loop_tasks::sleep;
///
/// let unbound = UnboundLoop::new()?;
/// let handle = unbound.handle();
/// let thread = std::thread::spawn(move || unbound.bind().run_forever());
/// let answer = run_coroutine_threadsafe(&handle, || async {
///     let local = Rc::new(42);
///     sleep(Duration::from_millis(1)).await;
///     *local
/// })?;
/// assert_eq!(answer.result(Some(Duration::from_secs(5))).unwrap(), 42);
/// handle.stop();
/// thread.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn run_coroutine_threadsafe<F, Fut>(
    handle: &LoopHandle,
    make: F,
) -> Result<ConcurrentFuture<Fut::Output>, LoopClosed<F>>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output: Send + 'static> + 'static,
{
    submit(handle, Made(make), Location::caller())
        .map_err(|LoopClosed(Made(make))| LoopClosed(make))
}

/// Does what [`run_coroutine_threadsafe`] does with a future that is `Send`, and so was made here.
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
/// let answer = run_future_threadsafe(&event_loop.handle(), async { 6 * 7 })?;
/// answer.add_done_callback(|_| loop_core::get_running_loop().unwrap().stop());
/// event_loop.run_forever()?;
/// assert_eq!(answer.result(None).unwrap(), 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn run_future_threadsafe<Fut>(
    handle: &LoopHandle,
    future: Fut,
) -> Result<ConcurrentFuture<Fut::Output>, LoopClosed<Fut>>
where
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    submit(handle, Given(future), Location::caller())
        .map_err(|LoopClosed(Given(future))| LoopClosed(future))
}

/// Where the future comes from.
pub(crate) trait Coroutine: Send + 'static {
    type Future: Future<Output: Send + 'static> + 'static;
    fn future(self, event_loop: &EventLoop) -> Self::Future;
}

struct Made<F>(F);

impl<F, Fut> Coroutine for Made<F>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output: Send + 'static> + 'static,
{
    type Future = Fut;
    fn future(self, _: &EventLoop) -> Fut {
        (self.0)()
    }
}

struct Given<Fut>(Fut);

impl<Fut: Future<Output: Send + 'static> + Send + 'static> Coroutine for Given<Fut> {
    type Future = Fut;
    fn future(self, _: &EventLoop) -> Fut {
        self.0
    }
}

type Output<C> = <<C as Coroutine>::Future as Future>::Output;

pub(crate) fn submit<C: Coroutine>(
    handle: &LoopHandle,
    coroutine: C,
    place: &'static Location<'static>,
) -> Result<ConcurrentFuture<Output<C>>, LoopClosed<C>> {
    let (promise, future) = guarded_future(handle.clone());
    let start = Start {
        coroutine,
        owed: Owed(Some(promise)),
        context: Context::current(),
        place,
    };
    match handle.post(start) {
        Ok(()) => Ok(future),
        Err(LoopClosed(start)) => Err(LoopClosed(start.coroutine)),
    }
}

/// What the loop has to do with a coroutine that was sent to it.
struct Start<C: Coroutine> {
    coroutine: C,
    owed: Owed<Output<C>>,
    context: Context,
    place: &'static Location<'static>,
}

impl<C: Coroutine> Job for Start<C> {
    fn run(self, event_loop: &EventLoop) {
        let Start {
            coroutine,
            mut owed,
            context,
            place,
        } = self;
        let handle = event_loop.handle();
        // A loop that is closing has no time left for a task.
        if handle.is_closed() || !owed.begin() {
            return;
        }
        let made = catch_unwind(AssertUnwindSafe(|| {
            context.run(|| {
                TaskBuilder::new()
                    .place(place)
                    .spawn_on(event_loop, coroutine.future(event_loop))
            })
        }));
        let task = match made {
            Ok(Ok(task)) => task,
            Ok(Err(LoopClosed(_))) => return,
            Err(panic) => return owed.settle(Err(JobPanicked::new(panic).into())),
        };
        let Some(bridges) = Bridges::of(event_loop) else {
            return;
        };
        let key = bridges.add(CancelTask(task.erase()));
        owed.on_cancel(move || {
            // A loop that is closed has cancelled it in its own way.
            let _ = handle.post(Signal(key));
        });
        let delivery = Delivery {
            task: task.clone(),
            owed,
            key,
        };
        task.add_done_callback(move |_| drop(delivery));
    }

    fn name() -> &'static str {
        type_name::<C::Future>()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "start of {}", type_name::<C::Future>())
    }

    fn place(&self) -> Option<&'static Location<'static>> {
        Some(self.place)
    }
}

struct CancelTask(AnyTask);

impl Bridge for CancelTask {
    fn signal(self: Box<Self>) {
        self.0.cancel();
    }
}

/// Gives the outcome of a task to other threads when it is dropped: by the done callback that
/// holds it, or by a loop that closes before that could run.
struct Delivery<T: Send + 'static> {
    task: Task<T>,
    owed: Owed<T>,
    key: BridgeKey,
}

impl<T: Send + 'static> Drop for Delivery<T> {
    fn drop(&mut self) {
        let entry = Bridges::of(&self.task.get_loop()).and_then(|bridges| bridges.remove(self.key));
        drop(entry);
        // What nobody wants any more stays with the task, which reports a panic that is never seen.
        if self.task.done()
            && !self.owed.is_cancelled()
            && let Ok(outcome) = self.task.take_result()
        {
            self.owed.settle(outcome.map_err(ConcurrentError::from));
        }
    }
}

/// What a loop owes other threads. Dropped unsettled, it tells them that the loop is gone.
struct Owed<T>(Option<Promise<T>>);

impl<T> Owed<T> {
    /// Whether the work is still wanted.
    fn begin(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(Promise::set_running_cancellable)
    }

    fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(Promise::is_cancelled)
    }

    fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        if let Some(promise) = &self.0 {
            promise.on_cancel(hook);
        }
    }

    fn settle(&mut self, outcome: Result<T, ConcurrentError>) {
        // Refused if it was cancelled meanwhile: then nobody wants it.
        let _ = match (self.0.take(), outcome) {
            (Some(promise), Ok(value)) => promise.set_result(value).is_ok(),
            (Some(promise), Err(error)) => promise.set_error(error).is_ok(),
            (None, _) => false,
        };
    }
}

impl<T> Drop for Owed<T> {
    fn drop(&mut self) {
        self.settle(Err(ConcurrentError::LoopGone));
    }
}
