//! The awaits in which a task is suspended, and which of them began inside a frame.

use std::collections::{HashSet, VecDeque};

use crate::cell::AnyFuture;
use crate::seldom::Hollow;

/// The awaits in which a task is suspended: nearly always one.
#[derive(Default)]
pub(crate) struct Waits {
    list: List,
    /// The number of the next one.
    next: u32,
}

#[derive(Default)]
enum List {
    #[default]
    None,
    One(Wait),
    /// Oldest first. It stays for the rest of the task: who waits for several things does so again.
    #[expect(
        clippy::box_collection,
        reason = "one word instead of four in every cell"
    )]
    Many(Box<VecDeque<Wait>>),
}

impl Hollow for Waits {
    #[inline(always)]
    fn is_hollow(&mut self) -> bool {
        matches!(self.list, List::None)
    }
}

/// One await: on a loop future, or at a gate.
pub(crate) struct Wait {
    /// `None`: it is at a gate.
    pub(crate) future: Option<AnyFuture>,
    id: u32,
    /// What has come of the gate.
    pub(crate) stage: Stage,
    /// A request for cancellation went through this await.
    pub(crate) passed: bool,
}

impl Wait {
    #[inline]
    fn new(future: Option<AnyFuture>, id: u32) -> Wait {
        Wait {
            future,
            id,
            stage: Stage::Closed,
            passed: false,
        }
    }
}

/// What has come of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Closed,
    Open,
    /// A request for cancellation came through the task that waits.
    Cancelled,
}

/// Where a wait stands among several.
fn place(many: &VecDeque<Wait>, id: u32) -> Option<usize> {
    // Who begins one next looks for it, and so may who ends it: no other is touched then.
    if many.back()?.id == id {
        return Some(many.len() - 1);
    }
    // Oldest first, so that each is found quickly however many there are; numbers may have wrapped around.
    let oldest = many.front()?.id;
    // Of a batch that began together, of which none has ended, the number is the place.
    let beyond = id.wrapping_sub(oldest) as usize;
    if many.get(beyond).is_some_and(|wait| wait.id == id) {
        return Some(beyond);
    }
    let at = many.binary_search_by_key(&id.wrapping_sub(oldest), |wait| {
        wait.id.wrapping_sub(oldest)
    });
    at.ok()
}

// Out of the way of the one wait that there nearly always is.

#[inline(never)]
fn get_of_many(list: &List, id: u32) -> Option<&Wait> {
    let List::Many(many) = list else { return None };
    many.get(place(many, id)?)
}

#[inline(never)]
fn get_of_many_mut(list: &mut List, id: u32) -> Option<&mut Wait> {
    let List::Many(many) = list else { return None };
    let at = place(many, id)?;
    many.get_mut(at)
}

#[inline(never)]
fn leave_many(list: &mut List, id: u32) -> Option<(bool, Option<AnyFuture>)> {
    let List::Many(many) = list else { return None };
    let at = place(many, id)?;
    let wait = if at + 1 == many.len() {
        many.pop_back()
    } else {
        many.remove(at)
    };
    wait.map(|wait| (wait.passed, wait.future))
}

impl Waits {
    /// Adds a wait for a future, or at a gate.
    #[inline]
    pub(crate) fn add(&mut self, future: Option<AnyFuture>) -> u32 {
        let id = self.next;
        self.next = id.wrapping_add(1);
        // Made in its place: a processor that copies what it has just written has to wait.
        if let List::None = self.list {
            let one = List::One(Wait::new(future, id));
            std::mem::forget(std::mem::replace(&mut self.list, one)); // what that replaces holds nothing
        } else {
            self.add_behind(future, id);
        }
        id
    }

    #[inline(never)]
    fn add_behind(&mut self, future: Option<AnyFuture>, id: u32) {
        let wait = Wait::new(future, id);
        match &mut self.list {
            List::Many(many) => many.push_back(wait),
            List::None | List::One(_) => self.add_second(wait),
        }
    }

    #[cold]
    fn add_second(&mut self, wait: Wait) {
        if let List::One(first) = std::mem::take(&mut self.list) {
            self.list = List::Many(Box::new(VecDeque::from([first, wait])));
        }
    }

    /// Removes a wait. Says whether a request for cancellation went through it, and gives back its future, to be dropped
    /// when nothing is borrowed; at a gate there is none.
    #[inline(always)]
    pub(crate) fn leave(&mut self, id: u32) -> (bool, Option<AnyFuture>) {
        match &mut self.list {
            List::One(wait) if wait.id == id => {
                let left = (wait.passed, wait.future.take());
                std::mem::forget(std::mem::take(&mut self.list)); // it holds nothing any more
                left
            }
            others => leave_many(others, id).unwrap_or_default(),
        }
    }

    #[inline]
    fn get(&self, id: u32) -> Option<&Wait> {
        match &self.list {
            List::One(wait) => (wait.id == id).then_some(wait),
            others => get_of_many(others, id),
        }
    }

    #[inline]
    fn get_mut(&mut self, id: u32) -> Option<&mut Wait> {
        match &mut self.list {
            List::One(wait) => (wait.id == id).then_some(wait),
            others => get_of_many_mut(others, id),
        }
    }

