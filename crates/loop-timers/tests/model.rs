//! The queue against a sorted list: whatever is done to both, they answer the same.

use std::collections::HashMap;

use loop_timers::{TimerKey, TimerQueue};
use proptest::prelude::*;

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const SECOND: u64 = 1_000 * MS;
const YEAR: u64 = 365 * 24 * 3_600 * SECOND;

/// What a program does to a queue. Timers are picked by a number that is taken modulo their count.
#[derive(Clone, Debug)]
enum Op {
    Insert(Deadline),
    /// This many timers, the first at this deadline, and so far apart (also not at all).
    Burst(Deadline, u8, u64),
    Remove(usize),
    RemoveEarliest,
    /// Takes a timer out and inserts it again: what a loop does to an idle timeout.
    Reset(usize, Deadline),
    /// Moves the clock, perhaps back, and makes up to so many timers due.
    Pop(Step, u8),
    NextDeadline,
    RemoveMany(u8),
    Drain,
    Shrink,
}

#[derive(Clone, Debug)]
enum Deadline {
    In(u64),
    Ago(u64),
    At(u64),
    /// That of another timer.
    SameAs(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Forward(u64),
    Back(u64),
    To(u64),
    /// To the earliest deadline, exactly.
    Next,
}

/// Times of every magnitude; those around a power of two are where a wheel turns.
fn span() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..200 * MS,
        2 => 0..40 * US,
        2 => 0..100 * SECOND,
        1 => 0..10 * YEAR,
        2 => (0u32..64, 0u64..3).prop_map(|(bit, off)| ((1u64 << bit) - 1).saturating_add(off)),
    ]
}

fn deadline() -> impl Strategy<Value = Deadline> {
    prop_oneof![
        12 => span().prop_map(Deadline::In),
        2 => span().prop_map(Deadline::Ago),
        1 => any::<u64>().prop_map(Deadline::At),
        1 => prop_oneof![Just(0), Just(1), Just(u64::MAX - 1), Just(u64::MAX)].prop_map(Deadline::At),
        4 => any::<usize>().prop_map(Deadline::SameAs),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..5 * MS).prop_map(Step::Forward),
        3 => span().prop_map(Step::Forward),
        2 => (0..MS).prop_map(Step::Back),
        1 => span().prop_map(Step::Back),
        1 => prop_oneof![Just(0), Just(u64::MAX)].prop_map(Step::To),
        6 => Just(Step::Next),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let apart = prop_oneof![Just(0), 1..100u64, 0..10 * MS, 0..SECOND];
    prop_oneof![
        16 => deadline().prop_map(Op::Insert),
        4 => (deadline(), 1u8..100, apart).prop_map(|(first, count, apart)| Op::Burst(first, count, apart)),
        6 => any::<usize>().prop_map(Op::Remove),
        3 => Just(Op::RemoveEarliest),
        4 => (any::<usize>(), deadline()).prop_map(|(nth, deadline)| Op::Reset(nth, deadline)),
        10 => (step(), 0u8..20).prop_map(|(step, most)| Op::Pop(step, most)),
        8 => Just(Op::NextDeadline),
        1 => (0..100u8).prop_map(|n| if n < 20 { Op::Drain } else { Op::RemoveMany(n) }),
        1 => Just(Op::Shrink),
    ]
}

#[derive(Clone, Debug)]
struct Timer {
    deadline: u64,
    /// Also the timer's value.
    age: u64,
    key: TimerKey,
}

/// The queue, and what it should hold.
#[derive(Debug, Default)]
struct Pair {
    queue: TimerQueue<u64>,
    waiting: Vec<Timer>,
    due: Vec<Timer>,
    stale: Vec<TimerKey>,
    now: u64,
    inserted: u64,
}

impl Pair {
    fn resolve(&self, deadline: &Deadline) -> u64 {
        match *deadline {
            Deadline::In(span) => self.now.saturating_add(span),
            Deadline::Ago(span) => self.now.saturating_sub(span),
            Deadline::At(at) => at,
            Deadline::SameAs(nth) if self.waiting.is_empty() => nth as u64,
            Deadline::SameAs(nth) => self.waiting[nth % self.waiting.len()].deadline,
        }
    }

