//! `wait`, `try_wait` and `as_completed`: blocking on many futures.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use loop_bridge::ReturnWhen::{AllCompleted, FirstCompleted, FirstException};
use loop_bridge::{
    ConcurrentError, ConcurrentFuture, Promise, WaitError, as_completed, concurrent_future,
    guarded_future, try_wait, wait,
};

fn pairs<T>(count: usize) -> (Vec<Promise<T>>, Vec<ConcurrentFuture<T>>) {
    (0..count).map(|_| concurrent_future()).unzip()
}

#[test]
fn waiting_for_nothing_returns_at_once() {
    let waited = wait(Vec::<ConcurrentFuture<()>>::new(), None, AllCompleted).unwrap();
    assert!(waited.done.is_empty() && waited.not_done.is_empty());
    assert_eq!(
        as_completed(Vec::<ConcurrentFuture<()>>::new(), None).count(),
        0
    );
}

#[test]
fn each_future_counts_once() {
    let (promise, future) = concurrent_future();
    let twice = [future.clone(), future.clone()];
    let waiter = thread::spawn(move || wait(twice, None, AllCompleted).unwrap());
    promise.set_result(1).unwrap();
    assert_eq!(waiter.join().unwrap().done, vec![future.clone()]);
    assert_eq!(as_completed([&future, &future], None).count(), 1);
}

#[test]
fn wait_for_all_gives_them_in_the_order_given() {
    let (promises, futures) = pairs(20);
    let waiter = {
        let futures = futures.clone();
        thread::spawn(move || wait(futures, None, AllCompleted).unwrap())
    };
    for promise in promises.into_iter().rev() {
        thread::spawn(move || promise.set_result(1).unwrap());
    }
    let waited = waiter.join().unwrap();
    assert_eq!(waited.done, futures);
    assert!(waited.not_done.is_empty());
}

#[test]
fn wait_for_the_first_returns_with_the_others_left() {
    let (mut promises, futures) = pairs(3);
    let waiter = {
        let futures = futures.clone();
        thread::spawn(move || wait(futures, None, FirstCompleted).unwrap())
    };
    promises.remove(1).set_result(1).unwrap();
    let waited = waiter.join().unwrap();
    assert_eq!(waited.done, [futures[1].clone()]);
    assert_eq!(waited.not_done, [futures[0].clone(), futures[2].clone()]);
}

#[test]
fn wait_for_the_first_failure_passes_over_values_and_cancellations() {
    let (promises, futures) = pairs::<u32>(5);
    let waiter = {
        let futures = futures.clone();
        thread::spawn(move || wait(futures, None, FirstException).unwrap())
    };
    let mut promises = promises.into_iter();
    promises.next().unwrap().set_result(1).unwrap();
    futures[1].cancel();
    promises
        .nth(1)
        .unwrap()
        .run(|| std::panic::resume_unwind(Box::new("third")));
    let waited = waiter.join().unwrap();
    assert_eq!(waited.done, futures[..3]);
    assert_eq!(waited.not_done, futures[3..]);
    drop(promises);
    assert_eq!(wait(&futures, None, FirstException).unwrap().done, futures);
}

/// A wait that has what it waits for does not ask whether it may block; one that has not is refused here.
#[test]
fn neither_a_value_nor_a_cancellation_ends_the_wait_for_a_failure() {
    let here = thread::current().id();
    let (_never, pending) = guarded_future::<u32>(here);
    let (promises, futures) = pairs::<u32>(3);
    let [value, cancelled, failed] = &futures[..] else {
        unreachable!("there are three");
    };
    let mut promises = promises.into_iter();
    promises.next().unwrap().set_result(1).unwrap();
    cancelled.cancel();
    promises
        .nth(1)
        .unwrap()
        .set_error(ConcurrentError::LoopGone)
        .unwrap();
    wait([value, cancelled, &pending], None, FirstException).unwrap_err();
    let waited = wait([failed, &pending], None, FirstException).unwrap();
    assert!(waited.done.iter().eq([failed]));
}

