//! Work that a loop has done elsewhere, and what comes back.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::{Books, watched};
use loop_core::{EventLoop, LoopRef};
use loop_executor::{
    CpuPool, Executor, ExecutorExt, Job, LoopExecutorExt, SubmitError, ThreadPoolExecutor,
};
use loop_tasks::{LoopExt, RunError, TaskError, create_task, gather, sleep, yield_now};

fn thread_name() -> String {
    thread::current().name().unwrap().to_owned()
}

#[test]
fn the_work_begins_even_if_the_loop_never_runs() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        let future = event_loop
            .run_in_executor(Some(&pool), move || sender.send("ran").unwrap())
            .unwrap();
        assert_eq!(receiver.recv(), Ok("ran"));
        pool.shutdown(true, false).unwrap();
        assert!(!future.done(), "the outcome has not been fetched");
        event_loop.close().unwrap();
    });
}

#[test]
fn the_outcome_comes_as_one_callback() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let trace = Rc::new(RefCell::new(Vec::new()));
        let note = |text: &'static str| {
            let trace = Rc::clone(&trace);
            move || trace.borrow_mut().push(text)
        };
        let future = event_loop.run_in_executor(Some(&pool), || 1).unwrap();
        pool.shutdown(true, false).unwrap();
        let done = note("callback");
        future.add_done_callback(move |_| done());
        // The message is there. It comes after what is ready, and settles the future; the future's
        // callbacks are scheduled by that.
        event_loop.call_soon(note("ready")).unwrap();
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
        note("first")();
        assert!(future.done());
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
        assert_eq!(*trace.borrow(), ["ready", "first", "callback"]);
        assert_eq!(event_loop.run_until_complete(future).unwrap(), 1);
        event_loop.close().unwrap();
    });
}

#[test]
fn none_is_the_loops_own_pool() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        // Three at once, each on a thread of its own.
        let all = Arc::new(Barrier::new(3));
        let jobs = [0, 1, 2].map(|_| {
            let all = Arc::clone(&all);
            let job = move || {
                all.wait();
                thread_name()
            };
            event_loop.run_in_executor(None, job).unwrap()
        });
        let mut names: Vec<String> = jobs
            .into_iter()
            .map(|job| event_loop.run_until_complete(job).unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["asyncio_0", "asyncio_1", "asyncio_2"]);

        let other = EventLoop::new().unwrap();
        let name = other.run_in_executor(None, thread_name).unwrap();
        let name = other.run_until_complete(name).unwrap();
        assert_eq!(name, "asyncio_0", "each loop has its own");
        for event_loop in [event_loop, other] {
            event_loop.close().unwrap();
        }
    });
}

#[test]
fn any_pool_will_do() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let threads = Arc::new(ThreadPoolExecutor::new(1).unwrap());
        let cpu = CpuPool::new(1).unwrap();
        let dynamic: &dyn Executor = &cpu;
        let jobs = [
            event_loop.run_in_executor(Some(&threads), || 1).unwrap(),
            event_loop.run_in_executor(Some(&*threads), || 2).unwrap(),
            event_loop.run_in_executor(Some(&cpu), || 3).unwrap(),
            event_loop.run_in_executor(Some(dynamic), || 4).unwrap(),
        ];
        let results = event_loop.run_until_complete(async { gather(jobs).await });
        let results: Vec<i32> = results
            .unwrap()
            .unwrap()
            .into_iter()
            .map(|result| result.unwrap())
            .collect();
        assert_eq!(results, [1, 2, 3, 4]);
        event_loop.close().unwrap();
    });
}

#[test]
fn five_loops_in_five_threads_share_one_pool() {
    watched(|| {
        let pool = Arc::new(ThreadPoolExecutor::new(3).unwrap());
        let loops = [0, 1, 2, 3, 4].map(|number| {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let event_loop = EventLoop::new().unwrap();
                for round in 0..50 {
                    let job = event_loop
                        .run_in_executor(Some(&pool), move || (number, round))
                        .unwrap();
                    let result = event_loop.run_until_complete(job).unwrap();
                    assert_eq!(result, (number, round));
                }
                event_loop.close().unwrap();
            })
        });
        for event_loop in loops {
            event_loop.join().unwrap();
        }
    });
}

#[test]
fn a_panic_is_the_outcome() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let job = event_loop
            .run_in_executor(None, || -> u32 { panic!("no such page") })
            .unwrap();
        match event_loop.run_until_complete(job) {
            Err(RunError::Task(TaskError::Panicked(panic))) => {
                assert_eq!(panic.message(), "no such page")
            }
            other => unreachable!("{other:?}"),
        }
        event_loop.close().unwrap();
    });
}

