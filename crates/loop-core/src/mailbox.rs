//! The mailbox: how other threads hand work to a loop that may be asleep, and that may be closing.
//!
//! Two promises:
//! - *No lost wake-up*: a message that was accepted is seen by the loop without anything else having to happen; if
//!   nobody runs the loop, somebody is told that nobody does.
//! - *No lost message*: a message that was accepted is taken out before [`Mailbox::close`] returns; one that comes
//!   later is refused and handed back.
//!
//! # The box
//! A list behind a lock: a poster adds to it, the loop takes all of it at once, and neither does anything else while
//! it holds the lock. So a message costs a poster two atomic read-modify-writes, those of the lock, and the loop
//! none but for the first of a batch. (A queue without locks costs two a message on either side, and needs three more to
//! say that there is a message and that nobody is inside any more.) "Closed" is a flag of the list: whoever finds it
//! unset under the lock is heard.
//!
//! # The signal
//! ```text
//!         the first post          the first post: the poster wakes the loop
//!   IDLE ----------> NOTIFIED <---------------------------------- ASLEEP
//!     ^                 |                                           ^ |
//!     +----- take ------+        doze (only from IDLE)              | |
//!     +-------------------------------------------------------------+ |
//!     +----------------------------- rouse ---------------------------+
//! ```
//! It says what the loop may know without the lock: `NOTIFIED` exactly while messages lie there. Both change together
//! under the lock; so a poster who finds messages need not say anything. `IDLE` and `ASLEEP` both mean "empty": the
//! loop moves between them without the lock, and a first post, which is a read-modify-write, learns which it was.
//! Either it finds `IDLE` and leaves `NOTIFIED` behind, at which the loop's falling asleep fails, or it finds
//! `ASLEEP` and wakes the loop.
//!
//! # Attendance
//! A loop that is not being run does not look, so the first message of a burst is the business of whoever runs the
//! loop now and then. The poster signals and then looks whether the loop is attended; whoever ends a run says first
//! that it is not, and then looks for the signal. Two different words, so each has a fence between its write and
//! its look: the later of the two fences sees what the other side wrote.
//!
//! `tests/loom_mailbox.rs` holds all of this to every interleaving, and to mutants that break one rule each.

use crate::sync::{AtomicBool, AtomicU8, Mutex, MutexGuard, Ordering, PoisonError, fence};

const IDLE: u8 = 0;
const NOTIFIED: u8 = 1;
const ASLEEP: u8 = 2;

/// The list keeps room for so many messages; room for more is given back once it is not needed.
const KEPT: usize = 1024;

/// Messages on their way to a loop. In lines of the cache of its own: what it stands beside is read by all who post.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Mailbox<M> {
    messages: Mutex<Vec<M>>,
    /// Changes to and from `NOTIFIED` under the lock of the messages.
    signal: AtomicU8,
    /// Set under the lock of the messages.
    closed: AtomicBool,
    attended: AtomicBool,
}

/// What the poster of an accepted message must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// Nothing: another message lies there already.
    Behind,
    /// Nothing as long as the loop is being run: it is awake and will look. If it is
    /// [unattended](Mailbox::is_unattended), tell its host.
    First,
    /// Wake it: it sleeps, and nobody else will.
    Asleep,
}

/// Somebody whose message will be accepted. Nobody else can post, nor the mailbox close, before this is gone: between
/// entering and posting nothing is done that could wait, or run foreign code.
#[derive(Debug)]
pub(crate) struct Poster<'a, M> {
    mailbox: &'a Mailbox<M>,
    messages: MutexGuard<'a, Vec<M>>,
}

impl<M> Poster<'_, M> {
    /// Leaves a message.
    #[inline]
    pub(crate) fn post(mut self, message: M) -> Posted {
        let is_first = self.messages.is_empty();
        self.messages.push(message);
        if !is_first {
            return Posted::Behind;
        }
        // Relaxed, as all that is done to the signal: what goes with it is behind the lock.
        match self.mailbox.signal.swap(NOTIFIED, Ordering::Relaxed) {
            ASLEEP => Posted::Asleep,
            _ => Posted::First,
        }
    }
}

