//! Measures the queue against a B-tree and against a heap in which cancelled timers stay until they come up or outnumber
//! the rest (what asyncio does).
//!
//! `cargo run --release -p loop-timers --example measure` prints, for each workload, the median time of one operation and
//! the median ratio to the queue's; a word after `--` picks the workloads whose names contain it. The contestants take
//! turns, so that whatever else the machine does hits all of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hint::black_box;
use std::time::Instant;

use loop_timers::{TimerKey, TimerQueue};

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const SECOND: u64 = 1_000 * MS;
const MANY: u64 = 100_000;
const ROUNDS: usize = 25;

/// What a loop's callback handle takes up.
type Value = [u64; 2];

trait Timers: Default {
    type Key: Copy;
    fn insert(&mut self, deadline_ns: u64, value: Value) -> Self::Key;
    fn remove(&mut self, key: Self::Key) -> Option<Value>;
    /// Takes the first due timer out.
    fn fire(&mut self, now_ns: u64) -> Option<Value>;
    fn next_deadline(&mut self) -> Option<u64>;
}

impl Timers for TimerQueue<Value> {
    type Key = TimerKey;

    fn insert(&mut self, deadline_ns: u64, value: Value) -> TimerKey {
        self.insert(deadline_ns, value)
    }

    fn remove(&mut self, key: TimerKey) -> Option<Value> {
        self.remove(key)
    }

    fn fire(&mut self, now_ns: u64) -> Option<Value> {
        let key = self.pop_due(now_ns)?;
        self.remove(key)
    }

    fn next_deadline(&mut self) -> Option<u64> {
        self.next_deadline()
    }
}

#[derive(Default)]
struct Tree {
    timers: BTreeMap<(u64, u64), Value>,
    age: u64,
}

impl Timers for Tree {
    type Key = (u64, u64);

    fn insert(&mut self, deadline_ns: u64, value: Value) -> (u64, u64) {
        self.age += 1;
        self.timers.insert((deadline_ns, self.age), value);
        (deadline_ns, self.age)
    }

    fn remove(&mut self, key: (u64, u64)) -> Option<Value> {
        self.timers.remove(&key)
    }

    fn fire(&mut self, now_ns: u64) -> Option<Value> {
        let first = self.timers.first_entry()?;
        (first.key().0 <= now_ns).then(|| first.remove())
    }

    fn next_deadline(&mut self) -> Option<u64> {
        self.timers.first_key_value().map(|(key, _)| key.0)
    }
}

/// A heap of (deadline, age, slot), and slots that know the age of their timer.
#[derive(Default)]
struct LazyHeap {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    slots: Vec<(u64, Option<Value>)>,
    free: Vec<u32>,
    age: u64,
}

impl LazyHeap {
    fn take(&mut self, age: u64, slot: u32) -> Option<Value> {
        let (its_age, value) = &mut self.slots[slot as usize];
        if *its_age != age {
            return None;
        }
        let value = value.take()?;
        self.free.push(slot);
        Some(value)
    }

    fn live(&self, age: u64, slot: u32) -> bool {
        let (its_age, value) = &self.slots[slot as usize];
        *its_age == age && value.is_some()
    }
}

impl Timers for LazyHeap {
    type Key = (u64, u32);

    fn insert(&mut self, deadline_ns: u64, value: Value) -> (u64, u32) {
        self.age += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        self.slots[slot as usize] = (self.age, Some(value));
        self.heap.push(Reverse((deadline_ns, self.age, slot)));
        (self.age, slot)
    }

    fn remove(&mut self, (age, slot): (u64, u32)) -> Option<Value> {
        let value = self.take(age, slot)?;
        let live = self.slots.len() - self.free.len();
        if self.heap.len() > 2 * live + 100 {
            let mut heap = std::mem::take(&mut self.heap);
            heap.retain(|&Reverse((_, age, slot))| self.live(age, slot));
            self.heap = heap;
        }
        Some(value)
    }

