//! The consumers' side of a concurrent future.

use std::any::type_name;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use loop_core::LoopRef;

use crate::shared::Shared;
use crate::waiter::Watch;
use crate::{ConcurrentError, FutureState, Take, WouldDeadlock};

/// An outcome that another thread will bring.
///
/// A cheap, clonable reference; clones are equal, and hash alike. Threads block on it
/// ([`result`](ConcurrentFuture::result)) or leave a callback; tasks of any executor await it,
/// which gives what `result` gives. With `T: Clone` any number of them may ask. Without, one
/// moves the value out: [`take_result`](ConcurrentFuture::take_result),
/// [`take`](ConcurrentFuture::take).
///
/// Dropping it cancels nothing.
///
/// # asyncio
/// `concurrent.futures.Future`. That it can be awaited is an addition: there,
/// `asyncio.wrap_future` is needed first.
///
/// # Examples
/// ```
/// use loop_bridge::concurrent_future;
///
/// let (promise, future) = concurrent_future();
/// let worker = std::thread::spawn(move || promise.run(|| "the page".to_string()));
/// let other = future.clone();
/// assert_eq!(future.result(None).unwrap(), "the page");
/// assert_eq!(other.result(None).unwrap(), "the page");
/// # worker.join().unwrap();
/// ```
///
/// A value that is not `Clone` has one owner:
/// ```compile_fail
/// struct Page;
/// let (promise, future) = loop_bridge::concurrent_future::<Page>();
/// future.result(None);
/// ```
///
/// A future of something that must stay on its thread stays there too:
/// ```compile_fail
/// let (promise, future) = loop_bridge::concurrent_future::<std::rc::Rc<u32>>();
/// std::thread::spawn(move || future.done());
/// ```
#[doc(alias = "Future")]
pub struct ConcurrentFuture<T> {
    shared: Arc<Shared<T>>,
    /// Under which key this very reference left a waker.
    pub(crate) waker: Option<u64>,
}

