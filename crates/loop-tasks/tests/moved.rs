//! Whose a value is: whoever waits by value has it, whoever waits by reference has a clone. Nothing has to be `Clone` for
//! the former.

mod common;

use std::io;
use std::rc::Rc;

use common::{Counted, Drops, MS, create_future, reports, run, virtual_loop, yields};
use loop_tasks::{
    LoopExt, LoopFuture, TaskError, create_task, gather, shield, sleep, try_create_task, try_gather,
};

/// What no one can clone.
#[derive(Debug, PartialEq)]
struct Once(u32);

async fn once(n: u32) -> Once {
    sleep(n * MS).await;
    Once(n)
}

async fn io_call(n: u32) -> io::Result<Once> {
    sleep(n * MS).await;
    match n {
        0 => Err(io::ErrorKind::NotFound.into()),
        n => Ok(Once(n)),
    }
}

fn is_taken<T>(outcome: &Result<T, TaskError>) -> bool {
    matches!(outcome, Err(TaskError::Taken))
}

#[test]
fn a_gather_of_coroutines_has_their_values() {
    run(async {
        let outcomes = gather([3, 0, 2].map(io_call)).await.unwrap();
        let kinds = outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap().map_err(|error| error.kind()));
        assert!(kinds.eq([Ok(Once(3)), Err(io::ErrorKind::NotFound), Ok(Once(2))]));
    });
}

#[test]
fn a_gather_of_tasks_given_by_value_takes_their_values() {
    run(async {
        let (slow, done) = (create_task(once(1)), create_future());
        done.set_result(Once(7)).unwrap();
        let gathered = gather([LoopFuture::from(slow.clone()), done.clone()]);
        yields(1).await;
        let value = done.take_result().unwrap();
        assert_eq!(value.unwrap(), Once(7), "it stays until all are done");
        let outcomes = gathered.await.unwrap();
        assert_eq!(*outcomes[0].as_ref().unwrap(), Once(1));
        assert!(is_taken(&outcomes[1]), "somebody was first");
        assert!(is_taken(&slow.await));
    });
}

#[test]
fn a_gather_of_tasks_given_by_reference_leaves_them_their_values() {
    run(async {
        let tasks = [1, 2].map(|n| create_task(async move { Rc::new(n) }));
        let outcomes = gather([&tasks[0], &tasks[1], &tasks[0]]).await.unwrap();
        let shared = outcomes.into_iter().map(|outcome| outcome.unwrap());
        let shared: Vec<Rc<i32>> = shared.collect();
        assert_eq!(shared, [1, 2, 1].map(Rc::new));
        assert_eq!(Rc::strong_count(&shared[0]), 3, "two here, one in its task");
        assert_eq!(*tasks[0].result().unwrap().unwrap(), 1);
    });
}

#[test]
fn a_task_given_twice_by_value_gives_its_value_to_the_first_place() {
    run(async {
        let (twice, other) = (create_task(once(2)), create_task(once(1)));
        let outcomes = gather([twice.clone(), other, twice]).await.unwrap();
        assert_eq!(*outcomes[0].as_ref().unwrap(), Once(2));
        assert_eq!(*outcomes[1].as_ref().unwrap(), Once(1));
        assert!(is_taken(&outcomes[2]));

        let twice = try_create_task(io_call(1));
        assert!(is_taken(&try_gather([twice.clone(), twice]).await));
    });
}

#[test]
fn each_of_a_mixed_gather_is_had_as_it_was_given() {
    run(async {
        let (kept, given) = (create_task(async { Rc::new(1) }), create_task(once(1)));
        let future: LoopFuture<io::Result<()>> = create_future();
        future.set_result(Ok(())).unwrap();
        let gathered = loop_tasks::gather!(&kept, given.clone(), once(2), future.clone(), &kept);
        let (kept_too, taken, once_more, unit, again) = gathered.await.unwrap();
        assert_eq!(Rc::strong_count(&kept_too.unwrap()), 3);
        assert_eq!(*again.unwrap(), 1);
        assert_eq!((taken.unwrap(), once_more.unwrap()), (Once(1), Once(2)));
        assert!(unit.unwrap().is_ok() && kept.result().is_ok());
        assert!(is_taken(&given.await) && is_taken(&future.await));
    });
}

#[test]
fn a_try_gather_takes_the_values_when_all_have_one() {
    run(async {
        let tasks = [2, 1].map(|n| try_create_task(io_call(n)));
        let values = try_gather(tasks.clone()).await.unwrap().unwrap();
        assert_eq!(values, [Once(2), Once(1)]);
        for task in tasks {
            assert!(is_taken(&task.await));
        }
    });
}

