//! Everything at once, for as long as one likes: two pools, jobs from a byte to 8 MiB, workers that are killed, jobs that
//! are cancelled and jobs that panic. Every job has one outcome, the right one, and nothing is left behind.
//!
//! One test in a process of its own, since it counts what the process has. The environment may say `SOAK_SECONDS`,
//! `SOAK_CYCLES`, `SOAK_WORKERS` and `SEED`; by default, it is what a test may take.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Random, children, eventually, open_descriptors, signal, thread_names};
use loop_bridge::{ConcurrentError, ConcurrentFuture};
use loop_executor::{ExecutorExt, JobError, ProcessPoolExecutor, ThreadPoolExecutor, process_fn};

/// Changes the first byte and the last.
fn turned(bytes: &mut [u8]) {
    let last = bytes.len() - 1;
    bytes.swap(0, last);
    bytes[0] ^= 1;
}

process_fn! {
    fn turn(bytes: Vec<u8>, panics: bool) -> Vec<u8> {
        assert!(!panics, "one in a hundred");
        let mut bytes = bytes;
        turned(&mut bytes);
        bytes
    }
}

/// How many jobs of a pool are under way or wait.
const LOAD: usize = 12;

/// What the jobs that are under way may have, if all of them are large: twice what they were sent, in two pools.
const SLACK_BYTES: u64 = 4 * LOAD as u64 * (8 << 20);

#[derive(Debug, Default)]
struct Outcomes {
    submitted: u64,
    done: u64,
    panicked: u64,
    cancelled: u64,
    lost: u64,
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Done,
    Cancelled,
    Panics,
}

struct Job {
    fate: Fate,
    bytes: Vec<u8>,
    future: ConcurrentFuture<Vec<u8>>,
}

/// One pool's load.
struct Load {
    random: Random,
    waiting: VecDeque<Job>,
    outcomes: Outcomes,
    told: Arc<AtomicU64>,
}

impl Load {
    fn submit(&mut self, pool: &ProcessPoolExecutor) {
        // As many small ones as large ones: each power of two is as likely.
        let size = 1 << self.random.below(24);
        let size = size + self.random.below(size).min((8 << 20) - size);
        let mut bytes = vec![size as u8; size as usize];
        bytes[0] = self.random.below(256) as u8;
        let fate = match self.random.below(100) {
            0 => Fate::Panics,
            1..=10 => Fate::Cancelled,
            _ => Fate::Done,
        };
        let job = turn::job(bytes.clone(), fate == Fate::Panics);
        let future = pool.submit(job).unwrap();
        let told = Arc::clone(&self.told);
        future.add_done_callback(move |_| {
            told.fetch_add(1, SeqCst);
        });
        self.outcomes.submitted += 1;
        if fate == Fate::Cancelled && self.random.below(2) == 0 {
            future.cancel(); // before it has begun, as a rule; the others while they run
        }
        self.waiting.push_back(Job {
            fate,
            bytes,
            future,
        });
    }

    fn take(&mut self) {
        let Job {
            fate,
            mut bytes,
            future,
        } = self.waiting.pop_front().unwrap();
        if fate == Fate::Cancelled {
            future.cancel();
        }
        // Whatever the machine does meanwhile, this is a hang.
        match future.take_result(Some(Duration::from_secs(120))) {
            Ok(back) => {
                turned(&mut bytes);
                assert!(back == bytes, "not what was sent, and turned round");
                assert!(fate != Fate::Panics);
                self.outcomes.done += 1;
                self.outcomes.bytes += bytes.len() as u64;
            }
            Err(ConcurrentError::Cancelled) => {
                assert!(fate == Fate::Cancelled);
                self.outcomes.cancelled += 1;
            }
            Err(error) => match JobError::of(&error) {
                Some(JobError::Panicked(panic)) => {
                    assert_eq!(panic.message(), "one in a hundred");
                    assert!(fate == Fate::Panics);
                    self.outcomes.panicked += 1;
                }
                Some(JobError::WorkerDied(_)) => self.outcomes.lost += 1,
                _ => panic!("{error}"),
            },
        }
    }

    /// Keeps a pool busy until it is over, and then shuts it down under load.
    fn keep_busy(&mut self, pool: &ProcessPoolExecutor, over: &AtomicBool) {
        while !over.load(SeqCst) {
            while self.waiting.len() < LOAD {
                self.submit(pool);
            }
            for _ in 0..1 + self.random.below(LOAD as u64) {
                self.take();
            }
        }
        while self.waiting.len() < LOAD {
            self.submit(pool);
        }
        pool.shutdown(true, false).unwrap();
        while !self.waiting.is_empty() {
            self.take();
        }
    }
}

