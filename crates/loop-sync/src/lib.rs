//! Locks, events, barriers and queues for the tasks of one event loop.
//!
//! Tasks of one loop never run at the same time, but each await lets others run. What must not be seen half done
//! across an await is done under a [`Lock`]; an [`Event`], a [`Condition`] and a [`Barrier`] say when to go on; a
//! [`Semaphore`] says how many may; a [`Queue`] hands work over. They are asyncio's, with *guards* in the place of
//! `async with`: a guard that is dropped releases.
//!
//! ```
//! use std::time::Duration;
//! use loop_core::EventLoop;
//! use loop_sync::Lock;
//! use loop_tasks::{LoopExt, create_task, sleep};
//!
//! let event_loop = EventLoop::builder().virtual_clock().build()?;
//! event_loop.run_until_complete(async {
//!     let lock = Lock::new();
//!     let other = lock.clone();
//!     let first = create_task(async move {
//!         let _guard = other.acquire().await;
//!         sleep(Duration::from_secs(1)).await; // nobody else holds the lock meanwhile
//!     });
//!     sleep(Duration::ZERO).await;
//!     let _guard = lock.acquire().await;
//!     assert!(first.done());
//! })?;
//! event_loop.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! - Who waits stands in a *line*; the oldest is woken first, and who comes in between does not overtake it. (A queue
//!   is asyncio's here too: its woken waiter looks again, and may find that somebody was quicker.)
//! - No wake-up and no permit is lost: a waiter that was woken and is cancelled, or dropped, wakes the next. Each wait
//!   says under "Cancel safety" what a plain drop (a `select!`, a foreign timeout) leaves behind.
//! - Releasing, setting and notifying call nothing: they schedule the steps of those who waited, oldest first.
//! - The same program leaves the same trace as on CPython 3.13, in the order of every hop.
//!
//! # Loops
//! The objects are cheap references and not `Send`: they stay in the thread of their loop. asyncio binds an object to
//! the first loop whose task waits for it; here it is free again when nobody waits. A wait for an object for which
//! tasks of another loop wait panics.
//!
//! ```compile_fail
//! std::thread::spawn({
//!     let lock = loop_sync::Lock::new();
//!     move || lock.locked() // the lock stays in its thread
//! });
//! ```
//!
//! # Not here
//! Other threads: they name a queue or an event by a `ThreadsafeRef` of `loop-bridge`. Broadcast and rendezvous channels.
//! Locks that hold a value: the value stands beside the lock.

#![forbid(unsafe_code)]

mod barrier;
mod bounded_semaphore;
mod condition;
mod ends;
mod event;
mod lifo_queue;
mod line;
mod lock;
mod priority_queue;
mod queue;
mod queue_error;
mod semaphore;
mod store;
mod waiters;

pub use barrier::{Barrier, BrokenBarrier};
pub use bounded_semaphore::{BoundedSemaphore, ReleasedTooOften};
pub use condition::Condition;
pub use event::Event;
pub use lifo_queue::LifoQueue;
pub use lock::{Lock, LockGuard};
pub use priority_queue::PriorityQueue;
pub use queue::Queue;
pub use queue_error::{GetNowaitError, PutNowaitError, QueueShutDown, TooManyTaskDone};
pub use semaphore::{Permit, Semaphore};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
