//! Futures of the loop: results that somebody will set.

use std::fmt;
use std::panic::Location;

use loop_core::{EventLoop, LoopRef};

use crate::callbacks::{self, Callback};
use crate::cancel::Cancelled;
use crate::cell::{AnyFuture, Typed};
use crate::error::{InvalidState, NotReady, TaskError};
use crate::link::Join;
use crate::outcome::{ErrorView, Outcome};
use crate::state::State;
use crate::table;
use crate::vtable::Kind;

/// A result that somebody will set: `asyncio.Future`.
///
/// A cheap reference: clones name the same future, and dropping one cancels nothing. It is awaited in two ways:
/// - **by reference** (`(&future).await`, any number of times, `T: Clone`): every await gets a clone, as in asyncio;
/// - **by value** (`future.await`): the value is moved out, and who comes later gets [`TaskError::Taken`].
///
/// A [`Task`](crate::Task) is a `LoopFuture` too, by `Deref`.
///
/// # Ordering
/// Settling it schedules its callbacks and the steps of the tasks that await it with `call_soon`, oldest first.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let future = event_loop.create_future();
/// let setter = future.clone();
/// event_loop.call_soon(move || setter.set_result(42).unwrap())?;
/// assert_eq!(event_loop.run_until_complete(&future)?, 42);
/// assert_eq!(future.result().unwrap().unwrap(), 42);
/// event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LoopFuture<T>(Typed<T>);

/// What names a callback of a future. See [`LoopFuture::add_done_callback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallbackToken(u32);

struct Plain;

impl Kind for Plain {
    fn cancel(&self, this: &AnyFuture) -> bool {
        if this.header().state.get().has(State::OVER) {
            return false;
        }
        table::settle_cancelled(this);
        true
    }
}

impl<T> LoopFuture<T> {
    pub(crate) fn from_typed(typed: Typed<T>) -> LoopFuture<T> {
        LoopFuture(typed)
    }

    #[inline]
    pub(crate) fn any(&self) -> &AnyFuture {
        self.0.any()
    }

    pub(crate) fn typed(&self) -> &Typed<T> {
        &self.0
    }

    fn state(&self) -> State {
        self.any().header().state.get()
    }

    pub(crate) fn mark_retrieved(&self) {
        self.any().mark_retrieved();
    }

    /// Whether it has an outcome.
    ///
    /// # Examples
    /// See [`LoopFuture::result`].
    #[must_use]
    pub fn done(&self) -> bool {
        self.state().has(State::SETTLED)
    }

    /// Whether its outcome is that it was cancelled.
    ///
    /// # Examples
    /// See [`LoopFuture::cancel`].
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.state().has(State::CANCELLED)
    }

    /// Whether its outcome is a failure: a panic, a gather's cancellation, or an output that its maker called an
    /// error ([`try_create_task`](crate::try_create_task), [`set_exception`](LoopFuture::set_exception)).
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<Result<(), String>> = event_loop.create_future();
    /// future.set_exception("no".to_owned()).unwrap();
    /// assert!(future.failed());
    /// # let _ = future.result();
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn failed(&self) -> bool {
        self.state().has(State::FAILED)
    }

    /// Asks for cancellation. `false`: it is settled already, and keeps its outcome, of which whoever asks has taken charge:
    /// an error is not reported as never retrieved.
    ///
    /// A plain future is cancelled at once. A task is asked, and may refuse later; a gather passes the request on to
    /// its children.
    ///
    /// # asyncio
    /// `Future.cancel()`, `Task.cancel()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<()> = event_loop.create_future();
    /// assert!(future.cancel());
    /// assert!(future.cancelled() && !future.cancel());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.any().cancel()
    }

    /// The loop that it belongs to.
    ///
    /// # asyncio
    /// `Future.get_loop()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<()> = event_loop.create_future();
    /// assert_eq!(future.get_loop(), event_loop);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_loop(&self) -> EventLoop {
        self.any().header().owner.event_loop()
    }

    /// Whether both name the same future.
    ///
    /// # asyncio
    /// `is`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<()> = event_loop.create_future();
    /// assert!(future.same(&future.clone()));
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn same<U>(&self, other: &LoopFuture<U>) -> bool {
        self.any().is(other.any())
    }
}

