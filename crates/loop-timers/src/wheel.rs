//! The far timers: buckets of unordered timers, coarser the further away.
//!
//! Time is cut into *ticks* of 2^16 ns. A timer's bucket follows from the highest digit, to the base of 64, in which its
//! tick differs from the *horizon*: the place of that digit is the *level*, the digit itself the bucket in that level.
//! So 8 levels of 64 buckets hold every `u64` deadline, and inserting is arithmetic and a link:
//!
//! | level | a bucket holds | all 64 hold |
//! | --- | --- | --- |
//! | 0 | 66 us | 4.2 ms |
//! | 1 | 4.2 ms | 268 ms |
//! | 2 | 268 ms | 17 s |
//! | 3 | 17 s | 18 min |
//! | 4 | 18 min | 20 h |
//! | 5, 6, 7 | 20 h, 52 days, 9 years | 52 days, 9 years, 584 years |
//!
//! Invariants, between calls:
//! - every listed timer's tick is the horizon or later;
//! - a bucket of level 1 or higher that would contain the horizon is empty: its timers were moved to lower levels when the
//!   horizon reached it. So the first bucket of the lowest level in use holds the earliest timer;
//! - so a timer's bucket always follows from its deadline and the horizon, and is stored nowhere.
//!
//! A bucket is a list through the slots, linked both ways: removing leaves nothing behind, and there is no memory but the
//! slab's to be given back.

use crate::near::Near;
use crate::slots::{NONE, Slot, Slots};

const TICK_BITS: u32 = 16;
const LEVEL_BITS: u32 = 6;
const LEVELS: usize = 8;
const BUCKETS: usize = 1 << LEVEL_BITS;

/// Where the levels end: no deadline has such a tick.
const END: u64 = 1 << (u64::BITS - TICK_BITS);

/// A bucket of fewer timers is searched for its earliest; a larger one is split into those of the level below.
const MANY: usize = 32;

/// The wheel. It lists slots; the timers themselves are in [`Slots`].
#[derive(Debug)]
pub(crate) struct Wheel {
    /// A tick. Timers before it do not belong here.
    horizon: u64,
    /// For each level, which of its buckets hold timers.
    in_use: [u64; LEVELS],
    /// The first slot of each bucket, the lowest level first. Empty until the first timer comes.
    heads: Vec<u32>,
    len: usize,
    /// The earliest deadline of all, if known.
    earliest: Option<u64>,
}

impl Default for Wheel {
    fn default() -> Self {
        Wheel {
            horizon: 0,
            in_use: [0; LEVELS],
            heads: Vec::new(),
            len: 0,
            earliest: None,
        }
    }
}

/// What is known of the earliest deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earliest {
    At(u64),
    /// In this tick, which holds too many timers to search them: let the wheel [`advance`](Wheel::advance) to it.
    In(u64),
    /// Later than was asked for, or never.
    Later,
}

/// One bucket: a level, and a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    level: usize,
    digit: usize,
}

impl Bucket {
    #[inline]
    fn index(self) -> usize {
        self.level * BUCKETS + self.digit
    }
}

/// The tick that a deadline is in.
#[inline]
pub(crate) fn tick_of(deadline_ns: u64) -> u64 {
    deadline_ns >> TICK_BITS
}

/// The place of the highest digit in which two ticks differ.
#[inline]
fn level_between(a: u64, b: u64) -> usize {
    ((a ^ b) | 1).ilog2() as usize / LEVEL_BITS as usize
}

#[inline]
fn digit(tick: u64, level: usize) -> usize {
    (tick >> (level as u32 * LEVEL_BITS)) as usize % BUCKETS
}

impl Wheel {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether a timer may be listed here: otherwise it is too near.
    #[inline]
    pub(crate) fn takes(&self, deadline_ns: u64) -> bool {
        tick_of(deadline_ns) >= self.horizon
    }

    /// Whether there may be timers in this tick, or before.
    #[inline]
    pub(crate) fn reaches(&self, tick: u64) -> bool {
        self.len > 0 && self.horizon <= tick
    }

    /// Lists a timer.
    #[inline]
    pub(crate) fn push<T>(&mut self, slot: u32, slots: &mut Slots<T>) {
        if self.heads.is_empty() {
            self.heads = vec![NONE; LEVELS * BUCKETS];
        }
        let deadline_ns = slots.at(slot).deadline_ns;
        if self.len == 0 || self.earliest.is_some_and(|earliest| deadline_ns < earliest) {
            self.earliest = Some(deadline_ns);
        }
        self.len += 1;
        self.link(slot, slots);
    }

    /// Takes a timer off its list.
    #[inline]
    pub(crate) fn remove<T>(&mut self, slot: u32, slots: &mut Slots<T>) {
        let &Slot {
            deadline_ns,
            next,
            previous,
            ..
        } = slots.at(slot);
        if next != NONE {
            slots.at_mut(next).previous = previous;
        }
        if previous != NONE {
            slots.at_mut(previous).next = next;
        } else {
            let bucket = self.bucket(deadline_ns);
            self.heads[bucket.index()] = next;
            if next == NONE {
                self.in_use[bucket.level] &= !(1 << bucket.digit);
            }
        }
        if self.earliest == Some(deadline_ns) {
            self.earliest = None;
        }
        self.len -= 1;
    }

