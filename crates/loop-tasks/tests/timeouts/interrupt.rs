//! Whose interrupt it is: deadlines inside each other, beside requests from outside, and dropped early.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use futures_util::future::{Either, select};
use loop_core::get_running_loop;
use loop_tasks::{
    LoopFuture, Timeout, catch_cancel, create_task, current_task, gather, sleep, sleep_result,
    timeout, timeout_at, wait_for,
};

use crate::common::{Log, MS, Oneshot, create_future, run, yields};
use crate::{no_timer_is_left, now};

#[test]
fn nested_deadlines_each_have_their_own() {
    run(async {
        let start = now();
        let inner = async { timeout(2 * MS, pending::<()>()).await.is_err() };
        assert!(
            timeout(5 * MS, inner).await.unwrap(),
            "the inner one came first"
        );
        assert_eq!(now() - start, 2 * MS);
        let ran_on = Rc::new(Cell::new(false));
        let note = Rc::clone(&ran_on);
        let inner = async move {
            let _ = timeout(5 * MS, pending::<()>()).await;
            note.set(true);
        };
        assert!(
            timeout(2 * MS, inner).await.is_err(),
            "the outer one came first"
        );
        assert!(!ran_on.get(), "the inner one passed it on");
        assert_eq!(now() - start, 4 * MS);
        assert!(no_timer_is_left());
    });
}

/// Both in one iteration: the interrupt is the outermost one's.
#[test]
fn nested_deadlines_that_come_together() {
    run(async {
        for awaited in [false, true] {
            let future: LoopFuture<()> = create_future();
            let inner = async move {
                let inner = timeout(MS, async move {
                    if awaited {
                        let _ = future.await;
                    } else {
                        pending::<()>().await;
                    }
                });
                let innermost = timeout(MS, inner).await;
                panic!("the outermost one is to hear it: {innermost:?}");
            };
            assert!(timeout(MS, inner).await.is_err());
            assert_eq!(current_task().unwrap().cancelling(), 0);
        }
    });
}

#[test]
fn what_is_inside_may_clean_up_and_even_finish() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let start = now();
        let inner = note.clone();
        let limit = Timeout::new(MS);
        let value = limit.run(async move {
            let _ = catch_cancel(pending::<()>()).await;
            inner.at(start, "cleans up");
            sleep(5 * MS).await;
            "finished"
        });
        assert_eq!(value.await, Ok("finished"));
        assert!(limit.expired(), "its time was over all the same");
        note.at(start, "over");
        let inner = note.clone();
        let elapsed = timeout(MS, async move {
            let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
            sleep(MS).await;
            inner.at(start, "resumes");
            cancelled.resume().await;
        });
        assert!(elapsed.await.is_err());
        note.at(start, "elapsed");
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
    assert_eq!(
        log.take(),
        ["1 cleans up", "6 over", "8 resumes", "8 elapsed"]
    );
}

#[test]
fn a_cancellation_from_outside_goes_through() {
    run(async {
        let task = create_task(async { timeout(5 * MS, sleep(9 * MS)).await.is_err() });
        sleep(MS).await;
        task.cancel();
        yields(2).await;
        assert!(task.cancelled() && no_timer_is_left());
    });
}

/// In one iteration with the deadline: who asked from outside is not to be told "the time is over".
#[test]
fn a_cancellation_in_the_iteration_of_the_deadline_wins() {
    run(async {
        for (awaited, outside_first) in [(false, false), (false, true), (true, false), (true, true)]
        {
            let start = now();
            let body = async move {
                let future: LoopFuture<()> = create_future();
                let held = async move {
                    if awaited {
                        let _ = future.await;
                    } else {
                        pending::<()>().await;
                    }
                };
                if outside_first {
                    yields(2).await; // So that the other's timer is older.
                }
                timeout_at(start + MS, held).await.is_err()
            };
            let task = create_task(body);
            yields(1).await;
            let victim = task.clone();
            let outside = move || assert!(victim.cancel());
            get_running_loop()
                .unwrap()
                .call_at(start + MS, outside)
                .unwrap();
            sleep(2 * MS).await;
            assert!(task.cancelled(), "{awaited} {outside_first}");
        }
    });
}

