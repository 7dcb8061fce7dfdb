//! Workers that die, or never come to life: one job is lost at most, and nobody hangs.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process;
use std::time::Duration;

use common::{children, eventually, process_state, signal, watched};
use loop_bridge::{ConcurrentError, ConcurrentFuture};
use loop_core::EventLoop;
use loop_executor::{
    BreakCause, BrokenProcessPool, ExecutorExt, JobError, LoopExecutorExt, ProcessPoolExecutor,
    SubmitError, WorkerDied, WorkerPhase, process_fn,
};
use loop_tasks::{LoopExt, timeout};

loop_executor::worker_test!();

process_fn! {
    fn pid() -> u32 {
        process::id()
    }

    fn add(a: u32, b: u32) -> u32 {
        a + b
    }

    fn length(text: String) -> usize {
        text.len()
    }

    fn exit(code: i32) {
        process::exit(code)
    }

    /// Says that it has begun, by making a file, and never ends.
    fn never(begun: String) -> u32 {
        std::fs::write(begun, "").unwrap();
        loop {
            std::thread::park();
        }
    }

    /// Says that it has begun, by making a file, and ends when the file is gone.
    fn until_gone(begun: String) -> u32 {
        std::fs::write(&begun, "").unwrap();
        while std::path::Path::new(&begun).exists() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        process::id()
    }

    fn fail() {
        panic!("no licence");
    }

    /// Writes into the socket to the pool, as only a bug could.
    fn write_junk(junk: Vec<u8>) {
        use std::io::Write;
        use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

        let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        for number in 3..100 {
            let Ok(link) = std::fs::read_link(format!("/proc/self/fd/{number}")) else {
                continue;
            };
            if link.to_string_lossy().starts_with("socket:") {
                let copy = pidfd_getfd(&this, number, PidfdGetfdFlags::empty()).unwrap();
                std::fs::File::from(copy).write_all(&junk).unwrap();
                return;
            }
        }
        panic!("where is the socket?");
    }

    fn close_socket() {
        use rustix::net::{Shutdown, shutdown};
        use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

        let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        for number in 3..100 {
            let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
            if link.is_ok_and(|link| link.to_string_lossy().starts_with("socket:")) {
                let copy = pidfd_getfd(&this, number, PidfdGetfdFlags::empty()).unwrap();
                shutdown(&copy, Shutdown::Both).unwrap();
                return;
            }
        }
        panic!("where is the socket?");
    }

    /// Starts a worker of its own with a job that never ends, and never ends either.
    fn parent_of(begun: String) {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let busy = pool.submit(never::job(format!("{begun}.job"))).unwrap();
        let idle = ProcessPoolExecutor::new(1).unwrap();
        let there = idle.submit(pid::job()).unwrap().result(None).unwrap();
        eventually("a busy worker", || std::path::Path::new(&format!("{begun}.job")).exists());
        let pids = format!("{} {there}", pool.worker_pids()[0]);
        std::fs::write(format!("{begun}.new"), pids).unwrap();
        std::fs::rename(format!("{begun}.new"), &begun).unwrap();
        let _ = busy.result(None);
    }

    /// Makes pools with hardly a descriptor left, and says what becomes of them.
    fn without_descriptors(left: u64) -> Vec<String> {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let before = getrlimit(Resource::Nofile);
        let open = common::open_descriptors() as u64 - 1;
        let limit = Rlimit { current: Some(open + left), ..before };
        setrlimit(Resource::Nofile, limit).unwrap();
        let outcome = match ProcessPoolExecutor::new(2) {
            Err(error) => vec![error.to_string()],
            Ok(pool) => {
                let futures = [1, 2].map(|n| pool.submit(add::job(n, n)));
                futures
                    .into_iter()
                    .map(|future| match future {
                        Err(refused) => refused.to_string(),
                        Ok(future) => match future.result(None) {
                            Ok(sum) => sum.to_string(),
                            Err(error) => error.to_string(),
                        },
                    })
                    .collect()
            }
        };
        setrlimit(Resource::Nofile, before).unwrap();
        outcome
    }
}

/// A path for a file that is not there, and goes with this.
struct Mark(String);

