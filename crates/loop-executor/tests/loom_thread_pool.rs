//! Every interleaving of those who submit, work and shut down, within loom's bounds.
//!
//! `cargo xtask loom` builds and runs them. A model is a function over anything that behaves like
//! a pool. The `mutant_` tests run the same models over a small pool with one mistake each, and
//! must fail: were a model blind to a mistake, its mutant would pass.
#![cfg(loom)]
#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, which the lint cannot see here"
)]

#[path = "loom_thread_pool/mutants.rs"]
mod mutants;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use loop_bridge::ConcurrentError;
use loop_executor::{ExecutorExt, ThreadPoolExecutor};
use mutants::{Mistake, Mutant};

/// What becomes of the jobs of a model. It is not what the models are about: std's atomics, which
/// loom does not branch on.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// What the models ask of a pool.
trait Subject: Send + Sync + 'static {
    fn new(workers: usize) -> Self;
    /// A pool whose initializer fails.
    fn broken() -> Self;
    /// `false` if the job was refused.
    fn submit(&self, job: impl FnOnce() + Send + 'static, ends: Ends) -> bool;
    fn shutdown(&self, wait: bool, cancel_futures: bool);
}

/// Where the ends of jobs are counted.
#[derive(Clone, Default)]
struct Ends {
    ran: Count,
    panicked: Count,
    cancelled: Count,
    failed: Count,
}

impl Ends {
    fn all(&self) -> usize {
        self.ran.get() + self.panicked.get() + self.cancelled.get() + self.failed.get()
    }
}

/// The real thing.
struct Real(ThreadPoolExecutor);

impl Subject for Real {
    fn new(workers: usize) -> Self {
        Real(ThreadPoolExecutor::new(workers).unwrap())
    }
    fn broken() -> Self {
        let pool = ThreadPoolExecutor::builder()
            .max_workers(1)
            .try_initializer(|| Err("no licence"));
        Real(pool.build().unwrap())
    }
    fn submit(&self, job: impl FnOnce() + Send + 'static, ends: Ends) -> bool {
        let Ok(future) = self.0.submit(job) else {
            return false;
        };
        future.add_done_callback(move |future| match future.exception(None) {
            Ok(None) => ends.ran.add(),
            Ok(Some(ConcurrentError::Panicked(_))) => ends.panicked.add(),
            Ok(Some(ConcurrentError::Failed(_))) => ends.failed.add(),
            Err(ConcurrentError::Cancelled) => ends.cancelled.add(),
            other => unreachable!("{other:?}"),
        });
        true
    }
    fn shutdown(&self, wait: bool, cancel_futures: bool) {
        self.0.shutdown(wait, cancel_futures).unwrap();
    }
}

/// E1: two workers, two jobs, and a shutdown that waits.
fn two_jobs_and_shutdown<S: Subject>() {
    let (pool, ends) = (S::new(2), Ends::default());
    for _ in 0..2 {
        assert!(pool.submit(|| (), ends.clone()));
    }
    pool.shutdown(true, false);
    assert_eq!(ends.ran.get(), 2, "accepted before: run before it returns");
}

/// E2: one thread submits while another shuts the pool down and cancels.
fn submit_or_cancel<S: Subject>() {
    let (pool, ends) = (Arc::new(S::new(1)), Ends::default());
    let submitter = {
        let (pool, ends) = (Arc::clone(&pool), ends.clone());
        thread::spawn(move || (0..2).filter(|_| pool.submit(|| (), ends.clone())).count())
    };
    pool.shutdown(true, true);
    let accepted = submitter.join().unwrap();
    assert_eq!(ends.ran.get() + ends.cancelled.get(), accepted);
}

/// E3: a worker that has nothing to do goes to sleep as the next job comes.
fn reuse_the_idle<S: Subject>() {
    let (pool, ends) = (S::new(1), Ends::default());
    assert!(pool.submit(|| (), ends.clone()));
    assert!(pool.submit(|| (), ends.clone()));
    assert!(pool.submit(|| (), ends.clone()));
    pool.shutdown(true, false);
    assert_eq!(ends.ran.get(), 3);
}

/// Jobs come one at a time: the next as soon as the one before says that it has run. What nobody comes for is a deadlock.
fn one_at_a_time<S: Subject>() {
    let (pool, ends) = (S::new(1), Ends::default());
    let ran = Arc::new((Mutex::new(0), Condvar::new()));
    for number in 1..=2 {
        let told = Arc::clone(&ran);
        let job = move || {
            *told.0.lock().unwrap() += 1;
            told.1.notify_one();
        };
        assert!(pool.submit(job, ends.clone()));
        let mut so_far = ran.0.lock().unwrap();
        while *so_far < number {
            so_far = ran.1.wait(so_far).unwrap();
        }
    }
    pool.shutdown(true, false);
    assert_eq!(ends.ran.get(), 2);
}

