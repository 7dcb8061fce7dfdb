//! Futures whose outcome somebody brings from elsewhere, who is told if it is not wanted any more.

use std::cell::Cell;
use std::panic::Location;

use loop_core::{EventLoop, Job, LoopRef};

use crate::cell::AnyFuture;
use crate::future::LoopFuture;
use crate::state::State;
use crate::table;
use crate::vtable::Kind;

/// What is to be called when the future is cancelled, until it has been.
struct Bridged<F>(Cell<Option<F>>);

impl<F: FnOnce(&EventLoop) + 'static> Kind for Bridged<F> {
    fn cancel(&self, this: &AnyFuture) -> bool {
        if this.header().state.get().has(State::OVER) {
            return false;
        }
        // Before the callbacks, as one that was there from the beginning.
        if let Some(on_cancel) = self.0.take() {
            this.header().owner.schedule(OnCancel(on_cancel));
        }
        table::settle_cancelled(this);
        true
    }
}

struct OnCancel<F>(F);

impl<F: FnOnce(&EventLoop) + 'static> Job for OnCancel<F> {
    fn run(self, event_loop: &EventLoop) {
        (self.0)(event_loop);
    }
}

impl<T: 'static> LoopFuture<T> {
    #[track_caller]
    pub(crate) fn bridged(
        owner: LoopRef,
        on_cancel: impl FnOnce(&EventLoop) + 'static,
    ) -> LoopFuture<T> {
        let kind = Bridged(Cell::new(Some(on_cancel)));
        LoopFuture::with_kind(owner, kind, Location::caller())
    }
}
