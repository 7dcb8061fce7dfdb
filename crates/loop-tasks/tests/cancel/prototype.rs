//! Programs that caught a prototype.

use std::future::pending;
use std::time::Duration;

use loop_tasks::{
    LoopFuture, TaskBuilder, TaskError, TaskGroup, catch_cancel, create_task, gather, sleep,
    timeout, try_create_task, try_gather, wait_for,
};

use crate::common::{MS, create_future, run, yields};
use crate::{me, stubborn};

#[test]
fn cancel_self_then_raise_ends_in_the_error() {
    run(async {
        let task = try_create_task(async {
            me().cancel();
            Err::<(), _>("A")
        });
        assert_eq!((&task).await.unwrap(), Err("A"));
        assert!(task.failed() && !task.cancelled());
    });
}

#[test]
fn cancel_self_then_return_is_cancelled() {
    run(async {
        let task = try_create_task(async {
            me().cancel();
            Ok::<_, ()>(1)
        });
        assert!(matches!((&task).await, Err(TaskError::Cancelled(_))));
        assert!(task.cancelled());
    });
}

#[test]
fn cancel_self_then_uncancel_ends_normally() {
    run(async {
        let task = create_task(async {
            me().cancel();
            me().uncancel()
        });
        assert_eq!(task.await.unwrap(), 0);
    });
}

/// The deadline is due at once, and comes before the step that would end the `sleep(0)`.
#[test]
fn a_timeout_of_zero_around_a_sleep_of_zero_elapses() {
    run(async {
        assert!(
            timeout(Duration::ZERO, sleep(Duration::ZERO))
                .await
                .is_err()
        );
        assert_eq!(me().cancelling(), 0);
        assert_eq!(timeout(Duration::ZERO, async { 1 }).await, Ok(1));
    });
}

/// It refuses, keeps its results, and whoever awaits it is cancelled all the same.
#[test]
fn a_cancel_that_reaches_a_gather_after_its_children_and_before_itself() {
    run(async {
        for keep_errors in [true, false] {
            let child = try_create_task(async { Ok::<_, ()>(5) });
            let (kept, raised) = (gather([&child]), try_gather([&child]));
            let awaited = (kept.clone(), raised.clone());
            let task = create_task(async move {
                if keep_errors {
                    awaited.0.await.is_ok()
                } else {
                    awaited.1.await.is_ok()
                }
            });
            yields(1).await;
            assert!(child.done() && !kept.done() && !raised.done());
            assert!(!kept.cancel() && !raised.cancel() && task.cancel());
            yields(3).await;
            assert!(task.cancelled());
            assert!(!kept.failed() && !raised.failed());
            assert_eq!(raised.take_result().unwrap().unwrap(), Ok(vec![5]));
        }
    });
}

#[test]
fn a_wait_for_in_a_group_whose_child_fails_while_the_body_cancels_itself() {
    run(async {
        let main = create_task(async {
            let group = TaskGroup::scope(async |group: TaskGroup<&'static str>| {
                group.create_task::<(), _>(async { Err("child") }).unwrap();
                me().cancel();
                let _ = wait_for(10 * MS, pending::<()>()).await;
                Ok(())
            });
            let failed = group.await.is_err();
            yields(1).await;
            failed
        });
        yields(6).await;
        assert!(main.cancelled());
    });
}

#[test]
fn a_gather_that_the_end_of_its_caller_cancels() {
    run(async {
        let children = [stubborn(2, || 1), stubborn(0, || 2)];
        let gathered = gather(&children);
        let awaited = gathered.clone();
        let caller = create_task(async move { awaited.await.map(|all| all.len()) });
        yields(2).await;
        caller.cancel();
        assert!(matches!((&caller).await, Err(TaskError::Cancelled(_))));
        assert!(caller.cancelled() && gathered.failed());
        assert!(
            children
                .iter()
                .all(|child| child.done() && !child.cancelled())
        );
    });
}

#[test]
fn an_eager_task_is_cancelled_like_any_other() {
    run(async {
        let future: LoopFuture<()> = create_future();
        let awaited = future.clone();
        let eager = TaskBuilder::new()
            .eager(true)
            .spawn(async move { catch_cancel(awaited).await.is_err() });
        assert!(eager.cancel());
        assert!(future.cancelled());
        assert!(eager.await.unwrap());
    });
}
