//! `select` over awaits, with the macros of another crate and hand-made: which branch wins, what becomes of the others,
//! and where a cancellation goes.

mod common;

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use common::{Drops, MS, Oneshot, create_future, run, yields};
use futures_util::future::{Abortable, Aborted, FusedFuture, select_all, select_ok};
use futures_util::{FutureExt, join, select, select_biased, try_join};
use loop_core::get_running_loop;
use loop_tasks::{
    LoopFuture, Task, TaskError, catch_cancel, create_task, gather, shield, sleep, sleep_result,
    timeout, try_create_task, yield_now,
};

/// A task that ends only when it is cancelled, and then takes its time.
fn stubborn() -> Task<&'static str> {
    create_task(async {
        let _ = catch_cancel(pending::<()>()).await;
        sleep(9 * MS).await;
        "refused"
    })
}

#[test]
fn of_branches_that_are_ready_together_the_first_written_wins() {
    run(async {
        let (a, b): (LoopFuture<i32>, LoopFuture<i32>) = (create_future(), create_future());
        let setters = (a.clone(), b.clone());
        let setting = create_task(async move {
            setters.1.set_result(2).unwrap();
            setters.0.set_result(1).unwrap();
        });
        let mut first = (&a).into_future().fuse();
        let mut second = (&b).into_future().fuse();
        let won = select_biased! {
            value = first => ("a", value.unwrap()),
            value = second => ("b", value.unwrap()),
        };
        assert_eq!(won, ("a", 1));
        assert!(!second.is_terminated());
        assert_eq!(second.await.unwrap(), 2, "the other one is not lost");
        setting.await.unwrap();
    });
}

/// What lost is kept and selected again: each wins once, and nobody starts anew.
#[test]
fn every_branch_is_served_in_the_end() {
    run(async {
        let tasks = [3u32, 1, 2, 0, 2].map(|n| create_task(sleep_result(n * MS, n)));
        let mut waiting: Vec<_> = tasks.iter().map(|task| task.into_future()).collect();
        let mut seen = Vec::new();
        while !waiting.is_empty() {
            let (outcome, _, rest) = select_all(waiting).await;
            seen.push(outcome.unwrap());
            waiting = rest;
        }
        assert_eq!(seen, [0, 1, 2, 2, 3]);
    });
}

#[test]
fn the_loser_goes_on_and_can_be_awaited_again() {
    run(async {
        let slow = create_task(sleep_result(5 * MS, "slow"));
        let mut waiting = (&slow).into_future();
        for _ in 1..=4 {
            let mut tick = Box::pin(sleep(MS).fuse());
            select_biased! {
                _ = (&mut waiting).fuse() => panic!("it is slow"),
                () = tick => assert!(!slow.done()),
            }
        }
        // The very same await, and a new one.
        assert_eq!(waiting.await.unwrap(), "slow");
        assert_eq!(slow.await.unwrap(), "slow");
    });
}

/// Two awaits of the task's own: the request is for neither, the whole `select` is interrupted.
#[test]
fn a_request_while_two_tasks_are_selected_goes_to_neither() {
    run(async {
        let children = [0, 1].map(|_| stubborn());
        let [a, b] = children.clone();
        let task = create_task(async move {
            let both = async {
                select! {
                    outcome = a.into_future().fuse() => outcome.is_ok(),
                    outcome = b.into_future().fuse() => outcome.is_ok(),
                }
            };
            catch_cancel(both).await.is_err()
        });
        yields(2).await;
        assert!(task.cancel());
        assert!(children.iter().all(|child| child.cancelling() == 0));
        yields(1).await;
        assert!(task.await.unwrap());
        for child in children {
            child.cancel();
            assert_eq!(child.await.unwrap(), "refused");
        }
    });
}

/// One await beside something that is none: the request goes to that one, and its cancellation is not the branch's
/// value but an interrupt of the whole.
#[test]
fn a_request_while_one_task_is_selected_goes_to_that() {
    run(async {
        for refuses in [false, true] {
            let child = if refuses {
                stubborn()
            } else {
                create_task(pending())
            };
            let shot: Oneshot<()> = Oneshot::new();
            let (awaited, mut receive) = (child.clone(), shot.clone().fuse());
            let task = create_task(async move {
                let both = async {
                    select_biased! {
                        () = receive => "the other",
                        outcome = awaited.into_future().fuse() => outcome.unwrap(),
                    }
                };
                catch_cancel(both).await.unwrap_or("interrupted")
            });
            yields(2).await;
            assert!(task.cancel());
            assert_eq!((task.cancelling(), child.cancelling()), (1, 1));
            let expected = if refuses { "refused" } else { "interrupted" };
            assert_eq!(task.await.unwrap(), expected);
        }
    });
}

