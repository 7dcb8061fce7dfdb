//! Scopes of tasks where asyncio has none: beside each other in one task, dropped early, with panics and eager starts.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::future::pending;

use common::{Drops, MS, Oneshot, create_future, run, yields};
use futures_util::future::{Either, join, join_all, select};
use loop_core::get_running_loop;
use loop_tasks::{
    LoopFuture, TaskBuilder, TaskError, TaskGroup, all_tasks, catch_cancel, create_task,
    current_task, sleep, sleep_result, timeout,
};

/// A scope whose child fails after `at` milliseconds, while the body waits for ever.
async fn failing(at: u32) -> usize {
    let scope = TaskGroup::scope(async |group: TaskGroup<u32>| {
        group
            .create_task(async move {
                sleep(at * MS).await;
                Err::<(), _>(at)
            })
            .unwrap();
        pending::<()>().await;
        Ok(())
    });
    let error = scope.await.unwrap_err();
    assert_eq!(*error.failures()[0].error().unwrap(), at);
    error.failures().len()
}

/// Each asks for the end of its own body, and not of one that stands beside it.
#[test]
fn scopes_in_a_join_are_their_own() {
    run(async {
        let start = get_running_loop().unwrap().time();
        assert_eq!(join(failing(3), failing(1)).await, (1, 1));
        assert_eq!(get_running_loop().unwrap().time() - start, 3 * MS);
        assert_eq!(join(failing(1), failing(1)).await, (1, 1));
        for count in [2u32, 25, 40] {
            let all = join_all((0..count).map(|n| failing(n % 5))).await;
            assert_eq!(all.len(), count as usize);
        }
        assert_eq!(current_task().unwrap().cancelling(), 0);
        yields(3).await;
    });
}

#[test]
fn a_scope_that_fails_leaves_what_stands_beside_it_alone() {
    run(async {
        let frame = catch_cancel(sleep_result(5 * MS, "undisturbed"));
        let (beside, failed) = join(frame, failing(1)).await;
        assert_eq!((beside.unwrap(), failed), ("undisturbed", 1));
        let limited = timeout(9 * MS, sleep_result(5 * MS, "in time"));
        let (beside, failed) = join(limited, failing(1)).await;
        assert_eq!((beside, failed), (Ok("in time"), 1));
        let child = create_task(sleep_result(5 * MS, "not asked"));
        let (failed, beside) = join(failing(1), child.into_future()).await;
        assert_eq!((failed, beside.unwrap()), (1, "not asked"));
        // And the other way round: an elapsed deadline is not the scope's.
        let scope = TaskGroup::scope(async |group: TaskGroup<()>| {
            group.create_task(sleep_result(5 * MS, Ok(()))).unwrap();
            sleep(3 * MS).await;
            Ok("both")
        });
        let (value, elapsed) = join(scope, timeout(MS, pending::<()>())).await;
        assert_eq!((value.unwrap(), elapsed.is_err()), ("both", true));
    });
}

/// What the body awaits is asked to cancel, as its task's one wait would be.
#[test]
fn a_scope_that_fails_cancels_what_its_body_awaits() {
    run(async {
        let awaited: LoopFuture<()> = create_future();
        let other: LoopFuture<()> = create_future();
        let future = awaited.clone();
        let scope = TaskGroup::scope(async move |group: TaskGroup<&'static str>| {
            group.create_task(async { Err::<(), _>("A") }).unwrap();
            let _ = future.await;
            panic!("the await is interrupted");
        });
        let failed: (Result<(), _>, _) = join(
            scope,
            timeout(2 * MS, catch_cancel(other.clone().into_future())),
        )
        .await;
        assert!(failed.0.is_err() && awaited.cancelled());
        assert!(
            matches!(failed.1, Ok(Err(_))) && other.cancelled(),
            "its deadline asked it"
        );
    });
}

#[test]
fn a_request_from_outside_ends_all_scopes_of_a_task() {
    run(async {
        let drops = Drops::default();
        let counter = drops.clone();
        let task = create_task(async move {
            let scope = || {
                let (body, child) = (counter.counted(), counter.counted());
                TaskGroup::scope(async move |group: TaskGroup<()>| {
                    let _body = body;
                    group
                        .create_task(async move {
                            let _child = child;
                            pending::<()>().await;
                            Ok(())
                        })
                        .unwrap();
                    pending::<()>().await;
                    Ok(())
                })
            };
            drop(join(scope(), scope()).await);
        });
        sleep(MS).await;
        assert_eq!(drops.alive(), 4);
        task.cancel();
        // The first one hears it; it goes on from there to the other, when the tasks of the first have ended.
        assert!(matches!((&task).await, Err(TaskError::Cancelled(_))));
        assert_eq!((drops.alive(), all_tasks().len()), (0, 1));
        assert!(task.cancelled());
    });
}