#[test]
fn cancelling_takes_back_what_has_not_begun_and_nothing_else() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let books = Books::default();
        let (go, wait) = mpsc::channel::<()>();
        let (begun, beginning) = mpsc::channel::<()>();
        let ended = Arc::new(Mutex::new(false));
        let end = Arc::clone(&ended);
        let running = event_loop
            .run_in_executor(Some(&pool), move || {
                begun.send(()).unwrap();
                let _ = wait.recv();
                *end.lock().unwrap() = true;
            })
            .unwrap();
        let held = books.hold();
        let (ran, runs) = mpsc::channel();
        let waiting = event_loop
            .run_in_executor(Some(&pool), move || {
                drop(held);
                ran.send(()).unwrap();
            })
            .unwrap();
        beginning.recv().unwrap();
        assert!(running.cancel() && waiting.cancel());
        event_loop.run_once(Some(Duration::ZERO)).unwrap(); // the job hears of it as a done callback would
        drop(go);
        pool.shutdown(true, false).unwrap();
        assert!(*ended.lock().unwrap(), "a thread cannot be stopped");
        assert!(runs.recv().is_err(), "it has not run");
        for wrapper in [running, waiting] {
            assert!(wrapper.cancelled());
        }
        // The late outcome of the running one must not disturb the loop.
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
        books.assert_balanced();
        event_loop.close().unwrap();
    });
}

#[test]
fn a_job_that_its_pool_cancels_is_cancelled_here() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (go, wait) = mpsc::channel::<()>();
        pool.submit(move || wait.recv()).unwrap();
        let job = event_loop.run_in_executor(Some(&pool), || 1).unwrap();
        pool.shutdown(false, true).unwrap();
        drop(go);
        let seen = event_loop.run_until_complete(async move { job.await.map(|_| ()) });
        assert!(matches!(seen.unwrap(), Err(TaskError::Cancelled(_))));
        event_loop.close().unwrap();
    });
}

#[test]
fn what_is_refused_comes_back() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        pool.shutdown(true, false).unwrap();
        let books = Books::default();
        let held = books.hold();
        let work = move || {
            drop(held);
            7
        };
        let refused = event_loop.run_in_executor(Some(&pool), work).unwrap_err();
        assert!(matches!(refused, SubmitError::Shutdown(_)));
        let work = refused.into_inner();

        let shutdown = event_loop.shutdown_default_executor(None);
        event_loop.run_until_complete(shutdown).unwrap().unwrap();
        let refused = event_loop.run_in_executor(None, work).unwrap_err();
        assert!(matches!(refused, SubmitError::DefaultShutdown(_)));
        assert_eq!(refused.to_string(), "Executor shutdown has been called");
        let work = refused.into_inner();

        event_loop.close().unwrap();
        let refused = event_loop.run_in_executor(None, work).unwrap_err();
        assert!(matches!(refused, SubmitError::LoopClosed(_)));
        assert_eq!(refused.to_string(), "Event loop is closed");
        assert_eq!(refused.into_inner()(), 7);
        books.assert_balanced();
    });
}

#[test]
fn a_closed_loop_has_nothing_done() {
    /// Asks for more when it is dropped.
    struct Late(LoopRef, mpsc::Sender<bool>);
    impl Drop for Late {
        fn drop(&mut self) {
            let asked = self.0.event_loop().run_in_executor(None, || ());
            let refused = matches!(asked, Err(SubmitError::LoopClosed(_)));
            self.1.send(refused).unwrap();
        }
    }

    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        event_loop.set_default_executor(ThreadPoolExecutor::new(1).unwrap());
        let (refuse, refused) = mpsc::channel();
        let late = Late(event_loop.loop_ref(), refuse);
        event_loop.call_soon(move || drop(late)).unwrap();
        event_loop.close().unwrap();
        assert_eq!(refused.recv(), Ok(true));
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let refused = event_loop.run_in_executor(Some(&pool), || unreachable!("nobody waits"));
        assert!(matches!(refused, Err(SubmitError::LoopClosed(_))));
        pool.shutdown(true, false).unwrap();
    });
}

/// The clock of a loop in virtual time waits for what is done elsewhere.
#[test]
fn what_is_refused_is_not_waited_for() {
    watched(|| {
        let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        pool.shutdown(true, false).unwrap();
        assert!(event_loop.run_in_executor(Some(&pool), || 1).is_err());
        let hour = sleep(Duration::from_secs(3_600));
        event_loop.run_until_complete(hour).unwrap();
        event_loop.close().unwrap();
    });
}

#[test]
fn a_job_says_that_the_loop_has_cancelled_it() {
    let event_loop = EventLoop::new().unwrap();
    let work = || unreachable!("it is cancelled");
    let Ok((job, future)) = Job::for_loop::<_, ()>(&event_loop, work) else {
        unreachable!("the loop is open");
    };
    assert!(!job.is_cancelled());
    future.cancel();
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert!(job.is_cancelled());
    assert!(!job.run());
    event_loop.close().unwrap();
}

