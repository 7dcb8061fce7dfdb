//! What most programs need: `use asyncloop::prelude::*`.

pub use crate::{
    Cancelled, ConcurrentFuture, ContextVar, Elapsed, EventLoop, ExecutorExt, GroupError,
    LoopExecutorExt, LoopExt, LoopFuture, LoopHandle, ReturnWhen, Task, TaskBuilder, TaskError,
    TaskGroup, ThreadPoolExecutor, UnboundLoop, as_completed, catch_cancel, create_task,
    current_task, ensure_future, gather, get_event_loop, get_running_loop, new_event_loop,
    run_coroutine_threadsafe, set_event_loop, shield, sleep, timeout, to_thread, try_create_task,
    try_gather, wait, wait_for, wrap_future, yield_now,
};
#[cfg(all(unix, feature = "process"))]
pub use crate::{ProcessFn, ProcessPoolExecutor, process_fn, worker_main};

#[cfg(all(unix, feature = "signal"))]
pub use crate::{Signal, SignalExt};

#[cfg(all(unix, feature = "net"))]
pub use crate::{LoopNetExt, Server, StreamReader, StreamWriter, open_connection, start_server};
