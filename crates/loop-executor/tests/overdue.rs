//! Jobs that hang: they are reported, their threads are written off, and the pool goes on.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use common::{Books, eventually, thread_names, watched};
use loop_bridge::ConcurrentFuture;
use loop_executor::{Executor, ExecutorExt, ThreadPoolBuilder, ThreadPoolExecutor, UnfinishedJob};

const DEADLINE: Duration = Duration::from_millis(5);

fn one_thread() -> ThreadPoolBuilder {
    ThreadPoolExecutor::builder().max_workers(1)
}

/// A job that hangs until the sender goes, and has begun when this returns.
fn hang(pool: &ThreadPoolExecutor) -> (mpsc::Sender<()>, ConcurrentFuture<bool>) {
    let (end, ended) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let stuck = pool.submit(move || {
        begin.send(()).unwrap();
        ended.recv().is_err()
    });
    begun.recv().unwrap();
    (end, stuck.unwrap())
}

#[test]
fn a_job_past_its_deadline_is_reported_once_with_its_place() {
    watched(|| {
        let (report, reports) = mpsc::channel::<UnfinishedJob>();
        let pool = one_thread()
            .job_deadline(DEADLINE)
            .on_overdue(move |job| report.send(job.clone()).unwrap())
            .build()
            .unwrap();
        for _ in 0..3 {
            assert_eq!(pool.submit(|| 7).unwrap().result(None).unwrap(), 7);
        }
        let (end, ended) = mpsc::channel::<()>();
        let line = line!() + 1;
        let slow = pool.submit(move || ended.recv().is_err()).unwrap();
        let job = reports.recv().unwrap();
        assert_eq!((job.place().file(), job.place().line()), (file!(), line));
        assert!(job.running_for().unwrap() >= DEADLINE);
        assert!(!slow.done(), "a report changes nothing");
        // It is still past its deadline when the next one is reported.
        drop(end);
        assert!(slow.result(None).unwrap());
        let (end, _slow) = hang(&pool);
        let job = reports.recv().unwrap();
        assert_ne!(job.place().line(), line);
        drop(end);
        pool.shutdown(true, false).unwrap();
        drop(pool);
        // Whether one of the quick jobs was reported is the machine's affair; these two were, once.
        let left: Vec<_> = reports.iter().map(|job| job.place().line()).collect();
        assert!(!left.contains(&line), "{left:?}");
    });
}

#[test]
fn a_thread_that_is_written_off_is_replaced_and_nobody_waits_for_it() {
    watched(|| {
        let pool = one_thread().build().unwrap();
        let (end, stuck) = hang(&pool);
        let waiting: Vec<_> = (0..10).map(|n| pool.submit(move || n).unwrap()).collect();
        assert_eq!(pool.write_off(Duration::from_secs(3_600)).len(), 0);
        assert!(!waiting[0].done());
        let lost = pool.write_off(Duration::ZERO);
        assert_eq!(lost.len(), 1);
        for (n, future) in waiting.into_iter().enumerate() {
            assert_eq!(future.result(None).unwrap(), n);
        }
        // The outcome of the last one may be there before its thread has said that it is done.
        eventually("only the one that hangs is left", || {
            pool.unfinished().len() == 1
        });
        assert_eq!(pool.write_off(Duration::ZERO).len(), 0, "once");
        pool.shutdown(true, false).unwrap();
        assert!(!stuck.done());
        drop(end);
        assert!(
            stuck.result(None).unwrap(),
            "the outcome comes all the same"
        );
    });
}

#[test]
fn a_thread_that_is_written_off_without_need_is_replaced_when_a_job_comes() {
    watched(|| {
        let pool = one_thread().thread_name_prefix("needless").build().unwrap();
        let (end, stuck) = hang(&pool);
        assert_eq!(pool.write_off(Duration::ZERO).len(), 1);
        assert!(format!("{pool:?}").contains("threads=0/1"), "{pool:?}");
        let name = || std::thread::current().name().map(String::from);
        let name = pool.submit(name).unwrap().result(None).unwrap();
        assert_eq!(name.as_deref(), Some("needless_1"));
        drop(end);
        assert!(stuck.result(None).unwrap());
        eventually("the thread that was written off has gone", || {
            !thread_names().contains(&"needless_0".to_owned())
        });
        pool.shutdown(true, false).unwrap();
        // Who is waited for has ended, and the system may list it for a moment still.
        eventually("the other has gone, too", || {
            !thread_names()
                .iter()
                .any(|name| name.starts_with("needless"))
        });
    });
}

