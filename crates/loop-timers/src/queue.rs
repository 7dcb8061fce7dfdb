//! The timer queue: what the parts do together.

use std::fmt;

use crate::key::TimerKey;
use crate::near::{Entry, Near};
use crate::recent::Recent;
use crate::slots::{Place, Slots};
use crate::wheel::{Earliest, Wheel, tick_of};

/// A queue of timers in the order (deadline, age), each holding a value.
///
/// See the [crate documentation](crate) for the terms.
///
/// # Examples
///
/// ```
/// use loop_timers::TimerQueue;
///
/// let mut timers = TimerQueue::new();
/// timers.insert(2_000, "second");
/// timers.insert(1_000, "first");
///
/// let mut fired = Vec::new();
/// while let Some(key) = timers.pop_due(5_000) {
///     fired.extend(timers.remove(key));
/// }
/// assert_eq!(fired, ["first", "second"]);
/// ```
pub struct TimerQueue<T> {
    slots: Slots<T>,
    recent: Recent,
    wheel: Wheel,
    near: Near,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for TimerQueue<T> {
    /// Shows counts: values need not be `Debug`, and there may be very many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerQueue")
            .field("waiting", &self.len())
            .field("due", &(self.slots.len() - self.len()))
            .finish_non_exhaustive()
    }
}

