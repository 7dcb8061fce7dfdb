//! Where a request for cancellation goes: from a task to the one thing that it waits for, from a gather to its children.
//!
//! Tasks that await each other and gathers of gathers may be nested deeper than the stack is, so whoever waits for an
//! answer stands on a list. They may also wait for each other in a circle, which is noticed: the request has then
//! come as far as it can.

use std::vec;

use crate::cell::{AnyFuture, TaskRef};
use crate::state::State;
use crate::step;
use crate::task_core::Flags;
use crate::waits::{Inside, Stage, Wait, Waits};

/// One who has asked others, and answers when they have.
enum Asking {
    /// A task: it has accepted, and asks the gather that it waits for.
    Task(Asker),
    /// A gather: it accepts if any of its children does.
    Gather {
        gather: AnyFuture,
        children: vec::IntoIter<AnyFuture>,
        accepted: bool,
    },
}

/// Asks for cancellation. `false`: it refuses.
pub(crate) fn ask(future: &AnyFuture) -> bool {
    let mut asking = Vec::new();
    let answer = begin(future, &mut asking);
    if asking.is_empty() {
        return answer;
    }
    finish(answer, asking)
}

/// Sends a request that a task has accepted on to where its requests go.
pub(crate) fn pass_on(task: TaskRef) {
    let mut asking = Vec::new();
    let answer = go_on(task, &mut asking);
    if !asking.is_empty() {
        finish(answer, asking);
    }
}

/// Asks a future, and gives the answer to whoever stands on the list last: to itself, if it stands there now and has
/// not been answered yet.
#[inline]
fn begin(future: &AnyFuture, asking: &mut Vec<Asking>) -> bool {
    if future.is_settled() {
        future.mark_retrieved(); // Who would have had it cancelled takes charge of what it came to.
        return false;
    }
    if let Some(task) = future.as_task() {
        if task.core().has(Flags::ASKING) {
            interrupt(task);
            return true;
        }
        return accept(task) && go_on(task.clone(), asking);
    }
    let hooks = future.header().vtable();
    match (hooks.children)(future) {
        Some(children) => begin_gather(future.clone(), children, asking),
        None => (hooks.cancel)(future),
    }
}

#[cold]
fn begin_gather(gather: AnyFuture, children: Vec<AnyFuture>, asking: &mut Vec<Asking>) -> bool {
    asking.push(Asking::Gather {
        gather,
        children: children.into_iter(),
        accepted: false,
    });
    false
}

/// Brings an answer back through all who wait for one, who may ask others first.
#[cold]
fn finish(mut answer: bool, mut asking: Vec<Asking>) -> bool {
    loop {
        match asking.pop() {
            None => return answer,
            Some(Asking::Task(asker)) => {
                asker.hear(answer);
                answer = true;
            }
            Some(Asking::Gather {
                gather,
                mut children,
                accepted,
            }) => {
                let accepted = accepted | answer;
                if let Some(child) = children.next() {
                    asking.push(Asking::Gather {
                        gather,
                        children,
                        accepted,
                    });
                    answer = begin(&child, &mut asking);
                } else {
                    answer = accepted && (gather.header().vtable().cancel)(&gather);
                }
            }
        }
    }
}

/// Counts a request. `false`: the task is done and refuses it.
fn accept(task: &TaskRef) -> bool {
    if task.header().state.get().has(State::OVER) {
        return false;
    }
    let requests = &task.core().requests;
    requests.set(requests.get().saturating_add(1));
    true
}