/// E4: a job panics while the pool is shut down.
fn panic_or_shutdown<S: Subject>() {
    let (pool, ends) = (S::new(1), Ends::default());
    assert!(pool.submit(
        || std::panic::resume_unwind(Box::new("a job")),
        ends.clone()
    ));
    assert!(pool.submit(|| (), ends.clone()));
    pool.shutdown(true, false);
    assert_eq!((ends.panicked.get(), ends.ran.get()), (1, 1));
}

/// E5: the initializer fails while jobs are submitted.
fn broken_or_submit<S: Subject>() {
    let (pool, ends) = (S::broken(), Ends::default());
    assert!(pool.submit(|| (), ends.clone()), "nobody knows yet");
    let second = pool.submit(|| (), ends.clone());
    pool.shutdown(true, false);
    assert_eq!(ends.failed.get(), 1 + usize::from(second));
    assert_eq!(ends.all(), ends.failed.get());
}

/// Two threads wait for the end of a pool with two workers, which a third one begins.
fn two_wait<S: Subject>() {
    let (pool, ends) = (Arc::new(S::new(1)), Ends::default());
    assert!(pool.submit(|| (), ends.clone()));
    let other = {
        let pool = Arc::clone(&pool);
        thread::spawn(move || pool.shutdown(true, false))
    };
    pool.shutdown(true, false);
    assert_eq!(ends.ran.get(), 1);
    other.join().unwrap();
}

/// E6: a worker is written off while it ends its job, and another takes its place.
fn write_off_or_end() {
    let pool = ThreadPoolExecutor::new(1).unwrap();
    let jobs = [1, 2].map(|number| pool.submit(move || number).unwrap());
    let lost = pool.write_off(Duration::ZERO);
    assert!(lost.len() <= 1, "one runs, at most");
    pool.shutdown(true, false).unwrap();
    // Nobody waited for the one that was written off, and its job ends as well.
    let outcomes = jobs.map(|job| job.result(None).unwrap());
    assert_eq!(outcomes, [1, 2]);
}

#[test]
fn e1_two_workers_two_jobs_and_shutdown() {
    loom::model(two_jobs_and_shutdown::<Real>);
}

#[test]
fn e2_submit_and_shutdown_that_cancels() {
    loom::model(submit_or_cancel::<Real>);
}

#[test]
fn e3_idle_workers_are_reused() {
    loom::model(reuse_the_idle::<Real>);
}

#[test]
fn jobs_that_come_one_at_a_time() {
    loom::model(one_at_a_time::<Real>);
}

#[test]
fn e4_a_panic_and_shutdown() {
    loom::model(panic_or_shutdown::<Real>);
}

#[test]
fn e5_an_initializer_that_fails_and_submit() {
    loom::model(broken_or_submit::<Real>);
}

#[test]
fn e6_a_worker_that_is_written_off_and_ends_its_job() {
    loom::model(write_off_or_end);
}

#[test]
fn two_threads_wait_for_the_end() {
    loom::model(two_wait::<Real>);
}

#[test]
fn the_small_pool_without_a_mistake_passes() {
    loom::model(two_jobs_and_shutdown::<Mutant<{ Mistake::NONE }>>);
    loom::model(submit_or_cancel::<Mutant<{ Mistake::NONE }>>);
    loom::model(one_at_a_time::<Mutant<{ Mistake::NONE }>>);
    loom::model(broken_or_submit::<Mutant<{ Mistake::NONE }>>);
    loom::model(two_wait::<Mutant<{ Mistake::NONE }>>);
}

#[test]
fn mutant_sleep_after_letting_go_of_the_queue() {
    loom::model(reuse_the_idle::<Mutant<{ Mistake::LOOK_THEN_SLEEP }>>);
}

#[test]
fn mutant_shutdown_wakes_one_worker() {
    loom::model(two_jobs_and_shutdown::<Mutant<{ Mistake::NOTIFY_ONE }>>);
}

#[test]
fn mutant_a_worker_leaves_its_queue_behind() {
    loom::model(two_jobs_and_shutdown::<Mutant<{ Mistake::LEAVE_AT_ONCE }>>);
}

#[test]
fn mutant_submit_looks_and_then_queues() {
    loom::model(submit_or_cancel::<Mutant<{ Mistake::LOOK_THEN_QUEUE }>>);
}

#[test]
fn mutant_the_broken_pool_forgets_what_waits() {
    loom::model(broken_or_submit::<Mutant<{ Mistake::FORGET_PENDING }>>);
}

#[test]
fn mutant_a_worker_that_tells_sleeps_without_another_look() {
    loom::model(one_at_a_time::<Mutant<{ Mistake::TELL_THEN_SLEEP }>>);
}

#[test]
fn mutant_one_of_those_who_wait_is_told() {
    loom::model(two_wait::<Mutant<{ Mistake::TELL_ONE }>>);
}