impl<T> TimerQueue<T> {
    /// Makes an empty queue. It allocates nothing until the first [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::<&str>::new();
    /// assert_eq!(timers.next_deadline(), None);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        TimerQueue {
            slots: Slots::default(),
            recent: Recent::default(),
            wheel: Wheel::default(),
            near: Near::default(),
        }
    }

    /// Adds a timer, the youngest, and returns its key.
    ///
    /// The deadline may lie anywhere: in the past, at 0, at `u64::MAX`.
    ///
    /// # Panics
    ///
    /// Panics if the queue would hold 2^32 - 1 timers.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// let key = timers.insert(1_000, "tea");
    /// assert_eq!(timers.deadline(key), Some(1_000));
    /// ```
    #[inline]
    pub fn insert(&mut self, deadline_ns: u64, value: T) -> TimerKey {
        if self.recent.is_full() {
            self.settle_recent();
        }
        let key = self.slots.insert(deadline_ns, value, Place::Recent);
        self.recent.push(key.slot, &mut self.slots);
        key
    }

    /// Takes a timer's value out, whether the timer waits or is due; `None` if the key is stale.
    ///
    /// This is how a timer is cancelled, and also how a due one is run.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// let waiting = timers.insert(1_000, "waiting");
    /// assert_eq!(timers.remove(waiting), Some("waiting"));
    /// assert_eq!(timers.remove(waiting), None);
    ///
    /// timers.insert(1_000, "due");
    /// let due = timers.pop_due(1_000).expect("its deadline is now");
    /// assert_eq!(timers.remove(due), Some("due"));
    /// ```
    #[inline]
    pub fn remove(&mut self, key: TimerKey) -> Option<T> {
        let place = self.slots.get(key)?.place;
        if place == Place::Recent {
            self.recent.remove(key.slot, &mut self.slots);
            return self.slots.remove(key.slot);
        }
        self.remove_settled(key, place)
    }

    /// Makes the first timer whose deadline is not after `now_ns` *due*, and returns its key.
    ///
    /// Its value stays where it is until [`remove`](Self::remove), so that a due timer can still be cancelled before it
    /// runs. `now_ns` may be less than in an earlier call.
    ///
    /// # Ordering
    ///
    /// Timers become due in the order of their deadlines; equal deadlines in the order of their `insert` calls.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// let key = timers.insert(1_000, "tea");
    /// assert_eq!(timers.pop_due(999), None);
    /// assert_eq!(timers.pop_due(1_000), Some(key));
    /// assert_eq!(timers.pop_due(1_000), None); // once
    /// assert!(timers.contains(key)); // until it is removed
    /// ```
    #[inline]
    pub fn pop_due(&mut self, now_ns: u64) -> Option<TimerKey> {
        // A loop asks in every iteration, and mostly in vain: then no slot is touched.
        if self.recent.reaches(now_ns) {
            self.settle_recent();
        }
        let now = tick_of(now_ns);
        if self.near.reaches(now_ns) || self.wheel.reaches(now) {
            self.pop_reached(now_ns)
        } else {
            self.wheel.rest_after(now);
            None
        }
    }

    /// Returns the earliest deadline among the waiting timers: exact, cancelled and due ones do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// let soon = timers.insert(1_000, "soon");
    /// timers.insert(2_000, "later");
    /// assert_eq!(timers.next_deadline(), Some(1_000));
    /// timers.remove(soon);
    /// assert_eq!(timers.next_deadline(), Some(2_000));
    /// ```
    pub fn next_deadline(&mut self) -> Option<u64> {
        self.settle_recent();
        let first = self.first_near().map(|first| first.deadline_ns);
        let last = first.map_or(u64::MAX, tick_of);
        if !self.wheel.reaches(last) {
            return first;
        }
        match self.wheel.earliest(last, &mut self.slots) {
            Earliest::At(deadline_ns) => {
                Some(first.map_or(deadline_ns, |first| first.min(deadline_ns)))
            }
            Earliest::Later => first,
            Earliest::In(tick) => {
                self.wheel.advance(tick, &mut self.slots, &mut self.near);
                self.first_near().map(|first| first.deadline_ns)
            }
        }
    }

    /// Returns the deadline of a timer, waiting or due; `None` if the key is stale.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// let key = timers.insert(u64::MAX, "never");
    /// assert_eq!(timers.deadline(key), Some(u64::MAX));
    /// timers.remove(key);
    /// assert_eq!(timers.deadline(key), None);
    /// ```
    #[must_use]
    pub fn deadline(&self, key: TimerKey) -> Option<u64> {
        self.slots.get(key).map(|slot| slot.deadline_ns)
    }

    /// Returns whether the key names a timer, waiting or due, whose value has not been taken out.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// let key = timers.insert(1_000, "tea");
    /// assert!(timers.contains(key));
    /// timers.remove(key);
    /// assert!(!timers.contains(key));
    /// ```
    #[must_use]
    pub fn contains(&self, key: TimerKey) -> bool {
        self.slots.get(key).is_some()
    }

    /// Returns the number of waiting timers. Due ones, whose values are still here, do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// timers.insert(1_000, "tea");
    /// timers.insert(2_000, "eggs");
    /// assert_eq!(timers.len(), 2);
    /// timers.pop_due(1_000);
    /// assert_eq!(timers.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.recent.len() + self.wheel.len() + self.near.len()
    }

    /// Returns whether no timer waits. Due ones, whose values are still here, do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// assert!(timers.is_empty());
    /// timers.insert(1_000, "tea");
    /// assert!(!timers.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all values out, of waiting and due timers, in the order (deadline, age). All keys are stale then.
    ///
    /// The queue is empty as soon as this returns; values that the iterator has not given out are dropped with it.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// timers.insert(2_000, "waiting");
    /// timers.insert(1_000, "due");
    /// timers.pop_due(1_000);
    /// assert!(timers.drain().eq(["due", "waiting"]));
    /// assert!(timers.is_empty());
    /// ```
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        self.recent.clear();
        self.wheel.clear();
        self.near.clear();
        self.slots.take_all().into_iter()
    }

    /// Returns how many timers fit before the queue asks the allocator for memory to hold their values.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// timers.insert(1_000, "tea");
    /// assert!(timers.capacity() >= 1);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Gives back what memory it can.
    ///
    /// Timers stay where they are, since keys name places: memory before a timer that is still here is kept. It is seldom
    /// needed: a queue from which the last timer has gone does it by itself if it was large.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut timers = loop_timers::TimerQueue::new();
    /// let keys: Vec<_> = (0..100).map(|at_ns| timers.insert(at_ns, "tick")).collect();
    /// for &key in &keys[1..] {
    ///     timers.remove(key);
    /// }
    /// timers.shrink_to_fit();
    /// assert!(timers.capacity() < 100);
    /// assert!(timers.contains(keys[0]));
    /// ```
    pub fn shrink_to_fit(&mut self) {
        self.recent.shrink_to_fit();
        let slots = &self.slots;
        self.near.shrink_to_fit(|key| slots.get(key).is_some());
        if self.wheel.len() == 0 {
            self.wheel.clear();
        }
        self.slots.shrink_to_fit();
    }

    /// Puts the recent timers where their order is kept.
    fn settle_recent(&mut self) {
        for slot in self.recent.drain() {
            let deadline_ns = self.slots.at(slot).deadline_ns;
            if self.near.is_small() || !self.wheel.takes(deadline_ns) {
                self.near.push(self.slots.bring_near(slot));
            } else {
                self.slots.at_mut(slot).place = Place::Wheel;
                self.wheel.push(slot, &mut self.slots);
            }
        }
    }

    /// As [`remove`](Self::remove), for a timer that is in this place and not recent.
    fn remove_settled(&mut self, key: TimerKey, place: Place) -> Option<T> {
        if place == Place::Wheel {
            self.wheel.remove(key.slot, &mut self.slots);
        }
        let value = self.slots.remove(key.slot);
        if place == Place::Near {
            let slots = &self.slots;
            self.near.cancelled(|key| slots.get(key).is_some());
        }
        value
    }

    /// Makes the first timer due, if it is: there may be one.
    fn pop_reached(&mut self, now_ns: u64) -> Option<TimerKey> {
        let now = tick_of(now_ns);
        let mut first = self.first_near();
        let last = first.map_or(now, |first| now.min(tick_of(first.deadline_ns)));
        if self.wheel.reaches(last) {
            self.wheel.advance(last, &mut self.slots, &mut self.near);
            first = self.first_near();
        }
        self.wheel.rest_after(now);
        let first = first.filter(|first| first.deadline_ns <= now_ns)?;
        self.near.pop(first);
        self.slots.at_mut(first.key.slot).place = Place::Due;
        Some(first.key)
    }

    /// The first live entry among the near timers.
    fn first_near(&mut self) -> Option<Entry> {
        let slots = &self.slots;
        self.near.first(|key| slots.get(key).is_some())
    }
}

