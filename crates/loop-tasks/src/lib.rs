//! Futures, tasks and cancellation with asyncio's semantics, for one event loop.
//!
//! A *coroutine* is any Rust future; it need not be `Send`. A [`Task`] runs one on a loop: a *step* of it is a ready
//! callback, from the await where it stands to the next. A [`LoopFuture`] is a result that somebody will set; a task
//! is one too. [`gather`](gather()), [`wait`](wait()), [`as_completed`] wait for many; [`timeout`], [`wait_for`], [`shield`]
//! limit and protect.
//!
//! ```
//! use std::time::Duration;
//! use loop_core::EventLoop;
//! use loop_tasks::{LoopExt, create_task, sleep, timeout};
//!
//! let event_loop = EventLoop::builder().virtual_clock().build()?;
//! event_loop.run_until_complete(async {
//!     let slow = create_task(async {
//!         sleep(Duration::from_secs(5)).await;
//!         "slow"
//!     });
//!     assert!(timeout(Duration::from_secs(1), &slow).await.is_err());
//!     assert!(slow.cancelled());
//! })?;
//! event_loop.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Cancellation
//! [`cancel`](LoopFuture::cancel) asks; it never tears a task apart from outside. The request goes to what the task
//! awaits, and from there, if that is cancelled, to the await where the task stands. There the innermost
//! [`catch_cancel`] catches it; without one the task drops its coroutine and is cancelled. Clean-up that does not
//! await is `Drop`; clean-up that does is what follows `catch_cancel`.
//!
//! # Invariants
//! - A task has at most one step in the ready queue.
//! - Settling a future calls nothing: it schedules its callbacks, oldest first.
//! - The same program leaves the same trace as on CPython 3.13.
//!
//! # Not here
//! Other threads (`loop-bridge`), blocking work (`loop-executor`), locks and queues (`loop-sync`).

mod any_future;
mod as_completed;
mod bridged;
mod builder;
mod callbacks;
mod cancel;
mod cell;
mod context;
mod current;
mod describe;
mod ensure;
mod error;
mod ext;
mod future;
mod gate;
mod gather;
mod gathering;
mod graph;
mod group;
mod group_error;
mod link;
mod outcome;
mod own_request;
mod quiet;
mod recycle;
mod request;
mod seldom;
mod shield;
mod sleep;
mod slots;
mod state;
mod step;
mod table;
mod task;
mod task_core;
mod timeout;
mod timeout_run;
mod vtable;
mod wait;
mod wait_for;
mod wait_one;
mod waiting;
mod waits;

pub use any_future::AnyLoopFuture;
pub use as_completed::{AsCompleted, as_completed};
pub use builder::{TaskBuilder, TaskFactory, create_task, eager_task_factory, try_create_task};
pub use cancel::{Cancelled, CatchCancel, catch_cancel};
pub use context::{Context, ContextToken, ContextVar};
pub use ensure::{Awaitable, EnsureFuture, Waitable, ensure_future};
pub use error::{Failure, InvalidState, NotReady, Panicked, RunError, TaskError, WrongLoop};
pub use ext::LoopExt;
pub use future::{CallbackToken, LoopFuture};
pub use gate::{Gate, GateOpener};
pub use gather::{GatherTuple, gather, gather_with, try_gather, try_gather_with};
pub use graph::{CallGraph, CallGraphEntry, await_tree, capture_call_graph};
pub use group::TaskGroup;
pub use group_error::{GroupClosed, GroupError, GroupErrors, GroupFailure};
pub use link::Join;
pub use shield::shield;
pub use sleep::{Sleep, YieldNow, sleep, sleep_result, sleep_until, yield_now};
pub use task::{AnyTask, Task, all_tasks, current_task};
pub use timeout::{Elapsed, NotActive, Timeout, timeout, timeout_at};
pub use timeout_run::TimeoutRun;
pub use wait::{EmptySet, ReturnWhen, Waited, wait};
pub use wait_for::wait_for;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
