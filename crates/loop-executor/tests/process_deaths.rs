//! Workers that die, or say what no worker says: one job is lost at most, and the pool goes on.
#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::os::unix::process::ExitStatusExt;

use common::workers::{
    Mark, add, assert_works, broken, died, exit, length, never, pid, until_gone,
};
use common::{children, eventually, process_state, signal, watched};
use loop_executor::{
    BreakCause, ExecutorExt, ProcessPoolExecutor, SubmitError, WorkerPhase, process_fn,
};

loop_executor::worker_test!();

process_fn! {
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
fn no_zombies_are_left() {
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
