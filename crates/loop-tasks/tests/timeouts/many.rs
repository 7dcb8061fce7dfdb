//! Several deadlines beside each other in one task, each for what it holds.

use std::future::{pending, poll_fn};

use futures_util::future::{join, join_all, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use loop_core::get_running_loop;
use loop_tasks::{
    Timeout, catch_cancel, create_task, current_task, sleep, sleep_result, timeout, wait_for,
    yield_now,
};

use crate::common::{Drops, MS, Oneshot, create_future, run, yields};
use crate::{no_timer_is_left, now};

/// Each concerns what it holds. In asyncio there is one await at a time; a Rust task may have many.
#[test]
fn deadlines_in_a_join_are_their_own() {
    run(async {
        let start = now();
        let slow = timeout(9 * MS, sleep_result(3 * MS, "slow"));
        let never = timeout(MS, pending::<()>());
        let (slow, never) = join(slow, never).await;
        assert_eq!((slow, never.is_err()), (Ok("slow"), true));
        assert_eq!(now() - start, 3 * MS);
        let never = timeout(MS, pending::<()>());
        let slow = timeout(9 * MS, sleep_result(3 * MS, "slow"));
        let (never, slow) = join(never, slow).await;
        assert_eq!((slow, never.is_err()), (Ok("slow"), true));
    });
}

/// The task's one wait is beside the deadline and not inside: the request must not go there.
#[test]
fn a_deadline_does_not_cancel_what_is_awaited_beside_it() {
    run(async {
        for nested in [false, true] {
            let child = create_task(sleep_result(3 * MS, 5));
            let never = timeout(MS, async move {
                if nested {
                    let _ = timeout(9 * MS, pending::<()>()).await;
                }
                pending::<()>().await;
            });
            let (never, value) = join(never, child.into_future()).await;
            assert_eq!((never.is_err(), value.unwrap()), (true, 5));
        }
        // The other way round it is inside, and the child is asked.
        let child = create_task(pending::<()>());
        let (limited, ()) = join(timeout(MS, &child), yield_now()).await;
        assert!(limited.is_err() && child.cancelled());
    });
}

#[test]
fn many_deadlines_in_one_task() {
    for count in [2u32, 20, 30, 31, 200] {
        run(async move {
            let limit = 10 * MS;
            let children: Vec<_> = (0..count)
                .map(|n| create_task(sleep_result(n * MS, n)))
                .collect();
            let all = join_all(
                (0..count)
                    .zip(children.clone())
                    .map(|(n, child)| async move {
                        match n % 3 {
                            0 => timeout(limit, sleep_result(n * MS, n)).await.ok(),
                            1 => timeout(limit, child).await.ok().and_then(Result::ok),
                            _ => wait_for(limit, sleep_result(n * MS, n)).await.ok(),
                        }
                    }),
            );
            for (n, value) in (0..count).zip(all.await) {
                assert_eq!(value, (n < 10).then_some(n), "{n} of {count}");
            }
            for (n, child) in (0..count).zip(children) {
                // A large one polls with wakers of its own, so that its awaits are no waits of the task.
                let asked = n >= 10 && n % 3 == 1 && count <= 30;
                assert_eq!(child.cancelled(), asked, "{n} of {count}");
                child.cancel();
                let _ = child.await;
            }
            assert_eq!(current_task().unwrap().cancelling(), 0);
            yields(2).await;
        });
    }
}

/// All at once, in a combinator that polls only who was woken.
#[test]
fn deadlines_in_a_stream_of_futures() {
    run(async {
        let mut each: FuturesUnordered<_> = (0..50u32)
            .map(|n| async move {
                let start = now();
                let limited = timeout((n / 10) * MS, async {
                    let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
                    if n % 2 == 0 {
                        sleep(MS).await;
                        cancelled.resume().await;
                    }
                });
                (n, limited.await.is_err(), now() - start)
            })
            .collect();
        let mut seen = 0;
        while let Some((n, elapsed, took)) = each.next().await {
            assert_eq!(elapsed, n % 2 == 0, "{n}");
            assert_eq!(took, (n / 10 + u32::from(n % 2 == 0)) * MS, "{n}");
            seen += 1;
        }
        assert_eq!(seen, 50);
    });
}

/// A request from outside still ends them all.
#[test]
fn a_cancellation_from_outside_ends_all_deadlines_of_a_task() {
    for count in [2usize, 40] {
        let drops = Drops::default();
        let counter = drops.clone();
        run(async move {
            let counted: Vec<_> = (0..count).map(|_| counter.counted()).collect();
            let task = create_task(join_all(counted.into_iter().map(|counted| {
                timeout(9 * MS, async move {
                    let _counted = counted;
                    pending::<()>().await;
                })
            })));
            sleep(MS).await;
            task.cancel();
            yields(3).await;
            assert!(task.cancelled() && no_timer_is_left());
            assert_eq!(counter.alive(), 0);
        });
    }
}

/// An outer deadline ends the inner ones, which are beside each other.
#[test]
fn a_deadline_around_deadlines_in_a_join() {
    run(async {
        let drops = Drops::default();
        let (a, b) = (drops.counted(), drops.counted());
        let hold = |counted| async move {
            let _counted = counted;
            pending::<()>().await;
        };
        let both = join(timeout(9 * MS, hold(a)), timeout(8 * MS, hold(b)));
        assert!(timeout(MS, both).await.is_err());
        assert_eq!(drops.alive(), 0);
        assert!(no_timer_is_left());
        // With the inner one due together with the outer one.
        let both = join(
            timeout(MS, pending::<()>()),
            timeout(8 * MS, pending::<()>()),
        );
        assert!(timeout(MS, both).await.is_err());
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
}

/// One is cut short by a request from outside that another frame beside it catches: it must not be forgotten.
#[test]
fn a_deadline_beside_a_frame_that_catches() {
    run(async {
        let task = create_task(async {
            let limited = timeout(9 * MS, pending::<()>());
            drop(join(limited, catch_cancel(pending::<()>())).await);
        });
        sleep(MS).await;
        task.cancel();
        yields(4).await;
        assert!(task.cancelled(), "the interrupt of the first one goes on");
    });
}

#[test]
fn a_deadline_follows_what_it_holds_to_another_task() {
    run(async {
        for moment in [0u32, 1] {
            let start = now();
            let mut limited = Box::pin(timeout(2 * MS, pending::<()>()));
            poll_fn(|cx| {
                assert!(limited.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            sleep(moment * MS).await;
            let task = create_task(limited);
            yields(3).await;
            assert!(task.await.unwrap().is_err());
            assert_eq!(now() - start, 2 * MS);
            assert_eq!(current_task().unwrap().cancelling(), 0);
        }
        // It comes while nobody polls it; the new task hears of it.
        let mut limited = Box::pin(timeout(MS, pending::<()>()));
        poll_fn(|cx| {
            assert!(limited.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let mine = current_task().unwrap();
        let sleeping = catch_cancel(sleep(2 * MS)).await;
        let disturbed = sleeping.is_err();
        let task = create_task(limited);
        assert!(task.await.unwrap().is_err());
        assert_eq!((mine.cancelling(), disturbed), (0, false));
    });
}

/// The new task has had requests before, which are none of the deadline's.
#[test]
fn a_deadline_that_has_moved_is_told_from_earlier_requests() {
    run(async {
        let mut limited = Box::pin(timeout(2 * MS, pending::<()>()));
        poll_fn(|cx| {
            assert!(limited.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let task = create_task(async {
            let caught = catch_cancel(pending::<()>()).await;
            assert!(caught.is_err());
            limited.await
        });
        yields(1).await;
        task.cancel();
        assert!(task.await.unwrap().is_err());
    });
}

/// What is inside waits for two things, and began to do so one after the other: the request goes to neither.
#[test]
fn a_deadline_cancels_nothing_where_its_task_waits_for_two_things() {
    run(async {
        let (first, second) = (create_future::<()>(), create_future::<()>());
        let (ours, shot) = ((first.clone(), second.clone()), Oneshot::new());
        let send = shot.clone();
        let later = async move {
            shot.await;
            ours.1.await
        };
        let task = create_task(timeout(2 * MS, join(ours.0.into_future(), later)));
        sleep(MS).await;
        send.send(());
        assert!(task.await.unwrap().is_err());
        assert!(!first.done() && !second.done());
    });
}

/// What it holds is ready in the very step in which the interrupt comes, with a frame inside that has not taken it.
#[test]
fn an_interrupt_that_comes_too_late_is_only_taken_back_by_whom_it_is_of() {
    run(async {
        for (own, old) in [(true, false), (true, true), (false, false)] {
            let shot = Oneshot::new();
            let send = shot.clone();
            let task = create_task(async move {
                if old {
                    current_task().unwrap().cancel();
                    assert!(catch_cancel(yield_now()).await.is_err());
                }
                let inside = select(shot, Box::pin(catch_cancel(pending::<()>())));
                let limit = if own { MS } else { 9 * MS };
                assert!(timeout(limit, inside).await.is_ok());
                yields(3).await;
                "undisturbed"
            });
            yields(1).await;
            let us = task.clone();
            let end = move || {
                send.send(());
                if !own {
                    us.cancel();
                }
            };
            // Behind the deadline, and before the step that it brings about.
            get_running_loop().unwrap().call_later(MS, end).unwrap();
            assert_eq!(task.await.ok(), own.then_some("undisturbed"));
        }
    });
}

/// A timeout that nobody holds any more leaves its memory to the next one, and nothing of what was in it.
#[test]
fn a_timeout_knows_nothing_of_the_one_before() {
    run(async {
        for _ in 0..3 {
            assert!(timeout(MS, pending::<()>()).await.is_err());
            let held = Timeout::new(MS);
            assert!(!held.expired() && held.when().is_none());
            assert!(held.run(pending::<()>()).await.is_err());
            let next = Timeout::never();
            assert!(!next.expired() && next.when().is_none());
            assert_eq!(next.run(async { 1 }).await, Ok(1));
            assert!(held.expired() && held.when().is_some() && !next.expired());
        }
        drop(timeout(MS, pending::<()>()));
        assert_eq!(timeout(MS, async { 2 }).await, Ok(2));
    });
}
