//! Programs that caught a prototype.

use std::future::pending;

use loop_tasks::{
    LoopFuture, TaskBuilder, TaskError, TaskGroup, catch_cancel, create_task, gather, wait_for,
};

use crate::common::{MS, create_future, run, yields};
use crate::{me, stubborn};

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