impl<M> Mailbox<M> {
    pub(crate) fn new() -> Self {
        Mailbox {
            messages: Mutex::new(Vec::new()),
            signal: AtomicU8::new(IDLE),
            closed: AtomicBool::new(false),
            attended: AtomicBool::new(false),
        }
    }

    /// Nothing that could panic half-way is done under the lock.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Vec<M>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters, to leave a message. `None`: the mailbox is closed.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Poster<'_, M>> {
        let messages = self.lock();
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        Some(Poster {
            mailbox: self,
            messages,
        })
    }

    /// Whether messages are waiting: what a loop looks at in every iteration.
    #[inline]
    pub(crate) fn is_notified(&self) -> bool {
        self.signal.load(Ordering::Relaxed) == NOTIFIED
    }

    /// Takes what lies there now, oldest first, into `batch`, which is empty and leaves its room for what comes next.
    ///
    /// What is posted meanwhile waits for the next call, or many fast posters would keep the loop here for ever.
    #[inline]
    pub(crate) fn take(&self, batch: &mut Vec<M>) {
        if self.is_notified() {
            self.take_all(batch);
        }
    }

    #[cold]
    fn take_all(&self, batch: &mut Vec<M>) {
        let mut messages = self.lock();
        std::mem::swap(&mut *messages, batch);
        self.signal.store(IDLE, Ordering::Relaxed);
        drop(messages);
        if batch.capacity() > KEPT && batch.len() < batch.capacity() / 4 {
            batch.shrink_to(KEPT); // there has been a burst, and it is over
        }
    }

    /// Announces that the loop is about to sleep. `false`: a message has come, so it must not.
    pub(crate) fn doze(&self) -> bool {
        self.signal
            .compare_exchange(IDLE, ASLEEP, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Announces that the loop is awake again.
    pub(crate) fn rouse(&self) {
        // Failure means that a poster was faster and has left NOTIFIED, which `take` wants to see.
        let _ = self
            .signal
            .compare_exchange(ASLEEP, IDLE, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Refuses every later message and gives the accepted ones to `deliver`.
    pub(crate) fn close(&self, deliver: impl FnMut(M)) {
        let mut messages = self.lock();
        // Release, for those who only ask.
        self.closed.store(true, Ordering::Release);
        self.signal.store(IDLE, Ordering::Relaxed);
        let last = std::mem::take(&mut *messages);
        drop(messages);
        last.into_iter().for_each(deliver);
    }

    /// Says whether somebody is running the loop. After `false`, ask whether it [`is_unattended`].
    ///
    /// [`is_unattended`]: Mailbox::is_unattended
    pub(crate) fn attend(&self, attended: bool) {
        self.attended.store(attended, Ordering::Release);
    }

    /// Whether somebody is running the loop.
    pub(crate) fn is_attended(&self) -> bool {
        self.attended.load(Ordering::Acquire)
    }

    /// Whether there are messages that nobody will look for unless told. Whatever this thread wrote before the call
    /// is seen by others who write what it does not see here, and then call this.
    pub(crate) fn is_unattended(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_notified() && !self.is_attended() && !self.is_closed()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_burst_is_given_back() {
        let mailbox = Mailbox::new();
        let mut batch = Vec::new();
        let mut post_and_take = |count: usize| {
            for message in 0..count {
                let posted = mailbox.enter().expect("it is open").post(message);
                let first = message == 0;
                assert_eq!(posted == Posted::First, first, "one signal a batch");
            }
            mailbox.take(&mut batch);
            assert!(batch.drain(..).eq(0..count));
            batch.capacity()
        };
        assert!(post_and_take(100 * KEPT) >= 100 * KEPT);
        // There are two lists, which change places.
        let kept: Vec<usize> = (0..3).map(|_| post_and_take(1)).collect();
        assert!(kept.iter().all(|room| *room <= KEPT), "{kept:?}");
    }
}
