//! Tasks: what they are called, what they look like, who keeps them, when they start.

mod common;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use common::{Drops, Log, MS, Oneshot, create_future, run, ticker, virtual_loop, yields};
use loop_core::set_event_loop;
use loop_tasks::{
    LoopExt, LoopFuture, TaskBuilder, TaskError, all_tasks, create_task, current_task,
    eager_task_factory, ensure_future, gather, sleep, sleep_result, try_create_task, yield_now,
};

fn names(tasks: &[loop_tasks::AnyTask]) -> Vec<String> {
    tasks
        .iter()
        .map(|task| task.get_name().to_string())
        .collect()
}

#[test]
fn tasks_are_named_by_their_number_on_their_loop_or_by_their_maker() {
    let (a, b) = (virtual_loop(), virtual_loop());
    let tasks = [a.create_task(async {}), a.create_task(async {})];
    assert_eq!(
        tasks.each_ref().map(|task| task.get_name().to_string()),
        ["Task-1", "Task-2"]
    );
    assert_eq!(&*b.create_task(async {}).get_name(), "Task-1");
    let named = TaskBuilder::new()
        .name("crawler")
        .spawn_on(&a, async { current_task().unwrap().get_name() })
        .unwrap();
    assert_eq!(&*named.get_name(), "crawler");
    assert_eq!(&*named.erase().get_name(), "crawler");
    // A name takes no number from the others, and neither does setting one; being the third does.
    assert_eq!(&*a.create_task(async {}).get_name(), "Task-4");
    tasks[0].set_name(String::from("renamed"));
    assert_eq!(&*tasks[0].get_name(), "renamed");
    assert_eq!(&*a.run_until_complete(named).unwrap(), "crawler");
    b.run_once(None).unwrap();
}

/// What asyncio's `repr` shows: name, state, where it was made, what it waits for, who waits for it.
#[test]
fn a_pending_task_prints_its_name_place_waits_and_callbacks() {
    let event_loop = virtual_loop();
    event_loop
        .run_until_complete(async {
            let future: LoopFuture<()> = create_future();
            let gate = future.clone();
            let line = line!() + 1;
            let child = create_task(async move { gate.await.is_ok() });
            let place = format!("at {}:{line}:", file!());
            let unstarted = format!("{child:?}");
            assert!(
                unstarted.starts_with("<Task 'Task-2' pending at "),
                "{unstarted}"
            );
            assert!(unstarted.contains(&place), "{unstarted}");
            assert!(!unstarted.contains("wait_for"), "{unstarted}");

            let watcher = child.clone();
            let parent = create_task(async move { watcher.await.unwrap() });
            yields(2).await;
            let text = format!("{child:?}");
            assert!(text.ends_with(" wait_for=<LoopFuture> cb=[1]>"), "{text}");
            let text = format!("{parent:?}");
            assert!(text.starts_with("<Task 'Task-3' pending at "), "{text}");
            assert!(text.ends_with(" wait_for=<Task 'Task-2'>>"), "{text}");

            parent.cancel();
            let text = format!("{child:?}");
            assert!(text.contains(" cancelling "), "{text}");
            assert!(parent.clone().await.is_err() && child.clone().await.is_err());
            for task in [parent, child] {
                let text = format!("{task:?}");
                assert!(text.contains("' cancelled at "), "{text}");
                assert!(
                    !text.contains("wait_for") && !text.contains("cancelling"),
                    "{text}"
                );
            }
        })
        .unwrap();
}

#[test]
fn a_finished_task_prints_how_it_ended() {
    run(async {
        let done = create_task(async { 1 });
        let failed = try_create_task(async { Err::<(), _>("no route") });
        let panicked = create_task(async {
            if true {
                panic!("oh")
            }
        });
        yield_now().await;
        let text = format!("{done:?}");
        assert!(text.starts_with("<Task 'Task-2' finished"), "{text}");
        let text = format!("{failed:?}");
        assert!(
            text.contains("finished exception=\"no route\" at "),
            "{text}"
        );
        let text = format!("{panicked:?}");
        assert!(
            text.contains("finished exception=panicked: oh at "),
            "{text}"
        );
        let _ = (failed.await, panicked.await);
    });
}

/// A task that waits for a task that waits for it: printing one must end.
#[test]
fn a_circle_of_tasks_can_be_printed() {
    let event_loop = virtual_loop();
    let first: Rc<Cell<Option<loop_tasks::Task<()>>>> = Rc::default();
    let other = Rc::clone(&first);
    let a = event_loop.create_task(async move { _ = other.take().unwrap().await });
    let watched = a.clone();
    let b = event_loop.create_task(async move { _ = watched.await });
    first.set(Some(b.clone()));
    event_loop.run_once(None).unwrap();
    assert!(format!("{a:?}").contains("wait_for=<Task 'Task-2'>"));
    assert!(format!("{b:?}").contains("wait_for=<Task 'Task-1'>"));
    event_loop.set_exception_handler(|_, _| ());
    event_loop.close().unwrap();
}