#[test]
fn closing_the_loop_shuts_its_pool_down_without_waiting() {
    /// Tells what is asked of it.
    struct Telling(mpsc::Sender<(bool, bool)>);
    impl Executor for Telling {
        fn execute(&self, job: Job) -> Result<(), SubmitError<Job>> {
            job.run();
            Ok(())
        }
        fn shutdown(&self, wait: bool, cancel: bool) -> Result<(), loop_bridge::WouldDeadlock> {
            self.0.send((wait, cancel)).unwrap();
            Ok(())
        }
    }
    let (sender, asked) = mpsc::channel();
    let event_loop = EventLoop::new().unwrap();
    event_loop.set_default_executor(Telling(sender));
    let job = event_loop.run_in_executor(None, || 5).unwrap();
    assert_eq!(event_loop.run_until_complete(job).unwrap(), 5);
    assert!(asked.try_recv().is_err());
    event_loop.close().unwrap();
    assert_eq!(asked.try_recv(), Ok((false, false)));
    assert!(asked.try_recv().is_err());
}

#[test]
fn a_default_executor_that_is_replaced_is_left_alone() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let first = Arc::new(ThreadPoolExecutor::new(1).unwrap());
        event_loop.set_default_executor(Arc::clone(&first));
        event_loop.set_default_executor(ThreadPoolExecutor::new(1).unwrap());
        assert_eq!(first.submit(|| 1).unwrap().result(None).unwrap(), 1);
        event_loop.close().unwrap();
    });
}

#[test]
fn the_loop_goes_on_while_its_pool_shuts_down() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let job = event_loop
            .run_in_executor(None, move || wait.recv().is_err())
            .unwrap();
        let shutdown = event_loop.shutdown_default_executor(None);
        let ended = event_loop.run_until_complete(async move {
            let shutdown = create_task(shutdown);
            for _ in 0..10 {
                yield_now().await;
            }
            assert!(!shutdown.done());
            drop(go);
            shutdown.await
        });
        ended.unwrap().unwrap().unwrap();
        assert!(event_loop.run_until_complete(job).unwrap());
        event_loop.close().unwrap();
    });
}

#[test]
fn a_pool_that_does_not_end_in_time_names_its_jobs() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let (begun, beginning) = mpsc::channel::<()>();
        let line = line!() + 2;
        let job = event_loop
            .run_in_executor(None, move || {
                begun.send(()).unwrap();
                wait.recv().is_err()
            })
            .unwrap();
        beginning.recv().unwrap();
        let shutdown = event_loop.shutdown_default_executor(Some(Duration::from_millis(1)));
        let stuck = event_loop
            .run_until_complete(shutdown)
            .unwrap()
            .unwrap_err();
        assert_eq!(stuck.jobs().len(), 1);
        assert_eq!(stuck.jobs()[0].place().file(), file!());
        assert_eq!(stuck.jobs()[0].place().line(), line);
        assert!(stuck.jobs()[0].running_for().is_some());
        drop(go);
        assert!(event_loop.run_until_complete(job).unwrap());
        event_loop.close().unwrap();
    });
}

#[test]
fn a_pool_that_does_not_end_in_time_is_shut_down_all_the_same() {
    /// Takes its time when it is to wait, before it shuts down.
    struct Slow(Mutex<mpsc::Receiver<()>>, mpsc::Sender<bool>);
    impl Executor for Slow {
        fn execute(&self, job: Job) -> Result<(), SubmitError<Job>> {
            Err(SubmitError::Shutdown(job))
        }
        fn shutdown(&self, wait: bool, _: bool) -> Result<(), loop_bridge::WouldDeadlock> {
            if wait {
                let _ = self.0.lock().unwrap().recv();
            }
            let _ = self.1.send(wait);
            Ok(())
        }
    }

    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        event_loop.set_default_executor(Slow(Mutex::new(wait), tell));
        let shutdown = event_loop.shutdown_default_executor(Some(Duration::from_millis(1)));
        event_loop
            .run_until_complete(shutdown)
            .unwrap()
            .unwrap_err();
        // The thread that was to wait may not even have begun to.
        assert_eq!(told.try_recv(), Ok(false));
        drop(go);
        event_loop.close().unwrap();
    });
}

#[test]
fn virtual_time_stands_still_while_a_thread_works() {
    watched(|| {
        let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let job = event_loop
            .run_in_executor(None, move || wait.recv().is_err())
            .unwrap();
        event_loop
            .call_later(Duration::from_secs(3_600), || unreachable!("not yet"))
            .unwrap();
        event_loop.call_soon(move || drop(go)).unwrap();
        let before = event_loop.time();
        assert!(event_loop.run_until_complete(job).unwrap());
        assert_eq!(event_loop.time(), before);
        event_loop.close().unwrap();
    });
}