/// The other branch wins while the child takes its time: the request, given back, interrupts the next await.
#[test]
fn a_select_loses_no_request() {
    run(async {
        let child = stubborn();
        let shot: Oneshot<()> = Oneshot::new();
        let (awaited, mut receive) = (child.clone(), shot.clone().fuse());
        let task = create_task(async move {
            select_biased! {
                () = receive => {}
                _ = awaited.into_future().fuse() => panic!("it takes its time"),
            }
            catch_cancel(pending::<()>()).await.is_err()
        });
        yields(2).await;
        task.cancel();
        shot.send(());
        assert!(task.await.unwrap());
        assert_eq!((&child).await.unwrap(), "refused");
    });
}

/// With the loser kept, its request stays with it: the answer comes when it is awaited again.
#[test]
fn a_select_that_keeps_the_loser_keeps_its_request() {
    run(async {
        for refuses in [false, true] {
            let child = if refuses {
                stubborn()
            } else {
                create_task(async {
                    let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
                    sleep(9 * MS).await;
                    cancelled.resume().await
                })
            };
            let shot: Oneshot<()> = Oneshot::new();
            let (awaited, mut receive) = (child.clone(), shot.clone().fuse());
            let task = create_task(async move {
                let mut waiting = awaited.into_future().fuse();
                select_biased! {
                    () = receive => {}
                    _ = waiting => panic!("it takes its time"),
                }
                let outcome = catch_cancel(waiting).await;
                outcome.map_or("interrupted", |outcome| outcome.unwrap())
            });
            yields(2).await;
            task.cancel();
            shot.send(());
            let expected = if refuses { "refused" } else { "interrupted" };
            assert_eq!(task.await.unwrap(), expected);
        }
    });
}

/// Somebody else cancels what a branch awaits: that is the branch's value, and the `select` goes on from there.
#[test]
fn a_cancellation_by_somebody_else_is_the_value_of_its_branch() {
    run(async {
        let (quiet, child) = (stubborn(), create_task(pending::<()>()));
        let guarded = shield(&child);
        let (a, b, c) = (quiet.clone(), child.clone(), guarded.clone());
        let task = create_task(async move {
            select_biased! {
                _ = a.into_future().fuse() => panic!("nobody asked it"),
                outcome = b.into_future().fuse() => matches!(outcome, Err(TaskError::Cancelled(_))),
                _ = c.into_future().fuse() => panic!("it is done as well, but the second"),
            }
        });
        yields(2).await;
        child.cancel();
        assert!(task.await.unwrap());
        assert_eq!(quiet.cancelling(), 0);
        assert!(matches!(guarded.await, Err(TaskError::Cancelled(_))));
        quiet.cancel();
        quiet.await.unwrap();
    });
}

/// A frame in a branch hears the interrupt of the whole, as the innermost one that is polled.
#[test]
fn frames_in_branches() {
    run(async {
        let drops = Drops::default();
        let counted = [(); 2].map(|()| drops.counted());
        let task = create_task(async move {
            let [a, b] = counted.map(|counted| {
                Box::pin(catch_cancel(async move {
                    let _counted = counted;
                    pending::<()>().await;
                }))
                .fuse()
            });
            let (mut a, mut b) = (a, b);
            let won = select_biased! {
                outcome = a => ("a", outcome.is_err()),
                outcome = b => ("b", outcome.is_err()),
            };
            // The other one is still there, and hears the next.
            let rest = match won.0 {
                "a" => b,
                _ => a,
            };
            (won, rest.await.is_err())
        });
        yields(1).await;
        task.cancel();
        yields(1).await;
        assert!(!task.done() && drops.alive() == 1);
        task.cancel();
        assert_eq!(task.await.unwrap(), (("a", true), true));
        assert_eq!(drops.alive(), 0);
    });
}

