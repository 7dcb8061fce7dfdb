//! One iteration. The numbers are those of `docs/iteration.md`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use loop_timers::TimerKey;

use crate::clock::{Nanos, nanos};
use crate::core::{Core, NOT_LOOKED};
use crate::current::RunGuard;
use crate::error::{LoopError, Stuck};
use crate::exception::{ExceptionContext, drop_quietly, panic_message};
use crate::raw::{Job, RawJob};
use crate::shared::Message;
use crate::skipping::Outlook;
use crate::{EventLoop, alarm, sleep};

impl EventLoop {
    /// Runs iterations until [`stop`](EventLoop::stop) is called.
    ///
    /// It does not return when there is nothing left to do: other threads may still have something.
    ///
    /// # Errors
    /// [`LoopError::Closed`], [`LoopError::AlreadyRunning`], [`LoopError::AnotherRunning`],
    /// [`LoopError::Forked`] before anything ran; [`LoopError::Stuck`] in virtual time when nothing can ever happen.
    ///
    /// # asyncio
    /// `loop.run_forever()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, get_running_loop};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.call_soon(|| get_running_loop().unwrap().stop())?;
    /// event_loop.run_forever()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_forever(&self) -> Result<(), LoopError> {
        let _running = RunGuard::enter(self.core())?;
        self.begin();
        tracing::debug!(loop_id = self.id(), "event loop runs");
        loop {
            let result = self.iterate(None, true);
            if self.core().stopping.replace(false) {
                tracing::debug!(loop_id = self.id(), "event loop stops");
                return Ok(());
            }
            result?;
        }
    }

    /// Runs one iteration; waits for at most `max_wait` if nothing is ready (`None`: for as long as it takes).
    ///
    /// For embedding: a program with a main loop of its own calls this, or the three steps one by one.
    ///
    /// # Errors
    /// As [`run_forever`](EventLoop::run_forever).
    ///
    /// # asyncio
    /// `loop._run_once()`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// event_loop.run_once(Some(Duration::ZERO))?; // a look, and back
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_once(&self, max_wait: Option<Duration>) -> Result<(), LoopError> {
        let _running = RunGuard::enter(self.core())?;
        self.begin();
        self.iterate(max_wait, false)
    }

    /// Steps 1 and 2 alone: waits until something is ready, for at most `max_wait`.
    ///
    /// Runs no callback. It may return early, with nothing ready.
    ///
    /// # Errors
    /// As [`run_forever`](EventLoop::run_forever).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// event_loop.call_soon(|| {})?;
    /// event_loop.poll_events(Some(Duration::ZERO))?;
    /// event_loop.process_events()?;
    /// assert_eq!(event_loop.process_ready()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll_events(&self, max_wait: Option<Duration>) -> Result<(), LoopError> {
        let _running = RunGuard::enter(self.core())?;
        self.begin();
        self.wait_for_events(max_wait)?;
        Ok(())
    }

    /// Step 3 alone: turns I/O events, messages from other threads and due timers into ready callbacks.
    ///
    /// # Errors
    /// As [`run_forever`](EventLoop::run_forever).
    ///
    /// # Examples
    /// See [`poll_events`](EventLoop::poll_events).
    pub fn process_events(&self) -> Result<(), LoopError> {
        let _running = RunGuard::enter(self.core())?;
        self.collect(None);
        Ok(())
    }

    /// Step 4 alone: runs the callbacks that are ready now and says how many there were.
    ///
    /// # Errors
    /// As [`run_forever`](EventLoop::run_forever).
    ///
    /// # Examples
    /// See [`poll_events`](EventLoop::poll_events).
    pub fn process_ready(&self) -> Result<usize, LoopError> {
        let _running = RunGuard::enter(self.core())?;
        self.begin();
        let ready = self.core().ready.borrow().len();
        self.run_ready(false);
        Ok(ready)
    }

    /// Whether an iteration that began now would not wait: something is ready, has come from another thread or
    /// from a poll, or the loop is stopping.
    ///
    /// With [`next_deadline`](EventLoop::next_deadline) it tells a host with a main loop of its own when to run the
    /// next iteration: now, then, or when the [wake hook](crate::LoopHandle::set_wake_hook) says so.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert!(!event_loop.has_ready());
    /// event_loop.call_soon(|| {})?;
    /// assert!(event_loop.has_ready());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn has_ready(&self) -> bool {
        let core = self.core();
        core.stopping.get()
            || !core.ready.borrow().is_empty()
            || core.shared.mailbox.is_notified()
            || core.has_events()
    }

    /// What lay between two runs was not the loop's business.
    fn begin(&self) {
        let core = self.core();
        if !core.clock.is_virtual() {
            core.looked_at.set(core.clock.now());
        }
    }

    /// Runs one iteration; if `on`, and as many more as need no look at anything but the ready queue.
    #[inline]
    fn iterate(&self, max_wait: Option<Duration>, on: bool) -> Result<(), LoopError> {
        let now = self.wait_for_events(max_wait)?; // 1, 2
        self.collect(now); // 3
        self.run_ready(on); // 4
        Ok(())
    }

    /// 1. How long to wait: not at all if anything is ready or the loop is stopping, else until the next deadline,
    ///    else for ever.
    /// 2. Poll.
    ///
    /// Says what time it is now, if it has looked: reading the clock is a good part of what a timer costs.
    #[inline]
    fn wait_for_events(&self, max_wait: Option<Duration>) -> Result<Option<Nanos>, LoopError> {
        if self.has_ready() {
            Ok(poll_without_waiting(self.core()))
        } else {
            self.wait_idle(max_wait)
        }
    }

    #[inline(never)]
    fn wait_idle(&self, max_wait: Option<Duration>) -> Result<Option<Nanos>, LoopError> {
        let core = self.core();
        let max_wait = max_wait.map(nanos);
        let deadline = core.timers.borrow_mut().next_deadline();
        if core.clock.is_virtual() {
            self.pass_virtual_time(deadline, max_wait)?;
            return Ok(None);
        }
        let (alarm, until_alarm) = match deadline {
            Some(deadline) => {
                let now = core.clock.now();
                let alarm = alarm::at(core, deadline, now);
                (Some(alarm), Some(alarm.saturating_sub(now)))
            }
            None => (None, None),
        };
        let wait = match (until_alarm, max_wait) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if wait == Some(0) {
            return Ok(poll_without_waiting(core));
        }
        core.ready.borrow_mut().rest();
        sleep::sleep(core, wait);
        let now = core.clock.now();
        core.looked_at.set(now);
        if alarm.is_some_and(|alarm| alarm <= now) {
            core.rung_at.set(Some(now));
        }
        core.skipping.looked(now);
        Ok(Some(now))
    }

    /// In virtual time nobody waits for a timer: when nothing is ready, it is the next deadline.
    fn pass_virtual_time(
        &self,
        deadline: Option<Nanos>,
        max_wait: Option<Nanos>,
    ) -> Result<(), LoopError> {
        let core = self.core();
        // What comes from outside takes real time, and comes before any deadline.
        let external = core.shared.external.load(Ordering::Acquire) > 0;
        sleep::sleep(core, if external { max_wait } else { Some(0) });
        // Looked at after `external`: who has sent what was awaited says so only then.
        if external || self.has_ready() {
            return Ok(());
        }
        // A deadline at the end of time is that of a timer that never comes.
        let deadline = deadline.filter(|deadline| *deadline < Nanos::MAX);
        let end = max_wait.and_then(|most| core.clock.now().checked_add(most));
        match (deadline, end) {
            (Some(a), Some(b)) => set_virtual_time(core, a.min(b)),
            (Some(at), None) | (None, Some(at)) => set_virtual_time(core, at),
            (None, None) => {
                let waiting = core.runtime.get().map_or_else(Vec::new, |r| r.waiting());
                return Err(LoopError::Stuck(Stuck { waiting }));
            }
        }
        Ok(())
    }

    /// 3. Turn I/O events, then messages from other threads, then due timers into ready callbacks.
    fn collect(&self, now: Option<Nanos>) {
        let core = self.core();
        if core.has_events() {
            self.deliver_io();
        }
        if core.shared.mailbox.is_notified() {
            let mut batch = core.inbox.take();
            core.shared.mailbox.take(&mut batch);
            batch.drain(..).for_each(|message| self.deliver(message));
            core.inbox.set(batch);
        }
        if core.timers.borrow().is_empty() {
            core.looked_at.set(NOT_LOOKED);
            return;
        }
        let now = now.unwrap_or_else(|| core.clock.now());
        note_stall(core, now);
        let mut timers = core.timers.borrow_mut();
        while let Some(key) = timers.pop_due(now) {
            core.ready.borrow_mut().push(RawJob::new(Fire(key)));
        }
    }

    #[inline(never)]
    fn deliver_io(&self) {
        let core = self.core();
        let mut woken = match core.io.borrow_mut().as_mut() {
            Some(io) => io.deliver(&mut core.ready.borrow_mut()),
            None => return,
        };
        if woken.is_empty() {
            return;
        }
        self.wake_each(&mut woken);
        if let Some(io) = core.io.borrow_mut().as_mut() {
            io.keep(woken);
        }
    }

    /// Wakes those who waited for a descriptor, in their order. A waker may be anybody's code: nothing is borrowed
    /// meanwhile, and no panic keeps the others.
    pub(crate) fn wake_each(&self, woken: &mut Vec<Waker>) {
        // From the end of the reversed list, so that each is gone from it when it is called.
        woken.reverse();
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| {
            while let Some(waker) = woken.pop() {
                waker.wake();
            }
        })) {
            self.call_exception_handler(
                &ExceptionContext::new("Exception in a waker of a descriptor")
                    .exception(panic_message(&*panic)),
            );
            drop_quietly(panic);
        }
    }

    /// 4. Run exactly as many ready callbacks as stand there now. The only place where callbacks are called.
    ///
    /// If `on`, the next iteration follows at once as long as its steps 1 to 3 would find nothing.
    fn run_ready(&self, on: bool) {
        let core = self.core();
        let mut left = core.ready.borrow_mut().begin_batch();
        while left > 0 {
            // One landing place for all of them: what a callback costs is what it does.
            let result = catch_unwind(AssertUnwindSafe(|| {
                loop {
                    if core.debug.get() {
                        self.run_slowly(&mut left);
                    }
                    while left > 0 {
                        left -= 1;
                        let job = core.ready.borrow_mut().pop();
                        if let Some(job) = job {
                            core.present.begin(&job);
                            job.run(self);
                        }
                    }
                    if !on || core.stopping.get() || !core.only_runs_ready() {
                        return;
                    }
                    core.looked_at.set(NOT_LOOKED);
                    left = core.ready.borrow_mut().begin_batch();
                }
            }));
            if let Err(panic) = result {
                self.panicked(panic);
                core.present.end(core);
            }
        }
    }

    /// As the loop in `run_ready`, with a watch on each callback.
    #[cold]
    fn run_slowly(&self, left: &mut usize) {
        let core = self.core();
        while *left > 0 {
            *left -= 1;
            let job = core.ready.borrow_mut().pop();
            if let Some(job) = job {
                self.run_watched(job);
            }
        }
    }

    /// Runs a callback in debug mode. (After a panic, whoever catches that says that it has ended.)
    fn run_watched(&self, job: RawJob) {
        let core = self.core();
        core.present.begin_with_detail(&job);
        job.run(self);
        core.present.end(core);
    }

    /// Runs a callback of a loop that is closing.
    pub(crate) fn run_last(&self, job: RawJob) {
        let core = self.core();
        let result = catch_unwind(AssertUnwindSafe(|| {
            if core.debug.get() {
                self.run_watched(job);
            } else {
                core.present.begin(&job);
                job.run(self);
            }
        }));
        if let Err(panic) = result {
            self.panicked(panic);
            core.present.end(core);
        }
    }

    /// A callback unwound. If it was a task's, the runtime makes it the task's outcome.
    pub(crate) fn panicked(&self, panic: Box<dyn Any + Send>) {
        let core = self.core();
        let panic = match core.runtime.get() {
            None => Some(panic),
            Some(runtime) => {
                catch_unwind(AssertUnwindSafe(|| runtime.recover(panic))).unwrap_or_else(Some)
            }
        };
        let Some(panic) = panic else { return };
        let context =
            ExceptionContext::new("Exception in callback").exception(panic_message(&*panic));
        self.call_exception_handler(&core.present.named_in(context));
        drop_quietly(panic);
    }

    /// Turns a message from another thread into a ready callback.
    pub(crate) fn deliver(&self, message: Message) {
        let core = self.core();
        match message {
            Message::Call(job) => core.ready.borrow_mut().push_remote(job.into_inner()),
            Message::Wake(key) => {
                let Some(runtime) = core.runtime.get() else {
                    return;
                };
                // The messages behind this one are promised too: no panic may keep them.
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runtime.wake(key))) {
                    self.call_exception_handler(
                        &ExceptionContext::new("Exception in a wake from another thread")
                            .exception(panic_message(&*panic)),
                    );
                    drop_quietly(panic);
                }
            }
        }
    }
}