fn main() {
    // Its jobs panic in hundreds, and nobody wants to read about it.
    std::panic::set_hook(Box::new(|panic| {
        if panic.payload_as_str() != Some("one in a hundred") {
            eprintln!("{panic}");
        }
    }));
    loop_executor::worker_main();
    let number = |name: &str, default| std::env::var(name).map_or(default, |n| n.parse().unwrap());
    let (seconds, cycles) = (number("SOAK_SECONDS", 4), number("SOAK_CYCLES", 200));
    let (workers, seed) = (number("SOAK_WORKERS", 2) as usize, number("SEED", 7));
    let before = (thread_names(), open_descriptors(), children());
    mixed(Duration::from_secs(seconds), workers, seed);
    eventually(
        "threads, descriptors and children are what they were",
        || (thread_names(), open_descriptors(), children()) == before,
    );
    come_and_go(cycles);
    eventually("and so they are after many pools", || {
        (thread_names(), open_descriptors(), children()) == before
    });
}

/// Two pools under load; a worker of one of them is killed ten times in all, or once a second.
fn mixed(time: Duration, workers: usize, seed: u64) {
    let pools = [(); 2].map(|()| ProcessPoolExecutor::new(workers).unwrap());
    let (over, told, killed) = (
        AtomicBool::new(false),
        Arc::new(AtomicU64::new(0)),
        AtomicU64::new(0),
    );
    let all = Mutex::new(Outcomes::default());
    let resident = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (pool, number) in pools.iter().zip(1..) {
            let (told, over, all) = (Arc::clone(&told), &over, &all);
            scope.spawn(move || {
                let mut load = Load {
                    random: Random(seed * 100 + number),
                    waiting: VecDeque::new(),
                    outcomes: Outcomes::default(),
                    told,
                };
                load.keep_busy(pool, over);
                let mut all = all.lock().unwrap();
                all.submitted += load.outcomes.submitted;
                all.done += load.outcomes.done;
                all.panicked += load.outcomes.panicked;
                all.cancelled += load.outcomes.cancelled;
                all.lost += load.outcomes.lost;
                all.bytes += load.outcomes.bytes;
            });
        }
        let mut random = Random(seed);
        let end = now() + time;
        let pace = (time / 10).min(Duration::from_secs(1));
        while now() < end {
            std::thread::park_timeout(pace);
            let pids = pools[random.below(2) as usize].worker_pids();
            if !pids.is_empty() {
                signal(pids[random.below(pids.len() as u64) as usize], "KILL");
                killed.fetch_add(1, SeqCst);
            }
            resident.lock().unwrap().push(resident_bytes());
        }
        over.store(true, SeqCst);
    });
    let (all, killed) = (all.into_inner().unwrap(), killed.into_inner());
    let resident = resident.into_inner().unwrap();
    let (early, late) = resident.split_at(resident.len() / 2);
    let most = |part: &[u64]| part.iter().max().copied().unwrap_or_default();
    println!(
        "{time:?}: {all:?}, {killed} killed; {} MiB resident at most, {} in the first half",
        most(late) >> 20,
        most(early) >> 20
    );
    assert_eq!(
        all.submitted,
        all.done + all.panicked + all.cancelled + all.lost
    );
    assert_eq!(told.load(SeqCst), all.submitted, "each callback, once");
    assert!(all.done > 0 && all.lost <= killed, "one death is one job");
    assert!(most(late) <= most(early) + most(early) / 10 + SLACK_BYTES);
}

/// Pools that are made, used and shut down, one after the other.
fn come_and_go(cycles: u64) {
    let mut early = 0;
    for cycle in 0..cycles {
        let pool = ThreadPoolExecutor::new(3).unwrap();
        let jobs = [1, 2, 3].map(|n| pool.submit(move || n).unwrap());
        assert_eq!(jobs.map(|job| job.result(None).unwrap()), [1, 2, 3]);
        pool.shutdown(true, false).unwrap();
        if cycle % 10 == 0 {
            let pool = ProcessPoolExecutor::new(1).unwrap();
            let back = pool.submit(turn::job(vec![1, 2], false)).unwrap();
            assert_eq!(back.result(None).unwrap(), [3, 1]);
            pool.shutdown(true, false).unwrap();
        }
        if cycle == cycles / 5 {
            early = resident_bytes();
        }
    }
    let late = resident_bytes();
    println!(
        "{cycles} pools: {} KiB resident, {} early on",
        late >> 10,
        early >> 10
    );
    assert!(
        late <= early + early / 50 + (4 << 20),
        "pools are left in memory"
    );
}

/// How much memory this process has, where that can be known.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * 4096
}

#[expect(clippy::disallowed_methods, reason = "how long it soaks is real time")]
fn now() -> Instant {
    Instant::now()
}
