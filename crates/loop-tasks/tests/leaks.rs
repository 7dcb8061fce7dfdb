//! Conservation: whatever is done with tasks and futures, each value is dropped once and every table empties again.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use common::{Counted, Drops, MS, create_future, reports, run, virtual_loop, yields};
use futures_util::future::{join_all, select};
use loop_core::get_running_loop;
use loop_tasks::{
    LoopExt, LoopFuture, ReturnWhen, Task, TaskBuilder, all_tasks, as_completed, catch_cancel,
    create_task, gather, shield, sleep, timeout, try_create_task, wait, wait_for, yield_now,
};

/// Numbers that look random and are the same in every run.
#[derive(Clone)]
struct Dice(Rc<Cell<u64>>);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(Rc::new(Cell::new(seed.wrapping_mul(2) | 1)))
    }

    /// A number below `sides`.
    fn roll(&self, sides: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 11) % sides
    }
}

#[test]
fn a_hundred_thousand_tasks_spawned_and_cancelled_at_random() {
    let drops = Drops::default();
    let counter = drops.clone();
    let (cancelled, finished) = run(async move {
        let dice = Dice::new(1);
        let mut tasks: Vec<Task<Counted>> = Vec::new();
        let (mut cancelled, mut finished) = (0u32, 0u32);
        for n in 0..100_000u64 {
            let (local, output, inner) = (counter.counted(), counter.counted(), dice.clone());
            tasks.push(create_task(async move {
                let _local = local;
                match inner.roll(4) {
                    0 => yield_now().await,
                    1 => sleep(MS * u32::try_from(inner.roll(20)).unwrap()).await,
                    2 => drop(catch_cancel(pending::<()>()).await),
                    _ => {}
                }
                output
            }));
            if dice.roll(3) == 0 {
                let at = usize::try_from(dice.roll(tasks.len() as u64)).unwrap();
                tasks[at].cancel();
            }
            if dice.roll(5) == 0 {
                let at = usize::try_from(dice.roll(tasks.len() as u64)).unwrap();
                let task = tasks.swap_remove(at);
                if task.done() {
                    match task.await {
                        Ok(_) => finished += 1,
                        Err(_) => cancelled += 1,
                    }
                } // Otherwise it is left to itself.
            }
            if n % 100 == 0 {
                yield_now().await;
            }
        }
        for task in all_tasks() {
            if !Rc::ptr_eq(
                &task.get_name(),
                &loop_tasks::current_task().unwrap().get_name(),
            ) {
                task.cancel();
            }
        }
        loop_tasks::current_task().unwrap().uncancel();
        let _ = catch_cancel(sleep(100 * MS)).await;
        for task in tasks {
            match task.await {
                Ok(_) => finished += 1,
                Err(_) => cancelled += 1,
            }
        }
        assert_eq!(all_tasks().len(), 1);
        assert_eq!(get_running_loop().unwrap().next_deadline(), None);
        (cancelled, finished)
    });
    assert!(
        cancelled > 10_000 && finished > 10_000,
        "{cancelled} {finished}"
    );
    assert_eq!((drops.alive(), drops.count()), (0, 200_000));
}

/// A coroutine that does something at random with others of its kind, some levels deep.
fn node(dice: Dice, drops: Drops, depth: u32) -> Task<Result<Counted, u64>> {
    let held = drops.counted();
    try_create_task(async move {
        let _held = held;
        let child = || node(dice.clone(), drops.clone(), depth - 1);
        if depth == 0 {
            match dice.roll(8) {
                0 => yield_now().await,
                1 => sleep(MS * u32::try_from(dice.roll(9)).unwrap()).await,
                2 => pending().await,
                3 => drop(catch_cancel(sleep(50 * MS)).await),
                4 => return Err(dice.roll(100)),
                5 => panic!("a leaf"),
                6 => {
                    loop_tasks::current_task().unwrap().cancel();
                }
                _ => {}
            }
            return Ok(drops.counted());
        }
        match dice.roll(12) {
            0 => drop(child().await),
            1 => drop(gather([child(), child(), child()]).await),
            2 => drop(wait([child(), child()], Some(5 * MS), ReturnWhen::FirstException).await),
            3 => drop(timeout(3 * MS, child()).await),
            4 => drop(wait_for(3 * MS, shield(child())).await),
            5 => {
                let mut each = as_completed([child(), child()], Some(4 * MS));
                let _ = each.next().await;
            }
            6 => drop(select(child().into_future(), child().into_future()).await),
            7 => drop(join_all((0..35).map(|_| timeout(2 * MS, child()))).await),
            8 => {
                let victim = child();
                yields(usize::try_from(dice.roll(3)).unwrap()).await;
                victim.cancel();
                if let Err(cancelled) = catch_cancel(victim).await {
                    cancelled.resume().await;
                }
            }
            9 => {
                let future: LoopFuture<Counted> = create_future();
                let (setter, value) = (future.clone(), drops.counted());
                child().add_done_callback(move |_| drop(setter.set_result(value)));
                drop(timeout(4 * MS, future).await);
            }
            10 => {
                let eager = TaskBuilder::new().eager(true).spawn({
                    let inner = child();
                    async move { inner.await.is_ok() }
                });
                drop(eager.await);
            }
            _ => {
                let outer = catch_cancel(timeout(6 * MS, gather([child()]))).await;
                if let Err(cancelled) = outer {
                    yield_now().await;
                    cancelled.resume().await;
                }
            }
        }
        Ok(drops.counted())
    })
}

