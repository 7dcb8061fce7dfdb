//! Who keeps a task, when it steps, and how it ends.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::{Drops, Log, MS, Oneshot, run, ticker, virtual_loop, yields};
use loop_tasks::{
    LoopExt, TaskError, create_task, gather, sleep, sleep_result, try_create_task, yield_now,
};

/// gh-91887: in asyncio a task that nobody holds may be collected. Here the loop holds it.
#[test]
fn a_task_that_nobody_holds_goes_on() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        drop(create_task(async move {
            sleep(MS).await;
            note.add("done");
        }));
        sleep(2 * MS).await;
    });
    assert_eq!(log.take(), ["done"]);
}

#[test]
fn a_task_is_freed_when_it_is_done_and_nobody_holds_it() {
    let drops = Drops::default();
    let counter = drops.clone();
    run(async move {
        let (local, output) = (counter.counted(), counter.counted());
        let task = create_task(async move {
            yield_now().await;
            drop(local);
            output
        });
        yields(2).await;
        assert!(task.done());
        assert_eq!(counter.count(), 1, "the output lives as long as the task");
        drop(task);
        assert_eq!(counter.count(), 2);
    });
    assert_eq!(drops.alive(), 0);
}

/// The coroutine goes in the step in which it ends, not when the last reference to its task does.
#[test]
fn the_coroutine_is_dropped_before_anybody_is_told() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        struct Ready(#[expect(dead_code, reason = "held for its drop")] crate::common::OnDrop);
        impl Future for Ready {
            type Output = ();
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                Poll::Ready(())
            }
        }
        let task = create_task(Ready(note.on_drop("coroutine")));
        let done = note.clone();
        task.add_done_callback(move |_| done.add("callback"));
        yields(2).await;
        note.add("end");
    });
    assert_eq!(log.take(), ["coroutine", "callback", "end"]);
}

#[test]
fn the_first_step_comes_after_what_was_ready_before() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let event_loop = loop_core::get_running_loop().unwrap();
        let (a, b, c) = (note.clone(), note.clone(), note.clone());
        event_loop.call_soon(move || a.add("before")).unwrap();
        create_task(async move { b.add("task") });
        event_loop.call_soon(move || c.add("after")).unwrap();
        note.add("made");
        yield_now().await;
    });
    assert_eq!(log.take(), ["made", "before", "task", "after"]);
}

/// As `asyncio` does it: what is cancelled before it began never begins.
#[test]
fn a_task_that_is_cancelled_before_its_first_step_never_runs() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let dropped = note.on_drop("dropped");
        let inner = note.clone();
        let task = create_task(async move {
            let _dropped = dropped;
            inner.add("began");
        });
        assert!(task.cancel());
        assert!(!task.done(), "it is asked, not torn apart");
        yield_now().await;
        assert!(task.cancelled() && !task.cancel());
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
    });
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn a_task_cannot_be_settled_from_outside() {
    run(async {
        let task = create_task(sleep_result(MS, 5));
        assert_eq!(task.set_result(6).unwrap_err().0, 6);
        let failing = create_task(async { Ok::<i32, i32>(1) });
        assert_eq!(failing.set_exception(2).unwrap_err().0, 2);
        assert_eq!(task.await.unwrap(), 5);
        assert_eq!(failing.await.unwrap(), Ok(1));
        let gathered = gather([sleep_result(MS, 1)]);
        assert!(gathered.set_result(vec![]).is_err());
        assert_eq!(gathered.await.unwrap().len(), 1);
    });
}

#[test]
fn waking_a_task_many_times_is_one_step() {
    let polls = Rc::new(Cell::new(0));
    let count = Rc::clone(&polls);
    run(async move {
        let slot: Rc<Cell<Option<Waker>>> = Rc::default();
        let put = Rc::clone(&slot);
        let task = create_task(poll_fn(move |cx| {
            count.set(count.get() + 1);
            put.set(Some(cx.waker().clone()));
            if count.get() == 3 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        yield_now().await;
        for _ in 0..2 {
            let waker = slot.take().unwrap();
            for _ in 0..100 {
                waker.wake_by_ref();
            }
            yields(2).await;
        }
        assert!(task.done());
        // A stale waker wakes nobody, also not the next one in its slot.
        let stale = slot.take().unwrap();
        let next_polls = Rc::new(Cell::new(0));
        let next = Rc::clone(&next_polls);
        let next = create_task(poll_fn(move |_| {
            next.set(next.get() + 1);
            Poll::<()>::Pending
        }));
        yield_now().await;
        stale.wake();
        yields(2).await;
        assert_eq!(next_polls.get(), 1);
        next.cancel();
    });
    assert_eq!(polls.get(), 3);
}

#[test]
fn a_task_that_wakes_itself_steps_again_in_the_next_iteration() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let _ticks = ticker(&note, 3);
        let inner = note.clone();
        let mut polls = 0;
        create_task(poll_fn(move |cx| {
            polls += 1;
            inner.add(format_args!("poll {polls}"));
            cx.waker().wake_by_ref();
            cx.waker().wake_by_ref();
            if polls == 3 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
        .await
        .unwrap();
    });
    assert_eq!(
        log.take(),
        ["tick 1", "poll 1", "tick 2", "poll 2", "tick 3", "poll 3"]
    );
}

#[test]
fn what_runs_until_complete_may_be_a_coroutine_a_task_or_a_future() {
    let event_loop = virtual_loop();
    assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
    let task = event_loop.create_task(sleep_result(MS, 2));
    assert_eq!(event_loop.run_until_complete(&task).unwrap(), 2);
    assert_eq!(
        event_loop.run_until_complete(&task).unwrap(),
        2,
        "by reference it stays"
    );
    assert_eq!(event_loop.run_until_complete(task).unwrap(), 2);
    let future = event_loop.create_future();
    future.set_result(3).unwrap();
    assert_eq!(event_loop.run_until_complete(future).unwrap(), 3);
    assert!(!event_loop.is_closed());
}

#[test]
fn waiting_for_a_task_without_its_type_looks_at_nothing() {
    let event_loop = virtual_loop();
    let reports = crate::common::reports(&event_loop);
    event_loop
        .run_until_complete(async {
            let failing = try_create_task(async { Err::<(), _>("unseen") });
            let any = failing.erase();
            drop(failing);
            any.wait().await;
            assert!(any.done());
        })
        .unwrap();
    assert_eq!(reports.take().len(), 1, "nobody looked at the error");
}

#[test]
fn a_task_wakes_through_any_waker_of_another_library() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let shot = Oneshot::new();
        let receive = shot.clone();
        let inner = note.clone();
        let task = create_task(async move { inner.add(receive.await) });
        yield_now().await;
        shot.send("value");
        note.add("sent");
        task.await.unwrap();
    });
    assert_eq!(log.take(), ["sent", "value"]);
}
