//! Ctrl-C for a program that is one run of a loop.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use loop_core::EventLoop;

use crate::dispatch;
use crate::error::SignalError;
use crate::handlers;
use crate::signal::Signal;
use crate::sys::{self, Action};

/// While it lives, the first Ctrl-C (`SIGINT`) calls back on a loop, and the second one ends the process at once, even
/// if the loop is blocked.
///
/// # asyncio
/// What `asyncio.Runner.run` does. There, the second one raises `KeyboardInterrupt` in the middle of whatever runs.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_signal::Interrupt;
/// let event_loop = EventLoop::new()?;
/// let me = event_loop.clone();
/// let interrupt = Interrupt::watch(&event_loop, move || me.stop())?;
/// // Tests run on threads of their own, where Ctrl-C is left alone.
/// if let Some(interrupt) = interrupt {
///     assert!(!interrupt.came() && !interrupt.heard());
///     assert!(!interrupt.finish());
/// }
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "Ctrl-C does again what it did before when this is dropped"]
pub struct Interrupt {
    event_loop: EventLoop,
    serial: u64,
    heard: Rc<Cell<bool>>,
}

impl Interrupt {
    /// Begins to watch. `None` if this is not the main thread, or if somebody has said already what Ctrl-C is to do: it
    /// is left alone then.
    ///
    /// # Errors
    /// [`SignalError::Closed`], [`SignalError::Io`].
    ///
    /// # Examples
    /// See [`Interrupt`].
    #[track_caller]
    pub fn watch(
        event_loop: &EventLoop,
        callback: impl FnOnce() + 'static,
    ) -> Result<Option<Interrupt>, SignalError> {
        if !sys::is_main_thread() || !dispatch::is_free(Signal::INT) {
            return Ok(None);
        }
        let heard = Rc::new(Cell::new(false));
        let note = Rc::clone(&heard);
        let mut callback = Some(callback);
        let serial = handlers::add(event_loop, Signal::INT, Action::ForwardOnce, move || {
            note.set(true);
            if let Some(callback) = callback.take() {
                callback();
            }
        })?;
        Ok(Some(Interrupt {
            event_loop: event_loop.clone(),
            serial,
            heard,
        }))
    }

    /// Whether it came, be the callback called by now or not.
    ///
    /// # Examples
    /// See [`Interrupt`].
    #[must_use]
    pub fn came(&self) -> bool {
        self.heard.get()
            || (dispatch::is_claimed(Signal::INT, self.serial) && sys::is_spent(Signal::INT))
    }

    /// Whether the callback was called.
    ///
    /// # Examples
    /// See [`Interrupt`].
    #[must_use]
    pub fn heard(&self) -> bool {
        self.heard.get()
    }
}

impl Interrupt {
    /// Stops watching, and says whether it came, to the last moment.
    ///
    /// # Examples
    /// See [`Interrupt`].
    #[must_use]
    pub fn finish(self) -> bool {
        let mine = dispatch::is_claimed(Signal::INT, self.serial);
        handlers::remove(&self.event_loop, Signal::INT, self.serial);
        // After the last moment in which it could have come.
        self.heard.get() || (mine && sys::is_spent(Signal::INT))
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        handlers::remove(&self.event_loop, Signal::INT, self.serial);
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt")
            .field("came", &self.came())
            .field("heard", &self.heard())
            .finish_non_exhaustive()
    }
}
