//! The mailbox once more, as short as it gets, with at most one mistake in it.

use super::{Message, Posted, Subject};
use crate::sync::{AtomicBool, AtomicU8, AtomicUsize, Ordering, SegQueue, fence, yield_now};

const IDLE: u8 = 0;
const NOTIFIED: u8 = 1;
const ASLEEP: u8 = 2;

const CLOSED: usize = 1;
const POSTER: usize = 2;

/// A rule of the protocol that is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Pops first and clears the signal afterwards, also that of a message that came in between.
    ClearsLate,
    /// Signals before the message can be popped.
    SignalsEarly,
    /// Signals in two steps, between which the loop falls asleep.
    LoadsThenStores,
    /// Signals without passing on the push.
    RelaxedSignal,
    /// Sleeps although the signal is there.
    DozesAnyway,
    /// Wakes up and clears a signal without looking for its message.
    RousesOver,
    /// Empties the queue for the last time while posters are inside.
    SkipsTheGate,
    /// Looks whether the box is closed, and enters when it may be.
    ChecksThenEnters,
    /// Leaves the gate without passing on the push.
    RelaxedGate,
    /// Writes its word and looks at the other's without a fence in between.
    NoFence,
    /// Never says that the run is over.
    NeverLeaves,
}

pub(crate) struct Mutant {
    mistake: Option<Mistake>,
    queue: SegQueue<Message>,
    signal: AtomicU8,
    gate: AtomicUsize,
    attended: AtomicBool,
}

impl Mutant {
    pub(crate) fn new(mistake: Option<Mistake>) -> Mutant {
        Mutant {
            mistake,
            queue: SegQueue::new(),
            signal: AtomicU8::new(IDLE),
            gate: AtomicUsize::new(0),
            attended: AtomicBool::new(false),
        }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn enters(&self) -> bool {
        if self.makes(Mistake::ChecksThenEnters) {
            if self.gate.load(Ordering::Acquire) & CLOSED != 0 {
                return false;
            }
            self.gate.fetch_add(POSTER, Ordering::Acquire);
            return true;
        }
        let closed = self.gate.fetch_add(POSTER, Ordering::Acquire) & CLOSED != 0;
        if closed {
            self.leave();
        }
        !closed
    }

    fn leave(&self) {
        let order = match self.makes(Mistake::RelaxedGate) {
            true => Ordering::Relaxed,
            false => Ordering::Release,
        };
        self.gate.fetch_sub(POSTER, order);
    }

    fn notify(&self) -> u8 {
        if self.makes(Mistake::LoadsThenStores) {
            let before = self.signal.load(Ordering::Acquire);
            self.signal.store(NOTIFIED, Ordering::Release);
            return before;
        }
        self.signal.swap(NOTIFIED, self.signal_order())
    }

    fn signal_order(&self) -> Ordering {
        match self.makes(Mistake::RelaxedSignal) {
            true => Ordering::Relaxed,
            false => Ordering::AcqRel,
        }
    }

    fn is_notified(&self) -> bool {
        self.signal.load(Ordering::Relaxed) == NOTIFIED
    }
}

impl Subject for Mutant {
    fn post(&self, message: Message) -> Option<Posted> {
        if !self.enters() {
            return None;
        }
        let before = if self.makes(Mistake::SignalsEarly) {
            let before = self.notify();
            self.queue.push(message);
            before
        } else {
            self.queue.push(message);
            self.notify()
        };
        self.leave();
        Some(match before {
            IDLE => Posted::First,
            NOTIFIED => Posted::Behind,
            _ => Posted::Asleep,
        })
    }

    fn take(&self, mut deliver: impl FnMut(Message)) {
        if !self.is_notified() {
            return;
        }
        if !self.makes(Mistake::ClearsLate) {
            self.signal.swap(IDLE, self.signal_order());
        }
        for _ in 0..self.queue.len() {
            match self.queue.pop() {
                Some(message) => deliver(message),
                None => break,
            }
        }
        if self.makes(Mistake::ClearsLate) {
            self.signal.swap(IDLE, Ordering::AcqRel);
        }
    }

    fn doze(&self) -> bool {
        if self.makes(Mistake::DozesAnyway) {
            self.signal.swap(ASLEEP, Ordering::AcqRel);
            return true;
        }
        self.signal
            .compare_exchange(IDLE, ASLEEP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn rouse(&self) {
        if self.makes(Mistake::RousesOver) {
            self.signal.swap(IDLE, Ordering::AcqRel);
            return;
        }
        let _ = self
            .signal
            .compare_exchange(ASLEEP, IDLE, Ordering::AcqRel, Ordering::Acquire);
    }

    fn close(&self, mut deliver: impl FnMut(Message)) {
        let mut gate = self.gate.fetch_or(CLOSED, Ordering::AcqRel);
        while gate & !CLOSED != 0 && !self.makes(Mistake::SkipsTheGate) {
            yield_now();
            gate = self.gate.load(Ordering::Acquire);
        }
        while let Some(message) = self.queue.pop() {
            deliver(message);
        }
    }

    fn attend(&self, attended: bool) {
        let attended = attended || self.makes(Mistake::NeverLeaves);
        self.attended.store(attended, Ordering::Release);
    }

    fn is_unattended(&self) -> bool {
        if !self.makes(Mistake::NoFence) {
            fence(Ordering::SeqCst);
        }
        self.is_notified() && !self.attended.load(Ordering::Acquire)
    }
}