impl Mark {
    fn new(name: &str) -> Self {
        let name = format!("loop_executor_{}_{name}", process::id());
        Mark(
            std::env::temp_dir()
                .join(name)
                .to_string_lossy()
                .into_owned(),
        )
    }

    fn path(&self) -> String {
        self.0.clone()
    }

    fn wait(&self) {
        eventually("the job has begun", || {
            std::path::Path::new(&self.0).exists()
        });
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_file(format!("{}.job", self.0));
    }
}

fn job_error(error: &ConcurrentError) -> &JobError {
    JobError::of(error).unwrap_or_else(|| panic!("{error:?}"))
}

fn died<T: Clone + std::fmt::Debug>(future: &ConcurrentFuture<T>) -> WorkerDied {
    match job_error(&future.result(None).unwrap_err()) {
        JobError::WorkerDied(died) => died.clone(),
        other => panic!("{other:?}"),
    }
}

fn broken<T: Clone + std::fmt::Debug>(future: &ConcurrentFuture<T>) -> BrokenProcessPool {
    match job_error(&future.result(None).unwrap_err()) {
        JobError::Broken(broken) => broken.clone(),
        other => panic!("{other:?}"),
    }
}

fn assert_works(pool: &ProcessPoolExecutor) {
    let sums: Vec<_> = (0..20)
        .map(|n| pool.submit(add::job(n, 1)).unwrap())
        .collect();
    for (n, sum) in sums.into_iter().enumerate() {
        assert_eq!(sum.result(None).unwrap(), n as u32 + 1);
    }
}

#[test]
fn a_worker_killed_under_its_job_loses_that_job_and_no_other() {
    watched(|| {
        for name in ["KILL", "SEGV"] {
            let pool = ProcessPoolExecutor::new(2).unwrap();
            let (doomed, spared) = (Mark::new(name), Mark::new(&format!("{name}_spared")));
            let lost = pool.submit(never::job(doomed.path())).unwrap();
            doomed.wait();
            let victim = pool.worker_pids()[0];
            let kept = pool.submit(until_gone::job(spared.path())).unwrap();
            spared.wait();
            let waiting: Vec<_> = (0..10)
                .map(|n| pool.submit(add::job(n, n)).unwrap())
                .collect();
            // The first SIGSEGV only takes away std's handler for it, which expects the access that
            // faulted to fault again.
            eventually("its death is known", || {
                signal(victim, name);
                lost.done()
            });
            let died = died(&lost);
            assert_eq!((died.pid(), died.phase()), (victim, WorkerPhase::Running));
            let number = if name == "KILL" { 9 } else { 11 };
            assert_eq!(died.status().signal(), Some(number));
            assert!(died.to_string().contains("whose result is lost"), "{died}");
            for (n, future) in waiting.into_iter().enumerate() {
                assert_eq!(future.result(None).unwrap(), 2 * n as u32);
            }
            assert!(kept.running());
            drop(spared);
            assert_ne!(kept.result(None).unwrap(), victim);
            pool.shutdown(true, false).unwrap();
            assert_eq!(process_state(victim), None);
        }
    });
}

#[test]
fn a_worker_killed_while_idle_is_replaced_when_it_is_needed() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        for _ in 0..20 {
            let victim = pool.submit(pid::job()).unwrap().result(None).unwrap();
            signal(victim, "KILL");
            eventually("it is buried", || pool.worker_pids().is_empty());
            assert_eq!(process_state(victim), None);
        }
        assert_works(&pool);
    });
}

#[test]
fn a_job_that_meets_a_dead_worker_goes_to_another() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        for round in 0..50 {
            let victim = pool.submit(pid::job()).unwrap().result(None).unwrap();
            signal(victim, "KILL");
            // More than the socket holds, so that the worker cannot have read all of it unless it
            // was still alive.
            let text = "x".repeat(if round % 2 == 0 { 10 } else { 2 << 20 });
            let future = pool.submit(length::job(text.clone())).unwrap();
            assert_eq!(future.result(None).unwrap(), text.len());
        }
    });
}