/// Goes on from a task that has accepted a request, from task to task, and answers as [`begin`] does.
fn go_on(mut task: TaskRef, asking: &mut Vec<Asking>) -> bool {
    // Tasks that await each other in a circle: the walk meets this mark again, which moves on ever more rarely.
    let (mut mark, mut walked, mut far) = (task.address(), 0u32, 1u32);
    loop {
        let core = task.core();
        if core.has(Flags::RUNNING) {
            core.set(Flags::ARMED);
            return true;
        }
        let next = match offer(&task, Waits::only) {
            Offered::Nobody => {
                interrupt(&task);
                return true;
            }
            // It is done or will be without further ado, and a step is on its way.
            Offered::Refused => {
                core.set(Flags::ARMED);
                return true;
            }
            Offered::Taken => return true,
            Offered::TakenBy(next) => next,
            Offered::To(target) => {
                let asker = Asker::new(task);
                let hooks = target.header().vtable();
                if let Some(children) = (hooks.children)(&target) {
                    asking.push(Asking::Task(asker));
                    return begin_gather(target, children, asking);
                }
                let answer = (hooks.cancel)(&target);
                asker.hear(answer);
                return true;
            }
        };
        walked += 1;
        if next.address() == mark || next.core().has(Flags::ASKING) {
            interrupt(&next);
            return true;
        } else if walked == far {
            (mark, walked, far) = (next.address(), 0, far.saturating_mul(2));
        }
        task = next;
    }
}

/// What became of a request that was offered to what a task waits for.
enum Offered {
    Nobody,
    Refused,
    Taken,
    /// By a task, which still has to pass it on.
    TakenBy(TaskRef),
    /// This is no task, and has still to be asked.
    To(AnyFuture),
}

/// Offers a request to what a task waits for, in the one wait that `only` finds.
#[inline]
fn offer(task: &TaskRef, only: impl Fn(&mut Waits) -> Option<&mut Wait>) -> Offered {
    let mut waits = task.core().waits.borrow_mut();
    let Some(wait) = only(&mut waits) else {
        return Offered::Nobody;
    };
    let Some(target) = &wait.future else {
        if wait.stage != Stage::Closed {
            return Offered::Refused;
        }
        wait.stage = Stage::Cancelled;
        wait.passed = true;
        drop(waits);
        step::schedule(task);
        return Offered::Taken;
    };
    let Some(next) = target.as_task() else {
        return Offered::To(target.clone());
    };
    if !accept(next) {
        return Offered::Refused;
    }
    let next = next.clone();
    wait.passed = true;
    Offered::TakenBy(next)
}

/// A task while what it waits for is being asked, which may lead back to it: a gather has any children.
struct Asker(TaskRef);

impl Asker {
    fn new(task: TaskRef) -> Asker {
        task.core().set(Flags::ASKING);
        Asker(task)
    }

    /// Hears what the one thing that the task waits for has answered.
    fn hear(self, answer: bool) {
        let core = self.0.core();
        if !answer {
            core.set(Flags::ARMED);
        } else if let Some(wait) = core.waits.borrow_mut().only() {
            wait.passed = true;
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.core().clear(Flags::ASKING);
    }
}

/// Schedules an interrupt at the await where a suspended task stands.
fn interrupt(task: &TaskRef) {
    task.core().set(Flags::ARMED);
    step::schedule(task);
}

/// Where a frame's own request has gone.
pub(crate) enum Sent {
    /// To the one thing that the task waits for, inside the frame.
    Away,
    /// Nowhere: the frame has to raise it itself, in the step that is on its way.
    Refused,
    /// Nowhere: the frame has to raise it itself, in a step that it has to bring about.
    Nowhere,
}

/// Sends a frame's own request to the one thing that its suspended task waits for inside the frame: others beside it,
/// in a `join!`, are not concerned.
pub(crate) fn send_within(task: &TaskRef, inside: &Inside) -> Sent {
    match offer(task, |waits| inside.only(waits)) {
        Offered::Nobody => return Sent::Nowhere,
        Offered::Refused => return Sent::Refused,
        Offered::Taken => {}
        Offered::TakenBy(next) => pass_on(next),
        Offered::To(target) => {
            let asker = Asker::new(task.clone());
            let accepted = ask(&target);
            drop(asker);
            if !accepted {
                return Sent::Refused;
            }
            if let Some(wait) = inside.only(&mut task.core().waits.borrow_mut()) {
                wait.passed = true;
            }
        }
    }
    Sent::Away
}
