//! The loop as other threads see it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::ThreadId;
use std::time::Instant;

use crate::EventLoop;
use crate::clock::Clock;
use crate::current::{get_running_loop, with_bound, with_running};
use crate::error::LoopClosed;
use crate::raw::{Call, Job, Placed, RawJob, SendJob};
use crate::ready::Place;
use crate::running::RunningCallback;
use crate::shared::{Message, Shared, WakeHook};

/// All that another thread may hold of a loop.
///
/// # asyncio
/// The loop object itself, of which other threads may only use `call_soon_threadsafe`.
#[derive(Clone)]
pub struct LoopHandle(Arc<Shared>);

impl LoopHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> LoopHandle {
        LoopHandle(shared)
    }

    /// Schedules a callback on the loop's thread, from any thread, and wakes the loop if it sleeps.
    ///
    /// Works before the loop runs, and on its own thread.
    ///
    /// # Ordering
    /// Calls of one thread run in their order, one at a time, behind what stands in the ready queue when the loop
    /// looks for them, which it does in every iteration. What a callback of the loop itself sends keeps its place
    /// among what it schedules with `call_soon`. A call that is accepted runs before the loop has closed.
    ///
    /// # Errors
    /// [`LoopClosed`] with the closure, if the loop is closed, or this process was forked from the one that made it.
    ///
    /// # asyncio
    /// `loop.call_soon_threadsafe(callback, *args)`, which in a forked child wakes the parent's loop.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let thread = std::thread::spawn(move || {
    ///     handle.call_soon_threadsafe(|| loop_core::get_running_loop().unwrap().stop()).unwrap();
    /// });
    /// event_loop.run_forever()?;
    /// thread.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_soon_threadsafe<F: FnOnce() + Send + 'static>(
        &self,
        callback: F,
    ) -> Result<(), LoopClosed<F>> {
        if self.0.debug.load(Ordering::Relaxed) {
            return self.post_placed(callback, Location::caller());
        }
        self.post(Call(callback))
            .map_err(|LoopClosed(Call(callback))| LoopClosed(callback))
    }

    #[cold]
    fn post_placed<F: FnOnce() + Send + 'static>(
        &self,
        callback: F,
        place: Place,
    ) -> Result<(), LoopClosed<F>> {
        self.post(Placed(Call(callback), place))
            .map_err(|LoopClosed(Placed(Call(callback), _))| LoopClosed(callback))
    }

    /// Does what [`call_soon_threadsafe`](Self::call_soon_threadsafe) does with a [`Job`], which is handed the loop
    /// and comes back whole.
    ///
    /// # Errors
    /// [`LoopClosed`] with the job, if the loop is closed.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, Job};
    /// struct Stop;
    /// impl Job for Stop {
    ///     fn run(self, event_loop: &EventLoop) {
    ///         event_loop.stop();
    ///     }
    /// }
    /// let event_loop = EventLoop::new()?;
    /// event_loop.handle().post(Stop)?;
    /// event_loop.run_forever()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post<J: Job + Send>(&self, job: J) -> Result<(), LoopClosed<J>> {
        if self.leave_there(job)? {
            self.0.wake();
        }
        Ok(())
    }

    /// Does what [`post`](Self::post) does, but for one thing: a loop that sleeps is woken when the [`Wakeup`] is
    /// dropped. For those who have something to put in order first: where threads share a processor, the loop may run
    /// from that moment on, and the caller no more.
    ///
    /// Who posts meanwhile relies on that wake-up, so it should not be kept.
    ///
    /// # Errors
    /// [`LoopClosed`] with the job, if the loop is closed.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, Job};
    /// struct Stop;
    /// impl Job for Stop {
    ///     fn run(self, event_loop: &EventLoop) {
    ///         event_loop.stop();
    ///     }
    /// }
    /// let event_loop = EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let thread = std::thread::spawn(move || {
    ///     let wakeup = handle.leave(Stop).expect("it is open");
    ///     println!("I am done");
    ///     drop(wakeup);
    /// });
    /// event_loop.run_forever()?;
    /// thread.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn leave<J: Job + Send>(&self, job: J) -> Result<Wakeup, LoopClosed<J>> {
        let sleeps = self.leave_there(job)?;
        Ok(Wakeup(sleeps.then(|| self.clone())))
    }

    /// `true`: the loop sleeps, and is to be woken.
    fn leave_there<J: Job + Send>(&self, job: J) -> Result<bool, LoopClosed<J>> {
        let Err(job) = self.post_here(job) else {
            return Ok(false);
        };
        // What allocates does so before it enters: others wait at the door.
        if const { SendJob::fits::<J>() } {
            let Some(poster) = self.0.enter() else {
                return Err(LoopClosed(job));
            };
            Ok(self.0.leave_as(poster, Message::Call(SendJob::new(job))))
        } else {
            let job = Box::new(job);
            let Some(poster) = self.0.enter() else {
                return Err(LoopClosed(*job));
            };
            let message = Message::Call(SendJob::from_box(job));
            Ok(self.0.leave_as(poster, message))
        }
    }

    /// Stops the loop after the iteration in which it hears of this; wakes it if it sleeps. Does nothing to a
    /// closed loop.
    ///
    /// # asyncio
    /// `loop.call_soon_threadsafe(loop.stop)`.
    ///
    /// # Examples
    /// See [`EventLoop::handle`].
    pub fn stop(&self) {
        let _ = self.post(Stop);
    }

    /// Schedules a job at once, if this is the loop's own thread: what is sent from there keeps its place among what is
    /// scheduled there. Unless messages are waiting, which came first. `Err` with the job: it is for the mailbox.
    fn post_here<J: Job>(&self, job: J) -> Result<(), J> {
        let mailbox = &self.0.mailbox;
        if mailbox.is_notified() || mailbox.is_closed() || self.0.is_forked() {
            return Err(job);
        }
        let mut job = Some(job);
        with_bound(self.0.id, |core| {
            // With a hook, somebody else wants to hear of it if nobody is running the loop, which is the mailbox's
            // business.
            if (mailbox.is_attended() || self.0.hook.get().is_none())
                && let Some(job) = job.take()
            {
                core.ready.borrow_mut().push_remote(RawJob::new(job));
            }
        });
        job.map_or(Ok(()), Err)
    }

    /// Whether the loop is closed. It may be closed a moment later: only the answer of a call is sure.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// event_loop.close()?;
    /// assert!(handle.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.mailbox.is_closed()
    }

    /// Whether the loop is being run, by whatever thread. It may be otherwise a moment later.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert!(!event_loop.handle().is_running());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.0.mailbox.is_attended()
    }

    /// What the loop's thread executes at this moment, if the loop is in debug mode: what keeps a loop that does not
    /// answer. `None` if it waits, or is not in debug mode.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::builder().debug(true).build()?;
    /// let handle = event_loop.handle();
    /// assert!(handle.running_callback().is_none());
    /// let (answer, question) = mpsc::channel();
    /// let other = std::thread::spawn(move || loop {
    ///     if let Some(running) = handle.running_callback() {
    ///         return answer.send(running.to_string());
    ///     }
    /// });
    /// event_loop.call_soon(move || {
    ///     let name = question.recv().unwrap(); // blocks the loop
    ///     assert!(name.contains(" scheduled at "), "{name}");
    /// })?;
    /// event_loop.run_once(None)?;
    /// other.join().unwrap()?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn running_callback(&self) -> Option<RunningCallback> {
        self.0.running.get()
    }

    /// The loop's clock. With a virtual clock, as of the last time that it moved.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert!(event_loop.time() <= event_loop.handle().time());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn time(&self) -> Instant {
        let epoch = self.0.epoch;
        let now = self.0.virtual_now().unwrap_or_else(|| epoch.real_now());
        Clock::system(epoch).nanos_to_instant(now)
    }

    /// The loop's number, never used twice in a process.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert_eq!(event_loop.handle().id(), event_loop.id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The thread that the loop is bound to, once it is.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert_eq!(event_loop.handle().thread_id(), Some(std::thread::current().id()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn thread_id(&self) -> Option<ThreadId> {
        self.0.thread_id()
    }

    /// The loop itself, on the thread where it is running and inside its run; `None` anywhere else.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// assert!(handle.if_running_here().is_none());
    /// event_loop.call_soon(move || handle.if_running_here().unwrap().stop())?;
    /// event_loop.run_forever()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn if_running_here(&self) -> Option<EventLoop> {
        let here = with_running(|core| core.shared.id == self.0.id).unwrap_or(false);
        if here { get_running_loop().ok() } else { None }
    }

    /// Announces that a result will come from outside the loop: until the guard is dropped, virtual time waits for
    /// it in real time instead of jumping ahead. With the system's clock it changes nothing.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::builder().virtual_clock().build()?;
    /// let handle = event_loop.handle();
    /// let external = handle.expect_external();
    /// std::thread::spawn(move || {
    ///     handle.stop();
    ///     drop(external);
    /// });
    /// event_loop.run_forever()?; // without the guard nothing could ever happen here
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn expect_external(&self) -> External {
        // Only virtual time waits for it.
        External(self.0.virtual_now().map(|_| {
            self.0.external.fetch_add(1, Ordering::AcqRel);
            self.clone()
        }))
    }

    /// Sets what is called when something has been posted to the loop while it is not being run: how a host with a
    /// main loop of its own learns that it should call `run_once`. Only the first hook counts; `false` says that
    /// there was one before.
    ///
    /// It is called for the first message only, on the poster's thread, or at the end of a run that a message came
    /// too late for on the loop's. It may post itself. A panic in it is reported, and the message is there all the
    /// same.
    ///
    /// # Examples
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// static CALL_ME: AtomicBool = AtomicBool::new(false);
    /// let event_loop = loop_core::EventLoop::new()?;
    /// event_loop.handle().set_wake_hook(|| CALL_ME.store(true, Ordering::Release));
    /// event_loop.handle().call_soon_threadsafe(|| {})?;
    /// assert!(CALL_ME.load(Ordering::Acquire));
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_wake_hook(&self, hook: impl Fn() + Send + Sync + 'static) -> bool {
        let first = self.0.hook.set(WakeHook(Box::new(hook))).is_ok();
        if first {
            // For what was posted before there was a hook; by the loop's own thread, that was into the ready queue.
            let mut is_ready = false;
            with_bound(self.0.id, |core| is_ready = !core.ready.borrow().is_empty());
            if is_ready && !self.is_running() {
                self.0.call_hook();
            } else {
                self.0.call_hook_if_unattended();
            }
        }
        first
    }
}

