//! Futures whose type is forgotten.

use std::fmt;

use crate::cell::AnyFuture;
use crate::future::LoopFuture;
use crate::state::State;
use crate::task::AnyTask;

/// A future of whatever type, for those who only wait for it: see [`gather_with`](crate::gather_with), [`wait`](crate::wait()).
#[derive(Clone)]
pub struct AnyLoopFuture(pub(crate) AnyFuture);

impl AnyLoopFuture {
    pub(crate) fn any(&self) -> &AnyFuture {
        &self.0
    }

    /// As [`LoopFuture::done`].
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<()> = event_loop.create_future();
    /// let any = future.erase_future();
    /// assert!(any.cancel());
    /// assert!(any.done() && any.cancelled() && !any.failed());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn done(&self) -> bool {
        self.0.is_settled()
    }

    /// As [`LoopFuture::cancelled`].
    ///
    /// # Examples
    /// See [`done`](AnyLoopFuture::done).
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.0.header().state.get().has(State::CANCELLED)
    }

    /// As [`LoopFuture::failed`].
    ///
    /// # Examples
    /// See [`done`](AnyLoopFuture::done).
    #[must_use]
    pub fn failed(&self) -> bool {
        self.0.header().state.get().has(State::FAILED)
    }

    /// The same future with its type; `None` if that is another.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<u32> = event_loop.create_future();
    /// let any = future.erase_future();
    /// assert!(any.downcast::<u32>().unwrap().same(&future));
    /// assert!(any.downcast::<String>().is_none());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn downcast<T: 'static>(&self) -> Option<LoopFuture<T>> {
        self.0.try_typed().map(LoopFuture::from_typed)
    }

    /// As [`LoopFuture::cancel`].
    ///
    /// # Examples
    /// See [`done`](AnyLoopFuture::done).
    pub fn cancel(&self) -> bool {
        self.0.cancel()
    }
}

impl PartialEq for AnyLoopFuture {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }
}

impl Eq for AnyLoopFuture {}

impl fmt::Debug for AnyLoopFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> LoopFuture<T> {
    /// A reference that has forgotten the type of the result.
    ///
    /// # Examples
    /// See [`AnyLoopFuture::done`].
    #[must_use]
    pub fn erase_future(&self) -> AnyLoopFuture {
        AnyLoopFuture(self.any().clone())
    }
}

impl AnyTask {
    /// The task as a future among others.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, set_event_loop};
    /// use loop_tasks::{AnyTask, LoopExt, gather_with};
    /// let event_loop = EventLoop::new()?;
    /// set_event_loop(Some(&event_loop));
    /// event_loop.create_task(async {});
    /// event_loop.create_task(async { "whatever" });
    /// let all = gather_with(event_loop.all_tasks().iter().map(AnyTask::erase_future), |heard| match heard {
    ///     Some(_) => None,
    ///     None => Some(Ok(())),
    /// });
    /// event_loop.run_until_complete(all)?;
    /// assert!(event_loop.all_tasks().is_empty());
    /// # set_event_loop(None);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn erase_future(&self) -> AnyLoopFuture {
        AnyLoopFuture(self.any().clone())
    }
}
