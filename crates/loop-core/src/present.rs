//! Which callback runs now: what reports of panics and of slow callbacks name.
//!
//! A callback is consumed by its run, so its name is taken down before. In the usual case that is one word, the
//! function that knows the name; in debug mode also how it describes itself, where it was handed in, and when it
//! began, which is for other threads to see.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use crate::clock::system_now;
use crate::core::Core;
use crate::exception::{ExceptionContext, drop_quietly, report};
use crate::raw::RawJob;
use crate::ready::Place;
use crate::running::{Running, RunningCallback, What};
use crate::runtime::LoopRef;

/// The callback that runs now, or ran last.
pub(crate) struct Present {
    name: Cell<fn() -> &'static str>,
    /// Where it was handed in, if that is known outside of debug mode.
    place: Cell<Option<Place>>,
    /// Whether `running` has it, with all that there is to say: in debug mode.
    is_detailed: Cell<bool>,
    running: Arc<Running>,
}

impl Present {
    pub(crate) fn new(running: Arc<Running>) -> Present {
        Present {
            name: Cell::new(|| "nothing"),
            place: Cell::new(None),
            is_detailed: Cell::new(false),
            running,
        }
    }

    /// A job is about to run.
    #[inline]
    pub(crate) fn begin(&self, job: &RawJob) {
        self.name.set(job.name());
        self.place.set(None);
    }

    /// As [`begin`](Present::begin), in debug mode.
    pub(crate) fn begin_with_detail(&self, job: &RawJob) {
        self.begin(job);
        self.is_detailed.set(true);
        self.running.begin(what_is(job));
    }

    /// The job turned out to hold another one, which runs in its place.
    #[inline]
    pub(crate) fn becomes(&self, job: &RawJob) {
        self.name.set(job.name());
        if self.is_detailed.get() {
            self.running.becomes(what_is(job));
        }
    }

    /// The job turned out to be a call of something with this name, handed in there.
    #[cfg(unix)]
    #[inline]
    pub(crate) fn is(&self, name: fn() -> &'static str, place: Place) {
        self.name.set(name);
        self.place.set(Some(place));
    }

    /// Names the job in a report.
    pub(crate) fn named_in(&self, context: ExceptionContext) -> ExceptionContext {
        let detail = self.is_detailed.get().then(|| self.running.get()).flatten();
        match detail {
            Some(it) => context.callback(it.description).place(it.place),
            None => context
                .callback((self.name.get())())
                .place(self.place.get()),
        }
    }

    /// The job has ended: in debug mode it is reported if it took long.
    pub(crate) fn end(&self, core: &Core) {
        if self.is_detailed.take()
            && let Some(ended) = self.running.end()
        {
            report_if_slow(core, &ended);
        }
    }
}

impl LoopRef {
    /// Whether debug mode is on: [`EventLoop::set_debug`](crate::EventLoop::set_debug).
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::builder().debug(true).build()?;
    /// assert!(event_loop.loop_ref().get_debug());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn get_debug(&self) -> bool {
        self.core().debug.get()
    }

    /// Calls a function of the program's, under a name of its own: in debug mode, reports of slow callbacks, of those
    /// that do not end, and of panics name it, and not the callback that calls it here. For a layer whose callbacks
    /// call what they do not know before, such as the methods of a protocol.
    ///
    /// Outside of debug mode it only calls, and `what` is not asked.
    ///
    /// # Examples
    /// ```
    /// use std::panic::Location;
    /// use loop_core::{EventLoop, get_running_loop};
    /// let event_loop = EventLoop::builder().debug(true).build()?;
    /// let reference = event_loop.loop_ref();
    /// event_loop.call_soon(move || {
    ///     let handle = get_running_loop().unwrap().handle();
    ///     let present = || handle.running_callback().unwrap();
    ///     let place = Location::caller();
    ///     let seen = reference.call_as("data_received of Echo", Some(place), present);
    ///     assert_eq!(seen.to_string(), format!("<data_received of Echo scheduled at {place}>"));
    ///     assert!(!present().to_string().contains("Echo"));
    /// })?;
    /// event_loop.run_once(None)?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn call_as<R>(
        &self,
        what: impl fmt::Display,
        place: Option<&'static Location<'static>>,
        call: impl FnOnce() -> R,
    ) -> R {
        let core = &**self.core();
        if !core.present.is_detailed.get() {
            return call();
        }
        let inner = begin_inner(core, &what, place);
        // If it panics, this is what the report of that names.
        let result = call();
        inner.end(core);
        result
    }
}

/// A call inside of a callback.
struct Inner {
    what: What,
    outer: Option<What>,
    start: std::time::Instant,
}

#[cold]
fn begin_inner(core: &Core, what: &dyn fmt::Display, place: Option<Place>) -> Inner {
    let description = text_of(what).unwrap_or_else(|| "a call without a name".to_owned());
    let what = What { description, place };
    Inner {
        outer: core.present.running.becomes(what.clone()),
        what,
        start: system_now(),
    }
}

impl Inner {
    fn end(self, core: &Core) {
        let running = &core.present.running;
        let duration = system_now().saturating_duration_since(self.start);
        if report_if_slow(core, &RunningCallback::new(self.what, duration)) {
            running.begins_anew(); // its time has been told of
        }
        if let Some(outer) = self.outer {
            running.becomes(outer);
        }
    }
}

fn report_if_slow(core: &Core, ended: &RunningCallback) -> bool {
    let is_slow = ended.duration >= core.slow_callback.get();
    if is_slow {
        let took = ended.duration.as_secs_f64();
        let text = format!("Executing {ended} took {took:.3} seconds");
        report(tracing::Level::WARN, core, &text);
    }
    is_slow
}

fn what_is(job: &RawJob) -> What {
    What {
        description: text_of(job).unwrap_or_else(|| (job.name())().to_owned()),
        place: job.place(),
    }
}

/// How something describes itself. That is code of another layer's: a panic in it must not cost the job.
fn text_of(what: &dyn fmt::Display) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| what.to_string()))
        .map_err(drop_quietly)
        .ok()
}
