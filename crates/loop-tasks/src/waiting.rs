//! The part of a wait that its members know.
//!
//! A wait that ends leaves its callbacks where they are: to take each away would be a second visit to every member, and
//! who waits for the first of many does so again and again. A wait that is over is no callback: nobody schedules,
//! counts or shows it, and the next that comes to the same member takes its place.

use std::cell::Cell;
use std::rc::Rc;

use loop_core::TimerHandle;

use crate::ReturnWhen;
use crate::callbacks::Callback;
use crate::cell::AnyFuture;
use crate::ensure::Waitable;
use crate::graph::Waiter;
use crate::state::State;
use crate::wait_one::Signal;

/// What a wait keeps of itself in each of its members.
pub(crate) struct Waiting {
    waiter: Waiter,
    /// For how many it waits; for none when it is over.
    left: Cell<usize>,
    return_when: ReturnWhen,
    signal: Cell<Option<Signal>>,
    timer: Cell<Option<TimerHandle>>,
}

impl Waiting {
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.left.get() == 0
    }

    /// The task that waits.
    pub(crate) fn awaiter(&self, future: &AnyFuture) -> Option<AnyFuture> {
        self.waiter.find(&future.header().owner)
    }

    /// Hears that a future is settled, from a callback of it.
    pub(crate) fn done(&self, future: &AnyFuture) {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        let enough = match self.return_when {
            ReturnWhen::FirstCompleted => true,
            ReturnWhen::FirstException => future.header().state.get().has(State::FAILED),
            ReturnWhen::AllCompleted => false,
        };
        if left == 0 || enough {
            let signal = self.signal.take();
            self.end();
            if let Some(signal) = signal {
                signal.set();
            }
        }
    }

    /// What is left is small, since a member may have it for long.
    fn end(&self) {
        self.left.set(0);
        self.signal.take();
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }
}

/// What is waited for, each of which tells of itself. Dropping it ends the wait.
pub(crate) struct Listening<A: Waitable> {
    members: Vec<A::Handle>,
    waiting: Rc<Waiting>,
}

impl<A: Waitable> Listening<A> {
    /// The first of equal ones stays.
    pub(crate) fn to(
        handles: Vec<A::Handle>,
        return_when: ReturnWhen,
        signal: Signal,
        timer: Option<TimerHandle>,
    ) -> Listening<A> {
        let waiting = Waiting {
            waiter: Waiter::current(),
            left: Cell::new(handles.len()),
            return_when,
            signal: Cell::new(Some(signal)),
            timer: Cell::new(timer),
        };
        let mut listening = Listening {
            members: handles,
            waiting: Rc::new(waiting),
        };
        let waiting = &listening.waiting;
        let mut settled = Vec::new();
        // No code of anybody else's runs in here: whoever has this as its last callback was given before.
        listening.members.retain(|handle| {
            let future = A::future(handle);
            if future.is_settled() {
                settled.push(future.clone());
                tell_of_settled(future, waiting)
            } else {
                let mut callbacks = future.header().callbacks.borrow_mut();
                callbacks.tell_once(waiting)
            }
        });
        settled.iter().for_each(AnyFuture::unmark);
        waiting.left.set(listening.members.len());
        listening
    }

    /// Ends it, and says which of them are done, and which are not.
    pub(crate) fn end(mut self) -> (Vec<A::Handle>, Vec<A::Handle>) {
        let members = std::mem::take(&mut self.members);
        members
            .into_iter()
            .partition(|member| A::future(member).is_settled())
    }
}

/// Tells a wait of a future that is settled already. `false`: it was told before.
fn tell_of_settled(future: &AnyFuture, waiting: &Rc<Waiting>) -> bool {
    let first = future.mark();
    if first {
        future.listen(Callback::Waited(Rc::clone(waiting)));
    }
    first
}

impl<A: Waitable> Drop for Listening<A> {
    fn drop(&mut self) {
        self.waiting.end();
    }
}
