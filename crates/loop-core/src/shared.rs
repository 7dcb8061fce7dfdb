//! What a loop shares with other threads, and the table that finds it by number.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::{Thread, ThreadId};

use slab::Slab;

use crate::clock::{EPOCH, Epoch, Nanos};
use crate::exception::{drop_quietly, panic_message, report_of};
use crate::mailbox::{Mailbox, Posted, Poster};
use crate::raw::SendJob;
use crate::running::Running;
use crate::sys;
use crate::unbound::Config;
use crate::waker::WakeKey;

/// What can be sent to a loop.
#[derive(Debug)]
pub(crate) enum Message {
    Call(SendJob),
    Wake(WakeKey),
}

/// The part of a loop that other threads may touch.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Never used again, in this process.
    pub(crate) id: u64,
    /// The place in the table, used again when the loop is gone: what a waker names.
    pub(crate) index: u16,
    pub(crate) mailbox: Mailbox<Message>,
    /// The thread that the loop is bound to.
    pub(crate) thread: OnceLock<Thread>,
    /// How to wake the loop when it sleeps in its poller; without descriptors it parks its thread. Gone when the
    /// loop has closed: handles may be kept for ever, and descriptors are scarce.
    poll_waker: Mutex<Option<mio::Waker>>,
    /// Results that will come from outside the loop: virtual time must not jump past them.
    pub(crate) external: AtomicUsize,
    pub(crate) epoch: Epoch,
    /// Virtual time, for other threads to read; 0 if the clock is the system's.
    pub(crate) virtual_now: AtomicU64,
    pub(crate) hook: OnceLock<WakeHook>,
    /// Whether the loop is in debug mode, for those who hand it something.
    pub(crate) debug: AtomicBool,
    /// What the loop runs, in debug mode.
    pub(crate) running: Arc<Running>,
    /// The process that made the loop, and how often its ancestors had forked by then.
    pub(crate) pid: u32,
    pub(crate) forks: u32,
}

/// Called when a loop that is not being run has got its first message.
pub(crate) struct WakeHook(pub(crate) Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for WakeHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WakeHook")
    }
}

/// Every loop of the process that has not been closed, by index.
static LOOPS: RwLock<Slab<Arc<Shared>>> = RwLock::new(Slab::new());
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// How many loops can exist at once: a waker has 16 bits for the number of its loop.
const MOST_LOOPS: usize = 1 << 16;

impl Shared {
    /// Makes one and enters it into the table. `None` if 65,536 loops are there already.
    pub(crate) fn register(config: &Config) -> Option<Arc<Shared>> {
        sys::count_forks();
        let mut loops = LOOPS.write().unwrap_or_else(PoisonError::into_inner);
        if loops.len() == MOST_LOOPS {
            return None;
        }
        let entry = loops.vacant_entry();
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(Shared {
            id,
            index: u16::try_from(entry.key()).ok()?,
            mailbox: Mailbox::new(),
            thread: OnceLock::new(),
            poll_waker: Mutex::new(None),
            external: AtomicUsize::new(0),
            epoch: Epoch::now(),
            virtual_now: AtomicU64::new(if config.virtual_clock { EPOCH } else { 0 }),
            hook: OnceLock::new(),
            debug: AtomicBool::new(config.debug),
            running: Running::new(id, config.blocked_after),
            pid: std::process::id(),
            forks: sys::forks(),
        });
        entry.insert(Arc::clone(&shared));
        Some(shared)
    }

    /// Sets, or takes away, the way to wake the loop from its poll.
    pub(crate) fn set_poll_waker(&self, waker: Option<mio::Waker>) {
        let mut poll_waker = self
            .poll_waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *poll_waker = waker;
    }

    /// Takes it out of the table; wakers that still name it do nothing from now on.
    pub(crate) fn unregister(&self) {
        self.running.leave();
        let mut loops = LOOPS.write().unwrap_or_else(PoisonError::into_inner);
        let index = usize::from(self.index);
        if loops.get(index).is_some_and(|shared| shared.id == self.id) {
            loops.remove(index);
        }
    }

    pub(crate) fn find(index: u16) -> Option<Arc<Shared>> {
        LOOPS
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(usize::from(index))
            .cloned()
    }

    /// The mailbox, unless it is closed. That of a forked child is a copy that nobody looks into, with a lock that may
    /// have been held at the fork; and the poller that it would wake is the parent's.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Poster<'_, Message>> {
        if self.is_forked() {
            return None;
        }
        self.mailbox.enter()
    }

    /// Whether this process was forked from the one that made the loop.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.forks != sys::forks()
    }

    /// Leaves a message that nobody wants back, and wakes the loop if it sleeps.
    pub(crate) fn post(&self, message: Message) {
        if let Some(poster) = self.enter() {
            self.post_as(poster, message);
        }
    }

    /// Leaves a message and wakes the loop if it sleeps, or its host if it is not being run.
    #[inline]
    pub(crate) fn post_as(&self, poster: Poster<'_, Message>, message: Message) {
        if self.leave_as(poster, message) {
            self.wake();
        }
    }

    /// Leaves a message and wakes the loop's host if it is not being run. `true`: it sleeps, and is to be woken.
    #[inline]
    pub(crate) fn leave_as(&self, poster: Poster<'_, Message>, message: Message) -> bool {
        match poster.post(message) {
            Posted::Asleep => return true,
            Posted::First => self.call_hook_if_unattended(),
            Posted::Behind => {}
        }
        false
    }

    #[cold]
    pub(crate) fn wake(&self) {
        // Locked by one poster at a time, the one that found the loop asleep.
        let poll_waker = self.poll_waker.lock();
        let woken = poll_waker
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map_or(Ok(()), mio::Waker::wake);
        if let Err(error) = woken {
            // The message is in the box, so this is a delay and not a loss; but nobody should look for it long.
            let text = format!("the event loop could not be woken from its poll: {error}");
            report_of(tracing::Level::ERROR, self.id, &text);
        }
        // Always, since a loop without a poller parks.
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Calls the hook if there are messages and nobody is running the loop.
    pub(crate) fn call_hook_if_unattended(&self) {
        // In this order, for a hook that is being set: it is set first, and looks for messages afterwards.
        if self.mailbox.is_unattended() {
            self.call_hook();
        }
    }

    pub(crate) fn call_hook(&self) {
        let Some(hook) = self.hook.get() else { return };
        // Whoever posts, perhaps through a waker, has nothing to do with a hook that fails.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (hook.0)())) {
            let text = format!("Exception in a wake hook: {}", panic_message(&*panic));
            report_of(tracing::Level::ERROR, self.id, &text);
            drop_quietly(panic);
        }
    }

    pub(crate) fn thread_id(&self) -> Option<ThreadId> {
        self.thread.get().map(Thread::id)
    }

    pub(crate) fn virtual_now(&self) -> Option<Nanos> {
        match self.virtual_now.load(Ordering::Acquire) {
            0 => None,
            now => Some(now),
        }
    }
}
