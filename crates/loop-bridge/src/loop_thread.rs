//! A loop in a thread of its own.

use std::fmt;
use std::io;
use std::thread::{Builder, JoinHandle};

use loop_core::{EventLoop, LoopHandle, UnboundLoop, set_event_loop};
use loop_tasks::{LoopExt, RunError};

use crate::WouldDeadlock;

/// A loop that runs in a thread of its own until it is stopped.
///
/// The place for coroutines that must not wait while somebody blocks the main loop. There it is
/// the current loop as well.
///
/// When it stops, through this or through any of its handles, it cancels the tasks that are left,
/// runs until they are done, closes, and the thread ends. Dropping this does that too, and waits
/// for it.
///
/// # asyncio
/// `Thread(target=loop.run_forever)`, then `loop.call_soon_threadsafe(loop.stop)` and `join()`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_bridge::{LoopThread, run_coroutine_threadsafe};
/// use loop_tasks::sleep_result;
///
/// let side = LoopThread::spawn("side")?;
/// let page = run_coroutine_threadsafe(side.handle(), || sleep_result(Duration::from_millis(1), "page"))?;
/// // This thread is free to block.
/// assert_eq!(page.result(None)?, "page");
/// side.stop_and_join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LoopThread {
    handle: LoopHandle,
    thread: Option<JoinHandle<()>>,
}

impl LoopThread {
    /// Starts a thread with a new loop.
    ///
    /// # Errors
    /// If the system refuses the thread, or the process has too many loops.
    ///
    /// # Examples
    /// See [`LoopThread`].
    pub fn spawn(name: impl Into<String>) -> io::Result<LoopThread> {
        LoopThread::spawn_loop(name, UnboundLoop::new()?)
    }

    /// Starts a thread that runs `unbound`: a loop of another make, or one that has work already.
    ///
    /// # Errors
    /// If the system refuses the thread. The loop is closed then.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::{LoopThread, run_future_threadsafe};
    /// use loop_core::UnboundLoop;
    ///
    /// let unbound = UnboundLoop::new()?;
    /// let early = run_future_threadsafe(&unbound.handle(), async { 42 })?;
    /// let side = LoopThread::spawn_loop("side", unbound)?;
    /// assert_eq!(early.result(None)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_loop(name: impl Into<String>, unbound: UnboundLoop) -> io::Result<LoopThread> {
        let handle = unbound.handle();
        let thread = Builder::new().name(name.into()).spawn(move || {
            let event_loop = unbound.bind();
            set_event_loop(Some(&event_loop));
            if let Err(error) = run(&event_loop) {
                tracing::error!(%error, "an event loop ends with its thread");
            }
            set_event_loop(None);
        })?;
        Ok(LoopThread {
            handle,
            thread: Some(thread),
        })
    }

    /// The loop, for any thread.
    ///
    /// # Examples
    /// See [`LoopThread`].
    #[must_use]
    pub fn handle(&self) -> &LoopHandle {
        &self.handle
    }

    /// Stops the loop and waits until its thread has ended.
    ///
    /// A task that refuses to be cancelled is waited for.
    ///
    /// # Errors
    /// [`WouldDeadlock`] on the loop's own thread; it stops all the same.
    ///
    /// # Examples
    /// See [`LoopThread`].
    pub fn stop_and_join(mut self) -> Result<(), WouldDeadlock> {
        self.end()
    }

    fn end(&mut self) -> Result<(), WouldDeadlock> {
        self.handle.stop();
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        if thread.thread().id() == std::thread::current().id() {
            return Err(WouldDeadlock::on_loop_thread());
        }
        // No panic of a user's comes this far; one of ours has been reported by its hook.
        let _ = thread.join();
        Ok(())
    }
}

impl Drop for LoopThread {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl fmt::Debug for LoopThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoopThread").field(&self.handle).finish()
    }
}

fn run(event_loop: &EventLoop) -> Result<(), RunError> {
    event_loop.run_forever().map_err(RunError::Loop)?;
    let left = event_loop.all_tasks();
    for task in &left {
        task.cancel();
    }
    let wind_up = event_loop.create_task(async move {
        for task in left {
            task.wait().await;
        }
    });
    // Whoever asks it to stop again has been heard already.
    while let Err(error) = event_loop.run_until_complete(&wind_up) {
        if !matches!(error, RunError::Stopped) {
            return Err(error);
        }
    }
    event_loop.close().map_err(RunError::Loop)
}
