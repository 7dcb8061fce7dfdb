//! Long chains and circles of tasks that await each other: neither their length nor their shape may matter.

mod common;

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use common::{Drops, reports, run, virtual_loop, yields};
use loop_tasks::{LoopExt, Task, all_tasks, create_task, gather};

const LENGTH: usize = 20_000;

/// A chain longer than the stack of a test's thread: each task awaits the one before.
fn chain(first: Task<()>) -> Vec<Task<()>> {
    let mut tasks = vec![first];
    for _ in 0..LENGTH {
        let before = tasks[tasks.len() - 1].clone();
        tasks.push(create_task(async move {
            if let Err(loop_tasks::TaskError::Cancelled(cancelled)) = before.await {
                cancelled.resume().await;
            }
        }));
    }
    tasks
}

#[test]
fn a_cancellation_goes_down_a_long_chain_and_comes_up_again() {
    run(async {
        let tasks = chain(create_task(pending::<()>()));
        yields(2).await;
        assert!(tasks[LENGTH].cancel());
        assert!(tasks.iter().all(|task| task.cancelling() == 1));
        // One iteration for the first, one for each that hears of the one before.
        yields(1).await;
        assert!(tasks[0].cancelled() && !tasks[1].done());
        yields(LENGTH).await;
        assert!(tasks.iter().all(|task| task.cancelled()));
        assert_eq!(all_tasks().len(), 1);
    });
}

#[test]
fn a_value_comes_up_a_long_chain() {
    run(async {
        let tasks = chain(create_task(yields(2)));
        tasks[LENGTH].clone().await.unwrap();
        assert!(tasks.iter().all(|task| task.done() && !task.cancelled()));
    });
}

#[test]
fn a_long_chain_is_dropped_with_its_loop() {
    let drops = Drops::default();
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let counted = drops.counted();
    event_loop
        .run_until_complete(async move {
            let first = create_task(async move {
                let _counted = counted;
                pending::<()>().await;
            });
            drop(chain(first));
            yields(2).await;
        })
        .unwrap();
    event_loop.close().unwrap();
    assert_eq!(drops.alive(), 0);
    assert_eq!(reports.take().len(), LENGTH + 1);
}

/// They wait for each other for ever; to cancel any of them ends them all.
#[test]
fn a_circle_of_awaits_can_be_cancelled() {
    for (tail, length) in [(0, 2), (0, 3), (1, 2), (5, 7), (40, 9), (3, 64)] {
        run(async move {
            let links: Rc<RefCell<Vec<Task<()>>>> = Rc::default();
            for n in 0..tail + length {
                let inner = Rc::clone(&links);
                let next = if n + 1 == tail + length { tail } else { n + 1 };
                let task = create_task(async move {
                    let next = inner.borrow()[next].clone();
                    if let Err(loop_tasks::TaskError::Cancelled(cancelled)) = next.await {
                        cancelled.resume().await;
                    }
                });
                links.borrow_mut().push(task);
            }
            yields(2).await;
            let first = links.borrow()[0].clone();
            assert!(first.cancel());
            yields(tail + length + 2).await;
            assert!(
                links.borrow().iter().all(|task| task.cancelled()),
                "{tail} {length}"
            );
            links.take();
        });
    }
}

#[test]
fn a_circle_that_goes_through_gathers_can_be_cancelled() {
    for length in [1, 2, 3, 20] {
        run(async move {
            let links: Rc<RefCell<Vec<Task<()>>>> = Rc::default();
            let gathers: Rc<RefCell<Vec<_>>> = Rc::default();
            for n in 0..length {
                let (inner, kept) = (Rc::clone(&links), Rc::clone(&gathers));
                let task = create_task(async move {
                    let next = inner.borrow()[(n + 1) % length].clone();
                    let other = create_task(pending::<()>());
                    let all = gather([&next, &other, &next]);
                    kept.borrow_mut().push(all.clone());
                    let _ = all.await;
                });
                links.borrow_mut().push(task);
            }
            yields(2).await;
            let first = links.borrow()[0].clone();
            assert!(first.cancel());
            yields(3 * length + 3).await;
            assert!(
                links.borrow().iter().all(|task| task.cancelled()),
                "{length}"
            );
            assert_eq!(all_tasks().len(), 1, "{length}");
            for all in gathers.take() {
                assert!(all.result().expect("its children are done").is_err());
            }
            links.take();
        });
    }
}

#[test]
fn a_cancellation_goes_through_gathers_of_gathers() {
    run(async {
        let leaf = create_task(pending::<()>());
        let mut above = leaf.clone();
        for _ in 0..100 {
            let children = [above, create_task(yields(3))];
            above = create_task(async move {
                for outcome in gather(children).await.unwrap() {
                    if let Err(loop_tasks::TaskError::Cancelled(cancelled)) = outcome {
                        cancelled.resume().await;
                    }
                }
            });
        }
        yields(5).await;
        assert!(above.cancel());
        yields(500).await;
        assert!(above.cancelled() && leaf.cancelled());
        assert_eq!(all_tasks().len(), 1);
    });
}
