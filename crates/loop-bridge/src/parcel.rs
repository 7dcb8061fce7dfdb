//! What travels of an errand: its work, and its outcome, in one block of memory.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loop_core::{External, LoopHandle, Wakeup};
use loop_tasks::LoopFuture;

use crate::away::{Arrival, Away, Key};
use crate::panicked::contain;
use crate::wrap::fail_with;
use crate::{ConcurrentError, JobPanicked};

/// A block that goes to and fro between a loop and those who do its work. It has one owner at a time: so nothing in it
/// is locked, or counted.
///
/// ```text
///        load            run                 arrive
///   Over -----> Waiting -----------> Done ----------> Over
///                      \__ fail __/
/// ```
pub(crate) struct Parcel<F, T> {
    stage: Stage<F, T>,
    key: Key,
    order: Arc<Order>,
}

enum Stage<F, T> {
    Waiting(F),
    /// On its way back.
    Done(Result<T, ConcurrentError>),
    Over,
}

/// Who wants an errand run. The loop keeps it where the errand was, and gives it to the next one from there: it is
/// written to once at most, to cancel.
pub(crate) struct Order {
    handle: LoopHandle,
    /// Nothing hangs on who sees it when: who does work that is not wanted any more brings an outcome that nobody
    /// waits for.
    cancelled: AtomicBool,
}

impl Order {
    pub(crate) fn new(handle: LoopHandle) -> Arc<Order> {
        Arc::new(Order {
            handle,
            cancelled: AtomicBool::new(false),
        })
    }

    pub(crate) fn expect_external(&self) -> External {
        self.handle.expect_external()
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// A parcel whose types are forgotten.
pub(crate) trait Travels: Any + Send {
    /// Does the work and sends the outcome back; `None` if the order was cancelled.
    fn run(self: Box<Self>) -> Option<Wakeup>;
    fn fail(self: Box<Self>, error: ConcurrentError);
    fn is_cancelled(&self) -> bool;
    /// Hands the outcome over, on the loop's thread.
    fn arrive(self: Box<Self>, away: &Away);
}

/// How large a block may be to be kept, in bytes.
const LARGEST_KEPT: usize = 512;

impl<F, T> Parcel<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    pub(crate) fn new(order: &Arc<Order>, key: Key, work: F) -> Box<Self> {
        Box::new(Parcel {
            stage: Stage::Waiting(work),
            key,
            order: Arc::clone(order),
        })
    }

    /// Goes out again from the same place.
    pub(crate) fn load(&mut self, key: Key, work: F) {
        self.stage = Stage::Waiting(work);
        self.key = key;
    }

    pub(crate) fn take_work(&mut self) -> Option<F> {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Waiting(work) => Some(work),
            _ => None,
        }
    }

    fn send_back(mut self: Box<Self>, outcome: Result<T, ConcurrentError>) -> Wakeup {
        self.stage = Stage::Done(outcome);
        let order = Arc::clone(&self.order);
        // A loop that is closed wants nothing any more.
        order.handle.leave(Arrival(self)).unwrap_or_default()
    }
}

impl<F, T> Travels for Parcel<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(mut self: Box<Self>) -> Option<Wakeup> {
        if self.is_cancelled() {
            return None;
        }
        let work = self.take_work()?;
        // Whether the work left something in an odd state is for those to judge who see that it panicked.
        let outcome = catch_unwind(AssertUnwindSafe(work));
        Some(self.send_back(outcome.map_err(|payload| JobPanicked::new(payload).into())))
    }

    fn fail(mut self: Box<Self>, error: ConcurrentError) {
        if self.is_cancelled() {
            return;
        }
        if let Some(work) = self.take_work() {
            // The work goes first: whoever sees the outcome may rely on what it held being free again.
            contain("the destructor of the work", || drop(work));
            drop(self.send_back(Err(error)));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.order.cancelled.load(Ordering::Relaxed)
    }

    fn arrive(mut self: Box<Self>, away: &Away) {
        let stage = mem::replace(&mut self.stage, Stage::Over);
        let key = self.key;
        // Before anybody hears of the outcome: who does may send the next errand.
        let kept = size_of::<Self>() <= LARGEST_KEPT;
        let sent = away.receive(key, kept.then_some(self as Box<dyn Travels>));
        let future = sent.and_then(|sent| sent.future.downcast::<T>());
        match (stage, future) {
            (Stage::Done(outcome), Some(future)) if !future.done() => settle(&future, outcome),
            // Cancelled while it ran.
            (stage, _) => contain("the destructor of the outcome", || drop(stage)),
        }
    }
}

fn settle<T: 'static>(future: &LoopFuture<T>, outcome: Result<T, ConcurrentError>) {
    match outcome {
        Ok(value) => {
            let set = future.set_result(value);
            debug_assert!(set.is_ok(), "it was not done a moment ago");
        }
        Err(error) => fail_with(future, error),
    }
}

impl<F, T> Drop for Parcel<F, T> {
    fn drop(&mut self) {
        // Where it is dropped is nobody's choice: a value that panics in its destructor must not take that thread down.
        let stage = mem::replace(&mut self.stage, Stage::Over);
        if !matches!(stage, Stage::Over) {
            contain("the destructor of what was left", || drop(stage));
        }
    }
}
