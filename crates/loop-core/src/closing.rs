//! Closing: what other threads were promised runs, everything else is dropped, and no panic stops that half-way.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::EventLoop;
use crate::core::Phase;
use crate::current::RunGuard;
use crate::error::LoopError;
use crate::exception::{ExceptionContext, drop_quietly, panic_message, report};
use crate::raw::RawJob;

impl EventLoop {
    /// Closes the loop: what other threads were promised runs, everything else that is queued is dropped.
    ///
    /// Calls accepted from other threads run now, inside this call, in their order; what they schedule is dropped.
    /// Unfinished tasks are reported and dropped, then callbacks and timers, then the callbacks of descriptors,
    /// then what other layers keep here, the newest first. Closing twice is fine.
    ///
    /// # Errors
    /// [`LoopError::CannotCloseRunning`] from inside the loop (also while it closes), [`LoopError::Forked`] in a
    /// forked child.
    ///
    /// # asyncio
    /// `loop.close()`. There, calls from other threads that were accepted and not yet run are lost.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// event_loop.close()?;
    /// assert!(event_loop.is_closed());
    /// assert_eq!(event_loop.call_soon(|| ()).unwrap_err().to_string(), "Event loop is closed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) -> Result<(), LoopError> {
        let core = self.core();
        match core.phase.get() {
            Phase::Closed => return Ok(()),
            Phase::Running => return Err(LoopError::CannotCloseRunning),
            Phase::Idle => {}
        }
        let running = RunGuard::enter_to_close(core)?;
        // Nobody is refused before everybody who was accepted has been heard.
        core.shared.mailbox.close(|message| self.deliver(message));
        let (remote, local) = core.ready.borrow_mut().take_all();
        for job in remote {
            self.run_last(job);
        }
        drop(running);
        core.phase.set(Phase::Closed);
        core.shared.unregister();
        tracing::debug!(loop_id = self.id(), "event loop is closed");
        self.drop_everything(local);
        Ok(())
    }

    /// Drops what is left on a closed loop. Whatever the drops schedule is refused by now.
    fn drop_everything(&self, callbacks: Vec<RawJob>) {
        let core = self.core();
        if let Some(runtime) = core.runtime.get()
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| runtime.close()))
        {
            self.dropping_panicked(panic);
        }
        self.drop_each(callbacks);
        let (remote, local) = core.ready.borrow_mut().take_all();
        self.drop_each(remote);
        self.drop_each(local);
        let timers: Vec<RawJob> = core.timers.borrow_mut().drain().collect();
        self.drop_each(timers);
        let io = core.io.borrow_mut().take();
        if let Some(io) = io {
            let (callbacks, mut waiting) = io.into_parts();
            self.drop_each(callbacks);
            self.wake_each(&mut waiting);
            if !core.is_forked() {
                core.shared.set_poll_waker(None);
            }
        }
        loop {
            let extension = core.extensions.borrow_mut().pop();
            let Some(extension) = extension else { break };
            self.drop_each([extension]);
        }
    }

    /// Drops things of the user's one by one: a panic in one drop must not keep the others, and two must not meet.
    fn drop_each<T>(&self, values: impl IntoIterator<Item = T>) {
        for value in values {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                self.dropping_panicked(panic);
            }
        }
    }

    fn dropping_panicked(&self, panic: Box<dyn std::any::Any + Send>) {
        self.call_exception_handler(
            &ExceptionContext::new("Exception in a drop while the event loop was closed")
                .exception(panic_message(&*panic)),
        );
        drop_quietly(panic);
    }

    /// The last `EventLoop` of an open loop has gone.
    #[cold]
    fn close_unclosed(&self) {
        let core = self.core();
        // Closing makes references of its own, the last of which must not come here again.
        core.users.set(1);
        let pending = !core.ready.borrow().is_empty() || !core.timers.borrow().is_empty();
        if pending && core.debug.get() {
            report(
                tracing::Level::WARN,
                core,
                &format!("unclosed event loop {self:?}"),
            );
        }
        if self.close().is_err() {
            // A forked child. The parent runs what was accepted, and what it shares with other threads is a copy
            // that they may have left in the middle of anything: it is not touched.
            core.phase.set(Phase::Closed);
            self.drop_everything(Vec::new());
        }
        // Somebody may have kept a reference that a callback got while the loop closed.
        core.users.set(core.users.get() - 1);
    }
}

impl Drop for EventLoop {
    #[inline]
    fn drop(&mut self) {
        let users = self.core().users.get() - 1;
        self.core().users.set(users);
        if users == 0 && self.core().phase.get() == Phase::Idle {
            self.close_unclosed();
        }
    }
}