impl<T> ConcurrentFuture<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        ConcurrentFuture {
            shared,
            waker: None,
        }
    }

    pub(crate) fn shared(&self) -> &Shared<T> {
        &self.shared
    }

    /// Blocks the thread until the outcome is there and gives a clone of it.
    ///
    /// # Errors
    /// [`ConcurrentError`]: the outcome if it is one, or [`TimedOut`](ConcurrentError::TimedOut)
    /// after `timeout` (the work goes on, and its result can still be had), or
    /// [`WouldDeadlock`](ConcurrentError::WouldDeadlock) at once on a thread that the outcome
    /// depends on, or [`Taken`](ConcurrentError::Taken) if the value was moved out.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let (promise, future) = loop_bridge::concurrent_future();
    /// assert!(future.result(Some(Duration::ZERO)).is_err());
    /// promise.set_result(1).unwrap();
    /// assert_eq!(future.result(Some(Duration::from_secs(2))).unwrap(), 1);
    /// ```
    pub fn result(&self, timeout: Option<Duration>) -> Result<T, ConcurrentError>
    where
        T: Clone,
    {
        let inner = self.shared.block(timeout)?;
        self.shared.clone_outcome(inner)
    }

    /// Blocks the thread until the outcome is there and moves the value out.
    ///
    /// Whoever asks later gets [`ConcurrentError::Taken`].
    ///
    /// # Errors
    /// Those of [`result`](ConcurrentFuture::result). After a timeout the value can still be
    /// taken.
    ///
    /// # Examples
    /// ```
    /// struct Page(u32); // not Clone
    ///
    /// let (promise, future) = loop_bridge::concurrent_future();
    /// promise.run(|| Page(7));
    /// assert_eq!(future.take_result(None).unwrap().0, 7);
    /// assert!(future.take_result(None).is_err());
    /// ```
    pub fn take_result(&self, timeout: Option<Duration>) -> Result<T, ConcurrentError> {
        let inner = self.shared.block(timeout)?;
        self.shared.move_outcome(inner)
    }

    /// Blocks the thread until the outcome is there and says what went wrong, if anything.
    ///
    /// # Errors
    /// [`Cancelled`](ConcurrentError::Cancelled), [`TimedOut`](ConcurrentError::TimedOut) and
    /// [`WouldDeadlock`](ConcurrentError::WouldDeadlock): there is no telling.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// drop(promise);
    /// let error = future.exception(None).unwrap().unwrap();
    /// assert_eq!(error.to_string(), "the producer of the future was dropped without a result");
    /// ```
    pub fn exception(
        &self,
        timeout: Option<Duration>,
    ) -> Result<Option<ConcurrentError>, ConcurrentError> {
        match self.shared.block(timeout)?.error() {
            Some(error) if error.is_cancelled() => Err(error.clone()),
            error => Ok(error.cloned()),
        }
    }

    /// Makes a future that moves the value out when it is awaited.
    ///
    /// # Examples
    /// ```
    /// struct Page(u32); // not Clone
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// # fn block_on<F: Future>(f: F) -> F::Output {
    /// #     match pin!(f).poll(&mut Context::from_waker(Waker::noop())) {
    /// #         Poll::Ready(output) => output, Poll::Pending => panic!(),
    /// #     }
    /// # }
    ///
    /// let (promise, future) = loop_bridge::concurrent_future();
    /// promise.run(|| Page(7));
    /// block_on(async {
    ///     let page = future.take().await.unwrap();
    ///     assert_eq!(page.0, 7);
    /// });
    /// ```
    pub fn take(self) -> Take<T> {
        Take::new(self)
    }

    /// Asks that the work not be done; `true` if the future is cancelled now.
    ///
    /// Work that runs cannot be cancelled, unless its producer can stop it, nor can a future that
    /// is done.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// assert!(future.cancel());
    /// assert!(future.cancel());
    /// assert!(!promise.set_running_or_notify_cancel());
    /// ```
    pub fn cancel(&self) -> bool {
        self.shared.cancel()
    }

    /// Whether the future was cancelled.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// assert!(!future.cancelled());
    /// # drop(promise);
    /// ```
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.state().is_cancelled()
    }

    /// Whether the work has begun and not ended.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// assert!(!future.running());
    /// # drop(promise);
    /// ```
    #[must_use]
    pub fn running(&self) -> bool {
        self.state() == FutureState::Running
    }

    /// Whether there is an outcome: a value, an error or a cancellation.
    ///
    /// # Examples
    /// ```
    /// let (promise, future) = loop_bridge::concurrent_future();
    /// assert!(!future.done());
    /// promise.set_result(()).unwrap();
    /// assert!(future.done());
    /// ```
    #[must_use]
    pub fn done(&self) -> bool {
        self.state().is_done()
    }

    /// The state, for those who want to know exactly.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::FutureState;
    ///
    /// let (promise, future) = loop_bridge::concurrent_future::<()>();
    /// future.cancel();
    /// assert_eq!(future.state(), FutureState::Cancelled);
    /// drop(promise);
    /// assert_eq!(future.state(), FutureState::CancelledAndNotified);
    /// ```
    #[must_use]
    pub fn state(&self) -> FutureState {
        self.shared.lock().state()
    }

    /// Calls `callback` with this future when it is done: inline, in the thread that finishes or
    /// cancels it, or here and now if it is done already.
    ///
    /// A callback that panics is reported with `tracing`; the others run all the same.
    ///
    /// # Ordering
    /// Oldest first. Threads blocked in `result` may run before.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (promise, future) = loop_bridge::concurrent_future();
    /// let (sender, receiver) = mpsc::channel();
    /// future.add_done_callback(move |future| sender.send(future.result(None).unwrap()).unwrap());
    /// promise.set_result(5).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// ```
    #[track_caller]
    pub fn add_done_callback<F: FnOnce(&ConcurrentFuture<T>) + Send + 'static>(&self, callback: F) {
        let place = Location::caller();
        self.shared.add_done_callback(Box::new(move |future| {
            let call = || callback(future);
            // Where a loop runs it, that is who is blocked by it.
            match LoopRef::running() {
                Ok(owner) => {
                    let what = format_args!("done callback of {future:?}: {}", type_name::<F>());
                    owner.call_as(what, Some(place), call);
                }
                Err(_) => call(),
            }
        }));
    }

    pub(crate) fn watch(&self, watch: Watch<T>) -> Option<bool> {
        self.shared.watch(watch)
    }

    pub(crate) fn unwatch(&self, watch: &Watch<T>) {
        self.shared.unwatch(watch);
    }

    pub(crate) fn check_blocking(&self, timeout: Option<Duration>) -> Result<(), WouldDeadlock> {
        self.shared.check_blocking(timeout)
    }

    /// What tells this future from others, for as long as it lives.
    pub(crate) fn identity(&self) -> *const () {
        Arc::as_ptr(&self.shared).cast()
    }
}

impl<T> Clone for ConcurrentFuture<T> {
    fn clone(&self) -> Self {
        ConcurrentFuture::new(Arc::clone(&self.shared))
    }
}

impl<T> PartialEq for ConcurrentFuture<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Eq for ConcurrentFuture<T> {}

impl<T> Hash for ConcurrentFuture<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl<T> fmt::Debug for ConcurrentFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.shared.lock();
        write!(f, "<ConcurrentFuture {}", inner.state())?;
        match inner.error() {
            Some(error) if !error.is_cancelled() => write!(f, " error={:?}>", error.to_string()),
            None if inner.state() == FutureState::Finished => {
                write!(f, " returned {}>", std::any::type_name::<T>())
            }
            _ => f.write_str(">"),
        }
    }
}

impl<T> Drop for ConcurrentFuture<T> {
    fn drop(&mut self) {
        if let Some(key) = self.waker.take() {
            self.shared.unregister(key);
        }
    }
}
