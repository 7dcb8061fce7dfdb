//! What is to happen when a future is settled.

use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use loop_core::{EventLoop, ExceptionContext, Job};

use crate::cell::{AnyFuture, TaskRef};
use crate::quiet::quietly;
use crate::seldom::Hollow;
use crate::step;

/// Somebody who waits for many futures and tells them apart by a number: a gather, a group.
pub(crate) trait Listener: 'static {
    fn done(&self, index: u32, future: &AnyFuture);

    /// The future or the task for which it listens to this one, where that is still waited for.
    fn awaiter(&self, _: &AnyFuture) -> Option<AnyFuture> {
        None
    }

    /// Whether it listens for this gather.
    fn is_of(&self, _: &AnyFuture) -> bool {
        false
    }
}

/// One callback of a future.
pub(crate) enum Callback {
    /// The task that awaits it takes its next step.
    Step(TaskRef),
    /// It is awaited through somebody's own waker.
    Wake(Waker),
    Call(Box<dyn FnOnce(&AnyFuture)>),
    Tell(Rc<dyn Listener>, u32),
}

impl Callback {
    #[inline]
    fn tells(&self, listener: &Rc<dyn Listener>) -> bool {
        matches!(self, Callback::Tell(own, _) if Rc::ptr_eq(own, listener))
    }

    fn run(self, future: &AnyFuture) {
        match self {
            Callback::Call(call) => call(future),
            Callback::Tell(listener, index) => listener.done(index, future),
            Callback::Step(_) | Callback::Wake(_) => {
                unreachable!("these are scheduled as what they are")
            }
        }
    }
}

/// The callbacks of a future, oldest first: nearly always one. Of a settled one, what is scheduled and has not run may
/// still be here, and is no callback any more.
#[derive(Default)]
pub(crate) struct Callbacks {
    list: List,
    /// The number of the one.
    one_id: u32,
    /// The number of the next.
    next: u32,
}

#[derive(Default)]
enum List {
    #[default]
    None,
    One(Callback),
    /// With their numbers, in a box of its own: rare, and a future is small without it.
    #[expect(
        clippy::box_collection,
        reason = "one word instead of three in every cell"
    )]
    Many(Box<Vec<(u32, Callback)>>),
}

impl Hollow for Callbacks {
    #[inline(always)]
    fn is_hollow(&mut self) -> bool {
        matches!(self.list, List::None)
    }
}

impl Callbacks {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        match &self.list {
            List::None => true,
            List::One(_) => false,
            List::Many(many) => many.is_empty(),
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, callback: Callback) -> u32 {
        let id = self.next;
        self.keep(id, || callback);
        id
    }

    /// Adds what tells a listener that the future is settled, unless that is the last callback that was added.
    #[inline(always)]
    pub(crate) fn tell_once(&mut self, listener: Rc<dyn Listener>) -> bool {
        if self.last().is_some_and(|last| last.tells(&listener)) {
            return false;
        }
        self.keep(self.next, || Callback::Tell(listener, 0));
        true
    }

    /// Keeps a callback, which is made in its place: a processor that copies what it has just written has to wait.
    #[inline(always)]
    fn keep(&mut self, id: u32, make: impl FnOnce() -> Callback) {
        if let List::None = self.list {
            // What it replaces holds nothing.
            std::mem::forget(std::mem::replace(&mut self.list, List::One(make())));
            self.one_id = id;
        } else {
            self.keep_behind(id, make());
        }
        self.next = id.wrapping_add(1);
    }

    #[cold]
    fn keep_behind(&mut self, id: u32, callback: Callback) {
        let mut many = match std::mem::take(&mut self.list) {
            List::None => Box::default(),
            List::One(one) => Box::new(vec![(self.one_id, one)]),
            List::Many(many) => many,
        };
        many.push((id, callback));
        self.list = List::Many(many);
    }

    /// Takes the only callback out.
    #[inline]
    fn take_one(&mut self) -> Option<Callback> {
        if !matches!(self.list, List::One(_)) {
            return None;
        }
        match std::mem::take(&mut self.list) {
            List::One(one) => Some(one),
            List::None | List::Many(_) => None, // it is one
        }
    }

    /// Takes a callback out; the caller drops it when nothing is borrowed.
    #[inline]
    pub(crate) fn remove(&mut self, id: u32) -> Option<Callback> {
        if let List::Many(many) = &mut self.list {
            let at = many.iter().position(|&(other, _)| other == id)?;
            return Some(many.remove(at).1);
        }
        (self.one_id == id).then(|| self.take_one()).flatten()
    }

    /// Forgets what tells a listener, which the caller keeps: so nothing is dropped in here but a count.
    #[inline(always)]
    pub(crate) fn forget(&mut self, listener: &Rc<dyn Listener>) {
        match &mut self.list {
            List::One(one) if one.tells(listener) => self.list = List::None,
            List::Many(many) => many.retain(|(_, one)| !one.tells(listener)),
            _ => {}
        }
    }