/// The other side of a `select` wins in the iteration in which a child fails: the scope takes its request back.
#[test]
fn a_scope_dropped_early_leaves_nothing() {
    run(async {
        for (old, awaited) in [(false, false), (false, true), (true, false), (true, true)] {
            let task = create_task(async move {
                if old {
                    let _ = catch_cancel(pending::<()>()).await;
                }
                let count = current_task().unwrap().cancelling();
                let shot = Oneshot::new();
                let send = shot.clone();
                let scope = TaskGroup::scope(async move |group: TaskGroup<()>| {
                    group
                        .create_task(async move {
                            sleep(MS).await;
                            Err::<(), _>(())
                        })
                        .unwrap()
                        .add_done_callback(move |_| send.send(()));
                    group.create_task(pending::<Result<(), ()>>()).unwrap();
                    if awaited {
                        let _ = create_future::<()>().await;
                    } else {
                        pending::<()>().await;
                    }
                    Ok(())
                });
                match select(shot, Box::pin(scope)).await {
                    Either::Left(((), scope)) => drop(scope),
                    Either::Right(_) => panic!("the other side is polled first"),
                }
                assert_eq!(current_task().unwrap().cancelling(), count);
                yields(5).await;
                assert_eq!(all_tasks().len(), 2, "its tasks were cancelled");
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

/// It fails before it has waited even once: the body is interrupted at its first await.
#[test]
fn an_eager_child_that_fails_at_once() {
    run(async {
        for awaited in [false, true] {
            let scope = TaskGroup::scope(async move |group: TaskGroup<&'static str>| {
                let eager = TaskBuilder::new().eager(true);
                let child = group.spawn(eager, async { Err::<(), _>("A") }).unwrap();
                assert!(child.failed() && group.is_closed());
                if awaited {
                    let _ = create_future::<()>().await;
                } else {
                    pending::<()>().await;
                }
                Ok(())
            });
            assert_eq!(scope.await.unwrap_err().failures().len(), 1, "{awaited}");
            assert_eq!(current_task().unwrap().cancelling(), 0);
        }
        // A body that ends in that very step.
        let scope = TaskGroup::scope(async move |group: TaskGroup<&'static str>| {
            let eager = TaskBuilder::new().eager(true);
            group.spawn(eager, async { Err::<(), _>("A") }).unwrap();
            Ok(())
        });
        assert!(scope.await.is_err());
        yields(2).await;
    });
}

/// The request is taken back in the very step in which it was made.
#[test]
fn a_body_that_takes_the_request_of_its_group_back_goes_on() {
    run(async {
        let scope = TaskGroup::scope(async |group: TaskGroup<&'static str>| {
            let eager = TaskBuilder::new().eager(true);
            group.spawn(eager, async { Err::<(), _>("A") }).unwrap();
            assert_eq!(current_task().unwrap().cancelling(), 1);
            assert_eq!(current_task().unwrap().uncancel(), 0);
            let future = create_future();
            let answer = future.clone();
            let answer = move || answer.set_result(()).unwrap();
            get_running_loop().unwrap().call_soon(answer).unwrap();
            future.await.unwrap();
            Err::<(), _>("went on")
        });
        assert_eq!(scope.await.unwrap_err().failures().len(), 2);
    });
}

/// Ended early, also by its body, beside another scope, and in a task that has had requests before: no failure, and no
/// cancellation of anybody else.
#[test]
fn scopes_that_are_ended_early() {
    run(async {
        for old in [false, true] {
            let task = create_task(async move {
                if old {
                    let _ = catch_cancel(pending::<()>()).await;
                }
                let early = |by_its_body: bool| {
                    TaskGroup::scope(async move |group: TaskGroup<()>| {
                        let own = group.clone();
                        if by_its_body {
                            own.cancel();
                        } else {
                            group
                                .create_task(async move {
                                    sleep(MS).await;
                                    own.cancel();
                                    Ok(())
                                })
                                .unwrap();
                        }
                        pending::<Result<(), ()>>().await
                    })
                };
                let frame = catch_cancel(sleep_result(3 * MS, "undisturbed"));
                let (frame, (first, second)) = join(frame, join(early(false), early(true))).await;
                assert!(first.unwrap_err().cancelled() && second.unwrap_err().cancelled());
                assert_eq!(frame.unwrap(), "undisturbed");
                current_task().unwrap().cancelling()
            });
            yields(1).await;
            if old {
                task.cancel();
            }
            assert_eq!(task.await.unwrap(), u32::from(old));
        }
    });
}

#[test]
fn panics_in_a_scope() {
    run(async {
        // In a child: a failure like any other.
        let error = TaskGroup::scope(async |group: TaskGroup<()>| {
            group
                .create_task(async { if true { panic!("child") } else { Ok(()) } })
                .unwrap();
            pending::<()>().await;
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(error.failures()[0].panicked().unwrap().message(), "child");
        // In the body: the panic is the task's, and the children are cancelled.
        let drops = Drops::default();
        let counted = drops.counted();
        let task = create_task(TaskGroup::scope(async move |group: TaskGroup<()>| {
            group
                .create_task(async move {
                    let _counted = counted;
                    pending::<()>().await;
                    Ok(())
                })
                .unwrap();
            yields(1).await;
            if true {
                panic!("body");
            }
            Ok(())
        }));
        assert!(matches!(task.await, Err(TaskError::Panicked(_))));
        yields(2).await;
        assert_eq!((drops.alive(), all_tasks().len()), (0, 1));
    });
}
