//! Waiting for a future without being able to cancel it.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use crate::callbacks::{Callback, Listener};
use crate::cell::AnyFuture;
use crate::ensure::{EnsureFuture, Share};
use crate::error::{Panicked, TaskError};
use crate::future::LoopFuture;
use crate::outcome::Outcome;
use crate::state::State;
use crate::table::{self, Tasks};
use crate::vtable::Kind;

struct Shield;

impl Kind for Shield {
    const OWN_OUTCOME: bool = true;

    fn cancel(&self, this: &AnyFuture) -> bool {
        if this.header().state.get().has(State::OVER) {
            return false;
        }
        table::settle_cancelled(this);
        true
    }

    fn disband(&self, this: &AnyFuture) {
        let callbacks = this.header().callbacks.take();
        drop(callbacks);
    }
}

/// Protects a future from the cancellation of whoever waits for it.
///
/// The result is a future that comes to what `awaitable` comes to. Cancelling that future, or the task that awaits
/// it, leaves `awaitable` alone; cancelling `awaitable` itself cancels it too. The value of a task or future that is given
/// by reference is cloned; that of anything else is moved here when it is there.
///
/// # Panics
/// If no loop is running in this thread and none is current.
///
/// # Ordering
/// One hop more than awaiting `awaitable` itself; none if that is done already.
///
/// # asyncio
/// `asyncio.shield(aw)`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, create_task, shield, yield_now};
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let precious = create_task(async {
///         yield_now().await;
///         "saved"
///     });
///     let guarded = shield(&precious);
///     assert!(guarded.cancel());
///     assert_eq!(precious.await.unwrap(), "saved");
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn shield<A: EnsureFuture>(awaitable: A) -> LoopFuture<A::Output> {
    let place = Location::caller();
    let event_loop = match loop_core::get_event_loop() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("{error} shield needs a loop that is running or current"),
    };
    let inner = awaitable.ensure_future(&event_loop).as_ref().clone();
    let owner = event_loop.loop_ref();
    let outer = LoopFuture::with_kind(owner.clone(), Shield, place);
    let guarding = Guarding {
        outer: outer.clone(),
        share: A::share(),
    };
    if inner.done() {
        guarding.settle(&inner);
        return outer;
    }
    let theirs = &inner.any().header().owner;
    if !theirs.same(&owner) {
        // It would be heard of by nobody who waits here: the loop that settles it cannot run meanwhile.
        let error = TaskError::wrong_loop(theirs, &owner);
        outer.finish(|| Outcome::Error(error), State::FAILED);
        return outer;
    }
    let token = inner.listen(Callback::Tell(Rc::new(guarding), 0));
    let slot = Tasks::of(&owner).keep_cycle(outer.any().clone());
    outer.listen(Callback::Call(Box::new(move |outer| {
        Tasks::of(&outer.header().owner).release_cycle(slot);
        if !inner.done() {
            inner.remove_done_callback(token);
        }
    })));
    outer
}

/// Hears of what is guarded.
struct Guarding<T> {
    outer: LoopFuture<T>,
    share: Option<Share<T>>,
}

impl<T: 'static> Guarding<T> {
    fn settle(&self, inner: &LoopFuture<T>) {
        let Guarding { outer, share } = self;
        if outer.cancelled() {
            inner.mark_retrieved();
        } else if inner.cancelled() {
            outer.cancel();
        } else {
            let failed = inner.failed();
            // A clone is foreign code: if it panics, that is what becomes of the guarded future.
            let outcome = catch_unwind(AssertUnwindSafe(|| inner.extract(*share)));
            let (outcome, failed) = match outcome {
                Ok(outcome) => (outcome, failed),
                Err(panic) => (Err(TaskError::Panicked(Panicked::new(panic))), true),
            };
            let bits = if failed {
                State::FAILED
            } else {
                State::default()
            };
            outer.finish(|| outcome.into(), bits);
        }
    }
}

impl<T: 'static> Listener for Guarding<T> {
    fn done(&self, _: u32, inner: &AnyFuture) {
        self.settle(&LoopFuture::from_typed(inner.typed()));
    }

    fn awaiter(&self, _: &AnyFuture) -> Option<AnyFuture> {
        Some(self.outer.any().clone()).filter(|outer| !outer.is_settled())
    }
}
