//! Waiting for one future without looking at its outcome.

use std::future::poll_fn;

use loop_core::LoopRef;

use crate::cell::AnyFuture;
use crate::future::LoopFuture;
use crate::link::Link;

/// A future that only says "now": what combinators wait for.
pub(crate) struct Signal(LoopFuture<()>);

impl Signal {
    pub(crate) fn new(owner: &LoopRef) -> Signal {
        Signal(LoopFuture::new(owner.clone()))
    }

    /// Says "now".
    pub(crate) fn set(&self) {
        // Refused if it was said before, or cancelled.
        let _ = self.0.set_result(());
    }

    /// Waits for it. A request for cancellation cancels it and interrupts the task here.
    pub(crate) async fn wait(&self) {
        let mut link = Link::new(self.0.any().clone());
        // If that is refused, it is over too.
        let _ = poll_fn(|cx| link.poll(cx)).await;
    }
}

impl Clone for Signal {
    fn clone(&self) -> Self {
        Signal(self.0.clone())
    }
}

/// Waits until `future` is settled, whatever the outcome. A request for cancellation does not reach the future.
pub(crate) async fn settled(future: &AnyFuture) {
    let signal = Signal::new(&future.header().owner);
    let _callback = OnDone::new(future, {
        let signal = signal.clone();
        move || signal.set()
    });
    signal.wait().await;
}

/// A done callback that is removed when this is dropped.
pub(crate) struct OnDone {
    future: AnyFuture,
    token: crate::future::CallbackToken,
}

impl OnDone {
    pub(crate) fn new(future: &AnyFuture, callback: impl FnOnce() + 'static) -> OnDone {
        let callback = crate::callbacks::Callback::Call(Box::new(move |_| callback()));
        OnDone {
            future: future.clone(),
            token: future.listen(callback),
        }
    }
}

impl Drop for OnDone {
    fn drop(&mut self) {
        self.future.unlisten(self.token);
    }
}
