//! A loop's factory of tasks.

use std::cell::Cell;
use std::rc::Rc;

use crate::common::virtual_loop;
use loop_tasks::{
    LoopExt, TaskBuilder, all_tasks, create_task, current_task, eager_task_factory, gather,
};

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
            assert_eq!(crate::shown::names(&all_tasks()[1..]), ["made 3", "made 4"]);
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
