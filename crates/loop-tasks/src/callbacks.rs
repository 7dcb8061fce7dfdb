//! What is to happen when a future is settled.

use std::any::type_name;
use std::cell::RefMut;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use loop_core::{EventLoop, ExceptionContext, Job};

use crate::cell::{AnyFuture, TaskRef};
use crate::quiet::quietly;
use crate::seldom::Hollow;
use crate::step;
use crate::waiting::Waiting;

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
    /// It is one of those that a wait waits for.
    Waited(Rc<Waiting>),
}

impl Callback {
    /// A call of the program's function of type `F`, which in debug mode remembers whose it is and who added it.
    #[inline]
    #[track_caller]
    pub(crate) fn call<F>(future: &AnyFuture, call: impl FnOnce(&AnyFuture) + 'static) -> Callback {
        if !future.header().owner.get_debug() {
            return Callback::Call(Box::new(call));
        }
        let place = Location::caller();
        Callback::Call(Box::new(move |future| {
            let what = format_args!("done callback of {future:?}: {}", type_name::<F>());
            let owner = &future.header().owner;
            owner.call_as(what, Some(place), || call(future));
        }))
    }

    /// Whether it is a callback no more: its wait is over.
    #[inline]
    fn is_over(&self) -> bool {
        matches!(self, Callback::Waited(waiting) if waiting.is_over())
    }

    fn run(self, future: &AnyFuture) {
        match self {
            Callback::Call(call) => call(future),
            Callback::Tell(listener, index) => listener.done(index, future),
            Callback::Waited(waiting) => waiting.done(future),
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
    pub(crate) fn add(&mut self, callback: Callback) -> u32 {
        let id = self.next;
        self.keep(id, || callback);
        id
    }

    /// Adds what tells a wait that the future is settled, unless that is the last callback that was added.
    #[inline(always)]
    pub(crate) fn tell_once(&mut self, waiting: &Rc<Waiting>) -> bool {
        if matches!(self.last(), Some(Callback::Waited(own)) if Rc::ptr_eq(own, waiting)) {
            return false;
        }
        self.keep(self.next, || Callback::Waited(Rc::clone(waiting)));
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
            List::One(one) if !one.is_over() => Box::new(vec![(self.one_id, one)]),
            List::None | List::One(_) => {
                self.list = List::One(callback);
                self.one_id = id;
                return;
            }
            List::Many(many) => many,
        };
        if many.len() == many.capacity() {
            // Before it grows, and not each time: so that many waits for one future do not look at each other.
            many.retain(|(_, callback)| !callback.is_over());
        }
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

    /// Those that something will come of.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Callback> {
        let (one, many) = match &self.list {
            List::None => (None, None),
            List::One(one) => (Some(one), None),
            List::Many(many) => (None, Some(many)),
        };
        let many = many.into_iter().flat_map(|many| many.iter());
        let all = one.into_iter().chain(many.map(|(_, callback)| callback));
        all.filter(|callback| !callback.is_over())
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
#[inline(always)]
pub(crate) fn schedule_all(future: &AnyFuture) {
    if !matches!(future.header().callbacks.borrow().list, List::None) {
        schedule_some(future);
    }
}

fn schedule_some(future: &AnyFuture) {
    let header = future.header();
    let mut callbacks = header.callbacks.borrow_mut();
    match &callbacks.list {
        // Nearly always.
        List::One(Callback::Step(_)) => {
            if let Some(Callback::Step(task)) = callbacks.take_one() {
                drop(callbacks);
                step::schedule_owned(&header.owner, task);
            }
        }
        _ => schedule_others(future, callbacks),
    }
}

fn schedule_others(future: &AnyFuture, mut callbacks: RefMut<'_, Callbacks>) {
    match &callbacks.list {
        List::One(one) if one.is_over() => return callbacks.list = List::None,
        // It is called from where it is: so what is scheduled fits into the queue.
        List::One(Callback::Call(_) | Callback::Tell(..) | Callback::Waited(_)) => {
            drop(callbacks);
            return future.header().owner.schedule(First(future.clone()));
        }
        _ => {}
    }
    let all = std::mem::take(&mut *callbacks).numbered();
    drop(callbacks);
    for (_, callback) in all.filter(|(_, callback)| !callback.is_over()) {
        schedule(future, callback);
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
        Callback::Step(task) => step::schedule_owned(&future.header().owner, task),
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

    fn name() -> &'static str {
        "a done callback"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::future::LoopFuture;
    use crate::wait_one::Signal;
    use crate::waiting::Listening;
    use crate::{LoopExt, ReturnWhen};

    fn kept(future: &LoopFuture<()>) -> usize {
        match &future.any().header().callbacks.borrow().list {
            List::None => 0,
            List::One(_) => 1,
            List::Many(many) => many.len(),
        }
    }

    /// A wait for `future`, until it is dropped.
    fn listen(future: &LoopFuture<()>) -> impl Sized + use<> {
        let signal = Signal::new(&future.any().header().owner);
        let members = vec![future.clone()];
        Listening::<LoopFuture<()>>::to(members, ReturnWhen::AllCompleted, signal, None)
    }

    #[test]
    fn waits_that_are_over_make_room_for_the_next() {
        let event_loop = EventLoop::new().unwrap();
        let future: LoopFuture<()> = event_loop.create_future();
        for _ in 0..1_000 {
            drop(listen(&future));
            assert_eq!(kept(&future), 1);
        }
        let lasts = listen(&future);
        for _ in 0..1_000 {
            drop(listen(&future));
            assert!(kept(&future) <= 8, "{}", kept(&future));
        }
        assert_eq!(future.any().header().callbacks.borrow().iter().count(), 1);
        future.set_result(()).unwrap();
        assert_eq!(kept(&future), 0);
        drop(lasts);
        event_loop.close().unwrap();
    }
}
