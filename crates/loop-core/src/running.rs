//! What a loop in debug mode runs now, for other threads to see.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::{nanos, system_now};
use crate::exception::report_of;
use crate::overseer;
use crate::ready::Place;

/// A callback that has begun and not ended. See [`LoopHandle::running_callback`](crate::LoopHandle::running_callback).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunningCallback {
    /// The callback, as it describes itself: of a task, with its name.
    pub description: String,
    /// The place in the program that handed it in, if that is known: the call of `call_soon`, of `create_task`.
    pub place: Option<&'static Location<'static>>,
    /// For how long it has been running.
    pub duration: Duration,
}

impl fmt::Display for RunningCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.description)?;
        if let Some(place) = self.place {
            write!(f, " scheduled at {place}")?;
        }
        f.write_str(">")
    }
}

impl RunningCallback {
    pub(crate) fn new(what: What, duration: Duration) -> RunningCallback {
        RunningCallback {
            description: what.description,
            place: what.place,
            duration,
        }
    }
}

/// What one loop runs: written by its thread in debug mode, read by others.
#[derive(Debug)]
pub(crate) struct Running {
    loop_id: u64,
    present: Mutex<Option<Present>>,
    /// From how long on a callback that still runs is reported, in nanoseconds.
    blocked_after: AtomicU64,
    /// Whether the overseer looks at it.
    is_overseen: AtomicBool,
}

/// A callback, as reports name it.
#[derive(Clone, Debug)]
pub(crate) struct What {
    pub(crate) description: String,
    pub(crate) place: Option<Place>,
}

#[derive(Debug)]
struct Present {
    what: What,
    start: Instant,
    /// How long it will have lasted when it is next reported.
    next_report: Duration,
}

impl Present {
    fn to_running(&self) -> RunningCallback {
        let duration = system_now().saturating_duration_since(self.start);
        RunningCallback::new(self.what.clone(), duration)
    }
}

impl Running {
    pub(crate) fn new(loop_id: u64, blocked_after: Duration) -> Arc<Running> {
        Arc::new(Running {
            loop_id,
            present: Mutex::new(None),
            blocked_after: AtomicU64::new(nanos(blocked_after)),
            is_overseen: AtomicBool::new(false),
        })
    }

    pub(crate) fn begin(self: &Arc<Self>, what: What) {
        if !self.is_overseen.swap(true, Ordering::Relaxed) {
            overseer::oversee(self);
        }
        *self.lock() = Some(Present {
            what,
            start: system_now(),
            next_report: self.blocked_after(),
        });
    }

    /// What has begun turns out to be this. Says what it was taken for.
    pub(crate) fn becomes(&self, what: What) -> Option<What> {
        let mut present = self.lock();
        let present = present.as_mut()?;
        Some(std::mem::replace(&mut present.what, what))
    }

    /// What it has done so far does not count.
    pub(crate) fn begins_anew(&self) {
        if let Some(present) = self.lock().as_mut() {
            present.start = system_now();
            present.next_report = self.blocked_after();
        }
    }

    /// It has ended.
    pub(crate) fn end(&self) -> Option<RunningCallback> {
        let ended = self.lock().take()?;
        Some(ended.to_running())
    }

    pub(crate) fn get(&self) -> Option<RunningCallback> {
        self.lock().as_ref().map(Present::to_running)
    }

    pub(crate) fn blocked_after(&self) -> Duration {
        Duration::from_nanos(self.blocked_after.load(Ordering::Relaxed))
    }

    pub(crate) fn set_blocked_after(&self, duration: Duration) {
        self.blocked_after.store(nanos(duration), Ordering::Relaxed);
    }

    pub(crate) fn is_overseen(&self) -> bool {
        self.is_overseen.load(Ordering::Relaxed)
    }

    /// The loop is closed, or no longer in debug mode.
    pub(crate) fn leave(&self) {
        self.is_overseen.store(false, Ordering::Relaxed);
    }

    /// Reports what has run for too long: then, after twice that time, and so on.
    pub(crate) fn report_if_blocked(&self) {
        let Some(running) = self.due_for_report() else {
            return;
        };
        let seconds = running.duration.as_secs_f64();
        let text = format!(
            "Executing {running} has taken {seconds:.3} seconds so far, and blocks its event loop"
        );
        report_of(tracing::Level::WARN, self.loop_id, &text);
    }

    fn due_for_report(&self) -> Option<RunningCallback> {
        let mut present = self.lock();
        let present = present.as_mut()?;
        let running = present.to_running();
        let is_due = running.duration >= present.next_report;
        is_due.then(|| {
            present.next_report = running.duration.saturating_mul(2);
            running
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Present>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
