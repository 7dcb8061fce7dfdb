//! The near timers, in exact order; cancelled ones stay among them for a while.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::key::TimerKey;

/// This many cancelled timers may stay, beside one for each waiting timer.
const SLACK: usize = 64;

/// A heap of fewer timers beats a wheel.
const SMALL: usize = 64;

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

/// The near timers. Its caller tells the live ones from the cancelled.
#[derive(Debug, Default)]
pub(crate) struct Near {
    /// What came together, from one tick of the wheel: sorted, the first last.
    run: Vec<Entry>,
    /// What came one by one.
    heap: BinaryHeap<Reverse<Entry>>,
    live: usize,
}

impl Near {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Whether the heap is so small that no other structure is faster.
    #[inline]
    pub(crate) fn is_small(&self) -> bool {
        self.heap.len() < SMALL
    }

    #[inline]
    pub(crate) fn push(&mut self, entry: Entry) {
        self.heap.push(Reverse(entry));
        self.live += 1;
    }

    /// Adds those of one tick of the wheel.
    pub(crate) fn extend(&mut self, entries: impl Iterator<Item = Entry>) {
        let before = self.run.len();
        self.run.extend(entries);
        self.run.sort_unstable_by_key(|&entry| Reverse(entry));
        self.live += self.run.len() - before;
        self.limit_memory();
    }

    /// Whether a deadline has come, be it that of a cancelled timer.
    #[inline]
    pub(crate) fn reaches(&self, now_ns: u64) -> bool {
        let run = self.run.last().is_some_and(|run| run.deadline_ns <= now_ns);
        run || self
            .heap
            .peek()
            .is_some_and(|Reverse(heap)| heap.deadline_ns <= now_ns)
    }

    /// The first live entry.
    #[inline]
    pub(crate) fn first(&mut self, is_live: impl Fn(TimerKey) -> bool) -> Option<Entry> {
        loop {
            let first = match (self.run.last(), self.heap.peek()) {
                (Some(run), Some(Reverse(heap))) => run.min(heap),
                (Some(run), None) => run,
                (None, heap) => &heap?.0,
            };
            let first = *first;
            if is_live(first.key) {
                return Some(first);
            }
            self.drop_first(first);
        }
    }

    /// Removes the entry that [`first`](Self::first) has just returned.
    #[inline]
    pub(crate) fn pop(&mut self, first: Entry) {
        self.drop_first(first);
        self.live -= 1;
        if self.live == 0 {
            self.clear();
        } else if self.heap.capacity() > 2 * self.room() {
            self.limit_memory();
        }
    }

    /// Notes that a listed timer was cancelled, and drops cancelled ones before they outnumber the live.
    pub(crate) fn cancelled(&mut self, is_live: impl Fn(TimerKey) -> bool) {
        self.live -= 1;
        if self.live == 0 {
            self.clear();
        } else if self.run.len() + self.heap.len() > self.room() {
            self.run.retain(|entry| is_live(entry.key));
            self.heap.retain(|Reverse(entry)| is_live(entry.key));
            self.limit_memory();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.live = 0;
        self.run.clear();
        self.heap.clear();
        self.limit_memory();
    }

    pub(crate) fn shrink_to_fit(&mut self, is_live: impl Fn(TimerKey) -> bool) {
        self.run.retain(|entry| is_live(entry.key));
        self.heap.retain(|Reverse(entry)| is_live(entry.key));
        self.run.shrink_to_fit();
        self.heap.shrink_to_fit();
    }

    #[inline]
    fn drop_first(&mut self, first: Entry) {
        if self.run.last() == Some(&first) {
            self.run.pop();
        } else {
            self.heap.pop();
        }
    }

    /// How many entries there may be, live and cancelled.
    fn room(&self) -> usize {
        2 * self.live + SLACK
    }

    #[cold]
    fn shrink_to(&mut self, room: usize) {
        self.run.shrink_to(room);
        self.heap.shrink_to(room);
    }

    /// Gives memory back of which more than half is not needed for a while.
    fn limit_memory(&mut self) {
        let room = self.room();
        if self.run.capacity().max(self.heap.capacity()) > 2 * room {
            self.shrink_to(room);
        }
    }

    /// How many entries there is room for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.run.capacity() + self.heap.capacity()
    }
}