    /// Takes what tells a gather out; the caller drops it when nothing is borrowed.
    pub(crate) fn remove_those_of(&mut self, gather: &AnyFuture) -> Vec<Callback> {
        let mut removed = Vec::new();
        let next = self.next;
        for (id, callback) in std::mem::take(self).numbered() {
            match &callback {
                Callback::Tell(listener, _) if listener.is_of(gather) => removed.push(callback),
                _ => self.keep(id, || callback),
            }
        }
        self.next = next;
        removed
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Callback> {
        match &self.list {
            List::None => None,
            List::One(one) => (self.one_id == id).then_some(one),
            List::Many(many) => {
                let found = many.iter().find(|&&(other, _)| other == id)?;
                Some(&found.1)
            }
        }
    }

    #[inline]
    pub(crate) fn last(&self) -> Option<&Callback> {
        match &self.list {
            List::None => None,
            List::One(one) => Some(one),
            List::Many(many) => many.last().map(|(_, callback)| callback),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Callback> {
        let (one, many) = match &self.list {
            List::None => (None, None),
            List::One(one) => (Some(one), None),
            List::Many(many) => (None, Some(many)),
        };
        let many = many.into_iter().flat_map(|many| many.iter());
        one.into_iter().chain(many.map(|(_, callback)| callback))
    }

    pub(crate) fn len(&self) -> usize {
        match &self.list {
            List::None => 0,
            List::One(_) => 1,
            List::Many(many) => many.len(),
        }
    }

    fn numbered(self) -> impl Iterator<Item = (u32, Callback)> {
        let (one, many) = match self.list {
            List::None => (None, None),
            List::One(one) => (Some((self.one_id, one)), None),
            List::Many(many) => (None, Some(many)),
        };
        one.into_iter()
            .chain(many.into_iter().flat_map(|many| *many))
    }
}

impl IntoIterator for Callbacks {
    type Item = Callback;
    type IntoIter = std::vec::IntoIter<Callback>;

    fn into_iter(self) -> Self::IntoIter {
        let all: Vec<Callback> = self.numbered().map(|(_, callback)| callback).collect();
        all.into_iter()
    }
}

/// Schedules every callback of a settled future, oldest first.
pub(crate) fn schedule_all(future: &AnyFuture) {
    let mut callbacks = future.header().callbacks.borrow_mut();
    match &callbacks.list {
        List::None => {}
        // It is called from where it is: so what is scheduled fits into the queue.
        List::One(Callback::Call(_) | Callback::Tell(..)) => {
            drop(callbacks);
            future.header().owner.schedule(First(future.clone()));
        }
        List::One(_) => {
            let one = callbacks.take_one();
            drop(callbacks);
            match one {
                Some(Callback::Step(task)) => step::schedule(&task),
                Some(other) => schedule(future, other),
                None => {}
            }
        }
        List::Many(_) => {
            let all = std::mem::take(&mut callbacks.list);
            drop(callbacks);
            if let List::Many(all) = all {
                for (_, callback) in *all {
                    schedule(future, callback);
                }
            }
        }
    }
}

/// The one callback of a settled future, in its place.
struct First(AnyFuture);

impl First {
    fn take(&self) -> Option<Callback> {
        self.0.header().callbacks.borrow_mut().take_one()
    }
}

impl Job for First {
    #[inline]
    fn run(self, _: &EventLoop) {
        if let Some(callback) = self.take() {
            callback.run(&self.0);
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "done callback of {:?}", self.0)
    }
}

impl Drop for First {
    #[inline]
    fn drop(&mut self) {
        // Where it never ran, because the loop is closed.
        let callback = self.take();
        drop(callback);
    }
}

/// Schedules one callback of a settled future.
pub(crate) fn schedule(future: &AnyFuture, callback: Callback) {
    match callback {
        Callback::Step(task) => step::schedule(&task),
        Callback::Wake(waker) => wake(future, waker),
        callback => future.header().owner.schedule(DoneCallback {
            future: future.clone(),
            callback,
        }),
    }
}

/// Calls a waker of somebody else's. Its panic is not the business of whoever settles the future, and must not cost
/// the callbacks behind it.
fn wake(future: &AnyFuture, waker: Waker) {
    if let Err(text) = quietly(|| waker.wake()) {
        let header = future.header();
        let context = ExceptionContext::new("Exception in a waker")
            .exception(text)
            .place(Some(header.place));
        header.owner.event_loop().call_exception_handler(&context);
    }
}

struct DoneCallback {
    future: AnyFuture,
    callback: Callback,
}

impl Job for DoneCallback {
    fn run(self, _: &EventLoop) {
        self.callback.run(&self.future);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "done callback of {:?}", self.future)
    }
}
