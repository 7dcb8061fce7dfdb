//! The producer's side of a concurrent future.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::shared::Shared;
use crate::{BlockingGuard, ConcurrentError, ConcurrentFuture, InvalidState, JobPanicked};

/// Makes a future and the promise to settle it.
///
/// # Examples
/// ```
/// let (promise, future) = loop_bridge::concurrent_future();
/// let worker = std::thread::spawn(move || promise.set_result(6 * 7));
/// assert_eq!(future.result(None).unwrap(), 42);
/// # worker.join().unwrap().unwrap();
/// ```
pub fn concurrent_future<T>() -> (Promise<T>, ConcurrentFuture<T>) {
    pair(Shared::new(None))
}

/// Makes a future that refuses to block the threads that `guard` names.
///
/// # Examples
/// ```
/// use loop_bridge::{ConcurrentError, guarded_future};
///
/// let (promise, future) = guarded_future::<u32>(std::thread::current().id());
/// assert!(matches!(future.result(None), Err(ConcurrentError::WouldDeadlock(_))));
/// # drop(promise);
/// ```
pub fn guarded_future<T>(guard: impl BlockingGuard + 'static) -> (Promise<T>, ConcurrentFuture<T>) {
    pair(Shared::new(Some(Box::new(guard))))
}

fn pair<T>(shared: Shared<T>) -> (Promise<T>, ConcurrentFuture<T>) {
    let shared = Arc::new(shared);
    (
        Promise {
            shared: Arc::clone(&shared),
            settled: false,
        },
        ConcurrentFuture::new(shared),
    )
}

/// The one who owes a [`ConcurrentFuture`] its outcome.
///
/// There is one promise for a future, and settling consumes it: a second result is not an error
/// at run time but a program that does not compile. A promise that is dropped settles its future
/// with [`ConcurrentError::Abandoned`]; so nobody waits for ever.
///
/// ```compile_fail
/// let (promise, _future) = loop_bridge::concurrent_future();
/// promise.set_result(1);
/// promise.set_result(2);
/// ```
///
/// # asyncio
/// The methods of `concurrent.futures.Future` that are "for use by executors".
///
/// # Examples
/// ```
/// use loop_bridge::concurrent_future;
///
/// let (promise, future) = concurrent_future();
/// if promise.set_running_or_notify_cancel() {
///     promise.set_result("done").unwrap();
/// }
/// assert_eq!(future.result(None).unwrap(), "done");
/// ```
#[must_use = "a promise that is dropped abandons its future"]
pub struct Promise<T> {
    shared: Arc<Shared<T>>,
    settled: bool,
}

impl<T> Promise<T> {
    /// Claims the future for running; `false` if it was cancelled, and the work is not wanted.
    ///
    /// From here on `cancel` is refused. A second call says the same as the first.
    ///
    /// # asyncio
    /// The same, except that a second call there is a `RuntimeError`.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// assert!(promise.set_running_or_notify_cancel());
    /// assert!(future.running());
    /// assert!(!future.cancel());
    /// ```
    pub fn set_running_or_notify_cancel(&self) -> bool {
        self.shared.set_running(false)
    }

    /// Claims the future for running, and leaves it cancellable: for work that can be stopped.
    ///
    /// Together with [`on_cancel`](Promise::on_cancel), which does the stopping.
    ///
    /// # asyncio
    /// An addition.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// assert!(promise.set_running_cancellable());
    /// assert!(future.running());
    /// assert!(future.cancel());
    /// ```
    pub fn set_running_cancellable(&self) -> bool {
        self.shared.set_running(true)
    }

