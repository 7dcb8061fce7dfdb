//! Gathers and shields: what many wait for.

use std::future::pending;

use loop_tasks::{TaskError, create_task, gather, shield, sleep, sleep_result, try_gather};

use crate::common::{MS, run, yields};
use crate::stubborn;

#[test]
fn a_gather_never_is_cancelled_it_fails() {
    run(async {
        for stay in [0, 5] {
            let children = [stubborn(stay, || 1), stubborn(0, || 2)];
            yields(1).await;
            let gathered = gather(&children);
            assert!(gathered.cancel() && gathered.cancel());
            assert!(!gathered.done());
            let outcome = (&gathered).await;
            assert!(matches!(outcome, Err(TaskError::Cancelled(_))));
            assert!(gathered.failed() && !gathered.cancelled());
            assert!(
                children
                    .iter()
                    .all(|child| child.done() && !child.cancelled())
            );
        }
    });
}

#[test]
fn a_child_that_is_cancelled_leaves_its_siblings_alone() {
    run(async {
        let children = [create_task(sleep(MS)), create_task(sleep(2 * MS))];
        let gathered = gather(&children);
        yields(1).await;
        children[0].cancel();
        let outcomes = gathered.await.unwrap();
        assert!(outcomes[0].is_err() && outcomes[1].is_ok());
        let children = [0, 1].map(|_| create_task(sleep_result(2 * MS, Ok::<i32, ()>(1))));
        let gathered = try_gather(&children);
        yields(1).await;
        children[0].cancel();
        assert!(matches!(gathered.await, Err(TaskError::Cancelled(_))));
        assert!(!children[1].done());
        assert_eq!(children[1].clone().await.unwrap(), Ok(1));
    });
}

#[test]
fn a_shield_protects_what_it_guards_and_no_more() {
    run(async {
        let inner = create_task(sleep_result(2 * MS, "saved"));
        let guarded = inner.clone();
        let task = create_task(async move { shield(guarded).await.is_ok() });
        yields(2).await;
        task.cancel();
        yields(2).await;
        assert!(task.cancelled() && !inner.done());
        assert_eq!((&inner).await.unwrap(), "saved");

        let inner = create_task(pending::<()>());
        let outer = shield(&inner);
        yields(1).await;
        inner.cancel();
        assert!(matches!((&outer).await, Err(TaskError::Cancelled(_))));
        assert!(outer.cancelled());
    });
}
