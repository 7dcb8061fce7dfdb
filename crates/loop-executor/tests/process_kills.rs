//! Workers killed at random, under constant load: every job has one outcome, soon, and nothing is
//! left behind. Soon is for 49 jobs of 50: a machine may stop starting processes for a while, which
//! is no hang.
//!
//! One test in a process of its own, since it counts what the process has. The environment may say
//! `KILLS` (by default, what a test may take) and `SEED`.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Random, children, eventually, open_descriptors, signal, thread_names};
use loop_bridge::{ConcurrentError, ConcurrentFuture};
use loop_executor::{ExecutorExt, JobError, ProcessPoolExecutor, WorkerPhase, process_fn};

process_fn! {
    /// Notes that it was run, in one write, takes its time, and gives back what it got.
    fn run(log: String, number: u64, time: Duration, ballast: String) -> (u64, String) {
        let mut log = std::fs::File::options().append(true).open(log).unwrap();
        log.write_all(&number.to_le_bytes()).unwrap();
        let start = now();
        while start.elapsed() < time {}
        (number, ballast)
    }
}

/// How many workers are killed in the life of one pool.
const KILLS_PER_POOL: u64 = 100;

/// How many jobs are under way or wait while there is load.
const LOAD: usize = 20;

/// How soon a job must have its outcome, on a machine that runs a thread when it is due.
const SOON: Duration = Duration::from_secs(1);

/// What became of the jobs.
#[derive(Default, Debug)]
struct Outcomes {
    submitted: u64,
    done: u64,
    lost: u64,
    cancelled: u64,
}

/// What became of each job, by its number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Done,
    Lost,
    Cancelled,
}

/// A job whose outcome has not been looked at.
struct Job {
    number: u64,
    ballast: String,
    future: ConcurrentFuture<(u64, String)>,
}

struct Load {
    random: Random,
    path: String,
    waiting: VecDeque<Job>,
    outcomes: Vec<Option<Outcome>>,
    /// The times from the call of `submit` to the outcome.
    waits: Arc<Mutex<Vec<Duration>>>,
}

fn main() {
    loop_executor::worker_main();
    let number = |name: &str, default| std::env::var(name).map_or(default, |n| n.parse().unwrap());
    let (kills, seed) = (number("KILLS", 2_000), number("SEED", 7));
    let before = (thread_names(), open_descriptors(), children());
    let log = std::env::temp_dir().join(format!("loop_executor_kills_{}", std::process::id()));
    std::fs::write(&log, "").unwrap();

    let mut load = Load {
        random: Random(seed),
        path: log.to_string_lossy().into_owned(),
        waiting: VecDeque::new(),
        outcomes: Vec::new(),
        waits: Arc::default(),
    };
    let start = now();
    let killed = AtomicU64::new(0);
    let late = lateness(|| {
        for pool in 0.. {
            let left = kills - killed.load(SeqCst);
            if left == 0 {
                break;
            }
            let random = Random(seed + 1_000 + pool);
            load.life_of_a_pool(random, left.min(KILLS_PER_POOL), &killed);
            assert_eq!(
                children(),
                before.2,
                "a pool that was shut down has left processes"
            );
            assert_eq!(open_descriptors(), before.1, "it has left descriptors");
        }
    });

    let outcomes = load.check_books(&std::fs::read(&log).unwrap());
    std::fs::remove_file(&log).unwrap();
    let mut waits = std::mem::take(&mut *load.waits.lock().unwrap());
    waits.sort_unstable();
    assert_eq!(waits.len() as u64, outcomes.submitted);
    let (most, longest) = (waits[waits.len() * 49 / 50], waits[waits.len() - 1]);
    println!(
        "{kills} kills in {:.1?}: {outcomes:?}; 49 of 50 waited for {most:.1?} at most, one for {longest:.1?} (a thread was {late:.1?} late)",
        start.elapsed()
    );
    assert!(outcomes.lost <= kills, "one death is one job");
    assert!(
        outcomes.lost * 20 > kills,
        "hardly a worker was killed under a job"
    );
    assert!(
        most < SOON + 10 * late,
        "of 50 jobs more than one had to wait for {most:?}"
    );
    eventually(
        "threads, descriptors and children are what they were",
        || (thread_names(), open_descriptors(), children()) == before,
    );
}

