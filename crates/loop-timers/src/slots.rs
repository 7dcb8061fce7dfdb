//! Where timers live: a slab whose keys have generations.
//!
//! The `slab` crate reuses an index at once and cannot tell the old key from the new one. A generation has to outlive the
//! timer that had it, so it belongs into the vacant entry, which that crate keeps to itself: hence a free list here.

use std::num::NonZeroU32;

use crate::key::TimerKey;
use crate::near::Entry;

/// No slot: the end of a list. [`Slots::insert`] stops before it.
pub(crate) const NONE: u32 = u32::MAX;

/// A slab of no more slots than this keeps its memory.
const KEPT: usize = 1024;

/// What a slot holds, and in which structure it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// No timer. On the free list.
    Vacant,
    /// No timer, never again: the generations are used up.
    Retired,
    /// A waiting timer that is not in any order yet.
    Recent,
    /// A waiting timer, in the wheel: on the list of its bucket.
    Wheel,
    /// A waiting timer, among the near ones, which have an entry for it.
    Near,
    /// A timer popped as due. In no list.
    Due,
}

/// A timer, or the memory that one has left.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub(crate) deadline_ns: u64,
    /// The number of the `insert` call: the order among equal deadlines.
    pub(crate) age: u64,
    /// The neighbours in the list, if it is in one. The free list needs no `previous`; a recent timer's `next` is its
    /// place among those.
    pub(crate) next: u32,
    pub(crate) previous: u32,
    /// That of the timer that is here, or else of the next one.
    generation: NonZeroU32,
    pub(crate) place: Place,
    /// `None` exactly if the place is `Vacant` or `Retired`.
    value: Option<T>,
}

/// The slab of timers, by slot and generation.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    first_free: u32,
    occupied: usize,
    /// With fewer timers than this, see whether memory can be given back.
    shrink_below: usize,
    next_age: u64,
    /// The generation of slots yet to be made: that of no key of a slot whose memory was given back.
    first_generation: NonZeroU32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots {
            slots: Vec::new(),
            first_free: NONE,
            occupied: 0,
            shrink_below: 0,
            next_age: 0,
            first_generation: NonZeroU32::MIN,
        }
    }
}

impl<T> Slots<T> {
    /// Stores a timer as the youngest. The caller lists it in the place that it says.
    #[inline]
    pub(crate) fn insert(&mut self, deadline_ns: u64, value: T, place: Place) -> TimerKey {
        if self.first_free == NONE {
            self.grow();
        }
        let age = self.next_age;
        self.next_age += 1;
        self.occupied += 1;
        let index = self.first_free;
        let slot = &mut self.slots[index as usize];
        self.first_free = slot.next;
        slot.deadline_ns = deadline_ns;
        slot.age = age;
        slot.place = place;
        slot.value = Some(value);
        TimerKey {
            slot: index,
            generation: slot.generation,
        }
    }

