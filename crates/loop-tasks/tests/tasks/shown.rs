//! What tasks are called and what they look like.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use crate::common::{MS, create_future, run, virtual_loop, yields};
use loop_core::{EventLoop, set_event_loop};
use loop_tasks::{
    LoopExt, LoopFuture, TaskBuilder, all_tasks, create_task, current_task, ensure_future, gather,
    sleep, try_create_task, yield_now,
};

pub(crate) fn names(tasks: &[loop_tasks::AnyTask]) -> Vec<String> {
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

/// What another thread sees of a loop in debug mode that one of its tasks blocks.
#[test]
fn what_runs_is_a_step_of_a_task() {
    let event_loop = EventLoop::builder()
        .virtual_clock()
        .debug(true)
        .build()
        .unwrap();
    let handle = event_loop.handle();
    event_loop
        .run_until_complete(async move {
            let parser = TaskBuilder::new().name("parser").spawn(async move {
                sleep(MS).await;
                handle.running_callback().unwrap()
            });
            let seen = parser.await.unwrap();
            assert_eq!(
                seen.description,
                "step of <Task 'parser' pending wait_for=<Gate> cb=[1]>"
            );
            assert_eq!(seen.place.unwrap().file(), file!(), "{seen}");
        })
        .unwrap();
    event_loop.close().unwrap();
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