#[test]
fn a_try_gather_takes_the_error_and_leaves_the_values() {
    run(async {
        let tasks = [1, 0, 2].map(|n| try_create_task(io_call(n)));
        let error = try_gather(tasks.clone()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let [first, failed, last] = tasks;
        assert!(is_taken(&failed.await));
        assert_eq!(first.await.unwrap().unwrap(), Once(1));
        assert_eq!(last.await.unwrap().unwrap(), Once(2));
    });
}

#[test]
fn a_try_gather_of_references_leaves_even_the_error() {
    run(async {
        let failing = try_create_task(async { Err::<(), _>("no") });
        assert_eq!(try_gather([&failing]).await.unwrap(), Err("no"));
        assert_eq!(failing.await.unwrap(), Err("no"));
    });
}

#[test]
fn a_gather_that_was_cancelled_took_nothing() {
    run(async {
        let (done, pending) = (create_task(once(0)), create_task(once(9)));
        yields(2).await;
        let gathered = gather([done.clone(), pending.clone()]);
        assert!(gathered.cancel());
        assert!(matches!(gathered.await, Err(TaskError::Cancelled(_))));
        assert!(pending.cancelled());
        assert_eq!(done.await.unwrap(), Once(0));
    });
}

#[test]
fn a_shield_gives_what_it_guards_by_the_same_rule() {
    run(async {
        assert_eq!(shield(once(1)).await.unwrap(), Once(1));

        for iterations in [0, 2] {
            let (given, kept) = (create_task(once(0)), create_task(async { Rc::new(0) }));
            yields(iterations).await;
            assert_eq!(given.done(), iterations > 0);
            assert_eq!(shield(given.clone()).await.unwrap(), Once(0));
            assert!(is_taken(&given.await));
            assert_eq!(Rc::strong_count(&shield(&kept).await.unwrap()), 2);
            assert!(kept.await.is_ok());
        }
    });
}

#[test]
fn a_shield_that_was_cancelled_took_nothing() {
    run(async {
        let given = create_task(once(1));
        assert!(shield(given.clone()).cancel());
        assert_eq!(given.await.unwrap(), Once(1));
    });
}

struct Fragile(#[expect(dead_code, reason = "it is counted")] Counted);

impl Clone for Fragile {
    fn clone(&self) -> Fragile {
        panic!("no clone")
    }
}

#[test]
fn a_clone_that_panics_costs_no_value() {
    let drops = Drops::default();
    let counter = drops.clone();
    run(async move {
        let future = || -> LoopFuture<Fragile> {
            let future = create_future();
            assert!(future.set_result(Fragile(counter.counted())).is_ok());
            future
        };
        let (given, kept) = (future(), future());
        // What was moved out is dropped, what could not be cloned stays where it is.
        let outcome = loop_tasks::gather!(given.clone(), &kept).await;
        assert!(matches!(outcome, Err(TaskError::Panicked(_))));
        drop(outcome);
        assert!(is_taken(&given.await));
        assert_eq!(counter.alive(), 1);
        assert!(kept.await.is_ok());
    });
    assert_eq!(drops.alive(), 0);
}

/// Given up before all are done, or later.
#[test]
fn a_gather_that_is_dropped_drops_each_value_once() {
    let mut takes = Vec::new();
    for step in 0..8 {
        let drops = Drops::default();
        let counter = drops.clone();
        let event_loop = virtual_loop();
        let reports = reports(&event_loop);
        let tasks = event_loop.run_until_complete(async move {
            let tasks = [0, 1, 3].map(|n| {
                let counted = counter.counted();
                create_task(async move {
                    yields(n).await;
                    counted
                })
            });
            let gathered = gather(tasks.clone());
            yields(step).await;
            drop(gathered);
            tasks
        });
        let tasks = tasks.unwrap();
        let pending = tasks.iter().filter(|task| !task.done()).count();
        event_loop.close().unwrap();
        assert_eq!(reports.take().len(), pending, "they were destroyed");
        let outcomes = tasks.iter().filter_map(|task| task.take_result().ok());
        takes.push(outcomes.filter(is_taken).count());
        assert_eq!(drops.alive(), 0);
    }
    assert!(
        takes.iter().all(|&taken| taken == 0 || taken == 3),
        "{takes:?}"
    );
    assert!(takes[0] == 0 && takes[7] == 3);
}
