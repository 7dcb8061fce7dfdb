//! The state of one loop, for its own thread alone.

use std::any::{Any, TypeId};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_timers::{TimerKey, TimerQueue};

use crate::clock::{Clock, Nanos};
use crate::error::LoopError;
use crate::exception::ExceptionHandler;
use crate::io::IoRegistry;
use crate::present::Present;
use crate::raw::RawJob;
use crate::ready::ReadyQueue;
use crate::runtime::Installed;
use crate::shared::{Message, Shared};
use crate::skipping::{Outlook, Skipping};
use crate::sys;

/// Where a loop is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Made, or stopped: it keeps what is queued.
    Idle,
    /// Somewhere up the stack `run_forever` or `run_once` is at work.
    Running,
    /// Closed, for good.
    Closed,
}

/// Stands for the time of a look at the timers that there was no need for: it is later than any.
pub(crate) const NOT_LOOKED: Nanos = Nanos::MAX;

pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    /// That of `shared`, where a wake finds it without another step.
    pub(crate) index: u16,
    pub(crate) clock: Clock,
    pub(crate) phase: Cell<Phase>,
    pub(crate) stopping: Cell<bool>,
    pub(crate) ready: RefCell<ReadyQueue>,
    pub(crate) timers: RefCell<TimerQueue<RawJob>>,
    /// Made when the first descriptor is registered: a loop without any parks its thread instead.
    pub(crate) io: RefCell<Option<IoRegistry>>,
    /// Where what other threads sent is on its way from the mailbox to the ready queue; empty in between.
    pub(crate) inbox: Cell<Vec<Message>>,
    pub(crate) skipping: Skipping,
    /// When the loop last came back from waiting, or last looked at its timers; [`NOT_LOOKED`] if it had none to look at
    /// when this iteration began.
    pub(crate) looked_at: Cell<Nanos>,
    /// How long it had then been busy without looking.
    pub(crate) stall: Cell<Nanos>,
    /// When a wait last ended because a timer was due.
    pub(crate) rung_at: Cell<Option<Nanos>>,
    pub(crate) debug: Cell<bool>,
    pub(crate) slow_callback: Cell<Duration>,
    pub(crate) handler: RefCell<Option<ExceptionHandler>>,
    pub(crate) runtime: OnceCell<Installed>,
    /// What other layers keep here, in the order in which they came.
    pub(crate) extensions: RefCell<Vec<(TypeId, Rc<dyn Any>)>>,
    /// The number of `EventLoop`s that name this loop: the last one to go closes it.
    pub(crate) users: Cell<usize>,
    /// How late the thread's own waits may end, as it was before the loop first waited for a timer in this run.
    pub(crate) slack: Cell<Option<u64>>,
    /// Which callback runs now.
    pub(crate) present: Present,
    /// Those of `shared`, at hand.
    forks: u32,
}

impl Core {
    pub(crate) fn new(shared: Arc<Shared>, config: &crate::unbound::Config) -> Rc<Core> {
        let clock = if config.virtual_clock {
            Clock::virtual_from(shared.epoch)
        } else {
            Clock::system(shared.epoch)
        };
        let now = clock.now();
        Rc::new(Core {
            index: shared.index,
            forks: shared.forks,
            present: Present::new(Arc::clone(&shared.running)),
            shared,
            clock,
            phase: Cell::new(Phase::Idle),
            stopping: Cell::new(false),
            ready: RefCell::default(),
            timers: RefCell::default(),
            io: RefCell::default(),
            inbox: Cell::default(),
            skipping: Skipping::new(config.poll_every_iteration),
            looked_at: Cell::new(now),
            stall: Cell::new(0),
            rung_at: Cell::new(None),
            debug: Cell::new(config.debug),
            slow_callback: Cell::new(config.slow_callback_duration),
            handler: RefCell::default(),
            runtime: OnceCell::new(),
            extensions: RefCell::default(),
            users: Cell::new(0),
            slack: Cell::new(None),
        })
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.phase.get() == Phase::Closed
    }

    /// Whether the next iteration only runs what is ready: there is no message and no timer, and no descriptor that it
    /// would look at. Then its steps 1 to 3 come to nothing, and are done with this.
    #[inline]
    pub(crate) fn only_runs_ready(&self) -> bool {
        !self.ready.borrow().is_empty()
            && !self.shared.mailbox.is_notified()
            && self.timers.borrow().is_empty()
            && match self.outlook() {
                Outlook::Quiet => true,
                Outlook::Unknown => self.skipping.skip(self.shared.epoch.real_now()),
                Outlook::News => false,
            }
    }

    /// What is known of the descriptors without a look at the poller.
    #[inline]
    pub(crate) fn outlook(&self) -> Outlook {
        let mut io = self.io.borrow_mut();
        match io.as_mut() {
            None => Outlook::Quiet,
            Some(io) => io.outlook(),
        }
    }

    /// Whether the poller has told of something that is not delivered yet.
    #[inline]
    pub(crate) fn has_events(&self) -> bool {
        self.io.borrow().as_ref().is_some_and(|io| io.has_events())
    }

    /// Adds a timer; the caller knows that the loop is not closed, and perhaps what time it is.
    #[inline]
    pub(crate) fn add_timer(&self, now: Option<Nanos>, when: Nanos, job: RawJob) -> TimerKey {
        let mut timers = self.timers.borrow_mut();
        if timers.is_empty() {
            // What kept the loop busy before there was a timer made none late, but for those that are due already.
            let now = now.unwrap_or_else(|| self.clock.now());
            self.stall.set(self.stall_at(now));
            self.looked_at.set(now);
        }
        timers.insert(when, job)
    }

    /// For how long the loop has not looked at its timers, as far as that can have made one late that is due now.
    #[inline]
    pub(crate) fn stall_at(&self, now: Nanos) -> Nanos {
        match self.looked_at.get() {
            NOT_LOOKED => 0,
            // What has run since, in this iteration, may have kept a timer waiting that was found to be due with it.
            looked_at if self.phase.get() == Phase::Running => {
                self.stall.get().max(now.saturating_sub(looked_at))
            }
            _ => self.stall.get(),
        }
    }

    /// Whether this process is a fork of the one that made the loop.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.forks != sys::forks()
    }

    /// Refuses a forked child.
    pub(crate) fn check_process(&self) -> Result<(), LoopError> {
        if self.is_forked() {
            return Err(LoopError::Forked {
                created_by: self.shared.pid,
            });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "<EventLoop {} running={} closed={} debug={}>",
            self.shared.id,
            self.phase.get() == Phase::Running,
            self.is_closed(),
            self.debug.get()
        )
    }
}
