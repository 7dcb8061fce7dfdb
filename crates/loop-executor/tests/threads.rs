//! Threads: how many, when, which, and what they are called.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::collections::HashSet;
use std::process;
use std::sync::{Arc, Barrier, mpsc};
use std::thread::{self, ThreadId};

use common::{Books, watched};
use loop_executor::{Executor, ExecutorExt, PoolError, SubmitError, ThreadPoolExecutor};

fn name() -> String {
    thread::current().name().unwrap().to_owned()
}

#[test]
fn two_start_and_the_third_takes_over_from_the_first_to_end() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (ends, order) = (mpsc::channel::<()>(), mpsc::channel::<(u32, ThreadId)>());
        let started = order.0;
        let begin = started.clone();
        let first = pool
            .submit(move || {
                begin.send((1, thread::current().id())).unwrap();
                let _ = ends.1.recv();
            })
            .unwrap();
        let one = order.1.recv().unwrap();
        let hold = mpsc::channel::<()>();
        let begin = started.clone();
        let second = pool
            .submit(move || {
                begin.send((2, thread::current().id())).unwrap();
                let _ = hold.1.recv();
            })
            .unwrap();
        let two = order.1.recv().unwrap();
        let third = pool
            .submit(move || started.send((3, thread::current().id())).unwrap())
            .unwrap();
        assert_eq!((one.0, two.0), (1, 2));
        assert_ne!(one.1, two.1);
        assert!(!third.running(), "both threads are busy");
        drop(ends.0);
        let three = order.1.recv().unwrap();
        assert_eq!(three, (3, one.1), "on the thread that became free");
        drop(hold.0);
        for future in [first, second, third] {
            future.result(None).unwrap();
        }
    });
}

#[test]
fn an_idle_thread_is_used_before_another_is_made() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(8).unwrap();
        let mut seen = HashSet::new();
        for _ in 0..100 {
            let future = pool.submit(|| thread::current().id()).unwrap();
            seen.insert(future.result(None).unwrap());
            // The outcome is there a moment before the thread is idle; `Debug` tells the latter.
            while !format!("{pool:?}").contains("idle=1 ") {
                thread::yield_now();
            }
        }
        assert_eq!(seen.len(), 1);
        assert!(format!("{pool:?}").contains("threads=1/8"));
    });
}

#[test]
fn as_many_threads_as_jobs_in_flight_and_no_more_than_allowed() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(4).unwrap();
        let all = Arc::new(Barrier::new(4));
        let books = Books::default();
        for _ in 0..4 {
            let (all, books2) = (Arc::clone(&all), books.clone());
            books.enter(pool.submit(move || {
                books2.runs();
                all.wait();
            }));
        }
        for _ in 0..1_000 {
            let books2 = books.clone();
            books.enter(pool.submit(move || books2.runs()));
        }
        assert!(format!("{pool:?}").contains("threads=4/4"));
        pool.shutdown(true, false).unwrap();
        assert_eq!(books.ok(), 1_004);
        books.assert_balanced();
    });
}

#[test]
fn threads_are_named_after_the_prefix() {
    watched(|| {
        let pool = ThreadPoolExecutor::builder()
            .max_workers(3)
            .thread_name_prefix("asyncio")
            .build()
            .unwrap();
        let all = Arc::new(Barrier::new(3));
        let names = pool.map(0..3, move |_| {
            all.wait();
            name()
        });
        let mut names: Vec<String> = names.unwrap().map(Result::unwrap).collect();
        names.sort();
        assert_eq!(names, ["asyncio_0", "asyncio_1", "asyncio_2"]);
    });
}

#[test]
fn without_a_prefix_each_pool_has_its_own() {
    watched(|| {
        let names = [(); 2].map(|()| {
            let pool = ThreadPoolExecutor::new(1).unwrap();
            let name = pool.submit(name).unwrap().result(None).unwrap();
            assert!(name.starts_with("ThreadPoolExecutor-"), "{name}");
            assert!(name.ends_with("_0"), "{name}");
            name
        });
        assert_ne!(names[0], names[1]);
    });
}

#[test]
fn jobs_stay_in_this_process() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let there = pool.submit(process::id).unwrap().result(None).unwrap();
        assert_eq!(there, process::id());
    });
}

#[test]
fn the_default_number_of_threads() {
    let cpus = thread::available_parallelism().unwrap().get();
    let pool = ThreadPoolExecutor::default();
    assert_eq!(pool.max_workers(), (cpus + 4).min(32));
}

#[test]
fn no_workers_are_no_pool() {
    let error = ThreadPoolExecutor::new(0).unwrap_err();
    assert!(matches!(error, PoolError::InvalidWorkers));
    assert_eq!(error.to_string(), "max_workers must be greater than 0");
}

