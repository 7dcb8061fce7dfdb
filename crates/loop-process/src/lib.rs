//! Child processes for the tasks of one event loop.
//!
//! A *child* ends when it likes, and is a zombie until somebody asks for its status. Here the loop asks: it watches a
//! descriptor that becomes readable when the child has ended (a *pidfd*; where the system has none, the end of a pipe
//! that a waiting thread holds), *reaps* the child in a callback, and tells whoever waits. What goes in and out are the
//! streams of `loop-net`. Spawning is the standard library's.
//!
//! ```
//! # #[cfg(unix)]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::process::Stdio;
//! use loop_core::EventLoop;
//! use loop_process::create_subprocess_shell;
//! use loop_tasks::LoopExt;
//! let event_loop = EventLoop::new()?;
//! event_loop.run_until_complete(async {
//!     let mut child = create_subprocess_shell("echo ready; read answer; exit $answer")
//!         .stdin(Stdio::piped())
//!         .stdout(Stdio::piped())
//!         .await?;
//!     let stdout = child.stdout.as_mut().expect("it is a pipe");
//!     assert_eq!(stdout.readline().await?, b"ready\n");
//!     child.stdin.as_ref().expect("it is a pipe").write(b"3\n");
//!     assert_eq!(child.wait().await?.code(), Some(3));
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })??;
//! event_loop.close()?;
//! # Ok(())
//! # }
//! # #[cfg(not(unix))]
//! # fn main() {}
//! ```
//!
//! - With streams and coroutines: [`create_subprocess_exec`], [`create_subprocess_shell`], [`Process`].
//! - With callbacks: [`subprocess_exec`], [`subprocess_shell`], [`SubprocessTransport`], [`SubprocessProtocol`].
//!
//! # Invariants
//! - A child is reaped once, by its own loop, and no sooner than it has ended: until then its pid is its own. A signal is
//!   sent only to a child that is not reaped.
//! - While the loop runs, no child stays a zombie, whether anybody holds its [`Process`] or not.
//! - A loop that closes leaves no child behind: those that still run are killed and reaped.
//!
//! # Not here
//! Windows: this crate is empty there. Pools of processes that run functions of the program: `loop-executor` has them.

#![forbid(unsafe_code)]
#![cfg(unix)]

mod child;
mod command;
mod exit;
mod handle;
mod process;
mod protocol;
mod transport;

pub use command::{CreateSubprocess, create_subprocess_exec, create_subprocess_shell};
pub use handle::ProcessHandle;
pub use process::Process;
pub use protocol::SubprocessProtocol;
pub use transport::{SubprocessTransport, subprocess_exec, subprocess_shell};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