#[test]
fn the_place_of_a_task_is_that_of_the_call_that_made_it() {
    let event_loop = virtual_loop();
    let here = line!();
    let by_method = event_loop.create_task(async {});
    let by_builder = TaskBuilder::new().spawn_on(&event_loop, async {}).unwrap();
    let by_result = event_loop.try_create_task(async { Ok::<_, ()>(()) });
    assert_eq!(by_method.place().line(), here + 1);
    assert_eq!(by_builder.place().line(), here + 2);
    assert_eq!(by_result.place().line(), here + 3);
    let main = event_loop.create_task(async {
        let here = line!();
        let by_function = create_task(async {});
        let by_result = try_create_task(async { Ok::<_, ()>(()) });
        let ensured = ensure_future(async {}).unwrap();
        assert_eq!(by_function.place().line(), here + 1);
        assert_eq!(by_result.place().line(), here + 2);
        assert_eq!(ensured.place().line(), here + 3);
        let gathered = gather([pending::<()>(), pending()]);
        let gathering = line!() - 1;
        for task in all_tasks().into_iter().rev().take(2) {
            let text = format!("{task:?}");
            assert!(
                text.contains(&format!("{}:{gathering}:", file!())),
                "{text}"
            );
        }
        gathered.cancel();
        yields(3).await;
    });
    assert!(
        [&by_method, &by_builder]
            .iter()
            .all(|t| t.place().file() == file!())
    );
    event_loop.run_until_complete(main).unwrap();
}

#[test]
fn all_tasks_are_the_unfinished_ones_of_this_loop_oldest_first() {
    let other = virtual_loop();
    let stranger = other.create_task(async {});
    run(async {
        let tasks: Vec<_> = (1..=4u32)
            .rev()
            .map(|n| create_task(sleep(n * MS)))
            .collect();
        assert_eq!(
            names(&all_tasks()),
            ["Task-1", "Task-2", "Task-3", "Task-4", "Task-5"]
        );
        sleep(MS * 5 / 2).await;
        assert!(tasks[2].done() && tasks[3].done());
        assert_eq!(names(&all_tasks()), ["Task-1", "Task-2", "Task-3"]);
        // Its slot is used again, its age is its own.
        create_task(sleep(MS / 2));
        assert_eq!(
            names(&all_tasks()),
            ["Task-1", "Task-2", "Task-3", "Task-6"]
        );
        sleep(2 * MS).await;
        assert_eq!(all_tasks(), [current_task().unwrap()]);
    });
    assert!(
        all_tasks().is_empty(),
        "no loop is running, and none is current"
    );
    set_event_loop(Some(&other));
    assert_eq!(all_tasks(), [stranger.erase()]);
    assert_eq!(other.all_tasks(), [stranger.erase()]);
    set_event_loop(None);
    other.run_once(None).unwrap();
    assert!(other.all_tasks().is_empty());
}

#[test]
fn the_current_task_is_the_one_whose_step_runs() {
    let event_loop = virtual_loop();
    assert!(current_task().is_none());
    let seen_in_callback = Rc::new(Cell::new(false));
    let seen = Rc::clone(&seen_in_callback);
    event_loop
        .run_until_complete(async move {
            let me = current_task().unwrap();
            let child = create_task(async { current_task().unwrap() });
            child.add_done_callback(move |_| seen.set(current_task().is_none()));
            let itself = child.erase();
            // By value: a task that keeps itself as its result is a circle that nobody frees.
            let child_said = child.await.unwrap();
            assert_eq!(child_said, itself);
            assert_ne!(child_said, me);
            assert_eq!(current_task().unwrap(), me);
            assert!(me.downcast::<()>().is_some() && me.downcast::<i32>().is_none());
        })
        .unwrap();
    assert!(seen_in_callback.get(), "a callback is nobody's step");
    assert!(current_task().is_none());
}

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
        struct Ready(#[expect(dead_code, reason = "held for its drop")] common::OnDrop);
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
fn an_eager_task_takes_its_first_step_inside_its_maker() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let me = current_task().unwrap();
        let inner = note.clone();
        note.add("before");
        let task = TaskBuilder::new()
            .name("eager")
            .eager(true)
            .spawn(async move {
                inner.add(format_args!("in {}", current_task().unwrap().get_name()));
                yield_now().await;
                inner.add("later");
            });
        note.add("after");
        assert_eq!(current_task().unwrap(), me);
        assert!(!task.done());
        assert_eq!(all_tasks().len(), 2);
        task.await.unwrap();
    });
    assert_eq!(log.take(), ["before", "in eager", "after", "later"]);
}

