//! What state a future is in, and that no value is lost.

use crate::common::{Drops, Log, create_future, forget, reports, run, virtual_loop};
use loop_tasks::{
    InvalidState, LoopExt, LoopFuture, NotReady, TaskError, create_task, gather_with, yield_now,
};

#[test]
fn a_new_future_is_pending_and_has_no_result() {
    let event_loop = virtual_loop();
    let future: LoopFuture<i32> = event_loop.create_future();
    assert!(!future.done() && !future.cancelled() && !future.failed());
    let not_ready: NotReady = future.result().unwrap_err();
    assert_eq!(future.take_result().unwrap_err(), not_ready);
    assert_eq!(not_ready.to_string(), "Result is not set.");
    assert_eq!(future.get_loop(), event_loop);
}

#[test]
fn a_result_is_set_once_and_the_second_value_comes_back() {
    let event_loop = virtual_loop();
    let future = event_loop.create_future();
    future.set_result(String::from("first")).unwrap();
    assert!(future.done() && !future.cancelled() && !future.failed());
    let InvalidState(value) = future.set_result(String::from("second")).unwrap_err();
    assert_eq!(value, "second");
    assert_eq!(future.result().unwrap().unwrap(), "first");
}

#[test]
fn an_error_is_set_once_and_the_second_one_comes_back() {
    let event_loop = virtual_loop();
    let future: LoopFuture<Result<i32, String>> = event_loop.create_future();
    future.set_exception(String::from("first")).unwrap();
    assert!(future.done() && !future.cancelled() && future.failed());
    assert_eq!(future.set_result(Ok(1)).unwrap_err().0, Ok(1));
    assert_eq!(
        future.set_exception(String::from("second")).unwrap_err().0,
        "second"
    );
    assert_eq!(
        future.result().unwrap().unwrap(),
        Err(String::from("first"))
    );
}

/// An `Err` that was set as a result is a result: only `set_exception` makes it a failure.
#[test]
fn an_error_as_a_result_is_no_failure() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let future: LoopFuture<Result<i32, String>> = event_loop.create_future();
    future.set_result(Err(String::from("no"))).unwrap();
    assert!(!future.failed());
    drop(future);
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_cancelled_future_takes_no_result_and_hands_it_back() {
    let event_loop = virtual_loop();
    let future = event_loop.create_future();
    assert!(future.cancel());
    assert!(future.done() && future.cancelled() && !future.failed());
    assert!(!future.cancel(), "it is settled already");
    assert_eq!(future.set_result(vec![1]).unwrap_err().0, [1]);
    assert!(matches!(
        future.result().unwrap(),
        Err(TaskError::Cancelled(_))
    ));
}

/// bpo-26923 and its like: a cancel that comes too late must change nothing.
#[test]
fn cancelling_a_done_future_is_refused_and_keeps_the_result() {
    let event_loop = virtual_loop();
    let future = event_loop.create_future();
    future.set_result(7).unwrap();
    assert!(!future.cancel());
    assert!(!future.cancelled());
    assert_eq!(future.result().unwrap().unwrap(), 7);
}

#[test]
fn every_value_given_to_a_future_is_dropped_once() {
    let (event_loop, drops) = (virtual_loop(), Drops::default());
    let settled = event_loop.create_future();
    settled.set_result(drops.counted()).unwrap();
    drop(settled.set_result(drops.counted()));
    assert_eq!(drops.alive(), 1);
    let taken = settled.take_result().unwrap().unwrap();
    drop(settled);
    assert_eq!(drops.alive(), 1);
    drop(taken);
    let forgotten = event_loop.create_future();
    forgotten.set_result(drops.counted()).unwrap();
    drop(forgotten);
    event_loop.close().unwrap();
    assert_eq!((drops.alive(), drops.count()), (0, 3));
}

#[test]
fn by_value_the_result_moves_out_and_by_reference_it_is_shared() {
    let event_loop = virtual_loop();
    let future = event_loop.create_future();
    future.set_result(String::from("once")).unwrap();
    let all = event_loop
        .run_until_complete(async move {
            let shared = [(&future).await, (&future).await];
            let last = future.clone().await;
            let late = [(&future).await, future.clone().await];
            let results = (future.result(), future.take_result());
            (shared, last, late, results)
        })
        .unwrap();
    let (shared, last, late, (result, take_result)) = all;
    assert!(shared.into_iter().all(|value| value.unwrap() == "once"));
    assert_eq!(last.unwrap(), "once");
    assert!(late.iter().all(|e| matches!(e, Err(TaskError::Taken))));
    assert!(matches!(result, Ok(Err(TaskError::Taken))));
    assert!(matches!(take_result, Ok(Err(TaskError::Taken))));
}