#[test]
fn cancelling_a_job_that_runs_kills_its_worker_alone() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(2).unwrap();
        let (doomed, spared) = (Mark::new("cancelled"), Mark::new("not_cancelled"));
        let unwanted = pool.submit(never::job(doomed.path())).unwrap();
        doomed.wait();
        let victim = pool.worker_pids()[0];
        let kept = pool.submit(until_gone::job(spared.path())).unwrap();
        spared.wait();
        let waiting = pool.submit(add::job(1, 2)).unwrap();
        let also_unwanted = pool.submit(add::job(1, 2)).unwrap();
        assert!(also_unwanted.cancel(), "it has not begun");
        assert!(unwanted.running() && unwanted.cancel());
        assert!(matches!(
            unwanted.result(None),
            Err(ConcurrentError::Cancelled)
        ));
        assert_eq!(
            waiting.result(None).unwrap(),
            3,
            "in the place that is free again"
        );
        assert_eq!(process_state(victim), None);
        drop(spared);
        kept.result(None).unwrap();
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn a_task_that_gives_up_kills_the_worker_of_its_job_alone() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let pool = ProcessPoolExecutor::new(2).unwrap();
        let (doomed, spared) = (Mark::new("given_up"), Mark::new("not_given_up"));
        let unwanted = event_loop
            .run_in_executor(Some(&pool), never::job(doomed.path()))
            .unwrap();
        doomed.wait();
        let victim = pool.worker_pids()[0];
        let kept = event_loop
            .run_in_executor(Some(&pool), until_gone::job(spared.path()))
            .unwrap();
        spared.wait();
        let waiting = event_loop
            .run_in_executor(Some(&pool), add::job(1, 2))
            .unwrap();
        let elapsed = event_loop.run_until_complete(async move {
            timeout(Duration::from_millis(10), async {
                unwanted.await.map(drop)
            })
            .await
            .is_err()
        });
        assert!(elapsed.unwrap());
        let sum = event_loop.run_until_complete(waiting).unwrap();
        assert_eq!(sum, 3, "in the place that is free again");
        assert_eq!(process_state(victim), None);
        drop(spared);
        assert_ne!(event_loop.run_until_complete(kept).unwrap(), victim);
        event_loop.close().unwrap();
    });
}

#[test]
fn a_pool_that_does_not_end_in_time_names_its_jobs() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let mark = Mark::new("stuck");
        let line = line!() + 1;
        let runs = pool.submit(never::job(mark.path())).unwrap();
        let waits = pool.submit(add::job(1, 2)).unwrap();
        mark.wait();
        let stuck = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
        let [first, second] = stuck.jobs() else {
            panic!("{stuck}");
        };
        assert!(first.running_for().is_some() && second.running_for().is_none());
        assert_eq!(
            (first.place().file(), first.place().line()),
            (file!(), line)
        );
        pool.kill_workers();
        pool.shutdown_timeout(Duration::MAX).unwrap();
        died(&runs);
        assert!(waits.cancelled());
        assert!(pool.submit(add::job(1, 2)).is_err());
    });
}

#[test]
fn a_job_that_takes_too_long_is_stopped() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let mark = Mark::new("timeout");
        let limit = Duration::from_millis(20);
        let slow = pool.submit(never::job(mark.path()).timeout(limit)).unwrap();
        let quick = pool
            .submit(add::job(1, 2).timeout(Duration::from_secs(60)))
            .unwrap();
        let error = slow.result(None).unwrap_err();
        let JobError::TimedOut {
            function,
            limit: told,
            ..
        } = job_error(&error)
        else {
            panic!("{error:?}");
        };
        assert_eq!((function.as_str(), *told), ("process_deaths::never", limit));
        assert_eq!(quick.result(None).unwrap(), 3);
        let forever = pool.submit(add::job(1, 2).timeout(Duration::MAX)).unwrap();
        assert_eq!(forever.result(None).unwrap(), 3);
    });
}

