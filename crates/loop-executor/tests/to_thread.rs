//! `to_thread`: a coroutine that has its work done in a thread.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::future::poll_fn;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use common::{Books, watched};
use loop_core::EventLoop;
use loop_executor::{LoopExecutorExt, ThreadPoolExecutor, to_thread};
use loop_tasks::{ContextVar, LoopExt, LoopFuture, TaskError, create_task, yield_now};

/// A loop whose pool has one thread, and what keeps that busy: a job that comes to `true` when the sender is dropped.
fn busy_loop() -> (EventLoop, LoopFuture<bool>, mpsc::Sender<()>) {
    let event_loop = EventLoop::new().unwrap();
    event_loop.set_default_executor(ThreadPoolExecutor::new(1).unwrap());
    let (go, wait) = mpsc::channel();
    let job = event_loop.run_in_executor(None, move || wait.recv().is_err());
    (event_loop, job.unwrap(), go)
}

/// It is a coroutine, and once its jobs were all of one place in this library.
#[test]
fn a_job_of_to_thread_is_of_the_place_that_called_it() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let (begun, beginning) = mpsc::channel::<()>();
        let line = line!() + 1;
        let job = event_loop.create_task(to_thread(move || {
            begun.send(()).unwrap();
            wait.recv().is_err()
        }));
        event_loop.run_until_complete(yield_now()).unwrap();
        beginning.recv().unwrap();
        let shutdown = event_loop.shutdown_default_executor(Some(Duration::from_millis(1)));
        let stuck = event_loop
            .run_until_complete(shutdown)
            .unwrap()
            .unwrap_err();
        let place = stuck.jobs()[0].place();
        assert_eq!((place.file(), place.line()), (file!(), line));
        drop(go);
        assert!(event_loop.run_until_complete(job).unwrap().unwrap());
        event_loop.close().unwrap();
    });
}

#[test]
fn context_travels_with_to_thread_and_not_with_run_in_executor() {
    static USER: ContextVar<u32> = ContextVar::new();
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let seen = event_loop.run_until_complete(async {
            USER.set(5);
            let there = to_thread(|| {
                let seen = USER.get();
                USER.set(6);
                seen
            });
            let event_loop = loop_core::get_running_loop().unwrap();
            let without = event_loop.run_in_executor(None, || USER.get()).unwrap();
            (there.await.unwrap(), without.await.unwrap(), USER.get())
        });
        assert_eq!(seen.unwrap(), (Some(5), None, Some(5)));
        event_loop.close().unwrap();
    });
}

#[test]
fn to_thread_that_is_not_awaited_does_nothing() {
    drop(to_thread(|| unreachable!("nobody polls it")));
}

#[test]
fn to_thread_that_is_cancelled_takes_its_job_back() {
    watched(|| {
        let (event_loop, first, go) = busy_loop();
        let books = Books::default();
        let held = books.hold();
        let (ran, runs) = mpsc::channel();
        event_loop
            .run_until_complete(async move {
                let task = create_task(to_thread(move || {
                    drop(held);
                    ran.send(())
                }));
                yield_now().await;
                task.cancel();
                assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
                drop(go);
                assert!(first.await.unwrap());
            })
            .unwrap();
        let shutdown = event_loop.shutdown_default_executor(None);
        event_loop.run_until_complete(shutdown).unwrap().unwrap();
        assert!(runs.recv().is_err(), "it has not run");
        books.assert_balanced();
        event_loop.close().unwrap();
    });
}

#[test]
fn to_thread_that_is_dropped_takes_its_job_back() {
    watched(|| {
        let (event_loop, first, go) = busy_loop();
        let (ran, runs) = mpsc::channel();
        event_loop
            .run_until_complete(async move {
                let mut second = Box::pin(to_thread(move || ran.send(())));
                let polled = poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx))).await;
                assert!(polled.is_pending());
                drop(second);
                yield_now().await; // the job hears of it as a done callback would
                drop(go);
                assert!(first.await.unwrap());
            })
            .unwrap();
        let shutdown = event_loop.shutdown_default_executor(None);
        event_loop.run_until_complete(shutdown).unwrap().unwrap();
        assert!(runs.recv().is_err(), "it was dropped, and has not run");
        event_loop.close().unwrap();
    });
}

#[test]
fn to_thread_after_the_shutdown_says_so() {
    watched(|| {
        let event_loop = EventLoop::new().unwrap();
        let shutdown = event_loop.shutdown_default_executor(None);
        event_loop.run_until_complete(shutdown).unwrap().unwrap();
        let refused = event_loop.run_until_complete(to_thread(|| 1)).unwrap();
        assert_eq!(
            refused.unwrap_err().to_string(),
            "Executor shutdown has been called"
        );
        event_loop.close().unwrap();
    });
}