    fn fire(&mut self, now_ns: u64) -> Option<Value> {
        loop {
            let &Reverse((deadline_ns, age, slot)) = self.heap.peek()?;
            if deadline_ns > now_ns {
                return None;
            }
            self.heap.pop();
            if let Some(value) = self.take(age, slot) {
                return Some(value);
            }
        }
    }

    fn next_deadline(&mut self) -> Option<u64> {
        loop {
            let &Reverse((deadline_ns, age, slot)) = self.heap.peek()?;
            if self.live(age, slot) {
                return Some(deadline_ns);
            }
            self.heap.pop();
        }
    }
}

/// A xorshift generator: the same numbers for every contestant.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Does the workload once and returns the nanoseconds that one operation took.
type Work<Q> = fn(&mut Q, &mut Random) -> f64;

fn timed(operations: u64, work: impl FnOnce()) -> f64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "measuring is what this program is for"
    )]
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / operations as f64
}

fn fill<Q: Timers>(timers: &mut Q, random: &mut Random, from_ns: u64, span_ns: u64) -> Vec<Q::Key> {
    (0..MANY)
        .map(|n| timers.insert(from_ns + random.below(span_ns), [n; 2]))
        .collect()
}

fn make_and_cancel<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    fill(timers, random, SECOND, 60 * SECOND);
    make_and_cancel_more(timers, random)
}

fn make_and_cancel_more<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    let deadlines: Vec<_> = (0..1_000)
        .map(|_| SECOND + random.below(60 * SECOND))
        .collect();
    timed(MANY, || {
        for n in 0..MANY / 1_000 {
            for &deadline_ns in &deadlines {
                let key = timers.insert(deadline_ns, [n; 2]);
                black_box(timers.remove(key));
            }
        }
    })
}

/// One timeout after another, none of which is reached.
fn make_and_cancel_latest<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    fill(timers, random, SECOND, 29 * SECOND);
    timed(MANY, || {
        for n in 0..MANY {
            let key = timers.insert(30 * SECOND + n * US, [n; 2]);
            black_box(timers.remove(key));
        }
    })
}

/// The timeouts of a server: 30 s each, cancelled in a while; the loop asks for the deadline each time.
fn timeouts<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    fill(timers, random, SECOND, 60 * SECOND);
    let mut keys = std::collections::VecDeque::new();
    timed(MANY, || {
        for n in 0..MANY {
            let now_ns = n * 10 * US;
            keys.push_back(timers.insert(now_ns + 30 * SECOND, [n; 2]));
            if keys.len() > 100 {
                black_box(keys.pop_front().and_then(|key| timers.remove(key)));
            }
            black_box(timers.next_deadline());
            black_box(timers.fire(now_ns));
        }
    })
}

fn replace_any<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    let mut keys = fill(timers, random, SECOND, 60 * SECOND);
    timed(MANY, || {
        for n in 0..MANY {
            let key = &mut keys[random.below(MANY) as usize];
            black_box(timers.remove(*key));
            *key = timers.insert(SECOND + random.below(60 * SECOND), [n; 2]);
        }
    })
}

/// Idle connections, each heard from in turn: it is always the earliest timer that is put off.
fn put_off_earliest<Q: Timers>(timers: &mut Q, _: &mut Random) -> f64 {
    let mut keys: Vec<_> = (0..MANY)
        .map(|n| timers.insert(60 * SECOND + n * 600 * US, [n; 2]))
        .collect();
    timed(MANY, || {
        for n in 0..MANY {
            let now_ns = 60 * SECOND + n * 600 * US - 30 * SECOND;
            let key = &mut keys[n as usize];
            black_box(timers.remove(*key));
            *key = timers.insert(now_ns + 90 * SECOND, [n; 2]);
            black_box(timers.next_deadline());
            black_box(timers.fire(now_ns));
        }
    })
}

fn make_and_fire<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    timed(MANY, || {
        fill(timers, random, 0, 200 * MS);
        let mut now_ns = 0;
        while let Some(next_ns) = timers.next_deadline() {
            now_ns = next_ns.max(now_ns + 100 * US);
            while let Some(value) = timers.fire(now_ns) {
                black_box(value);
            }
        }
    })
}