#[cfg(test)]
mod memory;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn few_timers_are_near_and_of_many_most_are_not() {
        let mut timers = TimerQueue::new();
        (0..50).for_each(|n| _ = timers.insert(HOUR + n, n));
        timers.settle_recent();
        assert_eq!((timers.near.len(), timers.wheel.len()), (50, 0));
        (0..950).for_each(|n| _ = timers.insert(HOUR + n, n));
        timers.settle_recent();
        assert!(timers.wheel.len() > 900);
    }

    #[test]
    fn timers_that_were_just_made_have_no_order_until_somebody_asks() {
        let mut timers = TimerQueue::new();
        let keys: Vec<_> = (0..300).map(|n| timers.insert(HOUR - n, n)).collect();
        assert_eq!(timers.recent.len(), 300 - 256);
        for n in [299, 298, 260, 0] {
            assert_eq!(timers.remove(keys[n as usize]), Some(n));
        }
        assert_eq!((timers.recent.len(), timers.len()), (41, 296));
        assert_eq!(timers.pop_due(HOUR - 300), None);
        assert_eq!(timers.recent.len(), 41, "none of them can be due");
        assert_eq!(timers.next_deadline(), Some(HOUR - 297));
        assert_eq!((timers.recent.len(), timers.len()), (0, 296));
    }

    #[test]
    fn a_clock_that_leapt_and_went_back_spoils_nothing() {
        let mut timers = TimerQueue::new();
        for now_ns in [u64::MAX, HOUR] {
            assert_eq!(timers.pop_due(now_ns), None);
        }
        (0..1_000).for_each(|n| _ = timers.insert(2 * HOUR + n, n));
        timers.settle_recent();
        assert!(timers.wheel.len() > 900);
    }
}
