//! The beginning of a transport: from when its protocol is to hear of it until whoever wants it has it.

use loop_tasks::yield_now;

/// Waits until the protocol has heard of its transport. Whoever gives up meanwhile (cancelled, out of time) has nothing
/// that could be closed, so it is closed here.
pub(crate) async fn begun<T>(transport: T, close: fn(&T)) -> T {
    let mut unclaimed = Unclaimed {
        transport: Some(transport),
        close,
    };
    yield_now().await;
    unclaimed.transport.take().expect("it is taken once")
}

struct Unclaimed<T> {
    transport: Option<T>,
    close: fn(&T),
}

impl<T> Drop for Unclaimed<T> {
    fn drop(&mut self) {
        if let Some(transport) = &self.transport {
            (self.close)(transport);
        }
    }
}
