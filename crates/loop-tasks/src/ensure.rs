//! What can be waited for: coroutines, which become tasks, and futures, which stay what they are.

use std::future::Future;
use std::panic::Location;

use loop_core::{EventLoop, NoCurrentLoop, get_event_loop};

use crate::any_future::AnyLoopFuture;
use crate::builder::make;
use crate::cell::AnyFuture;
use crate::future::LoopFuture;
use crate::task::{AnyTask, Task};

/// How an outcome is shared: `T::clone`.
pub(crate) type Share<T> = fn(&T) -> T;

/// A coroutine, or a reference to a task or future: what asyncio calls an awaitable.
///
/// Given by value, a task's or future's outcome is moved out by whoever waits for it; given by reference it is
/// cloned. What a coroutine gives need not be `Clone`.
///
/// # asyncio
/// What `asyncio.ensure_future` takes. It is implemented for every `Future` and for the types of this crate.
#[diagnostic::on_unimplemented(
    note = "a reference to a task or future is waited for where its output is `Clone`; by value it need not be"
)]
pub trait EnsureFuture {
    /// What it gives.
    type Output: 'static;
    /// What it becomes: a [`Task`] for a coroutine, the same reference for anything else.
    type Handle: AsRef<LoopFuture<Self::Output>> + Clone + 'static;

    /// Makes it something that the loop knows.
    ///
    /// # Examples
    /// See [`ensure_future`](crate::ensure_future()).
    #[track_caller]
    fn ensure_future(self, event_loop: &EventLoop) -> Self::Handle;

    #[doc(hidden)]
    fn share() -> Option<Share<Self::Output>> {
        None
    }
}

impl<F: Future<Output: 'static> + 'static> EnsureFuture for F {
    type Output = F::Output;
    type Handle = Task<F::Output>;

    #[track_caller]
    fn ensure_future(self, event_loop: &EventLoop) -> Task<F::Output> {
        make(&event_loop.loop_ref(), self, None, Location::caller())
    }
}

impl<T: 'static> EnsureFuture for LoopFuture<T> {
    type Output = T;
    type Handle = LoopFuture<T>;

    fn ensure_future(self, _: &EventLoop) -> LoopFuture<T> {
        self
    }
}

impl<T: Clone + 'static> EnsureFuture for &LoopFuture<T> {
    type Output = T;
    type Handle = LoopFuture<T>;

    fn ensure_future(self, _: &EventLoop) -> LoopFuture<T> {
        self.clone()
    }

    fn share() -> Option<Share<T>> {
        Some(T::clone)
    }
}

impl<T: 'static> EnsureFuture for Task<T> {
    type Output = T;
    type Handle = Task<T>;

    fn ensure_future(self, _: &EventLoop) -> Task<T> {
        self
    }
}

impl<T: Clone + 'static> EnsureFuture for &Task<T> {
    type Output = T;
    type Handle = Task<T>;

    fn ensure_future(self, _: &EventLoop) -> Task<T> {
        self.clone()
    }

    fn share() -> Option<Share<T>> {
        Some(T::clone)
    }
}

/// Something that can be waited for without a look at its outcome: what [`wait`](crate::wait()) and
/// [`as_completed`](crate::as_completed()) take.
///
/// Besides everything that is [`EnsureFuture`] these are tasks and futures that have forgotten the type of their outcome,
/// so that some of different types can stand in one list: [`Task::erase`], [`LoopFuture::erase_future`].
#[diagnostic::on_unimplemented(
    note = "tasks of different types are waited for by `task.erase()`",
    note = "a reference to a task or future is waited for where its output is `Clone`; by value it need not be"
)]
pub trait Waitable {
    /// What it becomes: a [`Task`] for a coroutine, the same reference for anything else.
    type Handle: Clone + 'static;

    /// Makes it something that the loop knows.
    ///
    /// # Examples
    /// See [`wait`](crate::wait()).
    #[track_caller]
    fn ensure_waitable(self, event_loop: &EventLoop) -> Self::Handle;

    #[doc(hidden)]
    fn future(handle: &Self::Handle) -> &AnyFuture;
}

impl<A: EnsureFuture> Waitable for A {
    type Handle = A::Handle;

    #[track_caller]
    fn ensure_waitable(self, event_loop: &EventLoop) -> A::Handle {
        self.ensure_future(event_loop)
    }

    fn future(handle: &A::Handle) -> &AnyFuture {
        handle.as_ref().any()
    }
}

macro_rules! waitable {
    ($any:ty) => {
        impl Waitable for $any {
            type Handle = $any;

            fn ensure_waitable(self, _: &EventLoop) -> $any {
                self
            }

            fn future(handle: &$any) -> &AnyFuture {
                handle.any()
            }
        }

        impl Waitable for &$any {
            type Handle = $any;

            fn ensure_waitable(self, _: &EventLoop) -> $any {
                self.clone()
            }

            fn future(handle: &$any) -> &AnyFuture {
                handle.any()
            }
        }
    };
}

waitable!(AnyTask);
waitable!(AnyLoopFuture);

/// Makes a coroutine a task of the running loop, or of the current one; anything else stays what it is.
///
/// # Errors
/// [`NoCurrentLoop`] if there is neither.
///
/// # asyncio
/// `asyncio.ensure_future(x)`.
///
/// # Examples
/// ```
/// use loop_core::{EventLoop, set_event_loop};
/// use loop_tasks::{LoopExt, ensure_future};
/// let event_loop = EventLoop::new()?;
/// set_event_loop(Some(&event_loop));
/// let task = ensure_future(async { 1 })?;
/// assert!(!task.done());
/// assert!(ensure_future(&task)?.same(&task));
/// assert_eq!(event_loop.run_until_complete(task)?, 1);
/// # set_event_loop(None);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn ensure_future<A: EnsureFuture>(awaitable: A) -> Result<A::Handle, NoCurrentLoop> {
    Ok(awaitable.ensure_future(&get_event_loop()?))
}

/// Something that can be awaited in place: what [`wait_for`](crate::wait_for) takes.
///
/// Unlike [`EnsureFuture`] it may borrow. It is implemented for every `Future` and for the types of this crate.
pub trait Awaitable: IntoFuture {
    /// The future behind it, if it is one of the loop's and not a coroutine.
    #[doc(hidden)]
    fn scheduled(&self) -> Option<Scheduled> {
        None
    }
}

/// A future of the loop whose type does not matter.
#[derive(Debug)]
pub struct Scheduled(pub(crate) AnyFuture);

impl<F: Future> Awaitable for F {}

impl<T: 'static> Awaitable for LoopFuture<T> {
    fn scheduled(&self) -> Option<Scheduled> {
        Some(Scheduled(self.any().clone()))
    }
}

impl<T: Clone + 'static> Awaitable for &LoopFuture<T> {
    fn scheduled(&self) -> Option<Scheduled> {
        Some(Scheduled(self.any().clone()))
    }
}

impl<T: 'static> Awaitable for Task<T> {
    fn scheduled(&self) -> Option<Scheduled> {
        Some(Scheduled(self.any().clone()))
    }
}

impl<T: Clone + 'static> Awaitable for &Task<T> {
    fn scheduled(&self) -> Option<Scheduled> {
        Some(Scheduled(self.any().clone()))
    }
}