struct Stop;

impl Job for Stop {
    fn run(self, event_loop: &EventLoop) {
        event_loop.stop();
    }
}

/// Wakes a loop, if that is necessary, when it is dropped. See [`LoopHandle::leave`].
#[derive(Debug, Default)]
#[must_use = "the loop is woken when this is dropped"]
pub struct Wakeup(Option<LoopHandle>);

impl Wakeup {
    /// Whether the loop sleeps, as far as is known.
    ///
    /// # Examples
    /// ```
    /// assert!(!loop_core::Wakeup::default().is_needed());
    /// ```
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for Wakeup {
    fn drop(&mut self) {
        if let Some(LoopHandle(shared)) = &self.0 {
            shared.wake();
        }
    }
}

/// The promise that something will come from outside a loop. See [`LoopHandle::expect_external`].
#[derive(Debug)]
pub struct External(Option<LoopHandle>);

impl Drop for External {
    fn drop(&mut self) {
        if let Some(LoopHandle(shared)) = &self.0 {
            shared.external.fetch_sub(1, Ordering::AcqRel);
            // A loop that waits for nothing else must look again.
            shared.post(Message::Call(SendJob::new(Call(|| {}))));
        }
    }
}

impl PartialEq for LoopHandle {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for LoopHandle {}

impl Hash for LoopHandle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<LoopHandle {} running={} closed={}>",
            self.id(),
            self.is_running(),
            self.is_closed()
        )
    }
}
