//! A timer queue: a data structure that is told the time.
//!
//! An event loop makes a timer for every timeout, and nearly all of them are cancelled before they fire. So making and
//! cancelling have to cost next to nothing among very many timers, while those that do fire have to do so in an order that
//! a program can rely on. This crate is that structure and nothing else: there is no clock in it, no thread and no callback.
//!
//! # Terms
//!
//! - A *deadline* is a `u64` of nanoseconds, on whatever scale the caller tells the time. A timer is *reached* when the time
//!   told is its deadline or later.
//! - The *age* of a timer is the number of its [`insert`](TimerQueue::insert) call.
//! - A timer is *waiting* until [`pop_due`](TimerQueue::pop_due) makes it *due*, and it is gone when
//!   [`remove`](TimerQueue::remove) takes its value out, which it does in either state.
//! - A [`TimerKey`] names one timer. It is *stale* once that timer is gone, and then never names another.
//!
//! # In three steps
//!
//! Timers go in with a deadline and a value, and come out early if they are cancelled:
//!
//! ```
//! use loop_timers::TimerQueue;
//!
//! let mut timers = TimerQueue::new();
//! let timeout = timers.insert(30_000, "timeout");
//! timers.insert(2_000, "second");
//! timers.insert(1_000, "first");
//! timers.insert(2_000, "third");
//! assert_eq!(timers.remove(timeout), Some("timeout"));
//! ```
//!
//! The caller asks for how long it may sleep, and sleeps:
//!
//! ```
//! # let mut timers = loop_timers::TimerQueue::new();
//! # timers.insert(1_000, "first");
//! assert_eq!(timers.next_deadline(), Some(1_000));
//! ```
//!
//! Then it tells the time, and takes what is due:
//!
//! ```
//! # let mut timers = loop_timers::TimerQueue::new();
//! # timers.insert(2_000, "second");
//! # timers.insert(1_000, "first");
//! # timers.insert(2_000, "third");
//! let mut ran = Vec::new();
//! while let Some(key) = timers.pop_due(2_500) {
//!     ran.extend(timers.remove(key));
//! }
//! assert_eq!(ran, ["first", "second", "third"]);
//! ```
//!
//! # Invariants
//!
//! - Timers become due in the order (deadline, age), exactly: to the nanosecond, and equal deadlines oldest first. This
//!   holds whatever the times told: they may go back, stand still, or leap to `u64::MAX`.
//! - A timer is made due at most once, and never before its deadline.
//! - A value leaves by `remove`, by [`drain`](TimerQueue::drain), or with the queue; no code of a value is run otherwise.
//! - A cancelled timer leaves nothing in the wheel. Among the near timers at most one entry of 24 bytes stays for each
//!   waiting one, and 64 more. What a burst of timers took up behind older ones is given back.
//!
//! # Why this structure
//!
//! Timers live in a *slab*. The *recent* ones, up to 256 made since the queue last had to know what comes first, are a list
//! in no order: a timer that is cancelled soon never leaves it. Of the others, the order of the far ones is not kept either.
//! They are in a *wheel*: buckets by arithmetic on the deadline, 8 levels of 64, as lists through the slab. Entering and
//! cancelling is a link. When the time told reaches the first bucket, its timers go into finer buckets, and those of one tick
//! of 66 us are sorted and become *near*: the exact order costs a sort of a few, when they are about to fire, and a cancelled
//! timer never pays it. Single timers that are too near for the wheel, and the first 64 of all, go into a heap beside; with
//! few timers it is all that is used.
//!
//! Rejected, with the time that each took in proportion (one run of `examples/measure.rs`, taking turns):
//!
//! | workload | this queue | B-tree | heap, lazily cleaned |
//! | --- | --- | --- | --- |
//! | make and cancel any among 100,000 | 1 | 27.0 | 2.4 |
//! | make and cancel the latest of 100,000 | 1 | 4.6 | 1.4 |
//! | put the earliest of 100,000 off, ask for the deadline | 1 | 1.8 | 1.7 |
//! | make 100,000 in 0-200 ms | 1 | 11.3 | 1.8 |
//! | make and fire 100,000 in 0-200 ms | 1 | 1.5 | 1.6 |
//! | fire one of 100,000 and make another | 1 | 1.6 | 2.1 |
//! | fire one of 10 and make another | 1 | 0.7 | 0.5 |
//! | make and cancel, wheel ahead of the time | 1 | 14.7 | 1.9 |
//!
//! - The *lazy heap* (asyncio's) wins with ten timers, where it has no second structure to look at, and holds a dead entry for each
//!   cancelled timer, which deadlines far away keep for long.
//! - *Buckets that are vectors* of slots fire 1.15 times as fast (a list is walked miss by miss), but make 1.25 times and put
//!   off 1.1 times as slowly, and 512 vectors need rules for giving memory back.
//! - *A wheel alone* would have to round deadlines or to sort nonetheless; asked for the next deadline it would search.
//!   Here a bucket of few timers is searched, once; a larger one is split first. The wheel may then be ahead of the time,
//!   and timers made before that point go into the heap, unless they are cancelled soon: the last row.
//!
//! # Not here
//!
//! A clock, and the decision how often to ask it; slack that lets several timers share a wake-up; periodic timers; threads
//! (the queue is as `Send` as its values are). A loop adds these.
#![forbid(unsafe_code)]

mod key;
mod near;
mod queue;
mod recent;
mod slots;
mod wheel;

pub use key::TimerKey;
pub use queue::TimerQueue;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
