//! Whose cancellation it was that an await reports, and what becomes of the request of an await that is dropped.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::{Either, join, select};
use loop_tasks::{
    LoopFuture, TaskError, catch_cancel, create_task, shield, sleep, try_create_task,
};

use crate::common::{Log, MS, Oneshot, create_future, run, yields};
use crate::{me, stubborn};

#[test]
fn a_child_cancelled_through_this_await_interrupts_it() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let child = create_task(pending::<()>());
        let inner = note.clone();
        let task = create_task(async move {
            let outcome = catch_cancel(async {
                let outcome = child.await;
                inner.add(format_args!("a value: {outcome:?}"));
            });
            inner.add(format_args!("interrupted: {}", outcome.await.is_err()));
        });
        yields(2).await;
        task.cancel();
        task.await.unwrap();
    });
    assert_eq!(log.take(), ["interrupted: true"]);
}

#[test]
fn a_child_cancelled_by_somebody_else_is_a_value() {
    run(async {
        for kind in 0..3 {
            let child = create_task(pending::<()>());
            let future: LoopFuture<()> = create_future();
            let (awaited, other) = (child.clone(), future.clone());
            let task = create_task(async move {
                let outcome = match kind {
                    0 => awaited.await,
                    1 => other.await,
                    _ => shield(awaited).await,
                };
                assert_eq!(me().cancelling(), 0);
                match outcome {
                    Err(TaskError::Cancelled(token)) => token,
                    outcome => panic!("{outcome:?}"),
                }
            });
            yields(2).await;
            child.cancel();
            future.cancel();
            assert!(task.await.is_ok(), "the parent goes on");
        }
    });
}

#[test]
fn the_token_of_another_tasks_cancellation_can_be_resumed() {
    run(async {
        let child = create_task(pending::<()>());
        let awaited = child.clone();
        let task = create_task(async move {
            match awaited.await {
                Err(TaskError::Cancelled(token)) => token.resume().await,
                outcome => panic!("{outcome:?}"),
            }
        });
        yields(2).await;
        child.cancel();
        assert!(matches!((&task).await, Err(TaskError::Cancelled(_))));
        assert!(task.cancelled());
        assert_eq!(task.cancelling(), 0, "nobody asked it");
    });
}

/// Somebody cancels the child, then the one who awaits it, in one iteration: both requests are the child's, and its end
/// answers both.
#[test]
fn a_child_cancelled_by_both() {
    run(async {
        for parent_first in [false, true] {
            let child = create_task(pending::<()>());
            let awaited = child.clone();
            let task = create_task(async move { awaited.await.is_err() });
            yields(2).await;
            if parent_first {
                task.cancel();
                child.cancel();
            } else {
                child.cancel();
                task.cancel();
            }
            assert_eq!(child.cancelling(), 2);
            yields(2).await;
            assert!(task.cancelled(), "parent first: {parent_first}");
        }
    });
}

/// A plain future that somebody has cancelled already refuses; the task is interrupted.
#[test]
fn a_future_cancelled_by_somebody_else_just_before() {
    run(async {
        let future: LoopFuture<()> = create_future();
        let awaited = future.clone();
        let task = create_task(async move { awaited.await.is_err() });
        yields(1).await;
        future.cancel();
        task.cancel();
        yields(1).await;
        assert!(task.cancelled());
    });
}

/// A child that refuses has answered the request: its value is the await's, and the parent goes on.
#[test]
fn a_child_that_refuses_answers_for_its_parent() {
    run(async {
        let child = stubborn(3, || 5);
        let awaited = child.clone();
        let task = create_task(async move { awaited.await.unwrap() });
        yields(2).await;
        task.cancel();
        assert_eq!((&task).await.unwrap(), 5);
        assert_eq!((task.cancelling(), child.cancelling()), (1, 1));
        let failing = try_create_task(async {
            let _ = catch_cancel(pending::<()>()).await;
            Err::<(), _>("on the way out")
        });
        let task = create_task(failing.into_future());
        yields(2).await;
        task.cancel();
        assert_eq!(task.await.unwrap().unwrap(), Err("on the way out"));
    });
}

