//! The bookkeeping of a task that does not depend on its type.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::ops::BitOr;
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
    /// The order of creation on its loop, from 1: its age and its default name.
    pub(crate) serial: u64,
    /// What wakers and the table of tasks know it by.
    pub(crate) key: WakeKey,
    /// Requests that nobody has taken back: `cancelling()`.
    pub(crate) requests: Cell<u32>,
    flags: Cell<Flags>,
    pub(crate) waits: RefCell<Waits>,
    rare: OnceCell<Box<Rare>>,
}

/// What few tasks have.
#[derive(Default)]
struct Rare {
    /// The values of context variables: few tasks have any.
    context: Cell<Context>,
    name: RefCell<Option<Rc<str>>>,
    /// How many of the requests are of frames, which have not ended yet.
    own_requests: Cell<u32>,
    /// How many of those frames are being polled: what is inside them is theirs.
    own_around: Cell<u32>,
}

/// What is so of a task, in one word: a step looks at all of it at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    /// The coroutine is in its cell.
    pub(crate) const FUTURE: Flags = Flags(1);
    /// A step stands in the ready queue; there is never a second one.
    pub(crate) const SCHEDULED: Flags = Flags(1 << 1);
    /// The coroutine is being polled.
    pub(crate) const RUNNING: Flags = Flags(1 << 2);
    /// There is a request for cancellation that has not gone anywhere yet.
    pub(crate) const ARMED: Flags = Flags(1 << 3);
    /// What it waits for is being asked to cancel: a request that comes back meanwhile has gone round in a circle.
    pub(crate) const ASKING: Flags = Flags(1 << 4);
    /// There is a request on its way to a frame, inside a poll.
    pub(crate) const INTERRUPT: Flags = Flags(1 << 5);
    /// The interrupt, if there is one, was raised by an await in this very step.
    pub(crate) const RAISED: Flags = Flags(1 << 6);
    /// What is being dropped is dropped by an interrupt, which stands for every request.
    pub(crate) const ABSORBING: Flags = Flags(1 << 7);
    /// A frame ended its last poll pending.
    pub(crate) const FRAME_PENDING: Flags = Flags(1 << 8);
}

impl BitOr for Flags {
    type Output = Flags;

    #[inline]
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl TaskCore {
    #[inline(always)]
    pub(crate) fn new(key: WakeKey, serial: u64) -> TaskCore {
        TaskCore {
            serial,
            key,
            requests: Cell::new(0),
            flags: Cell::new(Flags::FUTURE),
            waits: RefCell::default(),
            rare: OnceCell::new(),
        }
    }

    /// Begins a step, if there is one to take. `true`: no request for cancellation is in its way.
    #[inline(always)]
    pub(crate) fn begin_step(&self) -> Option<bool> {
        let flags = self.flags.get().0 & !Flags::SCHEDULED.0;
        if flags & (Flags::FUTURE | Flags::RUNNING).0 != Flags::FUTURE.0 {
            self.flags.set(Flags(flags));
            return None;
        }
        let flags = (flags | Flags::RUNNING.0) & !Flags::RAISED.0;
        let plain = flags & (Flags::ARMED | Flags::INTERRUPT).0 == 0;
        self.flags.set(Flags(if plain {
            flags & !Flags::FRAME_PENDING.0
        } else {
            flags
        }));
        Some(plain)
    }

    /// Whether any of these is so.
    #[inline]
    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.flags.get().0 & flags.0 != 0
    }

    #[inline]
    pub(crate) fn set(&self, flags: Flags) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    pub(crate) fn clear(&self, flags: Flags) {
        self.flags.set(Flags(self.flags.get().0 & !flags.0));
    }

    #[inline]
    pub(crate) fn put(&self, flags: Flags, value: bool) {
        if value {
            self.set(flags);
        } else {
            self.clear(flags);
        }
    }

    /// Clears it, and says whether any of it was so.
    #[inline]
    pub(crate) fn take(&self, flags: Flags) -> bool {
        let had = self.has(flags);
        self.clear(flags);
        had
    }

    /// Sets it, and says whether any of it was so before.
    #[inline]
    pub(crate) fn replace(&self, flags: Flags) -> bool {
        let had = self.has(flags);
        self.set(flags);
        had
    }

    /// The requests that concern whoever is polled now: all but those of frames beside it, in a `join!`.
    pub(crate) fn requests_here(&self) -> u32 {
        let beside = match self.rare.get() {
            Some(rare) if self.has(Flags::RUNNING) => {
                let around = rare.own_around.get();
                rare.own_requests.get().saturating_sub(around)
            }
            _ => 0,
        };
        self.requests.get().saturating_sub(beside)
    }

    #[cold]
    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    /// Counts a frame's own request.
    pub(crate) fn begin_own(&self) {
        self.requests.set(self.requests.get().saturating_add(1));
        let own = &self.rare().own_requests;
        own.set(own.get() + 1);
    }

    /// Forgets that a request is a frame's own; it still counts as any other.
    pub(crate) fn end_own(&self) {
        let own = &self.rare().own_requests;
        own.set(own.get().saturating_sub(1));
    }

