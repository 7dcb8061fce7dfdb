//! Which callback runs now: what reports of panics and of slow callbacks name.
//!
//! A callback is consumed by its run, so its name is taken down before. In the usual case that is one word, the
//! function that knows the name; in debug mode also how it describes itself, where it was scheduled, and when it
//! began.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::clock::system_now;
use crate::core::Core;
use crate::exception::{ExceptionContext, drop_quietly, report};
use crate::raw::RawJob;
use crate::ready::Place;

/// The callback that runs now, or ran last.
pub(crate) struct Present {
    name: Cell<fn() -> &'static str>,
    /// Where it was scheduled, if that is known.
    place: Cell<Option<Place>>,
    /// In debug mode.
    detail: RefCell<Option<Detail>>,
}

struct Detail {
    description: String,
    start: Instant,
}

impl Present {
    pub(crate) fn new() -> Present {
        Present {
            name: Cell::new(|| "nothing"),
            place: Cell::new(None),
            detail: RefCell::new(None),
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
        self.detail.replace(Some(Detail {
            description: describe(job),
            start: system_now(),
        }));
    }

    /// The job turned out to hold another one, which runs in its place.
    #[inline]
    pub(crate) fn becomes(&self, job: &RawJob) {
        self.name.set(job.name());
        if self.detail.borrow().is_some() {
            let description = describe(job);
            if let Some(detail) = self.detail.borrow_mut().as_mut() {
                detail.description = description;
            }
        }
    }

    /// The job turned out to be a call of something with this name, scheduled there.
    #[inline]
    pub(crate) fn is(&self, name: fn() -> &'static str, place: Place) {
        self.name.set(name);
        self.place.set(Some(place));
    }

    /// Names the job in a report.
    pub(crate) fn named_in(&self, context: ExceptionContext) -> ExceptionContext {
        let description = self.detail.borrow().as_ref().map(|d| d.description.clone());
        context
            .callback(description.unwrap_or_else(|| (self.name.get())().to_owned()))
            .place(self.place.get())
    }

    /// The job has ended: in debug mode it is reported if it took long.
    pub(crate) fn end(&self, core: &Core) {
        let Some(detail) = self.detail.take() else {
            return;
        };
        let took = system_now().saturating_duration_since(detail.start);
        if took < core.slow_callback.get() {
            return;
        }
        let (what, took) = (detail.description, took.as_secs_f64());
        let place = self.place.get();
        let place = place.map_or_else(String::new, |place| format!(" scheduled at {place}"));
        let text = format!("Executing <{what}{place}> took {took:.3} seconds");
        report(tracing::Level::WARN, core, &text);
    }
}

/// How a job describes itself. That is code of another layer's: a panic in it must not cost the job.
fn describe(job: &RawJob) -> String {
    catch_unwind(AssertUnwindSafe(|| job.to_string())).unwrap_or_else(|panic| {
        drop_quietly(panic);
        (job.name())().to_owned()
    })
}
