//! Tasks that take their first step inside the call that makes them.

use crate::common::{Log, MS, run, ticker, virtual_loop, yields};
use loop_tasks::{LoopExt, TaskBuilder, TaskError, all_tasks, current_task, sleep, yield_now};

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
