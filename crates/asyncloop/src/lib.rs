//! asyncio's event loop, in Rust.
//!
//! One explicit event loop per thread; callbacks in a definite order; futures and tasks that need not be `Send`;
//! other threads that hand work to a loop and wait for its result; blocking work in pools, so that the loop does not
//! stop. Who knows asyncio finds every name again, and every behaviour, down to the order in which callbacks run: the
//! traces are proven equal to CPython's.
//!
//! ```
//! use std::time::Duration;
//! use asyncloop::prelude::*;
//!
//! async fn fetch(page: u32) -> u32 {
//!     sleep(Duration::from_millis(u64::from(page))).await;
//!     page * page
//! }
//!
//! let pages = asyncloop::run(async { gather([3, 1, 2].map(fetch)).await })??;
//! let pages: Vec<u32> = pages.into_iter().map(Result::unwrap).collect();
//! assert_eq!(pages, [9, 1, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//! What most programs need is in the [`prelude`].
//!
//! - To run: [`run`], [`Runner`]; by hand [`new_event_loop`] and [`EventLoop`], with [`LoopExt::run_until_complete`].
//! - Tasks: [`create_task`], [`TaskGroup`], [`gather()`], [`wait()`], [`as_completed`]; [`Task`], and [`TaskError`] for what awaiting
//!   one can come to.
//! - Time: [`sleep()`], [`timeout`], [`wait_for`], [`EventLoop::call_later`].
//! - Cancellation: [`LoopFuture::cancel`], [`catch_cancel`], [`shield`].
//! - Blocking work: [`to_thread`], [`LoopExecutorExt::run_in_executor`], [`ThreadPoolExecutor`], [`CpuPool`], `ProcessPoolExecutor`.
//! - Other threads: [`LoopHandle`], [`run_coroutine_threadsafe`], [`wrap_future`], [`ThreadsafeRef`], [`LoopThread`].
//! - Between tasks: [`Queue`], [`Lock`], [`Event`], [`Semaphore`], [`Condition`], [`Barrier`]; [`ContextVar`].
//! - The world: `open_connection`, `start_server`, [`net`]; `create_subprocess_exec`; `SignalExt`.
//! - Who blocks the loop: [`EventLoop::set_debug`], [`EventLoop::set_blocked_after`], [`Elapsed::loop_stall`], [`await_tree`].
//!
//! An error that a coroutine meets on its way (late, cancelled, refused) goes through `?` into an [`std::io::Error`], as into any
//! boxed error.
//!
//! # The crates
//! This crate is a facade: everything here is from one of the crates below, each of which can be used alone.
//!
//! | crate | what it is |
//! | --- | --- |
//! | [`loop-core`](loop_core) | the loop: callbacks, timers, descriptors, calls from other threads |
//! | [`loop-tasks`](loop_tasks) | futures, tasks, cancellation |
//! | [`loop-bridge`](loop_bridge) | between threads: `run_coroutine_threadsafe`, `wrap_future`, blocking futures |
//! | [`loop-executor`](loop_executor) | pools: threads, processors, processes; `run_in_executor`, `to_thread` |
//! | `loop-net` (feature `net`, on by default) | [`net`]: sockets, streams, servers |
//! | `loop-process` (feature `subprocess`, on by default) | [`process`]: child processes, `create_subprocess_exec` |
//! | `loop-signal` (feature `signal`, on by default) | Unix signals: `SignalExt`, Ctrl-C in [`run`] |
//! | [`loop-sync`](loop_sync) | locks, events, conditions, semaphores, barriers, queues for the tasks of one loop |

#![forbid(unsafe_code)]

mod ctrl_c;
pub mod prelude;
mod runner;