#[test]
fn a_pool_that_is_to_break_breaks_as_a_whole() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .break_on_worker_death(true)
            .build()
            .unwrap();
        let (one, two) = (Mark::new("breaks"), Mark::new("breaks_too"));
        let running = [&one, &two].map(|mark| {
            let future = pool.submit(never::job(mark.path())).unwrap();
            mark.wait();
            future
        });
        let waiting = [1, 2, 3].map(|n| pool.submit(add::job(n, n)).unwrap());
        let victim = pool.worker_pids()[0];
        signal(victim, "KILL");
        for future in running.iter().chain(&waiting) {
            match broken(future).cause() {
                BreakCause::WorkerDied(died) => assert_eq!(died.pid(), victim),
                other => panic!("{other:?}"),
            }
        }
        let refused = pool.submit(add::job(1, 2)).unwrap_err();
        assert!(matches!(refused, SubmitError::Broken(..)));
        assert!(
            refused
                .to_string()
                .starts_with("the process pool is not usable anymore")
        );
        pool.shutdown(true, false).unwrap();
        assert!(pool.worker_pids().is_empty());
    });
}

#[test]
fn a_worker_that_ends_by_itself_is_a_worker_that_died() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        for code in [0, 1, 42] {
            let gone = pool.submit(exit::job(code)).unwrap();
            assert_eq!(died(&gone).status().code(), Some(code));
        }
        assert_works(&pool);
    });
}

#[test]
fn junk_in_the_socket_is_never_a_result() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        for junk in [
            &b"junk"[..],
            &[0; 100],
            b"lxf1",
            b"lxf1 and so on, for more than a header",
        ] {
            let future = pool.submit(write_junk::job(junk.to_vec())).unwrap();
            let died = died(&future);
            assert!(
                died.cause()
                    .unwrap()
                    .starts_with("corrupt frame from worker pid"),
                "{died}"
            );
        }
        assert_works(&pool);
    });
}

#[test]
fn a_worker_whose_socket_is_closed_is_given_up() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let future = pool.submit(close_socket::job()).unwrap();
        died(&future);
        assert_works(&pool);
    });
}

#[test]
fn a_worker_that_is_stopped_goes_on_later() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let worker = pool.submit(pid::job()).unwrap().result(None).unwrap();
        signal(worker, "STOP");
        eventually("it stands still", || {
            process_state(worker).is_some_and(|(state, _)| state == 'T')
        });
        // None of this waits for the worker.
        let many: Vec<_> = (0..10_000)
            .map(|n| pool.submit(add::job(n, 1)).unwrap())
            .collect();
        let large = pool.submit(length::job("x".repeat(8 << 20))).unwrap();
        assert!(!many[0].done());
        signal(worker, "CONT");
        for (n, future) in many.into_iter().enumerate() {
            assert_eq!(future.result(None).unwrap(), n as u32 + 1);
        }
        assert_eq!(large.result(None).unwrap(), 8 << 20);
        assert_eq!(pool.worker_pids(), [worker]);
    });
}

#[test]
fn a_stopped_worker_can_be_killed() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let worker = pool.submit(pid::job()).unwrap().result(None).unwrap();
        signal(worker, "STOP");
        eventually("it stands still", || {
            process_state(worker).is_some_and(|(state, _)| state == 'T')
        });
        let future = pool.submit(add::job(1, 2)).unwrap();
        eventually("it has the job", || future.running());
        pool.kill_workers();
        pool.shutdown(true, false).unwrap();
        assert!(future.done());
    });
}

#[test]
fn a_program_without_the_line_is_told_which() {
    watched(|| {
        let shell = |script: &str| {
            ProcessPoolExecutor::builder()
                .max_workers(2)
                .program("/bin/sh")
                .worker_args(["-c", script])
                .start_timeout(Duration::from_millis(200))
                .build()
                .unwrap()
        };
        // One that ends, one that talks, one that repeats what it hears, one that says nothing.
        for script in [
            "exit 0",
            "exit 3",
            "echo hello >&0; cat",
            "cat >&0",
            "exec sleep 1000",
        ] {
            let pool = shell(script);
            let futures = [1, 2, 3].map(|n| pool.submit(add::job(n, n)).unwrap());
            for future in &futures {
                let broken = broken(future);
                assert!(
                    matches!(broken.cause(), BreakCause::NotAWorker { .. }),
                    "{script}: {broken}"
                );
                assert!(broken.to_string().contains("worker_main()"), "{broken}");
            }
            assert!(matches!(
                pool.submit(add::job(1, 1)),
                Err(SubmitError::Broken(..))
            ));
            pool.shutdown(true, false).unwrap();
        }
    });
}

