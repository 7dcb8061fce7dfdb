//! Workers killed at random, under constant load: every job has one outcome, soon, and nothing is
//! left behind.
//!
//! One test in a process of its own, since it counts what the process has. `KILLS` says how many;
//! by default it is what a test may take.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{children, open_descriptors, signal, thread_names};
use loop_bridge::ConcurrentError;
use loop_executor::{ExecutorExt, JobError, ProcessPoolExecutor, process_fn};

process_fn! {
    /// Notes that it was run, in one write, and gives back what it got.
    fn run(log: String, number: u64, ballast: String) -> (u64, String) {
        let mut log = std::fs::File::options().append(true).open(log).unwrap();
        log.write_all(&number.to_le_bytes()).unwrap();
        (number, ballast)
    }
}

/// A small generator of numbers, so that a run that fails can be had again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[derive(Default, Debug)]
struct Outcomes {
    submitted: u64,
    done: u64,
    lost: u64,
}

fn main() {
    loop_executor::worker_main();
    let kills: u64 = std::env::var("KILLS").map_or(2_000, |kills| kills.parse().unwrap());
    let before = (thread_names(), open_descriptors(), children());
    let log = std::env::temp_dir().join(format!("loop_executor_kills_{}", std::process::id()));
    std::fs::write(&log, "").unwrap();
    let path = log.to_string_lossy().into_owned();

    let pool = ProcessPoolExecutor::new(4).unwrap();
    let over = AtomicBool::new(false);
    let mut outcomes = Outcomes::default();
    let mut lost = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            kill(&pool, kills);
            over.store(true, Ordering::SeqCst);
        });
        let mut random = Random(7);
        let mut waiting = VecDeque::new();
        while !over.load(Ordering::SeqCst) || !waiting.is_empty() {
            while waiting.len() < 50 && !over.load(Ordering::SeqCst) {
                let weight = if random.below(20) == 0 { 300_000 } else { 100 };
                let ballast = "x".repeat(random.below(weight) as usize);
                let number = outcomes.submitted;
                outcomes.submitted += 1;
                let job = run::job(path.clone(), number, ballast.clone());
                waiting.push_back((number, ballast, pool.submit(job).unwrap()));
            }
            let (number, ballast, future) = waiting.pop_front().unwrap();
            // Long before that, another worker has run it.
            match future.result(Some(Duration::from_secs(20))) {
                Ok(result) => {
                    assert_eq!(result, (number, ballast));
                    outcomes.done += 1;
                }
                Err(error) => {
                    assert!(is_death(&error), "{error}");
                    outcomes.lost += 1;
                    lost.push(number);
                }
            }
        }
    });
    pool.shutdown(true, false).unwrap();

    let mut runs = vec![0; outcomes.submitted as usize];
    for number in std::fs::read(&log).unwrap().chunks(8) {
        runs[u64::from_le_bytes(number.try_into().unwrap()) as usize] += 1;
    }
    std::fs::remove_file(&log).unwrap();
    println!("{kills} kills: {outcomes:?}");
    assert_eq!(outcomes.submitted, outcomes.done + outcomes.lost);
    assert!(outcomes.lost <= kills, "one death is one job");
    assert!(outcomes.lost > 0, "nobody was killed under a job");
    for (number, runs) in runs.iter().enumerate() {
        // One that is lost may have been run, or not.
        let told = lost.contains(&(number as u64));
        assert!(
            *runs == 1 || told && *runs == 0,
            "job {number} was run {runs} times"
        );
    }
    drop(pool);
    assert_eq!((thread_names(), open_descriptors(), children()), before);
}

fn is_death(error: &ConcurrentError) -> bool {
    matches!(JobError::of(error), Some(JobError::WorkerDied(_)))
}

/// Kills a worker after the other, whatever it is about.
fn kill(pool: &ProcessPoolExecutor, kills: u64) {
    let mut random = Random(11);
    let mut killed = 0;
    while killed < kills {
        let pause = Duration::from_micros(random.below(2_000));
        std::thread::park_timeout(pause);
        let workers = pool.worker_pids();
        if !workers.is_empty() {
            signal(workers[random.below(workers.len() as u64) as usize], "KILL");
            killed += 1;
        }
    }
}