impl<T: 'static> LoopFuture<T> {
    #[track_caller]
    pub(crate) fn new(owner: LoopRef) -> LoopFuture<T> {
        LoopFuture(Typed::new(owner, Plain, Location::caller()))
    }

    pub(crate) fn with_kind<K: Kind>(
        owner: LoopRef,
        kind: K,
        place: &'static Location<'static>,
    ) -> LoopFuture<T> {
        LoopFuture(Typed::new(owner, kind, place))
    }

    /// Sets the result.
    ///
    /// # Errors
    /// [`InvalidState`] with the value if it has an outcome already, or if it is a task or a gather, which settle
    /// themselves.
    ///
    /// # Ordering
    /// The callbacks are scheduled, not called.
    ///
    /// # asyncio
    /// `Future.set_result(value)`.
    ///
    /// # Examples
    /// See [`LoopFuture`].
    #[inline]
    pub fn set_result(&self, value: T) -> Result<(), InvalidState<T>> {
        if self.state().has(State::CLOSED) {
            return Err(InvalidState(value));
        }
        self.finish(|| Outcome::Value(value), State::default());
        Ok(())
    }

    /// Sets a failure as the outcome, for those who produce results somewhere else; with [`TaskError::Cancelled`] it
    /// *is* cancelled. Reported if nobody ever looks, as a task's is.
    ///
    /// # Errors
    /// [`InvalidState`] with the failure, as [`set_result`](LoopFuture::set_result).
    ///
    /// # asyncio
    /// `Future.set_exception(exc)`; for an error that is part of the output, see
    /// [`set_exception`](LoopFuture::set_exception).
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture, TaskError};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<u32> = event_loop.create_future();
    /// let error = std::io::Error::other("the pool broke");
    /// future.set_failure(TaskError::failed(error)).unwrap();
    /// let error = event_loop.run_until_complete(&future).unwrap_err();
    /// assert_eq!(error.to_string(), "the pool broke");
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_failure(&self, error: TaskError) -> Result<(), InvalidState<TaskError>> {
        if self.state().has(State::CLOSED) {
            return Err(InvalidState(error));
        }
        let bits = match error {
            TaskError::Cancelled(_) => State::CANCELLED,
            _ => State::FAILED,
        };
        self.finish(|| Outcome::Error(error), bits);
        Ok(())
    }

    /// Settles it, whatever its kind.
    #[inline(always)]
    pub(crate) fn finish(&self, outcome: impl FnOnce() -> Outcome<T>, bits: State) {
        Outcome::settle(self.0.outcome(), outcome);
        table::settle(self.any(), bits);
    }

    /// The outcome, if there is one.
    ///
    /// # Errors
    /// Outside, [`NotReady`]; inside, [`TaskError`].
    ///
    /// # asyncio
    /// `Future.result()`; that a coroutine raised is the inner value here.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let future = event_loop.create_future();
    /// assert_eq!(future.result().unwrap_err().to_string(), "Result is not set.");
    /// future.set_result("done").unwrap();
    /// assert!(future.done());
    /// assert_eq!(future.result()?.unwrap(), "done");
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn result(&self) -> Result<Result<T, TaskError>, NotReady>
    where
        T: Clone,
    {
        if !self.done() {
            return Err(NotReady);
        }
        Ok(self.extract(Some(T::clone)))
    }

    /// The outcome, if there is one, moved out.
    ///
    /// # Errors
    /// As [`result`](LoopFuture::result); [`TaskError::Taken`] inside the second time.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let future = event_loop.create_future();
    /// future.set_result(vec![1, 2, 3]).unwrap();
    /// assert_eq!(future.take_result()?.unwrap(), [1, 2, 3]);
    /// assert!(future.take_result()?.is_err());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_result(&self) -> Result<Result<T, TaskError>, NotReady> {
        if !self.done() {
            return Err(NotReady);
        }
        Ok(self.extract(None))
    }

    /// Calls `callback` with this future when it is settled: never inside this call, also if it is settled already.
    ///
    /// # Ordering
    /// Each callback is a `call_soon` at the moment of settling, in the order in which they were added.
    ///
    /// # asyncio
    /// `Future.add_done_callback(fn)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let future = event_loop.create_future();
    /// future.add_done_callback(|future| future.get_loop().stop());
    /// future.set_result(()).unwrap();
    /// event_loop.run_forever()?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn add_done_callback<F: FnOnce(&LoopFuture<T>) + 'static>(
        &self,
        callback: F,
    ) -> CallbackToken {
        self.listen(Callback::call::<F>(self.any(), move |any| {
            callback(&LoopFuture(any.typed()));
        }))
    }

    /// Removes a callback that has not been scheduled yet. `false`: it has, or was removed before.
    ///
    /// # asyncio
    /// `Future.remove_done_callback(fn)`, which removes every equal one.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<()> = event_loop.create_future();
    /// let token = future.add_done_callback(|_| unreachable!());
    /// assert!(future.remove_done_callback(token) && !future.remove_done_callback(token));
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove_done_callback(&self, token: CallbackToken) -> bool {
        self.any().unlisten(token)
    }

    pub(crate) fn listen(&self, callback: Callback) -> CallbackToken {
        self.any().listen(callback)
    }
}

