//! How a gather comes to its outcome: it hears of its children, and hands a request for cancellation on to them.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use loop_core::EventLoop;

use crate::callbacks::{Callback, Listener};
use crate::cell::AnyFuture;
use crate::error::{Panicked, TaskError};
use crate::future::{LoopFuture, cancelled_failure};
use crate::state::State;
use crate::table::Tasks;
use crate::vtable::Kind;

/// How the outcomes of the children make the gather's own.
pub(crate) trait Collect<R>: 'static {
    /// A child is done: whether that settles the gather.
    fn child(&self, index: usize) -> Option<Result<R, TaskError>>;

    /// All children are done.
    fn all(&self) -> Result<R, TaskError>;

    /// Whether an outcome is a failure.
    fn failed(&self, outcome: &Result<R, TaskError>) -> bool {
        outcome.is_err()
    }
}

/// What a gather's cell adds: to whom a request for cancellation goes.
struct GatherKind(Rc<Family>);

struct Family {
    /// Until it is settled. Gathers of gathers that are done do not hang on each other, so that however many there are
    /// can be dropped.
    children: RefCell<Vec<AnyFuture>>,
    /// A request was accepted by a child: whatever comes of it, the gather fails as cancelled.
    requested: Cell<bool>,
}

impl Family {
    fn mark_retrieved(&self) {
        let children = self.children.borrow();
        children.iter().for_each(AnyFuture::mark_retrieved);
    }
}

impl Kind for GatherKind {
    const OWN_OUTCOME: bool = true;

    fn cancel(&self, this: &AnyFuture) -> bool {
        let pending = !this.header().state.get().has(State::OVER);
        self.0.requested.set(pending);
        pending
    }

    fn children(&self, this: &AnyFuture) -> Option<Vec<AnyFuture>> {
        let over = this.header().state.get().has(State::OVER);
        (!over).then(|| self.0.children.borrow().clone())
    }

    fn disband(&self, this: &AnyFuture) {
        for child in self.0.children.take() {
            child.silence(this);
        }
    }
}

/// Hears of the children.
struct Gathering<R, C> {
    /// Until it is settled.
    outer: RefCell<Option<LoopFuture<R>>>,
    left: Cell<usize>,
    family: Rc<Family>,
    slot: Cell<Option<usize>>,
    /// Until it is settled: it holds the children, and they hold this as long as they are not done.
    collect: RefCell<Option<C>>,
}

impl<R: 'static, C: Collect<R>> Gathering<R, C> {
    /// Asks for an outcome. That runs foreign code, if only to clone a value: its panic is an outcome too, for
    /// somebody waits for one.
    fn ask(
        &self,
        question: impl FnOnce(&C) -> Option<Result<R, TaskError>>,
    ) -> Option<Result<R, TaskError>> {
        let collect = self.collect.borrow();
        let collect = collect.as_ref()?;
        catch_unwind(AssertUnwindSafe(|| question(collect)))
            .unwrap_or_else(|panic| Some(Err(TaskError::Panicked(Panicked::new(panic)))))
    }

    fn settle(&self, outcome: Result<R, TaskError>) {
        let (Some(outer), Some(collect)) = (self.outer.take(), self.collect.take()) else {
            return;
        };
        let failed = collect.failed(&outcome);
        outer.finish(
            || outcome.into(),
            if failed {
                State::FAILED
            } else {
                State::default()
            },
        );
        if let Some(slot) = self.slot.take() {
            Tasks::of(&outer.any().header().owner).release_cycle(slot);
        }
        let children = self.family.children.take();
        drop(children);
    }
}

impl<R: 'static, C: Collect<R>> Listener for Gathering<R, C> {
    fn done(&self, index: u32, child: &AnyFuture) {
        self.left.set(self.left.get() - 1);
        if self.outer.borrow().is_none() {
            child.mark_retrieved(); // The gather has spoken: nobody will look at this one.
            return;
        }
        if let Some(outcome) = self.ask(|collect| collect.child(index as usize)) {
            self.settle(outcome);
        } else if self.left.get() == 0 {
            let outcome = if self.family.requested.get() {
                // Nobody else will look at them, and there is nothing to report: they were all asked to end.
                self.family.mark_retrieved();
                Some(Err(cancelled_failure()))
            } else {
                self.ask(|collect| Some(collect.all()))
            };
            if let Some(outcome) = outcome {
                self.settle(outcome);
            }
        }
    }

    fn awaiter(&self, _: &AnyFuture) -> Option<AnyFuture> {
        let outer = self.outer.borrow();
        outer.as_ref().map(|outer| outer.any().clone())
    }

    fn is_of(&self, outer: &AnyFuture) -> bool {
        let own = self.outer.borrow();
        own.as_ref().is_some_and(|own| own.any().is(outer))
    }
}

pub(crate) fn start<R: 'static>(
    event_loop: &EventLoop,
    children: Vec<AnyFuture>,
    collect: impl Collect<R>,
    place: &'static Location<'static>,
) -> LoopFuture<R> {
    let owner = event_loop.loop_ref();
    // A future given twice is waited for once. No code of anybody else's runs between the marks.
    let count = u32::try_from(children.len()).expect("a gather of fewer than 2^32 futures");
    let order: Vec<u32> = (0..count)
        .filter(|&index| children[index as usize].mark())
        .collect();
    children.iter().for_each(AnyFuture::unmark);
    let family = Rc::new(Family {
        children: RefCell::new(children.clone()),
        requested: Cell::new(false),
    });
    let outer = LoopFuture::with_kind(owner.clone(), GatherKind(Rc::clone(&family)), place);
    let gathering = Rc::new(Gathering {
        outer: RefCell::new(Some(outer.clone())),
        left: Cell::new(order.len()),
        family,
        slot: Cell::new(None),
        collect: RefCell::new(Some(collect)),
    });
    let foreign = |child: &&AnyFuture| !child.is_settled() && !child.header().owner.same(&owner);
    if let Some(foreign) = children.iter().find(foreign) {
        // It would be heard of by nobody who waits here: the loop that settles it cannot run meanwhile.
        let error = TaskError::wrong_loop(&foreign.header().owner, &owner);
        gathering.settle(Err(error));
        return outer;
    }
    if order.is_empty() {
        if let Some(outcome) = gathering.ask(|collect| Some(collect.all())) {
            gathering.settle(outcome);
        }
        return outer;
    }
    let mut done = Vec::new();
    for index in order {
        let child = &children[index as usize];
        if child.is_settled() {
            done.push(index);
        } else {
            child.listen(Callback::Tell(
                Rc::clone(&gathering) as Rc<dyn Listener>,
                index,
            ));
        }
    }
    for index in done {
        gathering.done(index, &children[index as usize]);
    }
    if !outer.done() {
        gathering
            .slot
            .set(Some(Tasks::of(&owner).keep_cycle(outer.any().clone())));
    }
    outer
}