    /// What has come of the gate that this wait stands at.
    #[inline]
    pub(crate) fn stage(&self, id: u32) -> Option<Stage> {
        self.get(id).map(|wait| wait.stage)
    }

    /// Removes a wait if it is at a gate that is open, and the only one. Whether it was that.
    #[inline(always)]
    pub(crate) fn take_open(&mut self, id: u32) -> bool {
        let open = match &self.list {
            List::One(wait) => wait.id == id && wait.stage == Stage::Open,
            List::None | List::Many(_) => false,
        };
        if open {
            std::mem::forget(std::mem::take(&mut self.list)); // at a gate it holds nothing
        }
        open
    }

    /// Removes a wait at a gate unless that is closed, and says what has come of it.
    #[inline]
    pub(crate) fn settle(&mut self, id: u32) -> Option<Stage> {
        let stage = self.stage(id)?;
        if stage != Stage::Closed {
            self.leave(id);
        }
        Some(stage)
    }

    /// Opens the gate that this wait stands at. `false`: it is open or cancelled; `None`: there is no such wait.
    #[inline]
    pub(crate) fn open(&mut self, id: u32) -> Option<bool> {
        let wait = self.get_mut(id)?;
        let closed = wait.stage == Stage::Closed;
        if closed {
            wait.stage = Stage::Open;
        }
        Some(closed)
    }

    /// The one await that the task is suspended in, if there is exactly one.
    pub(crate) fn only(&mut self) -> Option<&mut Wait> {
        match &mut self.list {
            List::One(wait) => Some(wait),
            List::Many(many) if many.len() == 1 => many.front_mut(),
            List::None | List::Many(_) => None,
        }
    }

    /// What tells the waits that begin from now on from the others: see [`Inside::note`].
    #[inline]
    pub(crate) fn mark(&self) -> u32 {
        self.next
    }

    fn len(&self) -> usize {
        match &self.list {
            List::None => 0,
            List::One(_) => 1,
            List::Many(many) => many.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Wait> {
        let (one, many) = match &self.list {
            List::None => (None, None),
            List::One(wait) => (Some(wait), None),
            List::Many(many) => (None, Some(many)),
        };
        one.into_iter()
            .chain(many.into_iter().flat_map(|many| many.iter()))
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Wait> {
        let (one, many) = match &mut self.list {
            List::None => (None, None),
            List::One(wait) => (Some(wait), None),
            List::Many(many) => (None, Some(many)),
        };
        one.into_iter()
            .chain(many.into_iter().flat_map(|many| many.iter_mut()))
    }
}

/// Which of a task's waits began inside a frame: nearly always one, or none.
#[derive(Default)]
pub(crate) struct Inside {
    first: Option<u32>,
    /// The rest, in a box of its own as that of the waits.
    #[expect(
        clippy::box_collection,
        reason = "one word instead of three in every frame"
    )]
    more: Option<Box<Vec<u32>>>,
}

impl Inside {
    /// Adds the waits that have begun since `mark`: there is one.
    #[inline]
    pub(crate) fn note(&mut self, waits: &Waits, mark: u32) {
        match &waits.list {
            // The one wait is new: what there was before is over.
            List::One(wait) => {
                if wait.id.wrapping_sub(mark) < waits.next.wrapping_sub(mark) {
                    self.first = Some(wait.id);
                    self.more = None;
                }
            }
            List::None | List::Many(_) => self.note_many(waits, mark),
        }
    }

    #[cold]
    fn note_many(&mut self, waits: &Waits, mark: u32) {
        let more = self.more.get_or_insert_default();
        more.extend(self.first.take());
        // Those that are over are forgotten only now and then, so that each costs little however many there are.
        if more.len() > 2 * waits.len() {
            let alive: HashSet<u32> = waits.iter().map(|wait| wait.id).collect();
            more.retain(|id| alive.contains(id));
        }
        let since = waits.next.wrapping_sub(mark);
        let begun = waits.iter().rev().map(|wait| wait.id);
        more.extend(begun.take_while(|id| id.wrapping_sub(mark) < since));
    }

    /// The one await inside the frame, if there is exactly one.
    pub(crate) fn only<'a>(&self, waits: &'a mut Waits) -> Option<&'a mut Wait> {
        let is_inside = |id| {
            let more = self.more.as_ref();
            self.first == Some(id) || more.is_some_and(|more| more.contains(&id))
        };
        let mut inside = waits.iter_mut().filter(|wait| is_inside(wait.id));
        let only = inside.next()?;
        inside.next().is_none().then_some(only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_found_when_their_numbers_have_wrapped_around() {
        let mut waits = Waits {
            next: u32::MAX - 3,
            ..Waits::default()
        };
        let mut ids: Vec<u32> = (0..8).map(|_| waits.add(None)).collect();
        assert_eq!(*ids.last().unwrap(), 3);
        // Now a number says no place.
        for at in [5, 1] {
            assert_eq!(waits.open(ids[at]), Some(true));
            assert_eq!(waits.settle(ids[at]), Some(Stage::Open));
            assert_eq!(waits.stage(ids.remove(at)), None);
        }
        for &id in &ids {
            assert_eq!(waits.stage(id), Some(Stage::Closed));
        }
        for id in ids {
            assert!(!waits.leave(id).0);
            assert_eq!(waits.stage(id), None);
        }
        assert_eq!(waits.len(), 0);
    }
}