    /// Settles the future with a value.
    ///
    /// # Errors
    /// [`InvalidState`] with the value if the future was cancelled.
    ///
    /// # Ordering
    /// Threads in `result` and waits over many futures are woken first, then wakers, then the
    /// done callbacks run here, in this thread, oldest first.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future();
    /// promise.set_result(1).unwrap();
    /// assert_eq!(future.result(None).unwrap(), 1);
    /// ```
    pub fn set_result(mut self, value: T) -> Result<(), InvalidState<T>> {
        self.settled = true;
        match self.shared.settle(Ok(value)) {
            Err((Ok(value), state)) => Err(InvalidState::new(value, state)),
            _ => Ok(()),
        }
    }

    /// Settles the future with an error; with [`ConcurrentError::Cancelled`] it *is* cancelled,
    /// even if it was running.
    ///
    /// # Errors
    /// [`InvalidState`] with the error if the future was cancelled before.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::{ConcurrentError, concurrent_future};
    ///
    /// let (promise, future) = concurrent_future::<u32>();
    /// promise.set_error(ConcurrentError::LoopGone).unwrap();
    /// assert!(matches!(future.result(None), Err(ConcurrentError::LoopGone)));
    ///
    /// let (promise, future) = concurrent_future::<u32>();
    /// promise.set_error(ConcurrentError::Cancelled).unwrap();
    /// assert!(future.cancelled());
    /// ```
    #[doc(alias = "set_exception")]
    pub fn set_error(
        mut self,
        error: impl Into<ConcurrentError>,
    ) -> Result<(), InvalidState<ConcurrentError>> {
        self.settled = true;
        match self.shared.settle(Err(error.into())) {
            Err((Err(error), state)) => Err(InvalidState::new(error, state)),
            _ => Ok(()),
        }
    }

    /// Does the work and settles the future with what comes of it: a value, or a panic.
    ///
    /// Work that was cancelled meanwhile is dropped unstarted, and the answer is `false`.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future();
    /// assert!(promise.run(|| "page".len()));
    /// assert_eq!(future.result(None).unwrap(), 4);
    /// ```
    pub fn run(self, work: impl FnOnce() -> T) -> bool {
        let wanted = self.set_running_or_notify_cancel();
        if wanted {
            // Whether the work left something in an odd state is for those to judge who see that
            // it panicked.
            let settled = match catch_unwind(AssertUnwindSafe(work)) {
                Ok(value) => self.set_result(value).is_ok(),
                Err(payload) => self.set_error(JobPanicked::new(payload)).is_ok(),
            };
            debug_assert!(
                settled,
                "a running future is settled by its one promise only"
            );
        }
        wanted
    }

    /// Registers what to do when a consumer cancels the future: pass it on, stop the work.
    ///
    /// The hook runs in the thread that cancels, after the state has changed and before the done
    /// callbacks; here and now if that has already been. It is dropped unrun when the future ends
    /// in another way. There is one: a second replaces the first.
    ///
    /// # asyncio
    /// An addition; there it is a done callback that looks at `cancelled()`.
    ///
    /// # Examples
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use std::sync::Arc;
    ///
    /// let stopped = Arc::new(AtomicBool::new(false));
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// let flag = Arc::clone(&stopped);
    /// promise.on_cancel(move || flag.store(true, Ordering::SeqCst));
    /// future.cancel();
    /// assert!(stopped.load(Ordering::SeqCst));
    /// ```
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        self.shared.on_cancel(Box::new(hook));
    }

    /// Whether the future was cancelled, and the outcome is not wanted any more.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// future.cancel();
    /// assert!(promise.is_cancelled());
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.lock().state().is_cancelled()
    }

    /// Another reference to the future of this promise.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// assert_eq!(promise.future(), future);
    /// ```
    #[must_use]
    pub fn future(&self) -> ConcurrentFuture<T> {
        ConcurrentFuture::new(Arc::clone(&self.shared))
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.settled && self.shared.set_running(false) {
            // It can only be done by now if it was cancelled, which is an outcome too.
            let _ = self.shared.settle(Err(ConcurrentError::Abandoned));
        }
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Promise {}>", self.shared.lock().state())
    }
}
