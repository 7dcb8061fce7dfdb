//! The *running* loop of a thread and its *current* one, which are two things.
//!
//! The running loop is the one whose iteration is on the stack. The current loop is what `set_event_loop` chose:
//! what a program that has not started anything yet means by "the loop".

#![expect(
    unsafe_code,
    reason = "every wake and every await asks for the running loop: a counted entry costs a tenth of a task switch"
)]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::{Rc, Weak};

use crate::EventLoop;
use crate::core::{Core, Phase};
use crate::error::{LoopError, NoCurrentLoop, NoRunningLoop};
use crate::sys;
use crate::waker::WakeKey;

thread_local! {
    /// The loop whose iteration is on the stack, or null. Not counted: [`RunGuard`] keeps the invariant that a
    /// borrow of what it points to outlives the entry. Nothing here needs to be dropped when the thread ends, so it
    /// is there until the very end: the last reference to a loop may sit in another thread-local, and closes the
    /// loop when that one goes.
    static RUNNING: Cell<*const Rc<Core>> = const { Cell::new(ptr::null()) };
    /// The loops that are bound to this thread, by number.
    static BOUND: RefCell<Vec<(u64, Weak<Core>)>> = const { RefCell::new(Vec::new()) };
    static CURRENT: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    /// Whether `set_event_loop` was ever called in this thread (and in which process: what a forked child inherits
    /// does not count): after that, none is made on demand.
    static CHOSEN: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Returns the loop that is running in this thread.
///
/// # Errors
/// [`NoRunningLoop`] outside of callbacks and tasks, and in a child that a callback has forked.
///
/// # asyncio
/// `asyncio.get_running_loop()`.
///
/// # Examples
/// ```
/// use loop_core::{EventLoop, get_running_loop};
/// let event_loop = EventLoop::new()?;
/// assert!(get_running_loop().is_err());
/// event_loop.call_soon(|| get_running_loop().unwrap().stop())?;
/// event_loop.run_forever()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn get_running_loop() -> Result<EventLoop, NoRunningLoop> {
    with_running(|core| EventLoop::from_core(Rc::clone(core))).ok_or(NoRunningLoop)
}

/// Returns the running loop, or else the current one; on the main thread one is made if none was ever chosen.
///
/// # Errors
/// [`NoCurrentLoop`] on any other thread that has neither. It also covers the case that the system cannot give
/// the main thread a loop.
///
/// # asyncio
/// `asyncio.get_event_loop()` as in 3.13.
///
/// # Examples
/// ```
/// use loop_core::{EventLoop, get_event_loop, set_event_loop};
/// std::thread::spawn(|| {
///     assert!(get_event_loop().is_err());
///     let event_loop = EventLoop::new().unwrap();
///     set_event_loop(Some(&event_loop));
///     assert_eq!(get_event_loop().unwrap(), event_loop);
/// })
/// .join()
/// .unwrap();
/// ```
pub fn get_event_loop() -> Result<EventLoop, NoCurrentLoop> {
    if let Ok(running) = get_running_loop() {
        return Ok(running);
    }
    if let Some(current) = CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
        .filter(|current| !current.core().is_forked())
    {
        return Ok(current);
    }
    if CHOSEN.get() != Some(sys::forks())
        && sys::is_main_thread()
        && let Ok(made) = EventLoop::new()
    {
        set_event_loop(Some(&made));
        return Ok(made);
    }
    let thread = std::thread::current();
    let thread = thread
        .name()
        .map_or_else(|| format!("{:?}", thread.id()), str::to_owned);
    Err(NoCurrentLoop { thread })
}

/// Makes a loop the current one of this thread, or none.
///
/// It does not run it, and does not change which one is running.
///
/// # asyncio
/// `asyncio.set_event_loop(loop)`.
///
/// # Examples
/// See [`get_event_loop`].
pub fn set_event_loop(event_loop: Option<&EventLoop>) {
    CHOSEN.set(Some(sys::forks()));
    // The old one is dropped when nothing is borrowed: that may close it. In a thread that is ending already there
    // is nowhere to keep the new one.
    let old = CURRENT.try_with(|current| current.replace(event_loop.cloned()));
    drop(old);
}

