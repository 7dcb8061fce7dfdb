//! Where an interrupt lands, and what whoever takes it may do.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::future::select;
use loop_core::get_running_loop;
use loop_tasks::{LoopFuture, TaskError, catch_cancel, create_task, sleep, timeout};

use crate::common::{Drops, Log, MS, Oneshot, create_future, run, ticker, yields};
use crate::{Polls, me};

#[test]
fn the_code_after_the_await_does_not_run() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let inner = note.clone();
        let task = create_task(async move {
            let _dropped = inner.on_drop("dropped");
            inner.add("before");
            sleep(MS).await;
            inner.add("after");
        });
        yields(1).await;
        task.cancel();
        yields(1).await;
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
    });
    assert_eq!(log.take(), ["before", "dropped"]);
}

#[test]
fn the_innermost_frame_takes_it_and_drops_what_it_holds_unpolled() {
    run(async {
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        let drops = Drops::default();
        let counted = drops.counted();
        let task = create_task(catch_cancel(async move {
            let _outer = counted.clone();
            let inner = catch_cancel(Polls(
                Box::pin(async move {
                    let _counted = counted;
                    pending::<()>().await;
                }),
                count,
            ))
            .await;
            inner.is_err()
        }));
        yields(2).await;
        task.cancel();
        yields(1).await;
        assert_eq!(polls.get(), 1);
        assert_eq!(drops.alive(), 0);
        assert!(
            matches!(task.await, Ok(Ok(true))),
            "the outer frame heard nothing"
        );
    });
}

/// A frame inside was pending at the last poll, but whoever holds it does not poll it this time.
#[test]
fn a_frame_takes_what_no_frame_inside_takes() {
    struct Lazy<F>(Pin<Box<F>>, bool);
    impl<F: Future> Future for Lazy<F> {
        type Output = F::Output;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
            if std::mem::replace(&mut self.1, true) {
                return Poll::Pending;
            }
            self.0.as_mut().poll(cx)
        }
    }
    run(async {
        let inside = catch_cancel(catch_cancel(pending::<()>()));
        let task = create_task(async move {
            let outer = catch_cancel(Lazy(Box::pin(inside), false)).await;
            outer.is_err()
        });
        yields(2).await;
        task.cancel();
        yields(1).await;
        assert!(matches!(task.await, Ok(true)));
    });
}

/// The same without a frame around it: the task ends, and the frame inside is dropped.
#[test]
fn a_task_whose_frame_is_not_polled_is_cancelled() {
    run(async {
        let mut polled = false;
        let mut inside = Box::pin(catch_cancel(pending::<()>()));
        let task = create_task(poll_fn(move |cx| {
            if !std::mem::replace(&mut polled, true) {
                assert!(inside.as_mut().poll(cx).is_pending());
            }
            Poll::<()>::Pending
        }));
        yields(2).await;
        task.cancel();
        yields(1).await;
        assert!(task.cancelled());
    });
}

/// An interrupt meets an await that is ready in the same poll: it lands at the next one.
#[test]
fn an_interrupt_lands_at_the_next_await_if_this_one_was_over() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let shot = Oneshot::new();
        let (receive, inner) = (shot.clone(), note.clone());
        let task = create_task(async move {
            // A frame inside, so that the interrupt is delivered by a poll; but the other side is ready first.
            let _ = select(receive, Box::pin(catch_cancel(pending::<()>()))).await;
            inner.add("selected");
            let caught = catch_cancel(sleep(MS)).await.is_err();
            inner.add(format_args!("caught {caught}"));
        });
        yields(1).await;
        shot.send(());
        task.cancel();
        yields(2).await;
        assert!(task.done() && !task.cancelled());
    });
    assert_eq!(log.take(), ["selected", "caught true"]);
}

#[test]
fn drops_run_innermost_first() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let inner = note.clone();
        let task = create_task(async move {
            let a = inner.on_drop("a");
            let frame = catch_cancel(async move {
                let _a = a;
                let b = inner.on_drop("b");
                let held = async move {
                    let _b = b;
                    let _c = inner.on_drop("c");
                    pending::<()>().await;
                };
                timeout(MS, held).await.is_ok()
            });
            let _ = frame.await;
        });
        yields(1).await;
        task.cancel();
        yields(1).await;
        assert!(task.done());
    });
    assert_eq!(log.take(), ["c", "b", "a"]);
}

#[test]
fn clean_up_may_await_and_resume_ends_the_task() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let start = get_running_loop().unwrap().time();
        let inner = note.clone();
        let task = create_task(async move {
            if let Err(cancelled) = catch_cancel(pending::<()>()).await {
                inner.at(start, "cleans up");
                sleep(5 * MS).await;
                inner.at(start, "cleaned up");
                cancelled.resume().await;
            }
        });
        sleep(MS).await;
        task.cancel();
        assert!(matches!((&task).await, Err(TaskError::Cancelled(_))));
        note.at(start, "over");
        assert!(task.cancelled());
    });
    assert_eq!(log.take(), ["1 cleans up", "6 cleaned up", "6 over"]);
}

#[test]
fn resuming_takes_no_hop() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let ticks = ticker(&note, 3);
        let inner = note.clone();
        let task = create_task(async move {
            let outer = catch_cancel(async {
                let middle = catch_cancel(async {
                    let cancelled = catch_cancel(pending::<()>()).await.unwrap_err();
                    inner.add("inner");
                    cancelled.resume().await
                });
                let cancelled = middle.await.unwrap_err();
                inner.add("middle");
                cancelled.resume().await
            });
            assert!(outer.await.is_err());
            inner.add("outer");
        });
        yields(1).await;
        task.cancel();
        ticks.await.unwrap();
        assert!(task.done() && !task.cancelled());
    });
    assert_eq!(
        log.take(),
        ["tick 1", "tick 2", "inner", "middle", "outer", "tick 3"]
    );
}

#[test]
fn returning_normally_swallows_it() {
    run(async {
        let task = create_task(async {
            let _ = catch_cancel(pending::<()>()).await;
            7
        });
        yields(1).await;
        task.cancel();
        assert_eq!((&task).await.unwrap(), 7);
        assert!(!task.cancelled() && task.cancelling() == 1);
    });
}

/// Edge-triggered, as in asyncio: who has caught it may go on for as long as it likes, and be cancelled again.
#[test]
fn one_request_is_one_interrupt() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let inner = note.clone();
        let task = create_task(async move {
            for n in 0..3 {
                let caught = catch_cancel(sleep(100 * MS)).await.is_err();
                inner.add(format_args!("{n} {caught} {}", me().cancelling()));
            }
        });
        sleep(MS).await;
        task.cancel();
        sleep(150 * MS).await;
        task.cancel();
        task.await.unwrap();
    });
    assert_eq!(log.take(), ["0 true 1", "1 false 1", "2 true 2"]);
}

#[test]
fn two_requests_in_one_iteration_are_one_interrupt_and_two_counts() {
    run(async {
        for awaited in [false, true] {
            let future: LoopFuture<()> = create_future();
            let task = create_task(async move {
                let first = if awaited {
                    catch_cancel(future).await.is_err()
                } else {
                    catch_cancel(pending::<()>()).await.is_err()
                };
                let second = catch_cancel(yields(3)).await.is_err();
                (first, second)
            });
            yields(1).await;
            assert!(task.cancel() && task.cancel());
            assert_eq!(task.cancelling(), 2);
            // To a future the first goes through; the second is refused and armed: that is asyncio's, too.
            assert_eq!(task.await.unwrap(), (true, false));
        }
    });
}
