//! Work that a loop has done elsewhere, for which nobody but that loop waits.
//!
//! What travels is one block of memory, a [`Parcel`](crate::parcel): the work on its way out, its outcome on its way
//! back. What stays is the future of the loop, and the block when it is back, for the next errand: in a table of that
//! loop ([`away`](crate::away)).

use std::any::Any;
use std::fmt;

use loop_core::{EventLoop, Wakeup};
use loop_tasks::LoopFuture;

use crate::ConcurrentError;
use crate::away::Away;
use crate::parcel::{Parcel, Travels};

/// Work that a loop has done elsewhere, with the way back of its outcome.
///
/// It does what a closure with a [`Promise`](crate::Promise) does whose future is
/// [wrapped](crate::wrap_future), with one allocation: since nobody but the loop waits for it, there
/// is nothing to block on. One that is dropped abandons its future.
///
/// # asyncio
/// The `concurrent.futures.Future` inside of `loop.run_in_executor`, which nobody else ever sees.
///
/// # Examples
/// ```
/// use loop_bridge::Errand;
/// use loop_core::EventLoop;
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let Ok((errand, future)) = Errand::new(&event_loop, || "page".len()) else {
///     unreachable!("the loop is open");
/// };
/// std::thread::spawn(|| errand.run());
/// assert_eq!(event_loop.run_until_complete(future)?, 4);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an errand that is dropped abandons its future"]
pub struct Errand(Option<Box<dyn Travels>>);

impl Errand {
    /// Makes an errand of a closure, and the future of its outcome.
    ///
    /// Cancelling the future cancels the errand, as a callback would, if that has not begun. While it is on its way,
    /// virtual time waits.
    ///
    /// # Errors
    /// The closure, if the loop is closed.
    ///
    /// # Ordering
    /// The outcome comes as one callback from another thread; awaiting tasks step in the iteration after.
    ///
    /// # Examples
    /// See [`Errand`].
    #[track_caller]
    pub fn new<F, T>(event_loop: &EventLoop, work: F) -> Result<(Errand, LoopFuture<T>), F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match Away::of(event_loop) {
            Some(away) => {
                let (parcel, future) = away.send(event_loop, work);
                Ok((Errand(Some(parcel)), future))
            }
            None => Err(work),
        }
    }

    /// Does the work in this thread and sends the loop what comes of it, a value or a panic; `false` if it was
    /// cancelled before, and is dropped undone.
    ///
    /// # Examples
    /// See [`Errand`].
    pub fn run(self) -> bool {
        self.run_and_leave().is_some()
    }

    /// Does what [`run`](Errand::run) does, but a loop that sleeps is woken when the [`Wakeup`] is dropped; `None` if it
    /// was cancelled before.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::Errand;
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let Ok((errand, future)) = Errand::new(&event_loop, || 6 * 7) else {
    ///     unreachable!("the loop is open");
    /// };
    /// std::thread::spawn(|| {
    ///     let wakeup = errand.run_and_leave();
    ///     // Whoever is woken finds that this is done, too.
    ///     drop(wakeup);
    /// });
    /// assert_eq!(event_loop.run_until_complete(future)?, 42);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_and_leave(mut self) -> Option<Wakeup> {
        self.0.take()?.run()
    }

    /// Drops the work undone, and sends the loop the error.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::{ConcurrentError, Errand};
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let Ok((errand, future)) = Errand::new(&event_loop, || 1) else {
    ///     unreachable!("the loop is open");
    /// };
    /// errand.fail(ConcurrentError::Cancelled);
    /// assert!(event_loop.run_until_complete(&future).is_err());
    /// assert!(future.cancelled());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fail(mut self, error: ConcurrentError) {
        if let Some(parcel) = self.0.take() {
            parcel.fail(error);
        }
    }

    /// Whether its future was cancelled, so that there is no point in running it.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::Errand;
    /// use loop_core::EventLoop;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let Ok((errand, future)) = Errand::new(&event_loop, || 1) else {
    ///     unreachable!("the loop is open");
    /// };
    /// future.cancel();
    /// event_loop.run_once(None)?;
    /// assert!(errand.is_cancelled() && !errand.run());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|parcel| parcel.is_cancelled())
    }

    /// Takes the work back, for one that was not accepted. Its future should be cancelled before: nobody settles it
    /// any more. `None` if the work is of another type; then the errand is dropped.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::Errand;
    /// use loop_core::EventLoop;
    ///
    /// fn work() -> u32 {
    ///     7
    /// }
    /// let event_loop = EventLoop::new()?;
    /// let Ok((errand, future)) = Errand::new(&event_loop, work as fn() -> u32) else {
    ///     unreachable!("the loop is open");
    /// };
    /// future.cancel();
    /// let work = errand.into_work::<fn() -> u32, u32>().unwrap();
    /// assert_eq!(work(), 7);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_work<F, T>(mut self) -> Option<F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let parcel: &mut dyn Any = self.0.as_deref_mut()?;
        parcel.downcast_mut::<Parcel<F, T>>()?.take_work()
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(parcel) = self.0.take() {
            parcel.fail(ConcurrentError::Abandoned);
        }
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Errand cancelled={}>", self.is_cancelled())
    }
}