/// Who was first to wait gets the value; who waits for it too is told where it went.
#[test]
fn of_two_owning_awaits_the_first_gets_the_value() {
    struct NotClone;
    let outcomes = run(async {
        let future = create_future();
        let tasks = [0; 2].map(|_| {
            let future: LoopFuture<NotClone> = future.clone();
            create_task(future.into_future())
        });
        yield_now().await;
        future.set_result(NotClone).unwrap();
        let [first, second] = tasks;
        (first.await.unwrap(), second.await.unwrap())
    });
    assert!(matches!(outcomes, (Ok(NotClone), Err(TaskError::Taken))));
}

#[test]
fn any_number_of_tasks_may_await_a_reference() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let future = create_future();
        let tasks: Vec<_> = (0..4)
            .map(|n| {
                let (future, log) = (future.clone(), note.clone());
                create_task(async move {
                    let value = (&future).await.unwrap();
                    log.add(format_args!("{n}: {value}"));
                })
            })
            .collect();
        yield_now().await;
        future.set_result("x").unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["0: x", "1: x", "2: x", "3: x"]);
}

#[test]
fn an_error_that_nobody_looked_at_is_reported_once_with_its_place() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let line = line!() + 1;
    let future: LoopFuture<Result<(), &str>> = event_loop.create_future();
    future.set_exception("lost").unwrap();
    let clone = future.clone();
    drop(future);
    assert_eq!(reports.take(), [""; 0]);
    drop(clone);
    let reports = reports.take();
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0].starts_with("Future exception was never retrieved: \"lost\"\n"),
        "{}",
        reports[0]
    );
    assert!(
        reports[0].contains(&format!("{}:{line}:", file!())),
        "{}",
        reports[0]
    );
}

#[test]
fn whoever_looks_at_an_error_takes_charge_of_it() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let failed = || {
        let future: LoopFuture<Result<(), &'static str>> = event_loop.create_future();
        future.set_exception("seen").unwrap();
        future
    };
    let (by_result, by_taking, by_reference, by_value) = (failed(), failed(), failed(), failed());
    let (by_cancelling, of_a_gather) = (failed(), failed());
    let _ = by_result.result();
    let _ = by_taking.take_result();
    assert!(!by_cancelling.cancel(), "it has an outcome");
    event_loop
        .run_until_complete(async move {
            let _ = (&by_reference).await;
            let _ = by_value.await;
            let children = [
                of_a_gather.erase_future(),
                create_future::<()>().erase_future(),
            ];
            let gather = gather_with(children, |heard| heard.is_none().then_some(Ok(())));
            assert!(gather.cancel());
            assert!(gather.await.is_err());
        })
        .unwrap();
    drop((by_result, by_taking, by_cancelling));
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_future_prints_its_state_and_how_many_wait() {
    let event_loop = virtual_loop();
    let future: LoopFuture<Result<i32, &str>> = event_loop.create_future();
    assert_eq!(format!("{future:?}"), "<LoopFuture pending>");
    future.add_done_callback(|_| ());
    assert_eq!(format!("{future:?}"), "<LoopFuture pending cb=[1]>");
    future.set_exception("no").unwrap();
    assert_eq!(
        format!("{future:?}"),
        "<LoopFuture finished exception=\"no\">"
    );
    let _ = future.result();
    let future: LoopFuture<i32> = event_loop.create_future();
    future.cancel();
    assert_eq!(format!("{future:?}"), "<LoopFuture cancelled>");
}

#[test]
fn a_future_that_has_forgotten_its_type_is_the_same_one() {
    let event_loop = virtual_loop();
    let future: LoopFuture<Result<(), ()>> = event_loop.create_future();
    let other: LoopFuture<i32> = event_loop.create_future();
    let any = future.erase_future();
    assert_eq!(any, future.clone().erase_future());
    assert_ne!(any, other.erase_future());
    assert!(!any.done());
    future.set_exception(()).unwrap();
    assert!(any.done() && any.failed() && !any.cancelled() && !any.cancel());
    let _ = future.result();
}

/// `mem::forget` is safe code: nothing may rely on a drop.
#[test]
fn forgotten_futures_and_awaits_leave_the_rest_working() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        forget(future.clone());
        let mut join = Box::pin((&future).into_future());
        std::future::poll_fn(|cx| {
            assert!(join.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        forget(join);
        let setter = future.clone();
        create_task(async move { setter.set_result(1).unwrap() });
        assert_eq!((&future).await.unwrap(), 1);
        forget(future);
    });
}