#[test]
fn an_eager_task_that_never_waits_is_never_scheduled() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let ticks = ticker(&note, 2);
        let task = TaskBuilder::new().eager(true).spawn(async { 5 });
        assert!(task.done());
        assert_eq!(all_tasks().len(), 2, "it is not among the unfinished ones");
        assert_eq!(task.await.unwrap(), 5);
        note.add("no tick has passed");
        ticks.await.unwrap();
    });
    assert_eq!(log.take(), ["no tick has passed", "tick 1", "tick 2"]);
}

#[test]
fn eager_tasks_may_be_nested_and_each_is_the_current_one() {
    run(async {
        let outer = TaskBuilder::new().eager(true).spawn(async {
            let outer = current_task().unwrap();
            let inner = TaskBuilder::new().eager(true).spawn(async {
                let inner = current_task().unwrap();
                yield_now().await;
                assert_eq!(current_task().unwrap(), inner);
                inner
            });
            assert_eq!(current_task().unwrap(), outer);
            let inner = inner.await.unwrap();
            assert_eq!(current_task().unwrap(), outer);
            assert_ne!(inner, outer);
        });
        outer.await.unwrap();
    });
}

#[test]
fn an_eager_task_that_panics_leaves_its_maker_alone() {
    run(async {
        let me = current_task().unwrap();
        let task = TaskBuilder::new().eager(true).spawn(async {
            if true {
                panic!("first step")
            }
        });
        assert_eq!(current_task().unwrap(), me);
        assert!(task.failed());
        let Err(TaskError::Panicked(panicked)) = task.await else {
            panic!("a panic is its outcome");
        };
        assert_eq!(panicked.message(), "first step");
    });
}

#[test]
fn an_eager_task_that_cancels_itself_is_cancelled_where_it_waits() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let inner = note.clone();
        let task = TaskBuilder::new().eager(true).spawn(async move {
            current_task().unwrap().cancel();
            inner.add("before");
            sleep(MS).await;
            inner.add("never");
        });
        assert!(!task.done());
        yields(2).await;
        assert!(task.cancelled());
    });
    assert_eq!(log.take(), ["before"]);
}

/// bpo and asyncio alike: eager tasks need a loop that runs.
#[test]
fn an_eager_task_made_before_the_loop_runs_waits_for_it() {
    let event_loop = virtual_loop();
    let task = TaskBuilder::new()
        .eager(true)
        .spawn_on(&event_loop, async { current_task().is_some() })
        .unwrap();
    assert!(!task.done());
    assert!(event_loop.run_until_complete(task).unwrap());
}

#[test]
fn a_factory_has_a_say_in_every_task() {
    let event_loop = virtual_loop();
    let count = Rc::new(Cell::new(0));
    let made = Rc::clone(&count);
    event_loop.set_task_factory(Some(move |builder: TaskBuilder| {
        made.set(made.get() + 1);
        builder.name(format!("made {}", made.get()))
    }));
    let task = event_loop.create_task(async {});
    assert_eq!(&*task.get_name(), "made 1");
    event_loop
        .run_until_complete(async {
            let children = gather([(); 2].map(|()| async {}));
            assert_eq!(&*current_task().unwrap().get_name(), "made 2");
            assert_eq!(names(&all_tasks()[1..]), ["made 3", "made 4"]);
            children.await.unwrap();
        })
        .unwrap();
    event_loop.set_task_factory(Some(eager_task_factory));
    event_loop
        .run_until_complete(async { assert!(create_task(async {}).done()) })
        .unwrap();
    event_loop.set_task_factory(None::<fn(TaskBuilder) -> TaskBuilder>);
    event_loop
        .run_until_complete(async { assert!(!create_task(async {}).done()) })
        .unwrap();
    assert_eq!(count.get(), 4);
}

/// A factory may make a task of its own; it is asked about that one too, so it must know when to stop.
#[test]
fn a_factory_may_use_the_loop() {
    let event_loop = virtual_loop();
    let busy = Rc::new(Cell::new(false));
    event_loop.set_task_factory(Some(move |builder: TaskBuilder| {
        if !busy.replace(true) {
            loop_core::get_running_loop().unwrap().create_task(async {});
            busy.set(false);
        }
        builder
    }));
    let event_loop_ref = event_loop.clone();
    event_loop
        .call_soon(move || {
            event_loop_ref.create_task(async {});
            assert_eq!(event_loop_ref.all_tasks().len(), 2);
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.run_once(None).unwrap();
    assert!(event_loop.all_tasks().is_empty());
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
    let reports = common::reports(&event_loop);
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