#[test]
fn without_a_failure_the_first_failure_means_all() {
    let (promises, futures) = pairs(3);
    let waiter = {
        let futures = futures.clone();
        thread::spawn(move || wait(futures, None, FirstException).unwrap())
    };
    for promise in promises {
        promise.set_result(1).unwrap();
    }
    assert_eq!(waiter.join().unwrap().done, futures);
}

#[test]
fn an_err_is_a_failure_to_try_wait_only() {
    let (promises, futures) = pairs::<Result<u32, String>>(2);
    let mut promises = promises.into_iter();
    promises
        .next()
        .unwrap()
        .set_result(Err("bad".into()))
        .unwrap();
    let waited = try_wait(&futures, None, FirstException).unwrap();
    assert_eq!(waited.done, futures[..1]);
    let limited = wait(&futures, Some(Duration::from_millis(5)), FirstException).unwrap();
    assert_eq!(
        limited.not_done,
        futures[1..],
        "waited on, until the timeout"
    );

    let waiter = {
        let pending = futures[1].clone();
        thread::spawn(move || try_wait([pending], None, FirstException).unwrap())
    };
    promises
        .next()
        .unwrap()
        .set_result(Err("worse".into()))
        .unwrap();
    assert_eq!(waiter.join().unwrap().done, futures[1..]);
}

#[test]
fn a_timeout_gives_what_there_is() {
    let (mut promises, futures) = pairs(2);
    promises.remove(0).set_result(1).unwrap();
    for timeout in [Duration::ZERO, Duration::from_millis(5)] {
        let waited = wait(&futures, Some(timeout), AllCompleted).unwrap();
        assert_eq!(waited.done, futures[..1]);
        assert_eq!(waited.not_done, futures[1..]);
    }
}

#[test]
fn a_cancelled_future_counts_as_done_before_its_worker_knows() {
    let (_promises, futures) = pairs::<()>(2);
    for future in &futures {
        future.cancel();
    }
    assert_eq!(wait(&futures, None, AllCompleted).unwrap().done, futures);
    assert_eq!(as_completed(&futures, None).count(), 2);
}

#[test]
fn as_completed_yields_in_the_order_of_completion() {
    let (promises, futures) = pairs(4);
    let mut promises: Vec<_> = promises.into_iter().map(Some).collect();
    let mut finish = |number: usize| promises[number].take().unwrap().set_result(number).unwrap();
    finish(3);
    finish(1);
    let completed = as_completed(&futures, None);
    finish(2);
    finish(0);
    let order: Vec<_> = completed
        .map(|f| f.unwrap().result(None).unwrap())
        .collect();
    assert_eq!(
        order,
        [1, 3, 2, 0],
        "what was done comes first, in the order given"
    );
}

#[test]
fn as_completed_keeps_the_order_of_one_thread_that_finishes_many() {
    let (promises, futures) = pairs(200);
    let finisher = thread::spawn(move || {
        for (number, promise) in promises.into_iter().enumerate() {
            promise.set_result(number).unwrap();
        }
    });
    let order: Vec<_> = as_completed(futures, None)
        .map(|f| f.unwrap().result(None).unwrap())
        .collect();
    finisher.join().unwrap();
    assert!(order.is_sorted() && order.len() == 200);
}

#[test]
fn as_completed_ends_with_its_timeout() {
    let (mut promises, futures) = pairs(3);
    promises.remove(2).set_result(1).unwrap();
    let mut completed = as_completed(&futures, Some(Duration::from_millis(5)));
    assert_eq!(completed.next(), Some(Ok(futures[2].clone())));
    let timed_out = WaitError::TimedOut {
        unfinished: 2,
        total: 3,
    };
    assert_eq!(timed_out.to_string(), "2 (of 3) futures unfinished");
    assert_eq!(completed.next(), Some(Err(timed_out)));
    assert_eq!(completed.next(), None);
    drop(promises);
    assert_eq!(completed.next(), None);
}

#[test]
fn as_completed_lets_go_of_what_it_yielded() {
    let (promise, future) = concurrent_future();
    let value = std::sync::Arc::new(());
    promise.set_result(std::sync::Arc::clone(&value)).unwrap();
    let (_pending, other) = concurrent_future();
    let mut completed = as_completed([future, other], None);
    drop(completed.next());
    assert_eq!(std::sync::Arc::strong_count(&value), 1);
}

