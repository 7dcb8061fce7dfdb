//! The mailbox: how other threads hand work to a loop that may be asleep, and that may be closing.
//!
//! Two promises:
//! - *No lost wake-up*: a message that was accepted is seen by the loop without anything else having to happen; if
//!   nobody runs the loop, somebody is told that nobody does.
//! - *No lost message*: a message that was accepted is taken out before [`Mailbox::close`] returns; one that comes
//!   later is refused and handed back.
//!
//! # The signal
//! ```text
//!            post                    post: the poster wakes the loop
//!   IDLE ----------> NOTIFIED <---------------------------------- ASLEEP
//!     ^                 |                                           ^ |
//!     +----- take ------+        doze (only from IDLE)              | |
//!     +-------------------------------------------------------------+ |
//!     +----------------------------- rouse ---------------------------+
//! ```
//! A poster pushes first and signals afterwards, with a read-modify-write. The loop clears the signal first and
//! pops afterwards, also with one. Whichever of the two comes second in the signal's own order sees the other's
//! half: either the poster finds `IDLE` and leaves `NOTIFIED` behind, which the loop looks at before it sleeps, or
//! the loop's clearing has read the poster's `NOTIFIED`, and then its pops see the push.
//!
//! # The gate
//! A counter of posts under way, with the lowest bit saying "closed". A poster enters (+2) and looks at the bit it
//! got back; the loop sets the bit, waits until nobody is inside, and only then empties the queue for the last time.

//!
//! # Attendance
//! A loop that is not being run does not look, so the first message of a burst is the business of whoever runs the
//! loop now and then. The poster signals and then looks whether the loop is attended; whoever ends a run says first
//! that it is not, and then looks for the signal. Two different words, so each has a fence between its write and
//! its look: the later of the two fences sees what the other side wrote.
//!
//! `tests/loom_mailbox.rs` holds all of this to every interleaving, and to mutants that break one rule each.

use crate::sync::{AtomicBool, AtomicU8, AtomicUsize, Ordering, SegQueue, fence, yield_now};

const IDLE: u8 = 0;
const NOTIFIED: u8 = 1;
const ASLEEP: u8 = 2;

const CLOSED: usize = 1;
const POSTER: usize = 2;

/// Messages on their way to a loop.
#[derive(Debug)]
pub(crate) struct Mailbox<M> {
    queue: SegQueue<M>,
    signal: AtomicU8,
    gate: AtomicUsize,
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

/// Somebody who is between the gate and the box: as long as there is one, the mailbox does not finish closing.
#[derive(Debug)]
pub(crate) struct Poster<'a, M>(&'a Mailbox<M>);

impl<M> Poster<'_, M> {
    /// Leaves a message.
    #[inline]
    pub(crate) fn post(self, message: M) -> Posted {
        self.0.queue.push(message);
        let before = self.0.signal.swap(NOTIFIED, Ordering::AcqRel);
        match before {
            IDLE => Posted::First,
            NOTIFIED => Posted::Behind,
            _ => Posted::Asleep,
        }
    }
}

impl<M> Drop for Poster<'_, M> {
    #[inline]
    fn drop(&mut self) {
        // Release: whoever sees the gate empty also sees the push.
        self.0.gate.fetch_sub(POSTER, Ordering::Release);
    }
}

impl<M> Mailbox<M> {
    pub(crate) fn new() -> Self {
        Mailbox {
            queue: SegQueue::new(),
            signal: AtomicU8::new(IDLE),
            gate: AtomicUsize::new(0),
            attended: AtomicBool::new(false),
        }
    }

    /// Enters, to leave a message. `None`: the mailbox is closed.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Poster<'_, M>> {
        // Acquire pairs with the Release in `close`, so that a refused poster also sees what the closer did before.
        let poster = Poster(self);
        if self.gate.fetch_add(POSTER, Ordering::Acquire) & CLOSED != 0 {
            return None;
        }
        Some(poster)
    }

    /// Whether messages may be waiting: what a loop looks at in every iteration.
    #[inline]
    pub(crate) fn is_notified(&self) -> bool {
        self.signal.load(Ordering::Relaxed) == NOTIFIED
    }

    /// Takes what lies there now and gives it to `deliver`, oldest first.
    ///
    /// What is posted meanwhile waits for the next call, or many fast posters would keep the loop here for ever.
    pub(crate) fn take(&self, mut deliver: impl FnMut(M)) {
        if !self.is_notified() {
            return;
        }
        self.signal.swap(IDLE, Ordering::AcqRel);
        for _ in 0..self.queue.len() {
            match self.queue.pop() {
                Some(message) => deliver(message),
                None => break,
            }
        }
    }

    /// Announces that the loop is about to sleep. `false`: a message has come, so it must not.
    pub(crate) fn doze(&self) -> bool {
        self.signal
            .compare_exchange(IDLE, ASLEEP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Announces that the loop is awake again.
    pub(crate) fn rouse(&self) {
        // Failure means that a poster was faster and has left NOTIFIED, which `take` wants to see.
        let _ = self
            .signal
            .compare_exchange(ASLEEP, IDLE, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Refuses every later message and gives the accepted ones to `deliver`.
    pub(crate) fn close(&self, mut deliver: impl FnMut(M)) {
        // AcqRel: what this thread did before is visible to the refused, and what posters did is visible here.
        let mut gate = self.gate.fetch_or(CLOSED, Ordering::AcqRel);
        while gate & !CLOSED != 0 {
            // A poster is between two instructions of `post`; it runs no foreign code there.
            yield_now();
            gate = self.gate.load(Ordering::Acquire);
        }
        while let Some(message) = self.queue.pop() {
            deliver(message);
        }
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
        self.gate.load(Ordering::Acquire) & CLOSED != 0
    }
}