#[test]
fn an_await_dropped_while_pending_gives_the_request_back() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let child = stubborn(9, || ());
        let shot = Oneshot::new();
        let (awaited, receive, inner) = (child.clone(), shot.clone(), note.clone());
        let task = create_task(async move {
            let body = async {
                match select(receive, awaited.into_future()).await {
                    Either::Left(_) => inner.add("the other was first"),
                    Either::Right(_) => inner.add("the child was first"),
                }
                inner.add("goes on");
                sleep(MS).await;
                inner.add("never");
            };
            assert!(catch_cancel(body).await.is_err());
            inner.add("interrupted");
        });
        yields(2).await;
        assert!(task.cancel());
        assert_eq!(child.cancelling(), 1, "it went to the one wait");
        yields(1).await;
        shot.send(());
        task.await.unwrap();
        assert!(!child.done());
        child.await.unwrap();
    });
    assert_eq!(
        log.take(),
        ["the other was first", "goes on", "interrupted"]
    );
}

/// The same from outside: whoever drops the await, the task hears of its request.
#[test]
fn an_await_dropped_by_somebody_else_gives_the_request_back() {
    run(async {
        let child = stubborn(9, || ());
        let shared = Rc::new(RefCell::new(Some(child.clone().into_future())));
        let held = Rc::clone(&shared);
        let task = create_task(poll_fn(move |cx| match &mut *held.borrow_mut() {
            Some(join) => Pin::new(join).poll(cx).map(drop),
            None => Poll::Pending,
        }));
        yields(2).await;
        task.cancel();
        yields(2).await;
        assert!(!task.done() && child.cancelling() == 1);
        shared.take();
        yields(1).await;
        assert!(task.cancelled());
        child.await.unwrap();
    });
}

/// A request that was answered with a value is answered: dropping the await then gives nothing back.
#[test]
fn an_await_dropped_after_the_answer_gives_nothing_back() {
    run(async {
        let shot = Oneshot::new();
        let child = stubborn(0, || 5);
        let (awaited, receive) = (child.clone(), shot.clone());
        let task = create_task(async move {
            drop(select(receive, awaited.into_future()).await);
            yields(3).await;
            "went on"
        });
        yields(2).await;
        task.cancel();
        yields(2).await;
        assert!(child.done() && !task.done());
        shot.send(()); // In the iteration in which the child is done, before the task has stepped.
        assert_eq!(task.await.unwrap(), "went on");
    });
}

/// An interrupt stands for every request: what its drops take along is not given back a second time.
#[test]
fn an_interrupt_stands_for_the_requests_of_what_it_drops() {
    run(async {
        let child = stubborn(9, || ());
        let future: LoopFuture<()> = create_future();
        let shot = Oneshot::new();
        let (awaited, other, receive) = (child.clone(), future.clone(), shot.clone());
        let task = create_task(async move {
            let beside = async {
                receive.await;
                other.await.is_ok()
            };
            let first = catch_cancel(join(awaited.into_future(), beside)).await;
            let second = catch_cancel(yields(3)).await;
            (first.is_err(), second.is_err())
        });
        yields(2).await;
        task.cancel();
        assert_eq!(child.cancelling(), 1, "its one wait");
        shot.send(());
        yields(1).await;
        // Now it has two, so this is an interrupt. It takes the first request along.
        task.cancel();
        assert_eq!((child.cancelling(), future.done()), (1, false));
        let outcome = task.await.unwrap();
        assert_eq!(outcome, (true, false));
        child.await.unwrap();
    });
}

/// Two tasks poll one await: what a request to the first has cancelled, the other sees as a value.
#[test]
fn an_await_that_has_moved_when_it_is_answered_gives_the_request_back() {
    run(async {
        let wait = create_future::<()>().into_future();
        let wait = Rc::new(RefCell::new(wait));
        let poll = || {
            let wait = Rc::clone(&wait);
            create_task(poll_fn(move |cx| {
                Pin::new(&mut *wait.borrow_mut()).poll(cx)
            }))
        };
        let first = poll();
        yields(1).await;
        let second = poll(); // it steps first
        assert!(first.cancel());
        yields(2).await;
        assert!(first.cancelled());
        assert!(matches!(second.await, Ok(Err(TaskError::Cancelled(_)))));
    });
}