#[test]
fn a_wait_that_depends_on_its_own_thread_is_refused() {
    let here = thread::current().id();
    let (mine, guarded) = guarded_future::<u32>(here);
    let (theirs, free) = concurrent_future();
    let both = [guarded.clone(), free.clone()];
    let refused = wait(&both, None, AllCompleted).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("the thread that produces the result")
    );
    let alone = as_completed([&guarded], None).next();
    assert!(matches!(alone, Some(Err(WaitError::WouldDeadlock(_)))));

    // The other one can still come first.
    let worker = thread::spawn(move || theirs.set_result(1).unwrap());
    assert_eq!(
        wait(&both, None, FirstCompleted).unwrap().done,
        vec![free.clone()]
    );
    let mut completed = as_completed(&both, None);
    assert_eq!(completed.next(), Some(Ok(free)));
    assert!(matches!(
        completed.next(),
        Some(Err(WaitError::WouldDeadlock(_)))
    ));
    assert_eq!(completed.next(), None);
    worker.join().unwrap();
    mine.set_result(2).unwrap();
    assert_eq!(wait(&both, None, AllCompleted).unwrap().done, both);
}

#[test]
fn an_iterator_that_panics_leaves_the_futures_usable() {
    let (promise, future) = concurrent_future();
    let bad = || {
        let future = future.clone();
        (0..2).map(move |n| {
            if n == 0 {
                future.clone()
            } else {
                std::panic::resume_unwind(Box::new(n))
            }
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(|| wait(bad(), None, AllCompleted))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| as_completed(bad(), None).count())).is_err());
    promise.set_result(1).unwrap();
    assert_eq!(
        wait([&future], None, AllCompleted).unwrap().done,
        vec![future]
    );
}

#[test]
fn futures_that_finish_while_the_wait_begins_are_all_counted() {
    for _ in 0..50 {
        let (promises, futures) = pairs(100);
        let mut promises = promises.into_iter();
        let halves = [
            promises.by_ref().take(50).collect::<Vec<_>>(),
            promises.collect(),
        ];
        thread::scope(|scope| {
            for half in halves {
                scope.spawn(|| {
                    for promise in half {
                        promise.set_result(1).unwrap();
                    }
                });
            }
            assert_eq!(wait(&futures, None, AllCompleted).unwrap().done, futures);
            assert_eq!(
                as_completed(&futures, None).filter(Result::is_ok).count(),
                100
            );
        });
    }
}

#[test]
fn submitted_is_finished_and_failed_and_cancelled() {
    const THREADS: usize = 4;
    const JOBS: usize = 2_000;

    let (promises, futures) = pairs(THREADS * JOBS);
    let mut promises: Vec<_> = promises.into_iter().map(Some).collect();
    let (mut ok, mut panicked, mut abandoned, mut cancelled) = (0, 0, 0, 0);
    thread::scope(|scope| {
        for chunk in promises.chunks_mut(JOBS) {
            scope.spawn(|| {
                for (number, promise) in chunk.iter_mut().enumerate() {
                    let promise = promise.take().unwrap();
                    match number % 5 {
                        0 => drop(promise),
                        1 => drop(promise.run(|| std::panic::resume_unwind(Box::new("job")))),
                        _ => drop(promise.run(|| number)),
                    }
                }
            });
        }
        scope.spawn(|| {
            futures
                .iter()
                .step_by(7)
                .filter(|future| future.cancel())
                .count()
        });
        for future in as_completed(&futures, None) {
            match future.unwrap().result(None) {
                Ok(_) => ok += 1,
                Err(ConcurrentError::Panicked(_)) => panicked += 1,
                Err(ConcurrentError::Abandoned) => abandoned += 1,
                Err(ConcurrentError::Cancelled) => cancelled += 1,
                Err(other) => panic!("{other}"),
            }
        }
    });
    assert_eq!(ok + panicked + abandoned + cancelled, THREADS * JOBS);
    assert!(ok > 0 && panicked > 0 && abandoned > 0);
    assert_eq!(
        cancelled,
        futures.iter().filter(|future| future.cancelled()).count()
    );
}
