//! The table of names: what the ops of a run have made.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use asyncloop::{
    Barrier, BoundedSemaphore, CallbackToken, Condition, Event, Handle, Lock, LoopFuture, Queue,
    Semaphore, TaskGroup, Timeout, TimerHandle,
};

use crate::failure::Failure;
use crate::program::Name;
use crate::raised::{Outcome, shown};
use crate::value::Value;

/// A task, a future or a gather.
pub(crate) type Awaitable = LoopFuture<Outcome>;

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Thing {
    Awaitable(Awaitable),
    Handle(Rc<Handle>),
    Timer(Rc<TimerHandle>),
    Timeout(Timeout),
    Group(TaskGroup<Failure>),
    Event(Event),
    Lock(Lock),
    Semaphore(Semaphore),
    Bounded(BoundedSemaphore),
    Queue(Queue<Value>),
    Condition(Condition),
    Barrier(Barrier),
}

/// What names stand for, and which of them are tasks.
#[derive(Default)]
pub(crate) struct Table {
    things: RefCell<HashMap<Name, Thing>>,
    tasks: RefCell<BTreeMap<String, Awaitable>>,
    /// By what they note: whose they are.
    callbacks: RefCell<HashMap<Name, (Awaitable, CallbackToken)>>,
}

impl Table {
    pub(crate) fn get(&self, name: &Name) -> Option<Thing> {
        self.things.borrow().get(name).cloned()
    }

    pub(crate) fn set(&self, name: &Name, thing: Thing) {
        let old = self.things.borrow_mut().insert(Rc::clone(name), thing);
        drop(old); // Not while the table is borrowed: it may be the last reference to somebody's wait.
    }

    pub(crate) fn set_task(&self, name: &Name, task: Awaitable) {
        self.set(name, Thing::Awaitable(task.clone()));
        let old = self.tasks.borrow_mut().insert(name.to_string(), task);
        drop(old);
    }

    pub(crate) fn set_callback(&self, label: &Name, of: Awaitable, token: CallbackToken) {
        let mut callbacks = self.callbacks.borrow_mut();
        let old = callbacks.insert(Rc::clone(label), (of, token));
        drop(callbacks);
        drop(old);
    }

    /// The callback that notes this label, if it is one of this future's.
    pub(crate) fn callback(&self, of: &Awaitable, label: &Name) -> Option<CallbackToken> {
        let callbacks = self.callbacks.borrow();
        let (owner, token) = callbacks.get(label)?;
        owner.same(of).then_some(*token)
    }

    /// Those of the names that stand for something to wait for, in the order given.
    pub(crate) fn awaitables(&self, names: &[Name]) -> Vec<(Name, Awaitable)> {
        let things = self.things.borrow();
        let known = names.iter().filter_map(|name| match things.get(name) {
            Some(Thing::Awaitable(awaitable)) => Some((Rc::clone(name), awaitable.clone())),
            _ => None,
        });
        known.collect()
    }

    /// What has become of each task.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, Value> {
        let tasks = self.tasks.borrow();
        let outcomes = tasks.iter().map(|(name, task)| (name.clone(), state(task)));
        outcomes.collect()
    }

    /// Forgets everything: callbacks that never ran may refer back to the table.
    pub(crate) fn clear(&self) {
        let callbacks = self.callbacks.take();
        drop((self.things.take(), self.tasks.take(), callbacks));
    }
}

/// What has become of a task, future or gather, as a trace shows it.
pub(crate) fn state(awaitable: &Awaitable) -> Value {
    match awaitable.result() {
        Err(_) => "pending".into(),
        Ok(_) if awaitable.cancelled() => "cancelled".into(),
        Ok(outcome) => shown(outcome),
    }
}