    fn insert(&mut self, deadline: u64) {
        let age = self.inserted;
        self.inserted += 1;
        let key = self.queue.insert(deadline, age);
        // After all with the same deadline: they are older.
        let at = self
            .waiting
            .partition_point(|timer| timer.deadline <= deadline);
        self.waiting.insert(at, Timer { deadline, age, key });
    }

    /// Takes out the timer of this number, the waiting ones first.
    fn remove(&mut self, nth: usize) {
        let count = self.waiting.len() + self.due.len();
        if count == 0 {
            return;
        }
        let nth = nth % count;
        let timer = if nth < self.waiting.len() {
            self.waiting.remove(nth)
        } else {
            self.due.remove(nth - self.waiting.len())
        };
        assert_eq!(self.queue.deadline(timer.key), Some(timer.deadline));
        assert_eq!(self.queue.remove(timer.key), Some(timer.age));
        self.stale.push(timer.key);
    }

    fn pop(&mut self, step: &Step, most: u8) {
        self.now = match *step {
            Step::Forward(span) => self.now.saturating_add(span),
            Step::Back(span) => self.now.saturating_sub(span),
            Step::To(now) => now,
            Step::Next => self
                .waiting
                .first()
                .map_or(self.now, |first| first.deadline),
        };
        for _ in 0..most {
            let first = self
                .waiting
                .first()
                .filter(|first| first.deadline <= self.now);
            assert_eq!(self.queue.pop_due(self.now), first.map(|first| first.key));
            if first.is_none() {
                return;
            }
            let first = self.waiting.remove(0);
            self.due.push(first);
        }
    }

    fn drain(&mut self) {
        self.due.append(&mut self.waiting);
        self.due.sort_by_key(|timer| (timer.deadline, timer.age));
        assert!(
            self.queue
                .drain()
                .eq(self.due.iter().map(|timer| timer.age))
        );
        self.stale.extend(self.due.drain(..).map(|timer| timer.key));
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Insert(deadline) => self.insert(self.resolve(deadline)),
            Op::Burst(first, count, apart) => {
                let first = self.resolve(first);
                for n in 0..u64::from(*count) {
                    self.insert(first.saturating_add(n * apart));
                }
            }
            Op::Remove(nth) => self.remove(*nth),
            Op::RemoveEarliest => self.remove(0),
            Op::RemoveMany(count) => (0..*count).for_each(|n| self.remove(usize::from(n) * 7)),
            Op::Reset(nth, deadline) => {
                self.remove(*nth);
                self.insert(self.resolve(deadline));
            }
            Op::Pop(step, most) => self.pop(step, *most),
            Op::NextDeadline => {
                let first = self.waiting.first().map(|timer| timer.deadline);
                assert_eq!(self.queue.next_deadline(), first);
            }
            Op::Drain => self.drain(),
            Op::Shrink => self.queue.shrink_to_fit(),
        }
        assert_eq!(self.queue.len(), self.waiting.len());
        assert_eq!(self.queue.is_empty(), self.waiting.is_empty());
    }

    /// Empties both, in order, and checks every key there ever was.
    fn finish(mut self) {
        let live: HashMap<_, _> = self
            .waiting
            .iter()
            .chain(&self.due)
            .map(|timer| (timer.key, timer.deadline))
            .collect();
        assert_eq!(
            live.len(),
            self.waiting.len() + self.due.len(),
            "two timers share a key"
        );
        for (&key, &deadline) in &live {
            assert_eq!(self.queue.deadline(key), Some(deadline));
        }
        for &key in &self.stale {
            assert!(!self.queue.contains(key));
            assert_eq!(self.queue.deadline(key), None);
            assert_eq!(self.queue.remove(key), None);
        }
        while !self.waiting.is_empty() {
            assert_eq!(self.queue.next_deadline(), Some(self.waiting[0].deadline));
            self.pop(&Step::Next, 255);
        }
        assert_eq!(self.queue.next_deadline(), None);
        assert_eq!(self.queue.pop_due(u64::MAX), None);
        for timer in &self.due {
            assert_eq!(self.queue.remove(timer.key), Some(timer.age));
        }
    }
}

/// As many cases as a debug build runs in a few seconds; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(250),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn answers_as_a_sorted_list_does(start in span(), ops in prop::collection::vec(op(), 0..200)) {
        let mut pair = Pair { now: start, ..Pair::default() };
        for op in &ops {
            pair.apply(op);
        }
        pair.finish();
    }
}
