//! Which callback runs now: what reports of panics and of slow callbacks name.
//!
//! A callback is consumed by its run, so its name is taken down before. In the usual case that is one word, the
//! function that knows the name; in debug mode also how it describes itself, where it was scheduled, and when it
//! began, which is for other threads to see.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::core::Core;
use crate::exception::{ExceptionContext, drop_quietly, report};
use crate::raw::RawJob;
use crate::ready::Place;
use crate::running::Running;

/// The callback that runs now, or ran last.
pub(crate) struct Present {
    name: Cell<fn() -> &'static str>,
    /// Where it was scheduled, if that is known.
    place: Cell<Option<Place>>,
    /// Whether `running` has it too: in debug mode.
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
    pub(crate) fn begin_with_detail(&self, job: &RawJob, place: Option<Place>) {
        self.begin(job);
        self.place.set(place);
        self.is_detailed.set(true);
        self.running.begin(describe(job), place);
    }

    /// The job turned out to hold another one, which runs in its place.
    #[inline]
    pub(crate) fn becomes(&self, job: &RawJob) {
        self.name.set(job.name());
        if self.is_detailed.get() {
            self.running.becomes(describe(job));
        }
    }

    /// The job turned out to be a call of something with this name, scheduled there.
    #[inline]
    pub(crate) fn is(&self, name: fn() -> &'static str, place: Place) {
        self.name.set(name);
        self.place.set(Some(place));
        if self.is_detailed.get() {
            self.running.is_from(place);
        }
    }

    /// Names the job in a report.
    pub(crate) fn named_in(&self, context: ExceptionContext) -> ExceptionContext {
        let detail = self.is_detailed.get().then(|| self.running.get()).flatten();
        context
            .callback(detail.map_or_else(|| (self.name.get())().to_owned(), |it| it.description))
            .place(self.place.get())
    }

    /// The job has ended: in debug mode it is reported if it took long.
    pub(crate) fn end(&self, core: &Core) {
        if !self.is_detailed.take() {
            return;
        }
        let Some(ended) = self.running.end() else {
            return;
        };
        if ended.duration >= core.slow_callback.get() {
            let took = ended.duration.as_secs_f64();
            let text = format!("Executing {ended} took {took:.3} seconds");
            report(tracing::Level::WARN, core, &text);
        }
    }
}

/// How a job describes itself. That is code of another layer's: a panic in it must not cost the job.
fn describe(job: &RawJob) -> String {
    catch_unwind(AssertUnwindSafe(|| job.to_string())).unwrap_or_else(|panic| {
        drop_quietly(panic);
        (job.name())().to_owned()
    })
}