impl AnyFuture {
    /// Adds a callback; schedules it if the future is settled already.
    pub(crate) fn listen(&self, callback: Callback) -> CallbackToken {
        if self.is_settled() {
            callbacks::schedule(self, callback);
            return CallbackToken(u32::MAX);
        }
        CallbackToken(self.header().callbacks.borrow_mut().add(callback))
    }

    #[inline]
    pub(crate) fn unlisten(&self, token: CallbackToken) -> bool {
        if self.is_settled() {
            return false; // Its callbacks are scheduled.
        }
        let callback = self.header().callbacks.borrow_mut().remove(token.0);
        callback.is_some()
    }

    /// Forgets what tells this gather of it.
    pub(crate) fn silence(&self, gather: &AnyFuture) {
        let callbacks = self.header().callbacks.borrow_mut().remove_those_of(gather);
        drop(callbacks);
    }

    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.header().state.get().has(State::SETTLED)
    }

    pub(crate) fn mark_retrieved(&self) {
        let state = &self.header().state;
        state.set(state.get() | State::RETRIEVED);
    }
}

impl<V: 'static, E: fmt::Debug + 'static> LoopFuture<Result<V, E>> {
    /// Sets an error as the result, and marks it as a failure: [`wait`](crate::wait) until the first exception sees
    /// it, and it is reported if nobody ever looks.
    ///
    /// # Errors
    /// [`InvalidState`] with the error, as [`set_result`](LoopFuture::set_result).
    ///
    /// # asyncio
    /// `Future.set_exception(exc)`.
    ///
    /// # Examples
    /// See [`failed`](LoopFuture::failed).
    pub fn set_exception(&self, error: E) -> Result<(), InvalidState<E>> {
        if self.state().has(State::CLOSED) {
            return Err(InvalidState(error));
        }
        self.0.set_errors(ErrorView::of_result);
        self.finish(|| Outcome::Value(Err(error)), State::FAILED);
        Ok(())
    }
}

impl<T> Clone for LoopFuture<T> {
    #[inline]
    fn clone(&self) -> Self {
        LoopFuture(self.0.clone())
    }
}

impl<T> AsRef<LoopFuture<T>> for LoopFuture<T> {
    fn as_ref(&self) -> &LoopFuture<T> {
        self
    }
}

impl<T: 'static> IntoFuture for LoopFuture<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = Join<T>;

    #[inline]
    fn into_future(self) -> Join<T> {
        Join::new(self, None)
    }
}

impl<T: Clone + 'static> IntoFuture for &LoopFuture<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = Join<T>;

    #[inline]
    fn into_future(self) -> Join<T> {
        Join::new(self.clone(), Some(T::clone))
    }
}

impl<T> fmt::Debug for LoopFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any().fmt(f)
    }
}

/// What the exception of a failed gather is: it never *is* cancelled, it fails with this.
pub(crate) fn cancelled_failure() -> TaskError {
    TaskError::Cancelled(Cancelled::new())
}