    /// Moves the horizon beyond the first tick that has timers and gives those away; but not beyond `last`.
    pub(crate) fn advance<T>(&mut self, last: u64, slots: &mut Slots<T>, near: &mut Near) {
        while self.horizon <= last {
            let first = self.first().map(|bucket| (bucket, self.start(bucket)));
            let Some((bucket, start)) = first.filter(|&(_, start)| start <= last) else {
                self.move_horizon(last + 1, slots);
                return;
            };
            if bucket.level > 0 {
                self.move_horizon(start, slots);
                continue;
            }
            let mut slot = self.take(bucket);
            near.extend(std::iter::from_fn(|| {
                let entry = (slot != NONE).then(|| slots.bring_near(slot))?;
                slot = slots.at(slot).next;
                self.len -= 1;
                Some(entry)
            }));
            self.earliest = None;
            self.move_horizon(start + 1, slots);
            return;
        }
    }

    /// Looks for the earliest deadline, unless it is in a later tick than `last`.
    pub(crate) fn earliest<T>(&mut self, last: u64, slots: &mut Slots<T>) -> Earliest {
        if let Some(earliest) = self.earliest {
            return Earliest::At(earliest);
        }
        while let Some(bucket) = self.first() {
            let start = self.start(bucket);
            if start > last {
                break;
            }
            self.earliest = self.search(bucket, slots);
            if let Some(earliest) = self.earliest {
                return Earliest::At(earliest);
            }
            if bucket.level == 0 {
                return Earliest::In(start);
            }
            self.move_horizon(start, slots);
        }
        Earliest::Later
    }

    /// Puts the horizon after this tick if there are no timers, even if that is back.
    #[inline]
    pub(crate) fn rest_after(&mut self, tick: u64) {
        if self.len == 0 {
            self.horizon = tick + 1;
        }
    }

    /// Forgets all timers.
    pub(crate) fn clear(&mut self) {
        *self = Wheel {
            horizon: self.horizon,
            ..Self::default()
        };
    }

    /// How many buckets there is room for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.heads.capacity()
    }

    #[inline]
    fn bucket(&self, deadline_ns: u64) -> Bucket {
        let tick = tick_of(deadline_ns);
        let level = level_between(tick, self.horizon);
        Bucket {
            level,
            digit: digit(tick, level),
        }
    }

    /// The bucket that holds the earliest timer.
    fn first(&self) -> Option<Bucket> {
        let level = self.in_use.iter().position(|&in_use| in_use != 0)?;
        Some(Bucket {
            level,
            digit: self.in_use[level].trailing_zeros() as usize,
        })
    }

    /// The first tick of a bucket in use, which is not before the horizon.
    fn start(&self, Bucket { level, digit }: Bucket) -> u64 {
        let shift = level as u32 * LEVEL_BITS;
        let above = self.horizon >> (shift + LEVEL_BITS);
        (above << LEVEL_BITS | digit as u64) << shift
    }

    /// The earliest deadline in a bucket, unless it holds too many.
    fn search<T>(&self, bucket: Bucket, slots: &Slots<T>) -> Option<u64> {
        let mut slot = self.heads[bucket.index()];
        let mut earliest = None;
        for _ in 0..MANY {
            if slot == NONE {
                return earliest;
            }
            let &Slot {
                deadline_ns, next, ..
            } = slots.at(slot);
            earliest = earliest.map_or(Some(deadline_ns), |earliest: u64| {
                Some(earliest.min(deadline_ns))
            });
            slot = next;
        }
        None
    }

    /// Puts a timer at the head of its bucket's list.
    #[inline]
    fn link<T>(&mut self, slot: u32, slots: &mut Slots<T>) {
        let bucket = self.bucket(slots.at(slot).deadline_ns);
        self.in_use[bucket.level] |= 1 << bucket.digit;
        let next = std::mem::replace(&mut self.heads[bucket.index()], slot);
        let listed = slots.at_mut(slot);
        listed.next = next;
        listed.previous = NONE;
        if next != NONE {
            slots.at_mut(next).previous = slot;
        }
    }

    /// Empties a bucket: the first of its list.
    fn take(&mut self, bucket: Bucket) -> u32 {
        self.in_use[bucket.level] &= !(1 << bucket.digit);
        std::mem::replace(&mut self.heads[bucket.index()], NONE)
    }

    /// Moves the horizon forward, to a tick that no timer is before.
    fn move_horizon<T>(&mut self, tick: u64, slots: &mut Slots<T>) {
        let level = level_between(self.horizon, tick);
        self.horizon = tick;
        if level == 0 || tick >= END {
            return;
        }
        // The horizon entered a bucket of this level, at its first tick if it holds timers: none was skipped. Buckets of
        // other levels that would contain the horizon are empty: lower ones lay before it, higher ones contained it before.
        let bucket = Bucket {
            level,
            digit: digit(tick, level),
        };
        if self.in_use[level] & (1 << bucket.digit) == 0 {
            return;
        }
        let mut slot = self.take(bucket);
        while slot != NONE {
            let next = slots.at(slot).next;
            self.link(slot, slots);
            slot = next;
        }
    }
}
