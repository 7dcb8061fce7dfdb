//! A coroutine that does I/O returns `io::Result`, and what it meets of the loop goes through `?`.

mod common;

use std::error::Error;
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use asyncloop::prelude::*;
use asyncloop::{
    Barrier, BrokenBarrier, ConcurrentError, EmptySet, GetNowaitError, GroupClosed, LoopClosed,
    LoopError, NoRunningLoop, PoolError, PutNowaitError, Queue, QueueShutDown, RunError,
    RunnerError, SubmitError, TooManyTaskDone,
};
use common::run;

/// What `?` makes of an error: of this kind, in the same words, with the error inside.
fn through<E: Error + Send + Sync + 'static>(
    outcome: Result<(), impl Into<io::Error>>,
    kind: io::ErrorKind,
    words: &str,
) {
    let error: io::Error = outcome.unwrap_err().into();
    assert_eq!(error.kind(), kind);
    assert_eq!(error.to_string(), words);
    let inside = error.get_ref().expect("it is not the system's");
    assert!(inside.is::<E>(), "{inside:?}");
}

#[test]
fn a_timeout_is_timed_out() {
    run(async {
        let late = timeout(Duration::from_secs(1), pending()).await;
        through::<Elapsed>(late, io::ErrorKind::TimedOut, "the deadline has elapsed");
    });
}

#[test]
fn a_task_that_was_cancelled_or_panicked_is_an_error() {
    run(async {
        let cancelled = create_task(pending());
        cancelled.cancel();
        through::<TaskError>(cancelled.await, io::ErrorKind::Other, "cancelled");
        let panicked = create_task(async { panic!("oh") });
        through::<TaskError>(panicked.await, io::ErrorKind::Other, "panicked: oh");
    });
}

#[test]
fn a_job_that_is_awaited_or_waited_for_is_an_error() {
    let in_real_time = async {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let job = pool.submit(|| panic!("oh")).unwrap();
        let words = "the job panicked: oh";
        through::<ConcurrentError>(job.await, io::ErrorKind::Other, words);
        let (_never, future) = asyncloop::concurrent_future();
        let late = future.result(Some(Duration::ZERO));
        let words = "timed out waiting for the future, which goes on";
        through::<ConcurrentError>(late, io::ErrorKind::TimedOut, words);
    };
    asyncloop::run(in_real_time).unwrap();
}

/// Without what was refused, which need not be `Send`.
#[test]
fn what_is_refused_says_why() {
    let event_loop = new_event_loop().unwrap();
    event_loop.close().unwrap();
    let closed = "Event loop is closed";
    let soon = event_loop.call_soon(|| {}).map(drop);
    through::<LoopClosed<()>>(soon, io::ErrorKind::Other, closed);
    let job = event_loop.run_in_executor(None, || {}).map(drop);
    through::<SubmitError<()>>(job, io::ErrorKind::Other, closed);
    let pool = ThreadPoolExecutor::new(0).map(drop);
    let words = "max_workers must be greater than 0";
    through::<PoolError>(pool, io::ErrorKind::InvalidInput, words);
    let run = event_loop.run_until_complete(async {});
    through::<RunError>(run, io::ErrorKind::Other, closed);
    let run = event_loop.run_forever();
    through::<LoopError>(run, io::ErrorKind::Other, closed);
    let running = get_running_loop().map(drop);
    through::<NoRunningLoop>(running, io::ErrorKind::Other, "no running event loop");
}

#[test]
fn what_is_met_at_queues_barriers_and_waits_says_why() {
    let other = io::ErrorKind::Other;
    run(async move {
        // Items that are of this thread.
        let queue = Queue::<Rc<()>>::new(1);
        let empty = queue.get_nowait().map(drop);
        let words = "the queue is empty: `get` waits until there is an item";
        through::<GetNowaitError>(empty, other, words);
        queue.put_nowait(Rc::default()).unwrap();
        let words = "the queue is full: `put` waits until there is room";
        through::<PutNowaitError<()>>(queue.put_nowait(Rc::default()), other, words);
        queue.shutdown(true);
        let words = "the queue is shut down";
        through::<QueueShutDown>(queue.put(Rc::default()).await, other, words);
        through::<QueueShutDown>(queue.get().await.map(drop), other, words);
        let words = "task_done() called too many times";
        through::<TooManyTaskDone>(queue.task_done(), other, words);
        let barrier = Barrier::new(2);
        barrier.abort().await;
        let broken = barrier.wait().await.map(drop);
        through::<BrokenBarrier>(broken, other, "Barrier aborted");
        let nothing: [Task<()>; 0] = [];
        let nothing = wait(nothing, None, ReturnWhen::default()).await.map(drop);
        let words = "Set of Tasks/Futures is empty.";
        through::<EmptySet>(nothing, io::ErrorKind::InvalidInput, words);
    });
}

#[test]
fn a_runner_that_does_not_run_says_why() {
    let nested = asyncloop::run(async { asyncloop::run(async {}) }).unwrap();
    let words = "run() cannot be called from a running event loop: await the future instead";
    through::<RunnerError>(nested, io::ErrorKind::Other, words);
}

#[test]
fn a_group_fails_with_the_kind_of_its_first_error_and_tells_all() {
    async fn body() -> io::Result<()> {
        TaskGroup::scope(async |group| {
            group.create_task(async { Err::<(), _>(io::ErrorKind::NotFound.into()) })?;
            group.create_task(async { if true { panic!("oh") } else { Ok(()) } })?;
            pending().await
        })
        .await?;
        Ok(())
    }
    run(async {
        let error = body().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "unhandled errors in a TaskGroup (2 sub-exceptions): entity not found; panicked: oh"
        );
    });
}

#[test]
fn a_group_that_has_ended_takes_no_more() {
    run(async {
        let scope = TaskGroup::<()>::scope(async |group| Ok(group));
        let group = scope.await.unwrap();
        let refused = group.create_task(async { Ok(()) }).map(drop);
        let words = "TaskGroup is shutting down or finished: it takes no more tasks";
        through::<GroupClosed>(refused, io::ErrorKind::Other, words);
    });
}