/// `concurrent.futures`: waiting for many futures in a thread that may block.
pub use loop_bridge as concurrent;
#[doc(alias = "concurrent.futures.Future")]
pub use loop_bridge::ConcurrentFuture;
#[doc(alias = "set_running_or_notify_cancel")]
pub use loop_bridge::Promise;
pub use loop_bridge::{
    BlockingGuard, ConcurrentError, IntoLoopFuture, JobPanicked, LoopThread, ThreadsafeHandle,
    ThreadsafeRef, WouldDeadlock, call_soon_threadsafe, concurrent_future,
    run_coroutine_threadsafe, run_future_threadsafe, wrap_future, wrap_future_on,
};
#[doc(alias("asyncio", "SelectorEventLoop"))]
pub use loop_core::EventLoop;
pub use loop_core::{
    ExceptionContext, ExceptionHandler, External, Handle, InvalidDelay, Job, LoopBuilder,
    LoopClosed, LoopError, LoopHandle, LoopRef, NoCurrentLoop, NoRunningLoop, RunningCallback,
    Runtime, Stuck, TimerHandle, UnboundLoop, WakeKey, WeakLoop, get_event_loop, get_running_loop,
    panic_message, seconds, set_event_loop,
};
/// The executors of `concurrent.futures`, with all that they are made of.
pub use loop_executor as executor;
#[cfg(all(unix, feature = "process"))]
pub use loop_executor::{
    BreakCause, BrokenProcessPool, Call, CallJob, Calls, JobError, ProcessFn, ProcessMap,
    ProcessPoolBuilder, ProcessPoolExecutor, RemotePanic, WorkerDied, WorkerPhase, call_registered,
    process_fn, worker_main, worker_test,
};
pub use loop_executor::{
    CpuPool, Executor, ExecutorExt, LoopExecutorExt, PoolError, StillRunning, SubmitError,
    ThreadPoolExecutor, to_thread,
};
/// Sockets, streams, servers.
#[cfg(all(unix, feature = "net"))]
pub use loop_net as net;
#[cfg(all(unix, feature = "net"))]
#[doc(alias("IncompleteReadError", "LimitOverrunError"))]
pub use loop_net::ReadError;
#[cfg(all(unix, feature = "net"))]
pub use loop_net::{
    BaseProtocol, BufferedProtocol, DatagramProtocol, DatagramTransport, LoopNetExt, Protocol,
    Server, StreamReader, StreamWriter, Transport, connect_read_pipe, connect_write_pipe,
    create_connection, create_datagram_endpoint, create_server, create_unix_connection,
    create_unix_server, getaddrinfo, getnameinfo, open_connection, open_unix_connection,
    start_server, start_unix_server,
};
/// Child processes.
#[cfg(all(unix, feature = "subprocess"))]
pub use loop_process as process;
#[cfg(all(unix, feature = "subprocess"))]
#[doc(alias("asyncio.subprocess", "Popen"))]
pub use loop_process::{
    Process, SubprocessProtocol, SubprocessTransport, create_subprocess_exec,
    create_subprocess_shell, subprocess_exec, subprocess_shell,
};
#[cfg(all(unix, feature = "signal"))]
pub use loop_signal::{Interrupt, Signal, SignalError, SignalExt};
pub use loop_sync::{
    Barrier, BoundedSemaphore, BrokenBarrier, Condition, Event, GetNowaitError, LifoQueue, Lock,
    LockGuard, Permit, PriorityQueue, PutNowaitError, Queue, QueueShutDown, ReleasedTooOften,
    Semaphore, TooManyTaskDone,
};
#[doc(alias = "CancelledError")]
pub use loop_tasks::Cancelled;
#[doc(alias = "TimeoutError")]
pub use loop_tasks::Elapsed;
#[doc(alias = "ExceptionGroup")]
pub use loop_tasks::GroupError;
#[doc(alias("asyncio.Future", "Future"))]
pub use loop_tasks::LoopFuture;
#[doc(alias("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"))]
pub use loop_tasks::ReturnWhen;
#[doc(alias = "sleep(0)")]
pub use loop_tasks::yield_now;
pub use loop_tasks::{
    AnyLoopFuture, AnyTask, AsCompleted, Awaitable, CallGraph, CallGraphEntry, CallbackToken,
    CatchCancel, Context, ContextToken, ContextVar, EmptySet, EnsureFuture, Failure, Gate,
    GateOpener, GatherTuple, GroupClosed, GroupErrors, GroupFailure, Join, LoopExt, NotActive,
    Panicked, RunError, Sleep, Task, TaskBuilder, TaskError, TaskFactory, TaskGroup, Timeout,
    TimeoutRun, Waitable, Waited, WrongLoop, YieldNow, all_tasks, as_completed, await_tree,
    capture_call_graph, catch_cancel, create_task, current_task, eager_task_factory, ensure_future,
    gather, gather_with, shield, sleep, sleep_result, sleep_until, timeout, timeout_at,
    try_create_task, try_gather, try_gather_with, wait, wait_for,
};
#[doc(alias = "InvalidStateError")]
pub use loop_tasks::{InvalidState, NotReady};
pub use runner::{Runner, RunnerError, new_event_loop, run};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct CrateReadme;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/cancellation.md")]
struct CancellationDocs;