#[test]
fn a_task_that_was_cancelled_before_may_use_timeouts() {
    run(async {
        let task = create_task(async {
            let _ = catch_cancel(pending::<()>()).await;
            assert_eq!(current_task().unwrap().cancelling(), 1);
            let elapsed = timeout(MS, pending::<()>()).await.is_err();
            let waited = wait_for(MS, create_future::<()>()).await.is_err();
            assert_eq!(current_task().unwrap().cancelling(), 1);
            (elapsed, waited)
        });
        yields(1).await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (true, true));
    });
}

#[test]
fn dropped_early_it_stops_its_timer() {
    run(async {
        let limited = Box::pin(timeout(9 * MS, pending::<()>()));
        match select(limited, Box::pin(sleep(MS))).await {
            Either::Left(_) => panic!("nothing was over"),
            Either::Right(((), limited)) => drop(limited),
        }
        assert!(no_timer_is_left());
    });
}

/// Its deadline and the other side of a `select` come in one iteration, and the other side is polled first: the request
/// is taken back, also if an older one, long swallowed, is still counted.
#[test]
fn dropped_early_it_takes_its_request_back() {
    run(async {
        for (old, awaited) in [(false, false), (false, true), (true, false), (true, true)] {
            let task = create_task(async move {
                if old {
                    let _ = catch_cancel(pending::<()>()).await;
                }
                let count = current_task().unwrap().cancelling();
                let shot = Oneshot::new();
                let send = shot.clone();
                let held = async move {
                    if awaited {
                        let _ = create_future::<()>().await;
                    } else {
                        pending::<()>().await;
                    }
                };
                let limited = Box::pin(timeout(MS, held));
                let event_loop = get_running_loop().unwrap();
                event_loop.call_later(MS, move || send.send(())).unwrap();
                match select(shot, limited).await {
                    Either::Left(((), limited)) => drop(limited),
                    Either::Right(_) => panic!("the other side is polled first"),
                }
                assert_eq!(current_task().unwrap().cancelling(), count);
                yields(5).await;
                "undisturbed"
            });
            yields(1).await;
            if old {
                task.cancel();
            }
            assert_eq!(task.await.unwrap(), "undisturbed", "{old} {awaited}");
        }
    });
}

/// The request has gone to a child that takes its time to clean up; then the timeout is dropped.
#[test]
fn dropped_early_while_a_child_cleans_up() {
    run(async {
        let child = create_task(async {
            let _ = catch_cancel(pending::<()>()).await;
            sleep(5 * MS).await;
        });
        let awaited = child.clone();
        let task = create_task(async move {
            let _ = catch_cancel(pending::<()>()).await; // An older request.
            let shot = Oneshot::new();
            let send = shot.clone();
            let event_loop = get_running_loop().unwrap();
            event_loop
                .call_later(2 * MS, move || send.send(()))
                .unwrap();
            let limited = Box::pin(timeout(MS, awaited.into_future()));
            drop(select(shot, limited).await);
            yields(5).await;
            "undisturbed"
        });
        yields(1).await;
        task.cancel();
        assert_eq!(task.await.unwrap(), "undisturbed");
        child.await.unwrap();
    });
}

#[test]
fn a_child_is_cancelled_at_the_deadline_and_waited_for() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let start = now();
        let inner = note.clone();
        let child = create_task(async move {
            let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
            sleep(3 * MS).await;
            inner.at(start, "child");
            cancelled.resume().await;
        });
        assert!(timeout(MS, &child).await.is_err());
        assert!(child.cancelled());
        note.at(start, "elapsed");
        let refusing = create_task(async {
            let _ = catch_cancel(pending::<()>()).await;
            5
        });
        assert_eq!(timeout(MS, refusing).await.unwrap().unwrap(), 5);
    });
    assert_eq!(log.take(), ["4 child", "4 elapsed"]);
}

#[test]
fn a_gather_under_a_deadline() {
    run(async {
        let children = [1u32, 5].map(|n| create_task(sleep_result(n * MS, n)));
        assert!(timeout(3 * MS, gather(&children)).await.is_err());
        assert!(children[0].done() && !children[0].cancelled() && children[1].cancelled());
    });
}
