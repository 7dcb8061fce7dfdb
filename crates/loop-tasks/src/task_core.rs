//! The bookkeeping of a task that does not depend on its type.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::BitOr;
use std::rc::Rc;

use loop_core::WakeKey;

use crate::context::Context;
use crate::seldom::Seldom;
use crate::waits::Waits;

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
    pub(crate) waits: Seldom<RefCell<Waits>>,
    rare: Seldom<OnceCell<Box<Rare>>>,
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
            waits: Seldom::default(),
            rare: Seldom::default(),
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
