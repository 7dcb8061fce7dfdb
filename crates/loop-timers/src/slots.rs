//! Where timers live: a slab whose keys have generations.
//!
//! The `slab` crate reuses an index at once and cannot tell the old key from the new one. Generations have to outlive the
//! timer that had them, so they belong into the vacant entry, which that crate keeps to itself: hence a free list here.

use std::num::NonZeroU32;

use crate::key::TimerKey;

const FIRST_GENERATION: NonZeroU32 = NonZeroU32::MIN;

/// The end of the free list. Never a slot: [`Slots::insert`] stops before it.
const NONE: u32 = u32::MAX;

/// With fewer slots than this, memory is kept when the last timer leaves.
const KEEP: usize = 1024;

/// In which structure a slot is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the free list, before `next`.
    Vacant { next: u32 },
    /// Never used again: its generations are used up.
    Retired,
    /// Waiting, in the near heap.
    Near,
    /// Popped as due; in no list.
    Due,
}

/// A timer, or the memory that one has left.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub(crate) deadline_ns: u64,
    /// The number of the `insert` call: the order among equal deadlines.
    pub(crate) age: u64,
    pub(crate) place: Place,
    generation: NonZeroU32,
    /// `None` exactly if the slot is vacant or retired.
    value: Option<T>,
}

/// The slab of timers, by slot and generation.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    occupied: usize,
    next_age: u64,
    /// The generation of slots yet to be made: above those of all slots that were given back to the allocator.
    first_generation: NonZeroU32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots {
            slots: Vec::new(),
            free: NONE,
            occupied: 0,
            next_age: 0,
            first_generation: FIRST_GENERATION,
        }
    }
}

impl<T> Slots<T> {
    /// Stores a timer as the youngest: its key and its age.
    pub(crate) fn insert(&mut self, deadline_ns: u64, value: T, place: Place) -> (TimerKey, u64) {
        let age = self.next_age;
        self.next_age += 1;
        self.occupied += 1;
        if let Some(slot) = self.slots.get_mut(self.free as usize) {
            let index = self.free;
            let Place::Vacant { next } = slot.place else {
                unreachable!("the free list holds vacant slots")
            };
            self.free = next;
            slot.deadline_ns = deadline_ns;
            slot.age = age;
            slot.place = place;
            slot.value = Some(value);
            return (
                TimerKey {
                    slot: index,
                    generation: slot.generation,
                },
                age,
            );
        }
        let index = u32::try_from(self.slots.len())
            .ok()
            .filter(|&index| index != NONE);
        let index = index.expect("a timer queue holds fewer than 2^32 - 1 timers");
        let generation = self.first_generation;
        self.slots.push(Slot {
            deadline_ns,
            age,
            place,
            generation,
            value: Some(value),
        });
        (
            TimerKey {
                slot: index,
                generation,
            },
            age,
        )
    }

    /// Takes a timer out: its value, its deadline, and where it was listed.
    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<(T, u64, Place)> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        let (deadline_ns, place) = (slot.deadline_ns, slot.place);
        match slot.generation.checked_add(1) {
            Some(generation) => {
                slot.generation = generation;
                slot.place = Place::Vacant { next: self.free };
                self.free = key.slot;
            }
            None => slot.place = Place::Retired,
        }
        self.occupied -= 1;
        if self.occupied == 0 && self.slots.len() > KEEP {
            self.shrink_to_fit();
        }
        Some((value, deadline_ns, place))
    }

    pub(crate) fn get(&self, key: TimerKey) -> Option<&Slot<T>> {
        self.slots
            .get(key.slot as usize)
            .filter(|slot| slot.generation == key.generation && slot.value.is_some())
    }

    pub(crate) fn get_mut(&mut self, key: TimerKey) -> Option<&mut Slot<T>> {
        self.slots
            .get_mut(key.slot as usize)
            .filter(|slot| slot.generation == key.generation && slot.value.is_some())
    }

    /// Takes all timers out, in the order (deadline, age).
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        let slots = 0..self.slots.len();
        let mut all = Vec::with_capacity(self.occupied);
        for (index, slot) in slots.zip(&self.slots) {
            if slot.value.is_some() {
                let key = TimerKey {
                    slot: index as u32,
                    generation: slot.generation,
                };
                all.push((slot.deadline_ns, slot.age, key));
            }
        }
        all.sort_unstable_by_key(|&(deadline_ns, age, _)| (deadline_ns, age));
        let values = all
            .into_iter()
            .filter_map(|(_, _, key)| self.remove(key))
            .map(|(value, ..)| value)
            .collect();
        self.shrink_to_fit();
        values
    }

    /// How many timers there are room for without asking the allocator.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Gives the vacant slots behind the last occupied one back to the allocator.
    pub(crate) fn shrink_to_fit(&mut self) {
        let in_use = self
            .slots
            .iter()
            .rposition(|slot| slot.value.is_some() || Self::keeps_its_memory(slot));
        let len = in_use.map_or(0, |last| last + 1);
        let highest = self.slots[len..].iter().map(|slot| slot.generation).max();
        // Keys of the slots that go have generations below theirs: new slots at their indices start no lower.
        self.first_generation = highest.map_or(self.first_generation, |highest| {
            highest.max(self.first_generation)
        });
        self.slots.truncate(len);
        self.slots.shrink_to_fit();
        self.free = NONE;
        for (index, slot) in (0..).zip(&mut self.slots) {
            if matches!(slot.place, Place::Vacant { .. }) {
                slot.place = Place::Vacant { next: self.free };
                self.free = index;
            }
        }
    }

    /// Whether a vacant slot is too old to be forgotten: `first_generation` must leave new slots a life of their own.
    fn keeps_its_memory(slot: &Slot<T>) -> bool {
        slot.generation.get() > u32::MAX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slots: &mut Slots<&'static str>, value: &'static str) -> TimerKey {
        slots.insert(0, value, Place::Near).0
    }

    #[test]
    fn a_slot_is_retired_after_its_last_generation() {
        let mut slots = Slots::default();
        let first = key(&mut slots, "first");
        slots.remove(first);
        slots.slots[0].generation = NonZeroU32::MAX;

        let last = key(&mut slots, "last");
        assert_eq!(
            last,
            TimerKey {
                slot: 0,
                generation: NonZeroU32::MAX
            }
        );
        assert!(slots.remove(last).is_some());
        assert!(slots.get(last).is_none() && slots.remove(last).is_none());
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
            let keys: Vec<_> = (0..2 * KEEP).map(|_| key(&mut slots, "old")).collect();
            assert!(keys.iter().all(|&key| slots.remove(key).is_some()));
            assert_eq!(slots.capacity(), 0);
            stale.extend(keys);
        }
        let live: Vec<_> = (0..2 * KEEP).map(|_| key(&mut slots, "new")).collect();
        assert!(stale.iter().all(|&key| slots.get(key).is_none()));
        assert!(live.iter().all(|&key| slots.get(key).is_some()));
    }

    #[test]
    fn memory_behind_the_last_timer_is_given_back() {
        let mut slots = Slots::default();
        let keys: Vec<_> = (0..100).map(|_| key(&mut slots, "tick")).collect();
        for index in (0..100).filter(|index| *index != 9) {
            slots.remove(keys[index]);
        }
        slots.shrink_to_fit();
        assert_eq!(slots.capacity(), 10);
        let again: Vec<_> = (0..20).map(|_| key(&mut slots, "tock").slot).collect();
        assert_eq!(
            again,
            [
                8, 7, 6, 5, 4, 3, 2, 1, 0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
            ]
        );
        assert_eq!(slots.take_all().len(), 21);
    }
}
