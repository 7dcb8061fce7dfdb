//! What is reported, kept to be looked at.

use std::fmt::{Debug, Write};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// While there is just one subscriber, `tracing` asks the thread that comes to an event first whether it has it. If that
/// is another thread, nobody ever hears of the event. So there are two.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

/// A subscriber that keeps the messages of warnings and errors.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The messages that contain `text`, which stay here.
    pub(crate) fn of(&self, text: &str) -> Vec<String> {
        let said = self.0.lock().unwrap();
        said.iter()
            .filter(|it| it.contains(text))
            .cloned()
            .collect()
    }

    /// Waits until so many messages contain `text`.
    pub(crate) fn wait_for(&self, count: usize, text: &str) -> Vec<String> {
        loop {
            let said = self.of(text);
            if said.len() >= count {
                return said;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Runs `f` with this as the subscriber of the thread.
    pub(crate) fn listen<R>(&self, f: impl FnOnce() -> R) -> R {
        LazyLock::force(&ANOTHER);
        tracing::subscriber::with_default(self.clone(), f)
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    write!(self.0, "{value:?}").unwrap();
                }
            }
        }
        let mut message = Message(format!("{} ", event.metadata().level()));
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
