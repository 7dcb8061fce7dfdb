//! Who blocked the loop: the loop itself tells, in debug mode, and this listens.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The loop's reports of callbacks that took long.
#[derive(Clone, Default)]
pub(crate) struct Blocked(Arc<Mutex<Vec<String>>>);

impl Blocked {
    /// The longest block, in seconds, and what the loop said of it.
    pub(crate) fn longest(&self) -> Option<(f64, String)> {
        let reports = self.0.lock().ok()?;
        let timed = reports.iter().filter_map(|text| {
            let (_, took) = text.strip_suffix(" seconds")?.rsplit_once(" took ")?;
            Some((took.parse::<f64>().ok()?, text.clone()))
        });
        timed.max_by(|a, b| a.0.total_cmp(&b.0))
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Blocked {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if message.0.starts_with("Executing ") {
            if let Ok(mut reports) = self.0.lock() {
                reports.push(message.0);
            }
        } else {
            eprintln!("{}", message.0);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
