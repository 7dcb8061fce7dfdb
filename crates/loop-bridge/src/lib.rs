//! Bridges between event loops and threads.
//!
//! The problem: one thread does the work, another wants its outcome. Each side may be a thread that
//! can block, or a loop that must not.
//!
//! A *[`ConcurrentFuture`]* is the outcome, seen by those who want it: they block on it with a
//! timeout, leave a callback, await it, or cancel it. Its *[`Promise`]* is the same outcome, seen
//! by the one who owes it.
//!
//! ```
//! use loop_bridge::{ConcurrentError, concurrent_future};
//!
//! let (promise, future) = concurrent_future();
//! std::thread::spawn(move || promise.run(|| "page".to_uppercase()));
//! assert_eq!(future.result(None).unwrap(), "PAGE");
//!
//! let (promise, future) = concurrent_future::<()>();
//! std::thread::spawn(move || promise.run(|| panic!("no such page")));
//! assert!(matches!(future.result(None), Err(ConcurrentError::Panicked(_))));
//! ```
//!
//! Threads wait for many with [`wait`] and [`as_completed`].
//!
//! *Into a loop* leads [`run_coroutine_threadsafe`]: from any thread, with a concurrent future of
//! the result. [`LoopHandle::call_soon_threadsafe`](loop_core::LoopHandle::call_soon_threadsafe)
//! sends a callback; the [`call_soon_threadsafe`] of this crate gives a handle to take it back
//! with. What stays on its loop, a queue or an event, other threads name by a [`ThreadsafeRef`].
//! [`LoopThread`] is a loop in a thread of its own.
//!
//! *Out of a loop* leads [`wrap_future`]: it makes a future of this thread's loop out of a
//! concurrent one, which is then awaited, gathered and cancelled like a task.
//!
//! ```
//! use loop_bridge::{LoopThread, run_coroutine_threadsafe, wrap_future};
//! use loop_core::EventLoop;
//! use loop_tasks::{LoopExt, TaskError};
//!
//! let side = LoopThread::spawn("side")?;
//! let event_loop = EventLoop::new()?;
//! let handle = side.handle().clone();
//! let sum = event_loop.run_until_complete(async move {
//!     let there = run_coroutine_threadsafe(&handle, || async { 40 }).unwrap();
//!     Ok::<_, TaskError>(wrap_future(there).await? + 2)
//! })??;
//! assert_eq!(sum, 42);
//! # event_loop.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Work that a loop has done elsewhere, and that nobody else waits for, is an [`Errand`]: it goes to the thread that
//! does it and comes back with what came of it, in one allocation.
//!
//! # Invariants
//! - Every future ends: a promise that is dropped settles it, a panic is an outcome, and a loop
//!   that closes resolves what it owes.
//! - A future ends once, and each callback runs once.
//! - No code of a caller (callback, waker, hook, `clone`, destructor) runs under a lock.
//! - A wait that can only end by what its own thread would have to do is refused, not begun.
//! - Tasks and futures of a loop never leave its thread: what travels is a number.
//!
//! # Not here
//! Pools of threads: they make promises, and keep them.

#![forbid(unsafe_code)]

mod awaiting;
mod away;
mod bridges;
mod coroutine;
mod errand;
mod error;
mod future;
mod guard;
mod handle;
mod loop_thread;
mod panicked;
mod parcel;
mod promise;
mod reference;
mod shared;
mod state;
mod sync;
mod wait;
mod waiter;
mod wrap;

pub use crate::awaiting::Take;
pub use crate::coroutine::{run_coroutine_threadsafe, run_future_threadsafe};
pub use crate::errand::Errand;
pub use crate::error::{ConcurrentError, InvalidState, WouldDeadlock};
pub use crate::future::ConcurrentFuture;
pub use crate::guard::BlockingGuard;
pub use crate::handle::{ThreadsafeHandle, call_soon_threadsafe};
pub use crate::loop_thread::LoopThread;
pub use crate::panicked::JobPanicked;
pub use crate::promise::{Promise, concurrent_future, guarded_future};
pub use crate::reference::ThreadsafeRef;
pub use crate::state::FutureState;
pub use crate::wait::{
    AsCompleted, DoneAndNotDone, ReturnWhen, WaitError, as_completed, try_wait, wait,
};
pub use crate::wrap::{IntoLoopFuture, wrap_future, wrap_future_on};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
