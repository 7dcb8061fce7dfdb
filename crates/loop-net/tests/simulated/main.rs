//! Streams and transports over a simulated network, which reads and writes in random pieces, makes wait, ends and resets
//! at random: every byte comes in its order, everybody hears of an end, and nobody waits for ever.
//!
//! A run is its seed: it is the same each time. `SIMULATED_SEEDS` says how many there are.

#[cfg(feature = "tls")]
#[path = "../common/certificates.rs"]
mod certificates;
mod network;
mod streams;
mod transports;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use loop_core::EventLoop;
use loop_tasks::LoopExt;

/// Numbers that depend on the seed alone.
pub(crate) struct Random(Cell<u64>);

impl Random {
    fn new(seed: u64) -> Rc<Random> {
        Rc::new(Random(Cell::new(seed)))
    }

    /// As in splitmix64.
    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `count` numbers from 0 on.
    pub(crate) fn below(&self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// Once in so many times.
    pub(crate) fn once_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Bytes of which each says where it stands, with the ends of lines here and there.
pub(crate) fn text(random: &Random, most: usize) -> Vec<u8> {
    let length = random.below(most);
    let byte = |place: usize| match random.once_in(40) {
        true => b'\n',
        false => (place % 251) as u8,
    };
    (0..length).map(byte).collect()
}

/// Runs a scene for each seed on one loop in virtual time, where a hang is an error that comes at once.
fn for_each_seed<F: Future<Output = ()> + 'static>(most: u64, scene: impl Fn(Rc<Random>) -> F) {
    let wanted = std::env::var("SIMULATED_SEEDS").ok();
    let seeds = wanted.map_or(most, |text| text.parse().expect("a number"));
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    for seed in 0..seeds {
        let run = || event_loop.run_until_complete(scene(Random::new(seed)));
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("seed {seed}: {error}"),
            Err(panic) => {
                eprintln!("it was seed {seed}");
                resume_unwind(panic);
            }
        }
    }
    event_loop.close().unwrap();
}