/// Random trees of everything that the crate has, cancelled at a random moment, or closed in the middle.
#[test]
fn random_trees_leave_nothing_behind() {
    for seed in 0..3_000 {
        let drops = Drops::default();
        let event_loop = virtual_loop();
        let _reports = reports(&event_loop);
        let dice = Dice::new(seed);
        let (inner, counter) = (dice.clone(), drops.clone());
        let ended = event_loop.run_until_complete(async move {
            let root = node(inner.clone(), counter, 2);
            sleep(MS * u32::try_from(inner.roll(8)).unwrap()).await;
            if inner.roll(2) == 0 {
                root.cancel();
            }
            if inner.roll(3) == 0 {
                return; // The loop closes over whatever is left.
            }
            sleep(200 * MS).await;
            let mine = loop_tasks::current_task().unwrap();
            for task in all_tasks() {
                if task != mine {
                    task.cancel();
                }
            }
            sleep(200 * MS).await;
            let left: Vec<_> = all_tasks()
                .into_iter()
                .filter(|task| *task != mine)
                .collect();
            assert!(left.is_empty(), "{left:?}");
            assert!(get_running_loop().unwrap().next_deadline().is_none());
        });
        assert!(ended.is_ok(), "seed {seed}: {ended:?}");
        event_loop.close().unwrap();
        drop(event_loop);
        assert_eq!(drops.alive(), 0, "seed {seed}");
    }
}

#[test]
fn a_loop_may_be_made_and_closed_many_times() {
    let drops = Drops::default();
    for n in 0..2_000u32 {
        let event_loop = virtual_loop();
        event_loop.set_exception_handler(|_, _| ());
        let counted = drops.counted();
        let task = event_loop.create_task(async move {
            sleep(MS * (n % 3)).await;
            counted
        });
        if n % 2 == 0 {
            event_loop.run_until_complete(task).unwrap();
        } else {
            event_loop
                .run_once(Some(std::time::Duration::ZERO))
                .unwrap();
        }
        event_loop.close().unwrap();
    }
    assert_eq!((drops.alive(), drops.count()), (0, 2_000));
}

/// Many that wait for one: all are told, in order, and nothing of them stays.
#[test]
fn a_hundred_thousand_tasks_wait_for_one_future() {
    const COUNT: usize = 100_000;
    run(async {
        let future: LoopFuture<()> = create_future();
        let order: Rc<RefCell<Vec<usize>>> = Rc::default();
        for n in 0..COUNT {
            let (future, order) = (future.clone(), Rc::clone(&order));
            create_task(async move {
                (&future).await.unwrap();
                order.borrow_mut().push(n);
            });
        }
        yields(1).await;
        assert_eq!(
            format!("{future:?}"),
            format!("<LoopFuture pending cb=[{COUNT}]>")
        );
        future.set_result(()).unwrap();
        yields(1).await;
        assert!(order.borrow().iter().copied().eq(0..COUNT));
        assert_eq!(all_tasks().len(), 1);
    });
}

/// Each of a hundred thousand sleeps is cancelled: no timer and no task stays.
#[test]
fn a_hundred_thousand_sleeps_cancelled() {
    run(async {
        let tasks: Vec<_> = (0..100_000u32)
            .map(|n| create_task(sleep(MS * (1 + n % 1000))))
            .collect();
        yields(1).await;
        for task in tasks.iter().rev() {
            assert!(task.cancel());
        }
        yields(1).await;
        assert!(tasks.iter().all(|task| task.cancelled()));
        assert_eq!(get_running_loop().unwrap().next_deadline(), None);
        assert_eq!(all_tasks().len(), 1);
    });
}
