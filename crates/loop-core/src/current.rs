//! The *running* loop of a thread and its *current* one, which are two things.
//!
//! The running loop is the one whose iteration is on the stack. The current loop is what `set_event_loop` chose:
//! what a program that has not started anything yet means by "the loop".

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::EventLoop;
use crate::core::{Core, Phase};
use crate::error::{LoopError, NoCurrentLoop, NoRunningLoop};
use crate::sys;
use crate::waker::WakeKey;

thread_local! {
    static RUNNING: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
    static CURRENT: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    /// Whether `set_event_loop` was ever called in this thread: after that, none is made on demand.
    static CHOSEN: Cell<bool> = const { Cell::new(false) };
}

/// Returns the loop that is running in this thread.
///
/// # Errors
/// [`NoRunningLoop`] outside of callbacks and tasks.
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
    {
        return Ok(current);
    }
    if !CHOSEN.get()
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
    CHOSEN.set(true);
    // The old one is dropped when nothing is borrowed: that may close it.
    let old = CURRENT.with(|current| current.replace(event_loop.cloned()));
    drop(old);
}

/// Calls `f` with the running loop, if there is one. Does not panic while the thread ends.
#[inline]
pub(crate) fn with_running<R>(f: impl FnOnce(&Rc<Core>) -> R) -> Option<R> {
    RUNNING
        .try_with(|running| running.borrow().as_ref().map(f))
        .ok()
        .flatten()
}

/// Wakes `key` at once if the loop with this index is the one that runs here.
#[inline]
pub(crate) fn wake_here(index: u16, key: WakeKey) -> bool {
    RUNNING
        .try_with(|running| {
            let running = running.borrow();
            match running.as_ref() {
                Some(core) if core.shared.index == index => {
                    if let Some(runtime) = core.runtime.get() {
                        runtime.wake(key);
                    }
                    true
                }
                _ => false,
            }
        })
        .unwrap_or(false)
}

/// The mark that a loop is running, taken away again when this is dropped.
///
/// All checks come before it exists: a refused run must leave the marks of the loop that does run alone (CPython
/// 3.13.0 cleared them).
pub(crate) struct RunGuard<'a>(&'a Rc<Core>);

impl<'a> RunGuard<'a> {
    pub(crate) fn enter(core: &'a Rc<Core>) -> Result<RunGuard<'a>, LoopError> {
        match core.phase.get() {
            Phase::Closed => return Err(LoopError::Closed),
            Phase::Running => return Err(LoopError::AlreadyRunning),
            Phase::Idle => {}
        }
        if core.pid != std::process::id() {
            return Err(LoopError::Forked {
                created_by: core.pid,
            });
        }
        RUNNING.with(|running| {
            let mut running = running.borrow_mut();
            if running.is_some() {
                return Err(LoopError::AnotherRunning);
            }
            *running = Some(Rc::clone(core));
            Ok(())
        })?;
        core.phase.set(Phase::Running);
        core.shared.running.store(true, Ordering::Release);
        Ok(RunGuard(core))
    }
}

impl Drop for RunGuard<'_> {
    fn drop(&mut self) {
        self.0.phase.set(Phase::Idle);
        self.0.shared.running.store(false, Ordering::Release);
        let core = RUNNING.try_with(|running| running.borrow_mut().take());
        drop(core);
    }
}
