//! One deadline: when it comes, how it is moved, and when it is over.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use loop_tasks::{
    LoopExt, NotActive, Timeout, catch_cancel, create_task, current_task, sleep, sleep_result,
    timeout, timeout_at, wait_for, yield_now,
};

use crate::common::{Drops, MS, run, virtual_loop, yields};
use crate::{no_timer_is_left, now};

#[test]
fn a_timeout_elapses_at_its_deadline_and_drops_what_it_held() {
    let drops = Drops::default();
    let counter = drops.clone();
    run(async move {
        let (start, counted) = (now(), counter.counted());
        let limit = Timeout::new(5 * MS);
        assert_eq!(limit.when(), None, "it has not begun");
        let held = async move {
            let _counted = counted;
            pending::<()>().await;
        };
        assert!(limit.run(held).await.is_err());
        assert_eq!(now() - start, 5 * MS);
        assert_eq!(limit.when(), Some(start + 5 * MS));
        assert!(limit.expired());
        assert_eq!(counter.count(), 1);
        assert_eq!(
            current_task().unwrap().cancelling(),
            0,
            "its request is taken back"
        );
        yields(3).await;
    });
    assert_eq!(drops.alive(), 0);
}

#[test]
fn what_is_done_in_time_stops_the_timer() {
    run(async {
        let limit = Timeout::new(5 * MS);
        assert_eq!(limit.run(sleep_result(MS, 7)).await.unwrap(), 7);
        assert!(!limit.expired() && no_timer_is_left());
        assert_eq!(timeout(MS, async { 8 }).await.unwrap(), 8);
        assert!(no_timer_is_left());
    });
}

/// The deadline was there first, so it wins over a sleep of the same length.
#[test]
fn a_sleep_as_long_as_its_limit_is_too_long() {
    run(async {
        assert!(timeout(MS, sleep(MS)).await.is_err());
        let task = create_task(sleep(MS));
        yields(1).await;
        // Its timer is older, but the deadline comes before it steps.
        assert!(timeout(MS, &task).await.is_err());
        assert!(task.cancelled());
    });
}

#[test]
fn limits_without_an_end() {
    run(async {
        assert!(timeout(Duration::MAX, sleep(MS)).await.is_ok());
        assert!(Timeout::never().run(sleep(MS)).await.is_ok());
        assert!(wait_for(Duration::MAX, sleep(MS)).await.is_ok());
        assert!(no_timer_is_left());
    });
}

#[test]
fn a_deadline_that_is_past_is_due_at_once() {
    run(async {
        let past = now();
        sleep(MS).await;
        assert!(timeout_at(past, pending::<()>()).await.is_err());
        assert!(timeout_at(past, yield_now()).await.is_err());
        assert!(timeout_at(past, async {}).await.is_ok(), "it never waited");
        assert_eq!(now() - past, MS);
    });
}

#[test]
fn a_deadline_can_be_moved_while_it_runs() {
    run(async {
        let start = now();
        for (to, expected) in [
            (Some(start + 9 * MS), Some(9)),
            (Some(start + 2 * MS), Some(2)),
            (Some(start), Some(0)),
            (None, None),
        ] {
            let begun = now();
            let shift = begun - start;
            let limit = Timeout::new(5 * MS);
            let inside = limit.clone();
            let elapsed = limit
                .run(async move {
                    inside.reschedule(to.map(|to| to + shift)).unwrap();
                    assert_eq!(inside.when(), to.map(|to| to + shift));
                    sleep(20 * MS).await;
                })
                .await;
            assert_eq!(elapsed.is_err(), expected.is_some());
            assert_eq!((now() - begun).as_millis(), expected.unwrap_or(20));
            assert_eq!(limit.expired(), expected.is_some());
        }
    });
}

#[test]
fn a_deadline_can_be_given_to_what_had_none_and_from_outside() {
    run(async {
        let start = now();
        let limit = Timeout::never();
        let outside = limit.clone();
        create_task(async move {
            sleep(3 * MS).await;
            outside.reschedule_after(Some(2 * MS)).unwrap();
        });
        assert!(limit.run(pending::<()>()).await.is_err());
        assert_eq!(now() - start, 5 * MS);
    });
}

#[test]
fn a_deadline_can_be_moved_only_while_it_is_active() {
    run(async {
        let limit = Timeout::new(MS);
        let refused: NotActive = limit.reschedule(None).unwrap_err();
        assert!(refused.to_string().contains("not active"));
        let inside = limit.clone();
        let elapsed = limit.run(async move {
            let _ = catch_cancel(pending::<()>()).await;
            // It has come: nothing can be moved any more.
            assert!(inside.expired() && inside.reschedule(None).is_err());
            assert!(inside.reschedule_after(None).is_err());
        });
        assert!(elapsed.await.is_ok(), "what was inside came to an end");
        assert!(limit.reschedule(None).is_err() && limit.reschedule_after(Some(MS)).is_err());
    });
}

#[test]
fn a_timeout_is_used_once() {
    let event_loop = virtual_loop();
    let limit = Timeout::new(MS);
    let again = limit.clone();
    let error = event_loop
        .run_until_complete(async move {
            limit.run(async {}).await.unwrap();
            let _ = again.run(async {}).await;
        })
        .unwrap_err();
    assert_eq!(error.to_string(), "panicked: a Timeout is used once");
    let error = event_loop
        .run_until_complete(async move {
            let limit = Timeout::new(MS);
            let _ = limit.run(async { limit.run(async {}).await.is_ok() }).await;
        })
        .unwrap_err();
    assert_eq!(error.to_string(), "panicked: a Timeout is used once");
}

/// A run that never began is nobody's business.
#[test]
fn dropping_a_run_that_never_began_leaves_the_deadline_alone() {
    run(async {
        let limit = Timeout::new(MS);
        let unused = limit.run(pending::<()>());
        let running = limit.run(async move {
            drop(unused);
            pending::<()>().await;
        });
        assert!(running.await.is_err());
    });
}

#[test]
fn a_timeout_prints_its_stage() {
    run(async {
        let limit = Timeout::new(MS);
        assert_eq!(format!("{limit:?}"), "<Timeout [created]>");
        let inside = limit.clone();
        let stages = Rc::new(RefCell::new(Vec::new()));
        let note = Rc::clone(&stages);
        let running = limit.run(async move {
            note.borrow_mut().push(format!("{inside:?}"));
            let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
            note.borrow_mut().push(format!("{inside:?}"));
            cancelled.resume().await
        });
        assert!(running.await.is_err());
        assert_eq!(
            *stages.borrow(),
            ["<Timeout [active]>", "<Timeout [expiring]>"]
        );
        assert_eq!(format!("{limit:?}"), "<Timeout [expired]>");
        let done = Timeout::new(MS);
        done.run(async {}).await.unwrap();
        assert_eq!(format!("{done:?}"), "<Timeout [finished]>");
    });
}

#[test]
fn a_run_may_be_pinned_anywhere() {
    fn boxed(run: impl Future<Output = bool> + 'static) -> Pin<Box<dyn Future<Output = bool>>> {
        Box::pin(run)
    }
    run(async {
        let inner = boxed(async { timeout(MS, pending::<()>()).await.is_err() });
        assert!(timeout(2 * MS, inner).await.unwrap());
    });
}
