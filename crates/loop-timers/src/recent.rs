//! The recent timers: made since the queue last had to know an order, and in none.
//!
//! A timeout is mostly cancelled before the loop waits again, many within the callback that made them. As long as nothing
//! depends on which of them is the first, a timer is a number in a short list, and cancelling it takes that out.

use crate::slots::Slots;

/// No more than these have no order: what is kept for longer goes where the order is kept.
const MOST: usize = 256;

/// The recent timers.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Their slots. The place in here is the `next` of the slot.
    list: Vec<u32>,
    /// No deadline of theirs is earlier.
    bound_ns: u64,
}

impl Recent {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST
    }

    /// Whether one of them may be reached.
    #[inline]
    pub(crate) fn reaches(&self, now_ns: u64) -> bool {
        self.bound_ns <= now_ns && !self.list.is_empty()
    }

    #[inline]
    pub(crate) fn push<T>(&mut self, slot: u32, slots: &mut Slots<T>) {
        let listed = slots.at_mut(slot);
        listed.next = self.list.len() as u32;
        let deadline_ns = listed.deadline_ns;
        if self.list.is_empty() || deadline_ns < self.bound_ns {
            self.bound_ns = deadline_ns;
        }
        self.list.push(slot);
    }

    /// Takes a timer out.
    #[inline]
    pub(crate) fn remove<T>(&mut self, slot: u32, slots: &mut Slots<T>) {
        let place = slots.at(slot).next;
        self.list.swap_remove(place as usize);
        if let Some(&moved) = self.list.get(place as usize) {
            slots.at_mut(moved).next = place;
        }
    }

    /// Takes all out, about in the order in which they were made: where they go, that saves work.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = u32> {
        self.list.drain(..)
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn shrink_to_fit(&mut self) {
        self.list.shrink_to_fit();
    }

    /// How many timers there is room for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.list.capacity()
    }
}