#[test]
fn jobs_begin_in_the_order_in_which_they_came() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        for n in 0..1_000 {
            let sender = sender.clone();
            pool.submit(move || sender.send(n)).unwrap();
        }
        drop(sender);
        assert!(receiver.iter().eq(0..1_000));
    });
}

#[test]
fn five_threads_share_a_pool_and_each_gets_its_own_result() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(3).unwrap();
        thread::scope(|scope| {
            for n in 0..5 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..100 {
                        let future = pool.submit(move || (n, round)).unwrap();
                        assert_eq!(future.result(None).unwrap(), (n, round));
                    }
                });
            }
        });
    });
}

#[test]
fn a_refused_first_thread_gives_the_job_back() {
    watched(|| {
        // No system has that much memory for one stack.
        let pool = ThreadPoolExecutor::builder()
            .max_workers(2)
            .stack_size_bytes(1 << 60)
            .build()
            .unwrap();
        let books = Books::default();
        let held = books.hold();
        let error = pool
            .submit(move || {
                drop(held);
                7
            })
            .unwrap_err();
        assert!(matches!(error, SubmitError::Spawn(..)), "{error:?}");
        assert_eq!(books.alive(), 1, "nothing of the job is lost");
        assert_eq!(error.into_inner()(), 7);
        pool.shutdown(true, false).unwrap();
        books.assert_balanced();
    });
}

/// A burst wakes few threads, but jobs that wait for each other must all be begun.
#[test]
fn each_job_of_a_burst_that_blocks_has_a_thread_of_its_own() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(4).unwrap();
        for round in 0..500 {
            // Short ones first, so that now and then some thread is looking for more.
            let short: Vec<_> = (0..round % 7).map(|i| pool.submit(move || i)).collect();
            let together = Arc::new(Barrier::new(4));
            let jobs = [(); 4].map(|()| {
                let together = Arc::clone(&together);
                pool.submit(move || together.wait().is_leader()).unwrap()
            });
            let leaders = jobs.map(|job| job.result(None).unwrap());
            assert_eq!(leaders.iter().filter(|leader| **leader).count(), 1);
            for (i, job) in short.into_iter().enumerate() {
                assert_eq!(job.unwrap().result(None).unwrap(), i);
            }
        }
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn jobs_that_have_not_begun_are_counted_and_named() {
    watched(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (begin, begun) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let job = move || {
            begin.send(()).unwrap();
            let _ = wait.recv();
        };
        pool.submit(job).unwrap();
        begun.recv().unwrap();
        let line = line!() + 1;
        let waiting = [1, 2, 3].map(|number| pool.submit(move || number).unwrap());
        assert!(format!("{pool:?}").contains("threads=1/1 idle=0 queued=3"));
        pool.submit(|| 4).unwrap();
        let unfinished = pool.unfinished();
        let [running, rest @ .., last] = &*unfinished else {
            unreachable!("{unfinished:?}");
        };
        assert!(running.running_for().is_some());
        assert!(rest.iter().all(|job| job.running_for().is_none()));
        assert!(rest.iter().all(|job| job.place().line() == line));
        assert_eq!((rest.len(), last.place().line()), (3, line + 2));
        drop(go);
        for (number, future) in (1..).zip(waiting) {
            assert_eq!(future.result(None).unwrap(), number);
        }
    });
}

#[test]
fn jobs_of_a_burst_begin_in_their_order() {
    const JOBS: usize = 20_000;
    watched(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (begin, begun) = mpsc::channel();
        for number in 0..JOBS {
            let begin = begin.clone();
            pool.submit(move || begin.send(number).unwrap()).unwrap();
        }
        assert!(begun.iter().take(JOBS).eq(0..JOBS));
        pool.shutdown(true, false).unwrap();
    });
}

#[test]
fn jobs_that_wait_for_each_other_meet_in_the_middle_of_a_burst() {
    const WORKERS: usize = 4;
    watched(|| {
        let pool = ThreadPoolExecutor::new(WORKERS).unwrap();
        for round in 0..500 {
            let meeting = Arc::new(Barrier::new(WORKERS));
            let short = || drop(pool.submit(|| ()).unwrap());
            (0..round % 50).for_each(|_| short());
            // Each has a worker of its own, or none of them ends.
            let meet = |_| {
                let meeting = Arc::clone(&meeting);
                pool.submit(move || meeting.wait().is_leader()).unwrap()
            };
            let met: Vec<_> = (0..WORKERS).map(meet).collect();
            (0..round % 7).for_each(|_| short());
            for future in met {
                future.result(None).unwrap();
            }
        }
        pool.shutdown(true, false).unwrap();
    });
}
