//! Rules of asyncio that a user runs into sooner or later: what may not be awaited, what is lost, what is inherited.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use asyncloop::prelude::*;
use asyncloop::{
    Context, ExceptionContext, RunError, TaskBuilder, TaskError, run_future_threadsafe, seconds,
};
use common::{SECOND, Trace, after, run, run_reported};

fn virtual_loop() -> EventLoop {
    EventLoop::builder().virtual_clock().build().unwrap()
}

#[test]
fn a_future_of_another_loop_cannot_be_awaited() {
    let other = virtual_loop();
    let foreign: LoopFuture<()> = other.create_future();
    let awaited = foreign.clone();
    let outcome = run(async move { awaited.await });
    let error = outcome.unwrap_err();
    assert!(matches!(error, TaskError::WrongLoop(_)), "{error:?}");
    assert!(error.to_string().contains("attached to a different loop"));
    foreign.set_result(()).unwrap();
    other.close().unwrap();
}

#[test]
fn a_task_cannot_await_itself() {
    let error = run(async {
        let slot: Rc<RefCell<Option<Task<Option<TaskError>>>>> = Rc::default();
        let me = Rc::clone(&slot);
        let task = create_task(async move {
            let myself = me.borrow().clone().unwrap();
            myself.await.err()
        });
        slot.replace(Some(task.clone()));
        let error = task.await.unwrap();
        slot.take();
        error.unwrap()
    });
    assert!(matches!(error, TaskError::SelfAwait), "{error:?}");
    assert_eq!(error.to_string(), "Task cannot await on itself");
}

#[test]
fn a_cancellation_in_the_iteration_in_which_the_result_came_wins() {
    run(async {
        let future = get_running_loop().unwrap().create_future();
        let awaited = future.clone();
        let task = create_task(async move { awaited.await.unwrap() });
        yield_now().await;
        future.set_result("lost").unwrap();
        assert!(task.cancel(), "the task has not heard of the result yet");
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
    });
}

#[test]
fn a_cancellation_can_be_swallowed_and_asked_for_again() {
    run(async {
        let trace = Trace::begin();
        let said = trace.clone();
        let task = create_task(async move {
            if catch_cancel(after(60)).await.is_err() {
                said.add("swallowed");
            }
            after(60).await
        });
        sleep(SECOND).await;
        task.cancel();
        sleep(SECOND).await;
        assert!(!task.done());
        assert_eq!(task.cancelling(), 1, "nobody took the request back");
        task.cancel();
        assert!(matches!((&task).await, Err(TaskError::Cancelled(_))));
        assert_eq!(task.cancelling(), 2);
        assert!(!task.cancel(), "it is done");
        assert_eq!(trace.take(), ["1 swallowed"]);
    });
}

#[test]
fn a_future_knows_its_loop() {
    let (one, other) = (virtual_loop(), virtual_loop());
    let future: LoopFuture<()> = one.create_future();
    let task = other.create_task(async {});
    assert_eq!(future.get_loop(), one);
    assert_eq!(task.get_loop(), other);
    other.run_until_complete(task).unwrap();
    one.close().unwrap();
    other.close().unwrap();
}

#[test]
fn a_number_that_is_no_time_is_refused_and_any_other_is_one() {
    assert_eq!(seconds(0.25).unwrap(), Duration::from_millis(250));
    assert_eq!(seconds(-1.0).unwrap(), Duration::ZERO);
    assert_eq!(seconds(f64::INFINITY).unwrap(), Duration::MAX);
    let words = seconds(f64::NAN).unwrap_err().to_string();
    assert!(words.contains("NaN"), "{words}");
}

#[test]
fn a_run_that_is_stopped_has_no_result() {
    let event_loop = virtual_loop();
    let me = event_loop.clone();
    event_loop.call_later(SECOND, move || me.stop()).unwrap();
    let task = event_loop.create_task(after(2));
    let error = event_loop.run_until_complete(&task).unwrap_err();
    assert!(matches!(error, RunError::Stopped));
    assert_eq!(
        error.to_string(),
        "Event loop stopped before Future completed."
    );
    assert_eq!(event_loop.run_until_complete(task).unwrap(), 2);
    event_loop.close().unwrap();
}

#[test]
fn run_forever_does_not_return_when_all_tasks_are_done() {
    let event_loop = virtual_loop();
    let task = event_loop.create_task(after(1));
    let (me, seen) = (event_loop.clone(), task.clone());
    let stop = move || {
        assert!(seen.done() && me.all_tasks().is_empty());
        me.stop();
    };
    event_loop.call_later(100 * SECOND, stop).unwrap();
    let start = event_loop.time();
    event_loop.run_forever().unwrap();
    assert_eq!(event_loop.time() - start, 100 * SECOND);
    event_loop.close().unwrap();
}

#[test]
fn a_coroutine_that_nobody_awaits_runs_nothing() {
    let (log, reports) = run_reported(async {
        let log = Rc::new(RefCell::new(Vec::new()));
        let note = Rc::clone(&log);
        let coroutine = async move { note.borrow_mut().push("ran") };
        drop(coroutine);
        yield_now().await;
        log.take()
    });
    assert!(log.is_empty() && reports.is_empty());
}