#[test]
fn workers_that_die_as_they_start_are_given_up() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .program("/bin/sh")
            .worker_args(["-c", "kill -KILL $$"])
            .build()
            .unwrap();
        let future = pool.submit(add::job(1, 2)).unwrap();
        match broken(&future).cause() {
            BreakCause::StartFailed(died) => {
                assert_eq!(died.phase(), WorkerPhase::Starting);
                assert_eq!(died.status().signal(), Some(9));
            }
            other => panic!("{other:?}"),
        }
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .program("/no/such/program")
            .build()
            .unwrap();
        let futures = [1, 2].map(|n| pool.submit(add::job(n, n)).unwrap());
        for future in &futures {
            match broken(future).cause() {
                BreakCause::Spawn(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                }
                other => panic!("{other:?}"),
            }
        }
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn an_initializer_that_fails_breaks_the_pool() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .max_workers(2)
            .initializer(fail::job)
            .build()
            .unwrap();
        let futures = [1, 2].map(|n| pool.submit(add::job(n, n)).unwrap());
        for future in &futures {
            let broken = broken(future);
            assert!(matches!(broken.cause(), BreakCause::Initializer(_)));
            assert!(broken.to_string().contains("no licence"), "{broken}");
        }
        assert!(matches!(
            pool.submit(add::job(1, 1)),
            Err(SubmitError::Broken(..))
        ));
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn an_initializer_that_ends_the_worker_breaks_the_pool() {
    watched(|| {
        let pool = ProcessPoolExecutor::builder()
            .initializer(|| exit::job(0))
            .build()
            .unwrap();
        let future = pool.submit(add::job(1, 2)).unwrap();
        let cause = broken(&future);
        assert!(
            matches!(cause.cause(), BreakCause::StartFailed(_)),
            "{cause}"
        );
    });
}

#[test]
fn workers_end_when_their_parent_is_killed() {
    watched(|| {
        for round in 0..5 {
            let mark = Mark::new(&format!("parent_{round}"));
            let pool = ProcessPoolExecutor::new(1).unwrap();
            let parent = pool.submit(parent_of::job(mark.path())).unwrap();
            mark.wait();
            let pids: Vec<u32> = std::fs::read_to_string(mark.path())
                .unwrap()
                .split(' ')
                .map(|pid| pid.parse().unwrap())
                .collect();
            assert!(pids.iter().all(|pid| process_state(*pid).is_some()));
            signal(pool.worker_pids()[0], "KILL");
            died(&parent);
            // Whoever inherits the orphans may take its time to bury them.
            eventually("they end", || {
                let gone = |state: Option<(char, u32)>| state.is_none_or(|(state, _)| state == 'Z');
                pids.iter().all(|pid| gone(process_state(*pid)))
            });
        }
    });
}

#[test]
fn without_descriptors_there_is_an_error_and_no_hang() {
    watched(|| {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let mut worked = false;
        for left in 0..12 {
            let outcome = pool.submit(without_descriptors::job(left)).unwrap();
            let outcome = outcome.result(None).unwrap();
            worked |= outcome == ["2", "4"];
            for text in &outcome {
                let known =
                    ["2", "4"].contains(&text.as_str()) || text.contains("Too many open files");
                assert!(known, "{left} left: {text}");
            }
        }
        assert!(worked, "twelve descriptors are enough for a pool");
    });
}

#[test]
fn no_zombies_and_nothing_open_is_left() {
    // Other tests of this file run at the same time: only those processes count that are ours.
    watched(|| {
        let mut pids = Vec::new();
        for round in 0..10 {
            let pool = ProcessPoolExecutor::new(2).unwrap();
            let futures: Vec<_> = (0..6).map(|_| pool.submit(pid::job()).unwrap()).collect();
            let killed = futures[0].result(None).unwrap();
            if round % 2 == 0 {
                signal(killed, "KILL");
            }
            pids.extend(pool.worker_pids());
            pool.shutdown(true, false).unwrap();
        }
        assert!(children().iter().all(|(pid, _)| !pids.contains(pid)));
    });
}
