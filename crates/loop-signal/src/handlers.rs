//! What a loop does about signals.

use std::any::type_name;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use loop_core::{EventLoop, Job};

use crate::dispatch;
use crate::error::SignalError;
use crate::signal::Signal;
use crate::sys::Action;

/// Adds handlers of signals to [`EventLoop`].
///
/// # Examples
/// See [`add_signal_handler`](SignalExt::add_signal_handler).
pub trait SignalExt {
    /// Calls `callback` on this loop whenever the process gets the signal. It takes the place of the one that the
    /// loop had for it.
    ///
    /// A signal that comes while the loop does not run waits until it does.
    ///
    /// # Errors
    /// [`SignalError::Taken`] if another open loop has a handler for it, [`SignalError::Closed`],
    /// [`SignalError::Forked`], [`SignalError::Io`].
    ///
    /// # Ordering
    /// Like a call from another thread: it runs in the iteration after the one in which the loop hears of it, after what
    /// was scheduled before.
    ///
    /// # asyncio
    /// `loop.add_signal_handler(signum, callback)`. There, only for loops of the main thread, and the last loop gets
    /// the signals of all.
    ///
    /// # Examples
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use loop_core::{EventLoop, get_running_loop};
    /// use loop_signal::{Signal, SignalExt};
    /// use rustix::process::{getpid, kill_process};
    ///
    /// let event_loop = EventLoop::new()?;
    /// event_loop.add_signal_handler(Signal::USR2, || get_running_loop().unwrap().stop())?;
    /// kill_process(getpid(), rustix::process::Signal::USR2)?;
    /// event_loop.run_forever()?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    fn add_signal_handler(
        &self,
        signal: Signal,
        callback: impl FnMut() + 'static,
    ) -> Result<(), SignalError>;

    /// Takes the loop's handler for the signal away, so that what was done about it before is done again. Says
    /// whether there was one. A call that is on its way does not come any more.
    ///
    /// # asyncio
    /// `loop.remove_signal_handler(signum)`. There, the default is restored, whatever was before.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_signal::{Signal, SignalExt};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.add_signal_handler(Signal::HUP, || println!("reading the settings again"))?;
    /// assert!(event_loop.remove_signal_handler(Signal::HUP));
    /// assert!(!event_loop.remove_signal_handler(Signal::HUP));
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn remove_signal_handler(&self, signal: Signal) -> bool;
}

impl SignalExt for EventLoop {
    #[track_caller]
    fn add_signal_handler(
        &self,
        signal: Signal,
        callback: impl FnMut() + 'static,
    ) -> Result<(), SignalError> {
        add(self, signal, Action::Forward, callback).map(drop)
    }

    fn remove_signal_handler(&self, signal: Signal) -> bool {
        let Some(handlers) = self.loop_ref().extension::<Handlers>() else {
            return false;
        };
        let removed = handlers.0.borrow_mut().remove(&signal);
        removed.is_some()
    }
}

/// The handlers of one loop. Dropped when it closes.
#[derive(Default)]
struct Handlers(RefCell<BTreeMap<Signal, Handler>>);

/// A signal's handler, which gives the signal up when it is dropped, unless another one has taken its place.
struct Handler {
    signal: Signal,
    serial: u64,
    callback: Rc<Callback<dyn FnMut()>>,
}

/// What is called, and what a report says of it.
struct Callback<F: ?Sized> {
    signal: Signal,
    name: &'static str,
    place: &'static Location<'static>,
    call: RefCell<F>,
}

impl Drop for Handler {
    fn drop(&mut self) {
        dispatch::release(self.signal, self.serial);
    }
}

/// Adds a handler, and says what number it has.
#[track_caller]
pub(crate) fn add<F: FnMut() + 'static>(
    event_loop: &EventLoop,
    signal: Signal,
    action: Action,
    callback: F,
) -> Result<u64, SignalError> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);

    if event_loop.is_closed() {
        return Err(SignalError::Closed);
    }
    let Some(handlers) = event_loop.loop_ref().extension::<Handlers>() else {
        return Err(SignalError::Closed);
    };
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    dispatch::claim(signal, &event_loop.handle(), serial, action)?;
    let callback = Rc::new(Callback {
        signal,
        name: type_name::<F>(),
        place: Location::caller(),
        call: RefCell::new(callback),
    });
    let handler = Handler {
        signal,
        serial,
        callback,
    };
    let old = handlers.0.borrow_mut().insert(signal, handler);
    drop(old);
    Ok(serial)
}

/// Removes a handler, unless another one has taken its place.
pub(crate) fn remove(event_loop: &EventLoop, signal: Signal, serial: u64) {
    let Some(handlers) = event_loop.loop_ref().extension::<Handlers>() else {
        return;
    };
    let mut all = handlers.0.borrow_mut();
    let is_it = all
        .get(&signal)
        .is_some_and(|handler| handler.serial == serial);
    let removed = is_it.then(|| all.remove(&signal));
    drop(all);
    drop(removed);
}

/// A call of the handler with this number, if the loop still has it when it comes to that.
pub(crate) struct Call(pub(crate) u64);

impl Job for Call {
    fn run(self, event_loop: &EventLoop) {
        let reference = event_loop.loop_ref();
        let Some(handlers) = reference.extension::<Handlers>() else {
            return;
        };
        let callback = {
            let all = handlers.0.borrow();
            let mut all = all.values();
            all.find(|handler| handler.serial == self.0)
                .map(|handler| Rc::clone(&handler.callback))
        };
        if let Some(callback) = callback {
            let what = format_args!("handler of {}: {}", callback.signal, callback.name);
            // Only the loop calls it, one call at a time.
            let call = &mut *callback.call.borrow_mut();
            reference.call_as(what, Some(callback.place), call);
        }
    }

    fn name() -> &'static str {
        "handler of a signal"
    }
}