#[test]
fn jobs_that_hang_do_not_starve_a_pool() {
    watched(|| {
        let (report, reports) = mpsc::channel();
        let books = Books::default();
        let pool = ThreadPoolExecutor::builder()
            .max_workers(2)
            .job_deadline(DEADLINE)
            .on_overdue(move |job| {
                report.send(job.place().line()).unwrap();
                panic!("a report that panics is nobody's problem");
            })
            .write_off_overdue(true)
            .build()
            .unwrap();
        let (end, ended) = mpsc::channel::<()>();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        let (mut quick, mut line) = (Vec::new(), 0);
        for n in 0..20 {
            // All but the first hang in the lock.
            let (ended, held, inside) = (Arc::clone(&ended), books.hold(), books.clone());
            let hangs = move || {
                inside.runs();
                drop(held);
                let _ = ended.lock().unwrap().recv();
            };
            line = line!() + 1;
            books.enter(pool.submit(hangs));
            let inside = books.clone();
            quick.push(books.enter(pool.submit(move || {
                inside.runs();
                n
            })));
        }
        for (n, future) in quick.into_iter().enumerate() {
            assert_eq!(future.unwrap().result(None).unwrap(), n);
        }
        pool.shutdown(true, false).unwrap();
        // Also of the quick ones some may be late on a busy machine.
        let reported = reports.try_iter().filter(|at| *at == line).count();
        assert_eq!(reported, 20, "each of them once");
        drop(end);
        eventually("those that hung have ended", || books.ok() == 40);
        books.assert_balanced();
    });
}

#[test]
fn a_shutdown_that_waits_is_freed_by_the_writing_off() {
    watched(|| {
        let pool = one_thread()
            .job_deadline(Duration::from_millis(50))
            .write_off_overdue(true)
            .build()
            .unwrap();
        let (end, stuck) = hang(&pool);
        pool.shutdown(true, false).unwrap();
        assert!(!stuck.done());
        drop(end);
        assert!(stuck.result(None).unwrap());
    });
}

#[test]
fn a_shutdown_that_was_given_little_time_names_all_that_hang() {
    watched(|| {
        let pool = ThreadPoolExecutor::builder()
            .max_workers(4)
            .job_deadline(DEADLINE)
            .build()
            .unwrap();
        let hung: Vec<_> = (0..4).map(|_| hang(&pool)).collect();
        let stuck = pool
            .shutdown_timeout(Duration::from_millis(20))
            .unwrap_err();
        assert_eq!(stuck.jobs().len(), 4);
        assert!(stuck.jobs().iter().all(|job| job.running_for().is_some()));
        for (end, stuck) in hung {
            drop(end);
            assert!(stuck.result(None).unwrap());
        }
        pool.shutdown_timeout(Duration::MAX).unwrap();
    });
}

#[test]
fn the_watch_goes_with_its_pool() {
    watched(|| {
        for _ in 0..20 {
            let pool = ThreadPoolExecutor::builder()
                .max_workers(2)
                .thread_name_prefix("goes")
                .job_deadline(Duration::from_secs(3_600))
                .build()
                .unwrap();
            let both = Arc::new(Barrier::new(2));
            let meet = |both: Arc<Barrier>| pool.submit(move || both.wait().is_leader()).unwrap();
            let met = [meet(Arc::clone(&both)), meet(both)];
            let leaders = met.map(|future| future.result(None).unwrap());
            assert!(leaders[0] != leaders[1]);
            eventually("there is a watch", || {
                thread_names().contains(&"goes_watch".to_owned())
            });
            let watches = thread_names();
            let watches = watches.iter().filter(|name| *name == "goes_watch");
            assert_eq!(watches.count(), 1);
            pool.shutdown(true, false).unwrap();
            eventually("nobody is left", || {
                !thread_names().iter().any(|name| name.starts_with("goes"))
            });
        }
        let unused = one_thread().job_deadline(DEADLINE).build().unwrap();
        unused.shutdown(true, false).unwrap();
    });
}

#[test]
fn a_report_may_not_wait_for_its_own_pool() {
    watched(|| {
        let (tell, told) = mpsc::channel();
        let cell: Arc<std::sync::OnceLock<Arc<ThreadPoolExecutor>>> = Arc::default();
        let inside = Arc::clone(&cell);
        let pool = one_thread()
            .job_deadline(DEADLINE)
            .on_overdue(move |_| {
                let refused = inside.get().unwrap().shutdown(true, false).is_err();
                tell.send(refused).unwrap();
            })
            .build()
            .unwrap();
        let pool = cell.get_or_init(|| Arc::new(pool));
        let (end, _stuck) = hang(pool);
        assert!(told.recv().unwrap());
        drop(end);
        pool.shutdown(true, false).unwrap();
    });
}
