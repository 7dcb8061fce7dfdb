//! Pools for blocking work: threads, CPU, processes.
//!
//! An event loop has one thread, and whoever blocks it blocks everybody. Work that blocks or
//! computes goes to a pool, and its outcome comes back as a
//! [`ConcurrentFuture`](loop_bridge::ConcurrentFuture): to block on, to await, or to be told of.
//!
//! An *[`Executor`]* is a pool: it takes *[`Job`]s* and runs each once, somewhere else. Users
//! [`submit`](ExecutorExt::submit) closures, or [`map`](ExecutorExt::map) one over many items:
//!
//! ```
//! use loop_executor::{ExecutorExt, ThreadPoolExecutor};
//!
//! let pool = ThreadPoolExecutor::new(4)?;
//! let page = pool.submit(|| "<html>".to_owned())?;
//! let sizes = pool.map(["a", "bb"], str::len)?;
//!
//! assert_eq!(page.result(None)?, "<html>");
//! assert_eq!(sizes.collect::<Result<Vec<_>, _>>()?, [1, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Work that waits (files, a blocking library) belongs in a *[`ThreadPoolExecutor`]*, work that
//! computes in a *[`CpuPool`]*. Work that may crash, or that must be stopped from outside, belongs
//! in a process of its own: a `ProcessPoolExecutor` (feature `process`, on by default, Unix) runs
//! functions that were declared with `process_fn!`. Somebody else's pool, or an engine on other
//! machines, fits in through [`Executor`]: the example `remote_engine` of `asyncloop` is one in less
//! than 100 lines.
//!
//! On a loop, the outcome is a future to await: [`run_in_executor`](LoopExecutorExt::run_in_executor) with a pool, or with
//! the loop's own; [`to_thread`] for short.
//!
//! ```
//! use loop_core::EventLoop;
//! use loop_executor::to_thread;
//! use loop_tasks::LoopExt;
//!
//! let event_loop = EventLoop::new()?;
//! let name = event_loop.run_until_complete(to_thread(|| {
//!     std::thread::current().name().map(String::from) // the loop goes on meanwhile
//! }))?;
//! assert_eq!(name?.as_deref(), Some("asyncio_0"));
//! # event_loop.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! - Every job that was accepted ends: with a value, a panic, a cancellation or the pool's error.
//!   Every job that was not accepted comes back.
//! - A worker outlives the panics of its jobs, and keeps nothing of a job that is done.
//! - No code of a caller runs under a lock of a pool.
//! - A wait that only the waiting thread could end is refused, not begun.
//!
//! # Not here
//! The outcome itself, and waiting for it, is `loop-bridge`.

#![forbid(unsafe_code)]

mod attendance;
mod cpu_pool;
mod crew;
mod default_executor;
mod error;
mod executor;
mod inbox;
mod job;
mod map;
mod map_buffered;
mod on_loop;
mod overdue;
#[cfg(all(unix, feature = "process"))]
mod process;
mod sync;
mod thread_pool;
mod thread_pool_builder;
mod to_thread;
mod unfinished;
mod work;
mod worker;

pub use crate::cpu_pool::CpuPool;
pub use crate::error::{BrokenThreadPool, PoolError, SubmitError};
pub use crate::executor::{Executor, ExecutorExt};
pub use crate::job::Job;
pub use crate::map::Map;
pub use crate::map_buffered::MapBuffered;
pub use crate::on_loop::LoopExecutorExt;
#[cfg(all(unix, feature = "process"))]
pub use crate::process::{
    call::Call,
    call_job::CallJob,
    calls::Calls,
    function::{ProcessFn, call_registered},
    job_error::{BreakCause, BrokenProcessPool, JobError, RemotePanic, WorkerDied, WorkerPhase},
    map::ProcessMap,
    pool::ProcessPoolExecutor,
    settings::ProcessPoolBuilder,
    worker::worker_main,
};
pub use crate::thread_pool::ThreadPoolExecutor;
pub use crate::thread_pool_builder::ThreadPoolBuilder;
pub use crate::to_thread::to_thread;
pub use crate::unfinished::{StillRunning, UnfinishedJob};
pub use crate::work::Work;

/// What the macros of this crate write into other crates.
#[cfg(all(unix, feature = "process"))]
#[doc(hidden)]
pub mod __private {
    pub use crate::process::function::Registered;
    pub use crate::process::travel::{Comes, Leaves};
    pub use inventory;
    pub use serde::{Deserialize, Deserializer, Serialize, Serializer};
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
