//! The state bits of a future.

use std::ops::BitOr;

/// What has happened to a future.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State(u8);

impl State {
    /// It has an outcome. Never cleared.
    pub(crate) const SETTLED: State = State(1);
    /// The outcome is that it was cancelled. Only with `SETTLED`; a gather never has it.
    pub(crate) const CANCELLED: State = State(1 << 1);
    /// The outcome is a panic, or an output that its maker called an error. Only with `SETTLED`, never with
    /// `CANCELLED`.
    pub(crate) const FAILED: State = State(1 << 2);
    /// Somebody has seen the outcome, or said that nobody needs to.
    pub(crate) const RETRIEVED: State = State(1 << 3);
    /// Its loop was closed before it was settled: it never will be. Never with `SETTLED`.
    pub(crate) const LOST: State = State(1 << 4);
    /// Whoever goes through many futures has seen this one: set and cleared within one function.
    pub(crate) const MARKED: State = State(1 << 5);
    /// Its outcome is its own, which nobody may set: a task, a gather. Never changes.
    pub(crate) const OWN_OUTCOME: State = State(1 << 6);

    /// There is nothing to wait for.
    pub(crate) const OVER: State = State(State::SETTLED.0 | State::LOST.0);
    /// No outcome is taken from outside.
    pub(crate) const CLOSED: State = State(State::OVER.0 | State::OWN_OUTCOME.0);

    #[inline]
    pub(crate) fn has(self, bits: State) -> bool {
        self.0 & bits.0 != 0
    }

    #[inline]
    pub(crate) fn without(self, bits: State) -> State {
        State(self.0 & !bits.0)
    }

    pub(crate) fn is_unretrieved_failure(self) -> bool {
        self.has(State::FAILED) && !self.has(State::RETRIEVED)
    }
}

impl BitOr for State {
    type Output = State;

    #[inline]
    fn bitor(self, other: State) -> State {
        State(self.0 | other.0)
    }
}