/// Calls `f` with the running loop, if there is one.
#[inline]
pub(crate) fn with_running<R>(f: impl FnOnce(&Rc<Core>) -> R) -> Option<R> {
    let core = marked()?;
    (!core.is_forked()).then(|| f(core))
}

/// The loop that is marked as running. The reference is for use before anything else can return to the loop.
#[inline]
fn marked<'a>() -> Option<&'a Rc<Core>> {
    // SAFETY: the entry is null or was made by a `RunGuard` that is still on the stack below, since it takes the entry
    // away when it goes; the guard borrows the `Rc`, and the callers, all in this module, are done before it goes.
    unsafe { RUNNING.get().as_ref() }
}

/// Enters a loop that is bound to this thread.
pub(crate) fn bind(core: &Rc<Core>) {
    // In a thread that is ending the list may be gone: what that thread sends to the loop takes the mailbox then.
    let _ = BOUND.try_with(|bound| {
        let mut bound = bound.borrow_mut();
        bound.retain(|(_, core)| core.strong_count() > 0);
        bound.push((core.shared.id, Rc::downgrade(core)));
    });
}

/// Calls `f` with the loop of this number, if it is bound to this thread.
pub(crate) fn with_bound(id: u64, f: impl FnOnce(&Rc<Core>)) {
    let core = BOUND.try_with(|bound| {
        let bound = bound.borrow();
        bound.iter().find(|(other, _)| *other == id)?.1.upgrade()
    });
    if let Some(core) = core.ok().flatten() {
        f(&core);
    }
}

/// Wakes `key` at once if the loop with this index is the one that runs here.
#[inline]
pub(crate) fn wake_here(index: u16, key: WakeKey) -> bool {
    match marked() {
        Some(core) if core.index == index => {
            if let Some(runtime) = core.runtime.get() {
                runtime.wake(key);
            }
            true
        }
        _ => false,
    }
}

/// The mark that a loop is running, taken away again when this is dropped.
///
/// All checks come before it exists: a refused run must leave the marks of the loop that does run alone (CPython
/// 3.13.0 cleared them).
pub(crate) struct RunGuard<'a> {
    core: &'a Rc<Core>,
    /// What was marked before.
    before: *const Rc<Core>,
}

impl<'a> RunGuard<'a> {
    /// Marks a loop that is about to run.
    pub(crate) fn enter(core: &'a Rc<Core>) -> Result<RunGuard<'a>, LoopError> {
        match core.phase.get() {
            Phase::Closed => return Err(LoopError::Closed),
            Phase::Running => return Err(LoopError::AlreadyRunning),
            Phase::Idle => {}
        }
        core.check_process()?;
        if with_running(|_| ()).is_some() {
            return Err(LoopError::AnotherRunning);
        }
        Ok(RunGuard::mark(core))
    }

    /// Marks an idle loop that is about to run what it promised, and to close. That may be inside a run of another
    /// one, whose mark comes back afterwards.
    pub(crate) fn enter_to_close(core: &'a Rc<Core>) -> Result<RunGuard<'a>, LoopError> {
        core.check_process()?;
        Ok(RunGuard::mark(core))
    }

    fn mark(core: &'a Rc<Core>) -> RunGuard<'a> {
        let before = RUNNING.replace(core);
        core.phase.set(Phase::Running);
        core.shared.mailbox.attend(true);
        RunGuard { core, before }
    }
}

impl Drop for RunGuard<'_> {
    fn drop(&mut self) {
        self.core.phase.set(Phase::Idle);
        if let Some(slack) = self.core.slack.take() {
            sys::wait_as_before(slack);
        }
        self.core.shared.mailbox.attend(false);
        RUNNING.set(self.before);
        // What came too late for the last iteration is for the host to hear of.
        self.core.shared.call_hook_if_unattended();
    }
}
