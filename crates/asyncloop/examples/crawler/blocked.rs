//! Who blocked the loop: the loop itself tells, in debug mode, and this listens.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A callback, or a step of a task, that took long.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) seconds: f64,
    /// What the loop calls it.
    pub(crate) who: String,
}

impl Block {
    /// Reads `Executing <...> took 1.234 seconds`.
    fn parse(text: &str) -> Option<Block> {
        let text = text.strip_prefix("Executing ")?;
        let (who, took) = text.strip_suffix(" seconds")?.rsplit_once(" took ")?;
        let (seconds, who) = (took.parse().ok()?, who.to_owned());
        Some(Block { seconds, who })
    }

    /// The name of the task, or else what the loop calls it.
    pub(crate) fn name(&self) -> &str {
        let quoted = self.who.split_once("<Task '");
        quoted
            .and_then(|(_, rest)| rest.split_once('\''))
            .map_or(&self.who, |(name, _)| name)
    }
}

/// The loop's reports of what took long.
#[derive(Clone, Default)]
pub(crate) struct Blocked(Arc<Mutex<Vec<Block>>>);

impl Blocked {
    /// Takes those that there have been.
    pub(crate) fn take(&self) -> Vec<Block> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
        match Block::parse(&message.0) {
            Some(block) => self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(block),
            None => eprintln!("{}", message.0),
        }
    }

    // There are no spans to listen to.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