/// Says what time it is, if it has looked and the clock is the system's.
#[inline]
fn poll_without_waiting(core: &Core) -> Option<Nanos> {
    match core.outlook() {
        Outlook::Quiet => None,
        outlook => poll_now_and_then(core, outlook),
    }
}

#[inline(never)]
fn poll_now_and_then(core: &Core, outlook: Outlook) -> Option<Nanos> {
    let now = core.shared.epoch.real_now();
    if outlook == Outlook::News || !core.skipping.skip(now) {
        sleep::sleep(core, Some(0));
        core.skipping.looked(now);
    }
    (!core.clock.is_virtual()).then_some(now)
}

fn set_virtual_time(core: &Core, to: Nanos) {
    core.clock.jump(to);
    core.looked_at.set(to); // a jump is not a stall
    core.shared.virtual_now.store(to, Ordering::Release);
}

/// Remembers for how long the loop had not looked, which is what makes a timer late. (Not at all, if there was no need.)
fn note_stall(core: &Core, now: Nanos) {
    let stall = now.saturating_sub(core.looked_at.replace(now));
    core.stall.set(stall);
}

/// A timer whose time has come: its job stays in the queue of timers until it really runs, so that it can still be
/// cancelled.
struct Fire(TimerKey);

impl Job for Fire {
    #[inline]
    fn run(self, event_loop: &EventLoop) {
        let core = event_loop.core();
        let job = core.timers.borrow_mut().remove(self.0);
        if let Some(job) = job {
            core.present.becomes(&job);
            job.run(event_loop);
        }
    }

    fn name() -> &'static str {
        "timer"
    }
}