    /// A frame with a request of its own is being polled.
    pub(crate) fn enter_own(&self) {
        let around = &self.rare().own_around;
        around.set(around.get() + 1);
    }

    pub(crate) fn leave_own(&self) {
        let around = &self.rare().own_around;
        around.set(around.get().saturating_sub(1));
    }

    pub(crate) fn name(&self) -> Rc<str> {
        let name = self.rare.get().and_then(|rare| rare.name.borrow().clone());
        name.unwrap_or_else(|| format!("Task-{}", self.serial).into())
    }

    pub(crate) fn set_name(&self, name: Rc<str>) {
        let old = self.rare().name.replace(Some(name));
        drop(old);
    }

    pub(crate) fn set_context(&self, context: Context) {
        let old = self.rare().context.replace(context);
        drop(old);
    }

    /// Calls `f`, which must not ask for the context itself, with the task's context.
    #[inline]
    pub(crate) fn with_context<R>(&self, f: impl FnOnce(&mut Context) -> R) -> R {
        let rare = self.rare.get();
        let mut context = rare.map_or_else(Context::default, |rare| rare.context.take());
        let result = f(&mut context);
        if !context.is_empty() || rare.is_some() {
            self.rare().context.set(context);
        }
        result
    }

    /// Whether it has no values of context variables, as far as can be told without looking.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.rare.get().is_none()
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

/// What has come of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Closed,
    Open,
    /// A request for cancellation came through the task that waits.
    Cancelled,
}

impl Waits {
    /// Adds a wait for a future, or at a gate.
    #[inline]
    pub(crate) fn add(&mut self, future: Option<AnyFuture>) -> u32 {
        let id = self.next;
        self.next = id.wrapping_add(1);
        let wait = Wait {
            future,
            id,
            stage: Stage::Closed,
            passed: false,
        };
        if self.first.is_none() {
            self.first = Some(wait);
        } else {
            self.add_more(wait);
        }
        id
    }

    #[cold]
    fn add_more(&mut self, wait: Wait) {
        self.more.get_or_insert_default().push_back(wait);
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: u32) -> Option<Wait> {
        let is_first = self.first.as_ref().is_some_and(|wait| wait.id == id);
        if is_first && self.more.is_none() {
            return self.first.take();
        }
        self.remove_of_many(id, is_first)
    }

    #[cold]
    fn remove_of_many(&mut self, id: u32, is_first: bool) -> Option<Wait> {
        if is_first {
            let next = self.more.as_mut().and_then(|more| more.pop_front());
            return std::mem::replace(&mut self.first, next);
        }
        let at = self.place(id)?;
        let more = self.more.as_mut()?;
        if at + 1 == more.len() {
            more.pop_back()
        } else {
            more.remove(at)
        }
    }

    /// Where a wait stands behind the first one.
    fn place(&self, id: u32) -> Option<usize> {
        let more = self.more.as_ref()?;
        // Who begins one next looks for it, and so may who ends it: no other is touched then.
        if more.back()?.id == id {
            return Some(more.len() - 1);
        }
        // Oldest first, so that each is found quickly however many there are; numbers may have wrapped around.
        let oldest = more.front()?.id;
        // Of a batch that began together, of which none has ended, the number is the place.
        let beyond = id.wrapping_sub(oldest) as usize;
        if more.get(beyond).is_some_and(|wait| wait.id == id) {
            return Some(beyond);
        }
        let at = more.binary_search_by_key(&id.wrapping_sub(oldest), |wait| {
            wait.id.wrapping_sub(oldest)
        });
        at.ok()
    }

    /// What has come of the gate that this wait stands at.
    #[inline]
    pub(crate) fn stage(&self, id: u32) -> Option<Stage> {
        match &self.first {
            Some(first) if first.id == id => Some(first.stage),
            _ => Some(self.more.as_ref()?.get(self.place(id)?)?.stage),
        }
    }

    /// Removes a wait if it is at a gate that is open, and the only one. Whether it was that.
    #[inline(always)]
    pub(crate) fn take_open(&mut self, id: u32) -> bool {
        let open = match &self.first {
            Some(first) => first.id == id && first.stage == Stage::Open && self.more.is_none(),
            None => false,
        };
        if open {
            std::mem::forget(self.first.take()); // at a gate it holds nothing
        }
        open
    }

    /// Removes a wait at a gate unless that is closed, and says what has come of it.
    #[inline]
    pub(crate) fn settle(&mut self, id: u32) -> Option<Stage> {
        let stage = self.stage(id)?;
        if stage != Stage::Closed {
            self.remove(id);
        }
        Some(stage)
    }

    /// Opens the gate that this wait stands at. `false`: it is open or cancelled; `None`: there is no such wait.
    #[inline]
    pub(crate) fn open(&mut self, id: u32) -> Option<bool> {
        let is_first = self.first.as_ref().is_some_and(|wait| wait.id == id);
        let wait = if is_first {
            self.first.as_mut()?
        } else {
            let at = self.place(id)?;
            self.more.as_mut()?.get_mut(at)?
        };
        let closed = wait.stage == Stage::Closed;
        if closed {
            wait.stage = Stage::Open;
        }
        Some(closed)
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