fn make_only<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    timed(MANY, || {
        fill(timers, random, 0, 200 * MS);
    })
}

fn fire_equal<Q: Timers>(timers: &mut Q, _: &mut Random) -> f64 {
    timed(MANY, || {
        for n in 0..MANY {
            timers.insert(SECOND, [n; 2]);
        }
        while let Some(value) = timers.fire(SECOND) {
            black_box(value);
        }
    })
}

/// Ten tasks that sleep about a millisecond, again and again.
fn few_sleepers<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    for n in 0..10 {
        timers.insert(random.below(MS), [n; 2]);
    }
    timed(MANY, || {
        for n in 0..MANY {
            let now_ns = timers.next_deadline().unwrap_or(0);
            black_box(timers.fire(now_ns));
            timers.insert(now_ns + MS / 2 + random.below(MS), [n; 2]);
        }
    })
}

/// As many sleepers as there may be, of up to ten seconds.
fn many_sleepers<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    fill(timers, random, 0, 10 * SECOND);
    timed(MANY, || {
        for n in 0..MANY {
            let now_ns = timers.next_deadline().unwrap_or(0);
            black_box(timers.fire(now_ns));
            timers.insert(now_ns + random.below(10 * SECOND), [n; 2]);
        }
    })
}

/// The worst for the wheel: it was asked for the deadline when only distant timers were there, and nearer ones come.
fn after_distant<Q: Timers>(timers: &mut Q, random: &mut Random) -> f64 {
    let distant: Vec<_> = (0..MANY)
        .map(|n| timers.insert(3_600 * SECOND + n * MS, [n; 2]))
        .collect();
    for key in &distant[..1_000] {
        timers.remove(*key);
        black_box(timers.next_deadline());
    }
    fill(timers, random, SECOND, 60 * SECOND);
    make_and_cancel_more(timers, random)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn compare(name: &str, queue: Work<TimerQueue<Value>>, tree: Work<Tree>, heap: Work<LazyHeap>) {
    let (mut queues, mut trees, mut heaps) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let random = || Random(0x9E37_79B9_7F4A_7C15 + round as u64);
        queues.push(queue(&mut TimerQueue::default(), &mut random()));
        trees.push(tree(&mut Tree::default(), &mut random()));
        heaps.push(heap(&mut LazyHeap::default(), &mut random()));
    }
    let ratio = |times: &[f64]| median(times.iter().zip(&queues).map(|(a, b)| a / b).collect());
    let (tree_ratio, heap_ratio) = (ratio(&trees), ratio(&heaps));
    let (queue, tree, heap) = (median(queues), median(trees), median(heaps));
    println!("{name:<42} {queue:>7.1} {tree:>7.1} {heap:>7.1} {tree_ratio:>7.2} {heap_ratio:>7.2}");
}

macro_rules! compare {
    ($only:ident, $($work:ident: $name:literal,)*) => {
        $(if $name.contains($only.as_str()) { compare($name, $work, $work, $work); })*
    };
}

fn main() {
    println!(
        "{:<42} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "ns per operation", "queue", "tree", "heap", "tree/q", "heap/q"
    );
    let only = std::env::args().nth(1).unwrap_or_default();
    compare! {
        only,
        make_and_cancel: "make and cancel among 100,000",
        make_and_cancel_latest: "make and cancel the latest of 100,000",
        timeouts: "timeouts of 30 s, cancelled 100 later",
        replace_any: "cancel any of 100,000 and make another",
        put_off_earliest: "put the earliest of 100,000 off",
        make_only: "make 100,000 in 0-200 ms",
        make_and_fire: "make and fire 100,000 in 0-200 ms",
        fire_equal: "make and fire 100,000 at one deadline",
        few_sleepers: "fire one of 10 and make another",
        many_sleepers: "fire one of 100,000 and make another",
        after_distant: "make and cancel, wheel ahead of the time",
    }
}
