//! Calls from another thread that can be taken back.

use std::any::type_name;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use loop_core::{EventLoop, Job, LoopClosed, LoopHandle};

use crate::sync::Monitor;

/// Schedules `callback` on the loop's thread and gives a handle that can take it back.
///
/// [`LoopHandle::call_soon_threadsafe`] is the same without the handle, and cheaper.
///
/// # Ordering
/// That of [`LoopHandle::call_soon_threadsafe`]; a call that was taken back leaves no trace.
///
/// # Errors
/// [`LoopClosed`] with the closure, if the loop is closed.
///
/// # asyncio
/// `loop.call_soon_threadsafe`, which returns such a handle always.
///
/// # Examples
/// ```
/// use loop_bridge::call_soon_threadsafe;
/// use loop_core::EventLoop;
///
/// let event_loop = EventLoop::new()?;
/// let handle = event_loop.handle();
/// let unwanted = call_soon_threadsafe(&handle, || unreachable!("it was taken back")).unwrap();
/// std::thread::spawn(move || unwanted.cancel()).join().unwrap();
/// handle.stop();
/// event_loop.run_forever()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn call_soon_threadsafe<F>(
    handle: &LoopHandle,
    callback: F,
) -> Result<ThreadsafeHandle, LoopClosed<F>>
where
    F: FnOnce() + Send + 'static,
{
    let place = Arc::new(Place(Monitor::new(Call::Waiting(callback))));
    let turn = Turn(Arc::clone(&place), Location::caller());
    match handle.post(turn) {
        Ok(()) => Ok(ThreadsafeHandle { place }),
        Err(LoopClosed(_)) => match place.replace_waiting(Call::Run) {
            Call::Waiting(callback) => Err(LoopClosed(callback)),
            Call::Run | Call::Cancelled => unreachable!("nobody else has the handle yet"),
        },
    }
}

/// A call that another loop's thread was asked for; any thread may cancel it.
///
/// Dropping it changes nothing.
///
/// # asyncio
/// The `Handle` that `call_soon_threadsafe` returns, safe to cancel from any thread.
///
/// # Examples
/// ```
/// let event_loop = loop_core::EventLoop::new()?;
/// let call = loop_bridge::call_soon_threadsafe(&event_loop.handle(), || ()).unwrap();
/// assert!(!call.cancelled());
/// assert!(call.cancel());
/// assert!(call.cancelled());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ThreadsafeHandle {
    place: Arc<dyn Cancel>,
}

impl ThreadsafeHandle {
    /// Takes the call back and drops the closure here; `false` if it has begun to run, which
    /// nothing can undo.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let call = loop_bridge::call_soon_threadsafe(&event_loop.handle(), || ()).unwrap();
    /// assert!(call.cancel());
    /// assert!(call.cancel(), "twice is no error");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.place.cancel()
    }

    /// Whether the call was taken back.
    ///
    /// # Examples
    /// See [`ThreadsafeHandle`].
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.place.cancelled()
    }
}

impl fmt::Debug for ThreadsafeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.cancelled() {
            "<ThreadsafeHandle cancelled>"
        } else {
            "<ThreadsafeHandle>"
        })
    }
}

enum Call<F> {
    Waiting(F),
    Run,
    Cancelled,
}

/// The call on the loop, and who asked for it.
struct Turn<F>(Arc<Place<F>>, &'static Location<'static>);

impl<F: FnOnce() + Send + 'static> Job for Turn<F> {
    fn run(self, _: &EventLoop) {
        if let Call::Waiting(callback) = self.0.replace_waiting(Call::Run) {
            callback();
        }
    }

    fn name() -> &'static str {
        type_name::<F>()
    }

    fn place(&self) -> Option<&'static Location<'static>> {
        Some(self.1)
    }
}

/// Where the loop and the handle meet: one of them takes the closure.
struct Place<F>(Monitor<Call<F>>);

impl<F> Place<F> {
    /// Takes what stands there and leaves `next`, unless it was over already.
    fn replace_waiting(&self, next: Call<F>) -> Call<F> {
        let mut call = self.0.lock();
        match &*call {
            Call::Waiting(_) => std::mem::replace(&mut *call, next),
            Call::Run => Call::Run,
            Call::Cancelled => Call::Cancelled,
        }
    }
}

trait Cancel: Send + Sync {
    fn cancel(&self) -> bool;
    fn cancelled(&self) -> bool;
}

impl<F: Send> Cancel for Place<F> {
    fn cancel(&self) -> bool {
        // The closure, if it was still there, is dropped after the lock.
        !matches!(self.replace_waiting(Call::Cancelled), Call::Run)
    }

    fn cancelled(&self) -> bool {
        matches!(*self.0.lock(), Call::Cancelled)
    }
}
