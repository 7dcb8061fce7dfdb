//! The exact order of timers: a heap in which cancelled ones stay for a while.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::key::TimerKey;

/// This many cancelled timers may stay beside one for each waiting timer.
const SLACK: usize = 64;

/// A timer's place in the order: compared by deadline, then age (which no two timers share).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) deadline_ns: u64,
    pub(crate) age: u64,
    pub(crate) key: TimerKey,
}

impl Entry {
    fn rank(&self) -> (u64, u64) {
        (self.deadline_ns, self.age)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// The heap. Its caller tells dead entries from live ones.
#[derive(Debug, Default)]
pub(crate) struct Near {
    heap: BinaryHeap<Reverse<Entry>>,
    live: usize,
}

impl Near {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.heap.push(Reverse(entry));
        self.live += 1;
    }

    /// The first live entry.
    pub(crate) fn peek(&mut self, is_live: impl Fn(TimerKey) -> bool) -> Option<Entry> {
        while let Some(&Reverse(entry)) = self.heap.peek() {
            if is_live(entry.key) {
                return Some(entry);
            }
            self.heap.pop();
        }
        None
    }

    /// Removes the entry that [`peek`](Self::peek) has just shown.
    pub(crate) fn pop(&mut self) {
        if self.heap.pop().is_some() {
            self.live -= 1;
        }
    }

    /// Notes that a listed timer was cancelled, and drops dead entries before they outnumber the live ones.
    pub(crate) fn cancelled(&mut self, is_live: impl Fn(TimerKey) -> bool) {
        self.live -= 1;
        if self.heap.len() > 2 * self.live + SLACK {
            self.heap.retain(|Reverse(entry)| is_live(entry.key));
            self.heap.shrink_to(2 * self.live + SLACK);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn shrink_to_fit(&mut self, is_live: impl Fn(TimerKey) -> bool) {
        self.heap.retain(|Reverse(entry)| is_live(entry.key));
        self.heap.shrink_to_fit();
    }

    /// How many entries there is room for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.heap.capacity()
    }
}
