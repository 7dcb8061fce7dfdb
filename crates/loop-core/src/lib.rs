//! An event loop for one thread: callbacks in a definite order.
//!
//! Programs that wait for many things at once, in one thread, need somebody who decides what runs next. This crate
//! is that somebody and nothing more: it runs *callbacks*, one at a time, in the order of [`EventLoop::call_soon`];
//! it holds *timers* until they are due; it watches *descriptors*; and it takes in what *other threads* send. The
//! order is asyncio's, and part of the contract.
//!
//! One *iteration* ([`EventLoop::run_once`]) has four steps:
//!
//! 1. How long to wait: not at all if anything is ready or the loop is stopping, else until the next deadline, else
//!    for ever.
//! 2. Poll.
//! 3. Turn I/O events, then messages from other threads, then due timers into ready callbacks.
//! 4. Run exactly as many ready callbacks as stand there when this step begins.
//!
//! ```
//! use std::time::Duration;
//! use loop_core::{EventLoop, get_running_loop};
//!
//! let event_loop = EventLoop::new()?;
//! event_loop.call_later(Duration::from_millis(1), || get_running_loop().unwrap().stop())?;
//! event_loop.call_soon(|| println!("first"))?;
//! event_loop.run_forever()?;
//! event_loop.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An [`EventLoop`] belongs to its thread. Another thread holds a [`LoopHandle`]. A loop that is made here to run
//! there is an [`UnboundLoop`] on its way.
//!
//! # Embedding
//! A game, a GUI or a language runtime has a main loop of its own. It calls [`EventLoop::run_once`], or the steps
//! one by one ([`poll_events`](EventLoop::poll_events), [`process_events`](EventLoop::process_events),
//! [`process_ready`](EventLoop::process_ready)), asks whether it [has something ready](EventLoop::has_ready) and for
//! the [`next_deadline`](EventLoop::next_deadline), and is told by the [wake hook](LoopHandle::set_wake_hook) when
//! another thread has posted something. A layer that runs coroutines of its own implements [`Runtime`].
//!
//! # Invariants
//! - Callbacks are called in one place, in step 4, on the loop's thread, and nothing of the loop is borrowed then.
//! - A panic in a callback, or in the drop of one, ends at the loop: the exception handler hears of it and the next
//!   callback runs.
//! - A call that a [`LoopHandle`] accepts runs before the loop has closed; one that it refuses comes back.
//! - A sleeping loop hears of every message, and a host of every first one: no wake-up is lost.
//! - A forked child does not touch what it shares with its parent.
//!
//! # Not here
//! Futures and tasks are `loop-tasks`; blocking on results from other threads is `loop-bridge`; sockets and streams
//! are `loop-net`.

mod alarm;
mod clock;
mod closing;
mod core;
mod current;
#[cfg(unix)]
mod descriptors;
#[cfg(target_os = "linux")]
mod epoll;
mod error;
mod event_loop;
mod exception;
mod handle;
#[cfg_attr(not(unix), path = "no_io.rs")]
mod io;
mod iteration;
#[cfg(target_os = "linux")]
mod lookout;
mod mailbox;
mod overseer;
mod present;
mod raw;
mod ready;
mod remote;
mod running;
mod runtime;
mod shared;
mod skipping;
mod sleep;
mod sync;
mod sys;
mod unbound;
mod waker;
#[cfg(unix)]
mod watch;

pub use clock::{InvalidDelay, seconds};
pub use current::{get_event_loop, get_running_loop, set_event_loop};
pub use error::{LoopClosed, LoopError, NoCurrentLoop, NoRunningLoop, Stuck};
pub use event_loop::EventLoop;
pub use exception::{ExceptionContext, ExceptionHandler, drop_quietly, panic_message};
pub use handle::{Handle, TimerHandle};
pub use raw::Job;
pub use remote::{External, LoopHandle, Wakeup};
pub use running::RunningCallback;
pub use runtime::{LoopRef, LoopTime, Runtime, TimerId, WeakLoop};
pub use unbound::{LoopBuilder, UnboundLoop};
pub use waker::WakeKey;
#[cfg(unix)]
pub use {io::Direction, watch::Watch};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