#[test]
fn a_task_on_a_loop_that_never_runs_is_reported_when_that_is_closed() {
    let event_loop = virtual_loop();
    let reports = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&reports);
    event_loop.set_exception_handler(move |_, context| {
        let place = context.place.map(|place| (place.file(), place.line()));
        note.borrow_mut()
            .push((context.message.clone(), context.task.clone(), place));
    });
    let line = line!() + 1;
    let task = event_loop.create_task(async { unreachable!("it never runs") });
    let task: Task<()> = task;
    drop(task);
    event_loop.close().unwrap();
    let reports = reports.take();
    let [(message, task, place)] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    assert_eq!(message, "Task was destroyed but it is pending!");
    assert!(task.as_deref().unwrap().contains("Task-1"));
    assert_eq!(*place, Some((file!(), line)));
}

#[test]
fn a_task_inherits_context_variables_and_keeps_its_changes_to_itself() {
    static USER: ContextVar<&str> = ContextVar::new();
    run(async {
        USER.set("ada");
        let child = create_task(async {
            let inherited = USER.get();
            USER.set("grace");
            yield_now().await;
            (inherited, USER.get())
        });
        // The child has the value of the moment at which it was made.
        USER.set("alan");
        assert_eq!(child.await.unwrap(), (Some("ada"), Some("grace")));
        assert_eq!(USER.get(), Some("alan"));
        let in_thread = to_thread(|| USER.get()).await.unwrap();
        assert_eq!(in_thread, Some("alan"));
        let event_loop = get_running_loop().unwrap();
        let in_pool = event_loop.run_in_executor(None, || USER.get()).unwrap();
        assert_eq!(in_pool.await.unwrap(), None);
    });
}

#[test]
fn a_callback_has_the_context_that_it_is_wrapped_in() {
    static USER: ContextVar<&str> = ContextVar::new();
    run(async {
        let event_loop = get_running_loop().unwrap();
        let seen = Rc::new(RefCell::new(Vec::new()));
        USER.set("ada");
        let note = Rc::clone(&seen);
        let wrapped = Context::current().wrap(move || {
            note.borrow_mut().push(USER.get());
            USER.set("grace");
        });
        event_loop.call_soon(wrapped).unwrap();
        let note = Rc::clone(&seen);
        let bare = move || note.borrow_mut().push(USER.get());
        event_loop.call_soon(bare).unwrap();
        USER.set("alan");
        yield_now().await;
        assert_eq!(*seen.borrow(), [Some("ada"), None]);
        assert_eq!(USER.get(), Some("alan"));
    });
}

#[test]
fn a_closed_loop_refuses_coroutines_of_other_threads_in_asyncios_words() {
    let event_loop = virtual_loop();
    let handle = event_loop.handle();
    event_loop.close().unwrap();
    let refused = run_coroutine_threadsafe(&handle, || async {}).unwrap_err();
    assert_eq!(refused.to_string(), "Event loop is closed");
    let refused = run_future_threadsafe(&handle, async { 7 }).unwrap_err();
    let coroutine = refused.0;
    assert_eq!(run(coroutine), 7, "it comes back unharmed");
}

#[test]
fn the_reasons_of_a_future_that_blocks_its_own_loop_are_said_at_once() {
    let event_loop = new_event_loop().unwrap();
    let handle = event_loop.handle();
    let error = event_loop
        .run_until_complete(async move {
            let future = run_coroutine_threadsafe(&handle, || async { 1 }).unwrap();
            let error = future.result(Some(SECOND)).unwrap_err();
            assert_eq!(wrap_future(future).await.unwrap(), 1);
            error
        })
        .unwrap();
    assert!(
        matches!(error, asyncloop::ConcurrentError::WouldDeadlock(_)),
        "{error:?}"
    );
    event_loop.close().unwrap();
}

#[test]
fn a_new_exception_handler_may_pass_on_to_the_former_one() {
    let event_loop = virtual_loop();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&heard);
    event_loop.set_exception_handler(move |_, context| {
        note.borrow_mut()
            .push(format!("former {}", context.message));
    });
    let former = event_loop.get_exception_handler().unwrap();
    let note = Rc::clone(&heard);
    event_loop.set_exception_handler(move |event_loop, context| {
        note.borrow_mut().push(format!("new {}", context.message));
        former(event_loop, context);
    });
    event_loop.call_exception_handler(&ExceptionContext::new("a"));
    assert_eq!(*heard.borrow(), ["new a", "former a"]);
    event_loop.reset_exception_handler();
    assert!(event_loop.get_exception_handler().is_none());
    event_loop.close().unwrap();
}

#[test]
fn a_new_task_factory_may_ask_the_former_one() {
    let event_loop = virtual_loop();
    assert!(event_loop.get_task_factory().is_none());
    let asked = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&asked);
    event_loop.set_task_factory(Some(move |builder: TaskBuilder| {
        note.borrow_mut().push("former");
        builder.name("of the former")
    }));
    let former = event_loop.get_task_factory().unwrap();
    let note = Rc::clone(&asked);
    event_loop.set_task_factory(Some(move |builder| {
        note.borrow_mut().push("new");
        former(builder)
    }));
    let task = event_loop.create_task(async {});
    assert_eq!(*asked.borrow(), ["new", "former"]);
    assert_eq!(&*task.get_name(), "of the former");
    event_loop.run_until_complete(task).unwrap();
    event_loop.close().unwrap();
}
