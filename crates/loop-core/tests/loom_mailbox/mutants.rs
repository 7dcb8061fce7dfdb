//! The mailbox once more, as short as it gets, with at most one mistake in it.

use super::{Message, Posted, Subject};
use crate::sync::{AtomicBool, AtomicU8, Mutex, Ordering, fence};

const IDLE: u8 = 0;
const NOTIFIED: u8 = 1;
const ASLEEP: u8 = 2;

/// A rule of the protocol that is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Clears the signal when the lock is open again, also that of a message that came in between.
    ClearsLate,
    /// Clears the signal although messages stay.
    LeavesSome,
    /// Signals before the message lies there, and without the lock.
    SignalsEarly,
    /// Signals in two steps, between which the loop falls asleep.
    LoadsThenStores,
    /// Leaves the signal to others also where the box was empty.
    NeverFirst,
    /// Sleeps although the signal is there.
    DozesAnyway,
    /// Wakes up and clears a signal without looking for its message.
    RousesOver,
    /// Empties the box for the last time, and then says that it is closed.
    ClosesLate,
    /// Looks whether the box is closed, and enters when it may be.
    ChecksThenEnters,
    /// Writes its word and looks at the other's without a fence in between.
    NoFence,
    /// Never says that the run is over.
    NeverLeaves,
}

pub(crate) struct Mutant {
    mistake: Option<Mistake>,
    messages: Mutex<Vec<Message>>,
    signal: AtomicU8,
    closed: AtomicBool,
    attended: AtomicBool,
}

impl Mutant {
    pub(crate) fn new(mistake: Option<Mistake>) -> Mutant {
        Mutant {
            mistake,
            messages: Mutex::new(Vec::new()),
            signal: AtomicU8::new(IDLE),
            closed: AtomicBool::new(false),
            attended: AtomicBool::new(false),
        }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn notify(&self) -> u8 {
        if self.makes(Mistake::LoadsThenStores) {
            let before = self.signal.load(Ordering::Acquire);
            self.signal.store(NOTIFIED, Ordering::Release);
            return before;
        }
        self.signal.swap(NOTIFIED, Ordering::Relaxed)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn is_notified(&self) -> bool {
        self.signal.load(Ordering::Relaxed) == NOTIFIED
    }
}

impl Subject for Mutant {
    fn post(&self, message: Message) -> Option<Posted> {
        let checked = self.makes(Mistake::ChecksThenEnters);
        if checked && self.is_closed() {
            return None;
        }
        let mut before = NOTIFIED;
        if self.makes(Mistake::SignalsEarly) {
            before = self.notify();
        }
        let mut messages = self.messages.lock().unwrap();
        if !checked && self.is_closed() {
            return None;
        }
        let is_first = messages.is_empty() && !self.makes(Mistake::NeverFirst);
        messages.push(message);
        if is_first && !self.makes(Mistake::SignalsEarly) {
            before = self.notify();
        }
        Some(match before {
            IDLE => Posted::First,
            NOTIFIED => Posted::Behind,
            _ => Posted::Asleep,
        })
    }

    fn take(&self, deliver: impl FnMut(Message)) {
        if !self.is_notified() {
            return;
        }
        let mut messages = self.messages.lock().unwrap();
        let end = match self.makes(Mistake::LeavesSome) {
            true => messages.len().min(1),
            false => messages.len(),
        };
        let batch: Vec<Message> = messages.drain(..end).collect();
        if self.makes(Mistake::ClearsLate) {
            drop(messages);
            self.signal.store(IDLE, Ordering::Relaxed);
        } else {
            self.signal.store(IDLE, Ordering::Relaxed);
            drop(messages);
        }
        batch.into_iter().for_each(deliver);
    }

    fn doze(&self) -> bool {
        if self.makes(Mistake::DozesAnyway) {
            self.signal.swap(ASLEEP, Ordering::Relaxed);
            return true;
        }
        self.signal
            .compare_exchange(IDLE, ASLEEP, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    fn rouse(&self) {
        if self.makes(Mistake::RousesOver) {
            self.signal.swap(IDLE, Ordering::Relaxed);
            return;
        }
        let _ = self
            .signal
            .compare_exchange(ASLEEP, IDLE, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn close(&self, deliver: impl FnMut(Message)) {
        let mut messages = self.messages.lock().unwrap();
        let last = std::mem::take(&mut *messages);
        if self.makes(Mistake::ClosesLate) {
            drop(messages);
            self.closed.store(true, Ordering::Release);
        } else {
            self.closed.store(true, Ordering::Release);
            drop(messages);
        }
        last.into_iter().for_each(deliver);
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
