//! The bookkeeping of a task that does not depend on its type.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use loop_core::WakeKey;

use crate::cell::AnyFuture;
use crate::context::Context;

/// What a task's step, its waits and its cancellation keep of it.
///
/// ```text
///             create                       wake, settle, cancel
///   (nothing) ------> scheduled ----step----> running ---pending---> suspended
///                        ^                       |                      |
///                        |                       +-- ready, interrupt --+--> settled
///                        +--------------- wake, settle, cancel ---------+
/// ```
pub(crate) struct TaskCore {
    pub(crate) key: WakeKey,
    /// The order of creation on its loop, from 1: its age and its default name.
    pub(crate) serial: u64,
    pub(crate) name: RefCell<Option<Rc<str>>>,
    /// The coroutine is in its cell.
    pub(crate) has_future: Cell<bool>,
    /// A step stands in the ready queue; there is never a second one.
    pub(crate) scheduled: Cell<bool>,
    /// The coroutine is being polled.
    pub(crate) running: Cell<bool>,
    /// A request for cancellation that has not gone anywhere yet.
    pub(crate) armed: Cell<bool>,
    /// What it waits for is being asked to cancel: a request that comes back meanwhile has gone round in a circle.
    pub(crate) asking: Cell<bool>,
    /// A request on its way to a frame, inside a poll.
    pub(crate) interrupt: Cell<bool>,
    /// The interrupt, if there is one, was raised by an await in this very step.
    pub(crate) raised: Cell<bool>,
    /// What is being dropped is dropped by an interrupt, which stands for every request.
    pub(crate) absorbing: Cell<bool>,
    /// A frame ended its last poll pending.
    pub(crate) frame_pending: Cell<bool>,
    /// Requests that nobody has taken back: `cancelling()`.
    pub(crate) requests: Cell<u32>,
    /// How many of those are of frames, which have not ended yet.
    pub(crate) own_requests: Cell<u32>,
    /// How many of those frames are being polled: what is inside them is theirs.
    pub(crate) own_around: Cell<u32>,
    pub(crate) waits: RefCell<Waits>,
    pub(crate) context: RefCell<Context>,
}

impl TaskCore {
    #[inline(always)]
    pub(crate) fn new(key: WakeKey, serial: u64) -> TaskCore {
        TaskCore {
            key,
            serial,
            name: RefCell::default(),
            has_future: Cell::new(true),
            scheduled: Cell::new(false),
            running: Cell::new(false),
            armed: Cell::new(false),
            asking: Cell::new(false),
            interrupt: Cell::new(false),
            raised: Cell::new(false),
            absorbing: Cell::new(false),
            frame_pending: Cell::new(false),
            requests: Cell::new(0),
            own_requests: Cell::new(0),
            own_around: Cell::new(0),
            waits: RefCell::default(),
            context: RefCell::new(Context::current()),
        }
    }

    /// The requests that concern whoever is polled now: all but those of frames beside it, in a `join!`.
    pub(crate) fn requests_here(&self) -> u32 {
        let beside = if self.running.get() {
            let around = self.own_around.get();
            self.own_requests.get().saturating_sub(around)
        } else {
            0
        };
        self.requests.get().saturating_sub(beside)
    }

    pub(crate) fn name(&self) -> Rc<str> {
        match &*self.name.borrow() {
            Some(name) => Rc::clone(name),
            None => format!("Task-{}", self.serial).into(),
        }
    }
}

/// The awaits in which a task is suspended: nearly always one.
#[derive(Default)]
pub(crate) struct Waits {
    first: Option<Wait>,
    /// The rest, in a box of its own: rare, and a task is small without it.
    #[expect(
        clippy::box_collection,
        reason = "one word instead of four in every cell"
    )]
    more: Option<Box<VecDeque<Wait>>>,
    next: u32,
}

/// One await on a loop future.
pub(crate) struct Wait {
    id: u32,
    pub(crate) target: AnyFuture,
    /// A request for cancellation went through this await.
    pub(crate) passed: bool,
}

impl Waits {
    #[inline]
    pub(crate) fn add(&mut self, target: AnyFuture) -> u32 {
        let id = self.next;
        self.next = id.wrapping_add(1);
        let wait = Wait {
            id,
            target,
            passed: false,
        };
        if self.first.is_none() {
            self.first = Some(wait);
        } else {
            self.more.get_or_insert_default().push_back(wait);
        }
        id
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: u32) -> Option<Wait> {
        if self.first.as_ref().is_some_and(|wait| wait.id == id) {
            let next = self.more.as_mut().and_then(|more| more.pop_front());
            return std::mem::replace(&mut self.first, next);
        }
        let more = self.more.as_mut()?;
        // Oldest first, so that each is found quickly however many there are; numbers may have wrapped around.
        let oldest = more.front()?.id;
        let at = more.binary_search_by_key(&id.wrapping_sub(oldest), |wait| {
            wait.id.wrapping_sub(oldest)
        });
        more.remove(at.ok()?)
    }

    /// The one await that the task is suspended in, if there is exactly one.
    pub(crate) fn only(&mut self) -> Option<&mut Wait> {
        if self.more.as_ref().is_none_or(|more| more.is_empty()) {
            self.first.as_mut()
        } else {
            None
        }
    }

    /// What tells the waits that begin from now on from the others: see [`Inside::note`].
    pub(crate) fn mark(&self) -> u32 {
        self.next
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.as_ref().map_or(0, |more| more.len())
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Wait> {
        self.first
            .iter()
            .chain(self.more.iter().flat_map(|more| more.iter()))
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Wait> {
        self.first
            .iter_mut()
            .chain(self.more.iter_mut().flat_map(|more| more.iter_mut()))
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
    /// Adds the waits that have begun since `mark`.
    #[inline]
    pub(crate) fn note(&mut self, waits: &Waits, mark: u32) {
        if waits.next == mark {
            return;
        }
        match &waits.first {
            // The one wait is new: what there was before is over.
            Some(wait) if waits.len() == 1 => {
                if wait.id.wrapping_sub(mark) < waits.next.wrapping_sub(mark) {
                    self.first = Some(wait.id);
                    self.more = None;
                }
            }
            _ => self.note_many(waits, mark),
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