impl Load {
    /// Keeps a pool busy while its workers are killed, lets it rest, shuts it down.
    fn life_of_a_pool(&mut self, mut random: Random, kills: u64, killed: &AtomicU64) {
        let pool = ProcessPoolExecutor::new(4).unwrap();
        let enough = killed.load(SeqCst) + kills;
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Also while it is being shut down.
                while !over.load(SeqCst) && killed.load(SeqCst) < enough {
                    std::thread::park_timeout(Duration::from_micros(random.below(6_000)));
                    let workers = pool.worker_pids();
                    if !workers.is_empty() {
                        signal(workers[random.below(workers.len() as u64) as usize], "KILL");
                        killed.fetch_add(1, SeqCst);
                    }
                }
            });
            let last_kills = 5;
            while killed.load(SeqCst) + last_kills < enough {
                for _ in 0..60 {
                    self.submit(&pool);
                    while self.waiting.len() >= LOAD {
                        self.take();
                    }
                }
                // Now and then all workers are idle.
                if self.random.below(8) == 0 && !self.waiting.is_empty() {
                    (0..self.waiting.len()).for_each(|_| self.take());
                    std::thread::park_timeout(Duration::from_millis(3));
                }
            }
            while self.waiting.len() < LOAD {
                self.submit(&pool);
            }
            let cancel = self.random.below(2) == 0;
            pool.shutdown(true, cancel).unwrap();
            assert!(self.waiting.iter().all(|job| job.future.done()));
            (0..self.waiting.len()).for_each(|_| self.take());
            over.store(true, SeqCst);
        });
    }

    fn submit(&mut self, pool: &ProcessPoolExecutor) {
        let weight = match self.random.below(200) {
            0 => 3_000_000,
            1..10 => 300_000,
            _ => 100,
        };
        let ballast = "x".repeat(self.random.below(weight) as usize);
        let time = Duration::from_micros(self.random.below(3_000));
        let number = self.outcomes.len() as u64;
        self.outcomes.push(None);
        let job = run::job(self.path.clone(), number, time, ballast.clone());
        let (start, waits) = (now(), Arc::clone(&self.waits));
        let future = pool.submit(job).unwrap();
        future.add_done_callback(move |_| {
            waits.lock().unwrap().push(start.elapsed());
        });
        self.waiting.push_back(Job {
            number,
            ballast,
            future,
        });
    }

    /// Looks at the outcome of the oldest job.
    fn take(&mut self) {
        let Job {
            number,
            ballast,
            future,
        } = self.waiting.pop_front().unwrap();
        // Whatever the machine does meanwhile, this is a hang.
        let outcome = match future.result(Some(Duration::from_secs(120))) {
            Ok(result) => {
                assert_eq!(result, (number, ballast));
                Outcome::Done
            }
            Err(ConcurrentError::Cancelled) => Outcome::Cancelled,
            Err(error) => match JobError::of(&error) {
                Some(JobError::WorkerDied(died)) => {
                    assert_eq!(died.phase(), WorkerPhase::Running);
                    Outcome::Lost
                }
                _ => panic!("job {number}: {error}"),
            },
        };
        self.outcomes[number as usize] = Some(outcome);
    }

    /// Compares the outcomes with what the jobs have written down.
    fn check_books(&self, log: &[u8]) -> Outcomes {
        let mut runs = vec![0; self.outcomes.len()];
        for number in log.as_chunks().0 {
            runs[u64::from_le_bytes(*number) as usize] += 1;
        }
        let mut count = Outcomes::default();
        for (number, (outcome, runs)) in self.outcomes.iter().zip(runs).enumerate() {
            count.submitted += 1;
            let (counter, allowed) = match outcome.unwrap() {
                Outcome::Done => (&mut count.done, 1..=1),
                // It may have begun, or not.
                Outcome::Lost => (&mut count.lost, 0..=1),
                Outcome::Cancelled => (&mut count.cancelled, 0..=0),
            };
            *counter += 1;
            assert!(
                allowed.contains(&runs),
                "job {number} ran {runs} times: {outcome:?}"
            );
        }
        count
    }
}

/// By how much a thread that does nothing else was late at worst, meanwhile: what the machine adds
/// to any wait.
fn lateness(work: impl FnOnce()) -> Duration {
    const PACE: Duration = Duration::from_millis(1);
    let over = AtomicBool::new(false);
    let watch = || {
        let mut late = Duration::ZERO;
        while !over.load(SeqCst) {
            let start = now();
            std::thread::park_timeout(PACE);
            late = late.max(start.elapsed().saturating_sub(PACE));
        }
        late
    };
    std::thread::scope(|scope| {
        let watch = scope.spawn(watch);
        work();
        over.store(true, SeqCst);
        watch.join().unwrap()
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a job takes to be settled is what is tested"
)]
fn now() -> Instant {
    Instant::now()
}