    /// Takes a timer out. The caller has taken it off its list.
    #[inline]
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let slot = &mut self.slots[index as usize];
        let value = slot.value.take()?;
        match slot.generation.checked_add(1) {
            Some(generation) => {
                slot.generation = generation;
                slot.place = Place::Vacant;
                slot.next = self.first_free;
                self.first_free = index;
            }
            None => slot.place = Place::Retired,
        }
        self.occupied -= 1;
        if self.occupied < self.shrink_below {
            self.shrink();
        }
        Some(value)
    }

    /// The slot of a timer, unless the key is stale.
    #[inline]
    pub(crate) fn get(&self, key: TimerKey) -> Option<&Slot<T>> {
        let slot = self.slots.get(key.slot as usize)?;
        // Of the slots without a timer, a retired one alone may have the generation of a key.
        (slot.generation == key.generation && slot.value.is_some()).then_some(slot)
    }

    #[inline]
    pub(crate) fn at(&self, index: u32) -> &Slot<T> {
        &self.slots[index as usize]
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, index: u32) -> &mut Slot<T> {
        &mut self.slots[index as usize]
    }

    /// Marks a timer as near: its entry there.
    pub(crate) fn bring_near(&mut self, index: u32) -> Entry {
        let slot = self.at_mut(index);
        slot.place = Place::Near;
        let key = TimerKey {
            slot: index,
            generation: slot.generation,
        };
        Entry {
            deadline_ns: slot.deadline_ns,
            age: slot.age,
            key,
        }
    }

    /// Takes all timers out, in the order (deadline, age).
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        let mut ranks = Vec::with_capacity(self.occupied);
        for (index, slot) in (0..).zip(&self.slots) {
            if slot.value.is_some() {
                ranks.push((slot.deadline_ns, slot.age, index));
            }
        }
        ranks.sort_unstable();
        let values = ranks.iter().filter_map(|&(_, _, index)| self.remove(index));
        let values = values.collect();
        self.shrink_to_fit();
        values
    }

    /// How many timers there are.
    pub(crate) fn len(&self) -> usize {
        self.occupied
    }

    /// How many timers there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Gives the memory behind the last timer back.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.truncate(self.used());
        self.slots.shrink_to_fit();
    }

    /// Makes a vacant slot.
    #[cold]
    fn grow(&mut self) {
        let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
        assert!(index < NONE, "a timer queue has room for 2^32 - 1 timers");
        self.slots.push(Slot {
            deadline_ns: 0,
            age: 0,
            next: NONE,
            previous: NONE,
            generation: self.first_generation,
            place: Place::Vacant,
            value: None,
        });
        self.first_free = index;
        if self.slots.len() > KEPT {
            self.shrink_below = self.slots.len() / 4;
        }
    }

    /// Gives memory back, if that halves it. Otherwise it takes half as many timers to look again, so that removing many
    /// does not search the slab for each.
    #[cold]
    fn shrink(&mut self) {
        let used = self.used();
        if used > self.slots.len() / 2 {
            self.shrink_below = (self.occupied / 2).max(1);
            return;
        }
        self.truncate(used);
        self.slots.shrink_to(2 * used);
    }

    /// How many slots there are up to the last that has to stay.
    fn used(&self) -> usize {
        // An old generation is kept: new slots start above those given back, and must have most of their lives before them.
        let stays = |slot: &Slot<T>| slot.value.is_some() || slot.generation.get() > u32::MAX / 2;
        self.slots
            .iter()
            .rposition(stays)
            .map_or(0, |last| last + 1)
    }

    /// Keeps the first slots only. Those behind them are vacant.
    fn truncate(&mut self, used: usize) {
        let generations = self.slots[used..].iter().map(|slot| slot.generation);
        self.first_generation = generations.fold(self.first_generation, NonZeroU32::max);
        self.slots.truncate(used);
        self.shrink_below = if used > KEPT {
            (self.occupied / 2).max(1)
        } else {
            0
        };
        self.first_free = NONE;
        for (index, slot) in self.slots.iter_mut().enumerate().rev() {
            if slot.place == Place::Vacant {
                slot.next = self.first_free;
                self.first_free = index as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slots: &mut Slots<&'static str>, value: &'static str) -> TimerKey {
        slots.insert(0, value, Place::Due)
    }

    fn remove(slots: &mut Slots<&'static str>, key: TimerKey) -> Option<&'static str> {
        slots.get(key)?;
        slots.remove(key.slot)
    }

    #[test]
    fn a_slot_is_retired_after_its_last_generation() {
        let mut slots = Slots::default();
        let first = key(&mut slots, "first");
        remove(&mut slots, first);
        slots.slots[0].generation = NonZeroU32::MAX;

        let last = key(&mut slots, "last");
        assert_eq!((last.slot, last.generation), (0, NonZeroU32::MAX));
        assert_eq!(remove(&mut slots, last), Some("last"));
        assert_eq!(remove(&mut slots, last), None);
        assert_eq!(key(&mut slots, "next").slot, 1);

        // Nor does giving memory back bring it back to life.
        assert_eq!(slots.take_all(), ["next"]);
        assert_eq!(key(&mut slots, "after").slot, 1);
        assert!(slots.get(first).is_none() && slots.get(last).is_none());
    }

    #[test]
    fn keys_of_memory_given_back_stay_stale() {
        let mut slots = Slots::default();
        let mut stale = Vec::new();
        for _ in 0..3 {
            let keys: Vec<_> = (0..2 * KEPT).map(|_| key(&mut slots, "old")).collect();
            assert!(keys.iter().all(|&key| remove(&mut slots, key).is_some()));
            assert!(slots.capacity() <= KEPT);
            stale.extend(keys);
        }
        let live: Vec<_> = (0..2 * KEPT).map(|_| key(&mut slots, "new")).collect();
        assert!(stale.iter().all(|&key| slots.get(key).is_none()));
        assert!(live.iter().all(|&key| slots.get(key).is_some()));
    }

    #[test]
    fn memory_behind_the_last_timer_is_given_back() {
        let mut slots = Slots::default();
        let keys: Vec<_> = (0..100).map(|_| key(&mut slots, "tick")).collect();
        for index in (0..100).filter(|index| *index != 9) {
            remove(&mut slots, keys[index]);
        }
        slots.shrink_to_fit();
        assert_eq!(slots.capacity(), 10);
        let again: Vec<_> = (0..12).map(|_| key(&mut slots, "tock").slot).collect();
        assert_eq!(again, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12]);
        assert_eq!(slots.take_all().len(), 13);
    }

    #[test]
    fn a_burst_leaves_no_memory_behind_older_timers() {
        let mut slots = Slots::default();
        let old: Vec<_> = (0..10).map(|_| key(&mut slots, "old")).collect();
        let burst: Vec<_> = (0..100_000).map(|_| key(&mut slots, "burst")).collect();
        burst
            .iter()
            .for_each(|&key| assert!(remove(&mut slots, key).is_some()));
        assert!(slots.capacity() <= 2 * KEPT);
        assert!(old.iter().all(|&key| slots.get(key).is_some()));
        assert!(burst.iter().all(|&key| slots.get(key).is_none()));
    }
}