/// A loop of `select`, a deadline beside it, a heartbeat: what servers are made of.
#[test]
fn a_loop_of_selects_under_a_deadline() {
    run(async {
        let (mut beats, mut events) = (0, 0);
        let (sender, receiver) = async_channel::unbounded();
        let feeding = create_task(async move {
            for n in 0.. {
                sleep(3 * MS).await;
                if sender.send(n).await.is_err() {
                    return n;
                }
            }
            0
        });
        let serving = async {
            let mut tick = Box::pin(sleep(2 * MS).fuse());
            loop {
                select! {
                    () = tick => {
                        beats += 1;
                        tick = Box::pin(sleep(2 * MS).fuse());
                    }
                    event = Box::pin(receiver.recv()).fuse() => {
                        events += 1;
                        assert_eq!(event.unwrap() + 1, events);
                    }
                }
            }
        };
        let served: Result<(), _> = timeout(20 * MS, serving).await;
        assert!(served.is_err());
        assert_eq!(events, 6);
        assert!((9..=10).contains(&beats), "{beats}");
        drop(receiver);
        feeding.await.unwrap();
    });
}

#[test]
fn select_ok_gives_the_first_success() {
    run(async {
        let tries = [
            (3u32, Err("three")),
            (1, Err("one")),
            (2, Ok("two")),
            (9, Ok("nine")),
        ];
        let tasks = tries.map(|(at, outcome)| try_create_task(sleep_result(at * MS, outcome)));
        let futures = tasks
            .iter()
            .map(|task| Box::pin(async move { task.await.unwrap() }));
        let (value, rest) = select_ok(futures).await.unwrap();
        assert_eq!((value, rest.len()), ("two", 2));
        drop(rest);
        assert!(!tasks[0].done() && !tasks[3].done());
        for task in tasks {
            let _ = task.await;
        }
    });
}

/// A branch that another crate aborts: the await inside is dropped, and gives its request back.
#[test]
fn an_aborted_await_gives_the_request_back() {
    run(async {
        let child = stubborn();
        let (handle, registration) = futures_util::future::AbortHandle::new_pair();
        let awaited = child.clone();
        let task = create_task(async move {
            let abortable = Abortable::new(awaited.into_future(), registration);
            let outcome = abortable.await;
            assert!(matches!(outcome, Err(Aborted)));
            catch_cancel(yields(3)).await.is_err()
        });
        yields(2).await;
        task.cancel();
        handle.abort();
        assert!(task.await.unwrap());
        child.await.unwrap();
    });
}

/// A hand-made `select` that polls in turns, and drops nothing.
#[test]
fn a_hand_made_select() {
    run(async {
        let (a, b): (LoopFuture<i32>, LoopFuture<i32>) = (create_future(), create_future());
        let (setter, other) = (a.clone(), b.clone());
        let task = create_task(async move {
            let (mut a, mut b) = (setter.into_future(), other.into_future());
            let mut turn = false;
            let mut both = [None, None];
            poll_fn(move |cx| {
                turn = !turn;
                for side in [turn, !turn] {
                    let (await_, slot) = match side {
                        true => (&mut a, &mut both[0]),
                        false => (&mut b, &mut both[1]),
                    };
                    if slot.is_none()
                        && let Poll::Ready(outcome) = Pin::new(await_).poll(cx)
                    {
                        *slot = Some(outcome.unwrap());
                    }
                }
                match both {
                    [Some(a), Some(b)] => Poll::Ready((a, b)),
                    _ => Poll::Pending,
                }
            })
            .await
        });
        yields(1).await;
        b.set_result(2).unwrap();
        yields(1).await;
        assert!(!task.done());
        a.set_result(1).unwrap();
        assert_eq!(task.await.unwrap(), (1, 2));
    });
}

/// The macros that wait for all: one await after the other may be cancelled, each by whom it belongs to.
#[test]
fn joins_of_awaits_and_frames() {
    run(async {
        let (cancelled, fine) = (
            create_task(pending::<i32>()),
            create_task(sleep_result(MS, 1)),
        );
        cancelled.cancel();
        let (a, b, c) = join!(
            async { (&cancelled).await.is_err() },
            async { (&fine).await.unwrap() },
            catch_cancel(sleep_result(2 * MS, 3)),
        );
        assert!(a && b == 1 && matches!(c, Ok(3)));
        let failed = try_join!(
            async { (&cancelled).await.map_err(|_| "cancelled") },
            async { gather([&fine]).await.map_err(|_| "never") },
        );
        assert_eq!(failed.unwrap_err(), "cancelled");
        // A request from outside ends a `join!` without frames as a whole.
        let drops = Drops::default();
        let counted = drops.counted();
        let task = create_task(async move {
            let _counted = counted;
            join!(sleep(MS), yield_now(), pending::<()>());
        });
        yields(2).await;
        task.cancel();
        yields(1).await;
        assert!(task.cancelled() && drops.alive() == 0);
        assert_eq!(get_running_loop().unwrap().next_deadline(), None);
    });
}
