//! What is wrong in a program, and what it is told: asyncio's words where there are some, and never a hang.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::cell::RefCell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{Drops, MS, create_future, run, virtual_loop, yields};
use loop_core::{EventLoop, LoopError, NoCurrentLoop, panic_message};
use loop_tasks::{
    EmptySet, LoopExt, LoopFuture, ReturnWhen, RunError, Task, TaskBuilder, TaskError, TaskGroup,
    as_completed, catch_cancel, create_task, current_task, ensure_future, gather, shield, sleep,
    timeout, try_create_task, try_gather, wait, wait_for, yield_now,
};

/// What `f` panics with.
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(f()))).unwrap_err();
    panic_message(&*panic).to_owned()
}

/// What polling a future once, outside of any task and loop, panics with.
fn poll_panics<F: Future>(future: F) -> String {
    let mut future = Box::pin(future);
    panic_of(|| {
        let cx = &mut Context::from_waker(Waker::noop());
        future.as_mut().poll(cx).is_ready()
    })
}

/// In a thread of its own, where no loop is current: the main thread would get one.
fn without_a_loop<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    std::thread::Builder::new()
        .name("no loop".into())
        .spawn(f)
        .unwrap()
        .join()
        .unwrap()
}

#[test]
fn asking_for_a_result_too_early() {
    let event_loop = virtual_loop();
    let task = event_loop.create_task(async { 5 });
    assert_eq!(task.result().unwrap_err().to_string(), "Result is not set.");
    assert_eq!(
        task.take_result().unwrap_err().to_string(),
        "Result is not set."
    );
    assert_eq!(event_loop.run_until_complete(&task).unwrap(), 5);
    assert_eq!(task.result().unwrap().unwrap(), 5);
}

#[test]
fn settling_twice() {
    let event_loop = virtual_loop();
    let future = event_loop.create_future();
    future.set_result(1).unwrap();
    let late = future.set_result(2).unwrap_err();
    assert!(late.to_string().starts_with("invalid state"));
    assert_eq!(
        (late.0, format!("{late:?}")),
        (2, String::from("InvalidState(..)"))
    );
}

#[test]
fn awaiting_a_future_of_another_loop() {
    let other = virtual_loop();
    let other_id = other.id();
    let future: LoopFuture<i32> = other.create_future();
    let task = other.create_task(pending::<i32>());
    other.set_exception_handler(|_, _| ());
    let event_loop = virtual_loop();
    let own_id = event_loop.id();
    let awaited = (future.clone(), task.clone());
    event_loop
        .run_until_complete(async move {
            let (future, task) = awaited;
            for outcome in [future.await, task.clone().await, task.clone().await] {
                let error = outcome.unwrap_err();
                let TaskError::WrongLoop(loops) = &error else {
                    panic!("{error}")
                };
                assert_eq!((loops.of_future(), loops.of_task()), (other_id, own_id));
                let text = error.to_string();
                assert!(text.contains("attached to a different loop"), "{text}");
                assert!(text.contains(&format!("loop {other_id}")), "{text}");
                assert!(text.contains("wrap_future"), "{text}");
            }
            let limited = timeout(MS, task.clone()).await.unwrap();
            assert!(matches!(limited, Err(TaskError::WrongLoop(_))));
            // In a combinator with wakers of its own, too.
            let joined =
                futures_util::future::join_all((0..40).map(|_| task.clone().into_future()));
            assert!(
                joined
                    .await
                    .iter()
                    .all(|e| matches!(e, Err(TaskError::WrongLoop(_))))
            );
        })
        .unwrap();
    assert!(!future.done() && !task.done(), "nothing happened to it");
    assert_eq!(
        format!("{future:?}"),
        "<LoopFuture pending>",
        "nobody waits for it"
    );
}

/// Nobody would hear of it: while this loop runs, the other one of this thread does not.
#[test]
fn gathering_and_shielding_what_belongs_to_another_loop() {
    let other = virtual_loop();
    let theirs = other.create_task(pending::<i32>());
    let done = other.create_task(async { 2 });
    other.run_once(None).unwrap();
    other.set_exception_handler(|_, _| ());
    let awaited = theirs.clone();
    let event_loop = virtual_loop();
    event_loop
        .run_until_complete(async move {
            let ours = create_task(async { 1 });
            let gathered = gather([&ours, &awaited]).await;
            assert!(matches!(gathered, Err(TaskError::WrongLoop(_))));
            assert_eq!(ours.await.unwrap(), 1, "the others go on");
            // Of what is done there is nothing to hear.
            let gathered = gather([&done]).await.unwrap();
            assert!(matches!(gathered.as_slice(), [Ok(2)]));
            let shielded = shield(&awaited).await;
            assert!(matches!(shielded, Err(TaskError::WrongLoop(_))));
        })
        .unwrap();
    assert!(!theirs.done(), "nothing happened to it");
    assert!(
        !format!("{theirs:?}").contains("cb="),
        "nobody waits for it: {theirs:?}"
    );
}

/// Once it waited for ever.
#[test]
fn awaiting_a_task_of_a_loop_that_was_closed_under_it() {
    let other = virtual_loop();
    other.set_exception_handler(|_, _| ());
    let task = other.create_task(pending::<i32>());
    other.close().unwrap();
    let outcome = virtual_loop().run_until_complete(async move { task.await });
    assert!(matches!(outcome.unwrap(), Err(TaskError::WrongLoop(_))));
}

/// The place in the message is in the program, which made the mistake.
#[test]
fn making_tasks_and_gathers_without_a_loop_is_told_with_its_place() {
    let closed = virtual_loop();
    closed.close().unwrap();
    let places = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = places.clone();
    let former = std::panic::take_hook();
    let own = std::thread::current().id();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == own {
            let file = panic.location().map(|place| place.file().to_owned());
            seen.lock().unwrap().push(file);
        } else {
            former(panic);
        }
    }));
    let mistakes: [fn(&EventLoop); 5] = [
        |_| drop(create_task(async {})),
        |_| drop(TaskBuilder::new().spawn(async {})),
        |_| drop(gather([async {}])),
        |_| drop(shield(async {})),
        |closed| drop(closed.create_task(async {})),
    ];
    for mistake in mistakes {
        catch_unwind(AssertUnwindSafe(|| mistake(&closed))).unwrap_err();
    }
    drop(std::panic::take_hook());
    assert_eq!(
        *places.lock().unwrap(),
        vec![Some(file!().to_owned()); mistakes.len()]
    );
}

/// What is done is done on every loop.
#[test]
fn awaiting_what_is_done_on_another_loop() {
    let other = virtual_loop();
    let future = other.create_future();
    future.set_result(5).unwrap();
    let event_loop = virtual_loop();
    let value = event_loop.run_until_complete(async move { future.await.unwrap() });
    assert_eq!(value.unwrap(), 5);
}

/// asyncio: "The future belongs to a different loop than the one specified as the loop argument".
#[test]
fn running_until_a_future_of_another_loop_is_done() {
    let (event_loop, other) = (virtual_loop(), virtual_loop());
    let future: LoopFuture<i32> = other.create_future();
    let error = event_loop.run_until_complete(&future).unwrap_err();
    let RunError::Task(TaskError::WrongLoop(loops)) = &error else {
        panic!("{error}")
    };
    assert_eq!(loops.of_future(), other.id());
    assert_eq!(loops.of_task(), event_loop.id());
    assert_eq!(
        format!("{future:?}"),
        "<LoopFuture pending>",
        "nobody waits for it"
    );
    // A loop with the system's clock would have waited for ever.
    let event_loop = loop_core::EventLoop::new().unwrap();
    assert!(event_loop.run_until_complete(&future).is_err());
}

#[test]
fn a_task_that_awaits_itself() {
    run(async {
        let slot: Rc<RefCell<Option<Task<String>>>> = Rc::default();
        let itself = Rc::clone(&slot);
        let task = create_task(async move {
            let itself = itself.take().unwrap();
            let error = (&itself).await.unwrap_err();
            assert!(matches!(error, TaskError::SelfAwait));
            let again = timeout(MS, &itself).await.unwrap();
            assert!(matches!(again, Err(TaskError::SelfAwait)));
            error.to_string()
        });
        slot.replace(Some(task.clone()));
        assert_eq!(task.await.unwrap(), "Task cannot await on itself");
    });
}

#[test]
fn what_needs_a_running_loop_says_so() {
    without_a_loop(|| {
        let text = "no running event loop";
        for said in [
            panic_of(|| create_task(async {})),
            panic_of(|| try_create_task(async { Ok::<(), ()>(()) })),
            poll_panics(sleep(MS)),
            poll_panics(wait([async {}], None, ReturnWhen::AllCompleted)),
            poll_panics(wait_for(Duration::ZERO, async {})),
        ] {
            assert!(said.starts_with(text), "{said}");
        }
    });
}

#[test]
fn what_needs_a_running_or_a_current_loop_says_so() {
    without_a_loop(|| {
        let text = "There is no current event loop in thread 'no loop'.";
        let error: NoCurrentLoop = ensure_future(async {}).unwrap_err();
        assert_eq!(error.to_string(), text);
        for said in [
            panic_of(|| gather([async {}])),
            panic_of(|| try_gather([async { Ok::<(), ()>(()) }])),
            panic_of(|| shield(async {})),
            panic_of(|| as_completed([async {}], None).remaining()),
            panic_of(|| loop_tasks::gather!(async {})),
        ] {
            assert!(said.starts_with(text), "{said}");
        }
        assert!(current_task().is_none() && loop_tasks::all_tasks().is_empty());
    });
}

#[test]
fn what_needs_a_task_says_so() {
    let said = poll_panics(timeout(MS, async {}));
    assert_eq!(said, "Timeout should be used inside a task");
    let said = poll_panics(wait_for(MS, async {}));
    assert_eq!(said, "Timeout should be used inside a task");
    let said = poll_panics(TaskGroup::scope(async |_: TaskGroup<()>| Ok(())));
    assert!(
        said.starts_with("TaskGroup cannot determine the parent task"),
        "{said}"
    );
    let event_loop = virtual_loop();
    let cancelled = event_loop.create_task(pending::<()>());
    cancelled.cancel();
    event_loop.run_once(None).unwrap();
    let Err(TaskError::Cancelled(token)) = cancelled.take_result().unwrap() else {
        panic!("it was cancelled")
    };
    let said = poll_panics(token.resume());
    assert_eq!(said, "a cancellation can only be resumed inside a task");
}

/// A frame outside of a task has nothing to catch: it is transparent.
#[test]
fn a_frame_needs_no_task() {
    let mut caught = Box::pin(catch_cancel(async { 5 }));
    let polled = caught
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(5))));
}

#[test]
fn waiting_for_nothing() {
    run(async {
        let none: [Task<()>; 0] = [];
        let error: EmptySet = wait(none.clone(), None, ReturnWhen::AllCompleted)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "Set of Tasks/Futures is empty.");
        assert!(
            wait(none.clone(), Some(MS), ReturnWhen::FirstCompleted)
                .await
                .is_err()
        );
        assert!(gather(none.clone()).await.unwrap().is_empty());
        assert!(as_completed(none, Some(MS)).next().await.is_none());
    });
}

#[test]
fn running_a_loop_inside_itself_or_another() {
    let event_loop = virtual_loop();
    let drops = Drops::default();
    let counted = drops.counted();
    let inner = event_loop.clone();
    event_loop
        .run_until_complete(async move {
            let error = inner
                .run_until_complete(async move { drop(counted) })
                .unwrap_err();
            assert!(matches!(error, RunError::Loop(LoopError::AlreadyRunning)));
            let other = virtual_loop();
            let error = other.run_until_complete(async {}).unwrap_err();
            assert!(matches!(error, RunError::Loop(LoopError::AnotherRunning)));
            assert!(other.all_tasks().is_empty());
            yield_now().await;
            assert_eq!(inner.close(), Err(LoopError::CannotCloseRunning));
        })
        .unwrap();
    assert_eq!(drops.count(), 1);
    assert!(event_loop.all_tasks().is_empty());
}

#[test]
fn stopping_a_loop_before_what_it_runs_for_is_done() {
    let event_loop = virtual_loop();
    let task = event_loop.create_task(async {
        loop_core::get_running_loop().unwrap().stop();
        yields(2).await;
        5
    });
    let error = event_loop.run_until_complete(&task).unwrap_err();
    assert!(matches!(error, RunError::Stopped));
    assert_eq!(
        error.to_string(),
        "Event loop stopped before Future completed."
    );
    assert!(!task.done());
    assert_eq!(
        event_loop.run_until_complete(task).unwrap(),
        5,
        "it goes on"
    );
}

/// In virtual time nobody waits for ever: the error lists who would.
#[test]
fn nothing_can_ever_happen() {
    let event_loop = virtual_loop();
    event_loop.set_exception_handler(|_, _| ());
    let error = event_loop
        .run_until_complete(async {
            let future: LoopFuture<()> = create_future();
            let _ = create_task(future.into_future()).await;
        })
        .unwrap_err();
    let RunError::Loop(LoopError::Stuck(stuck)) = &error else {
        panic!("{error}")
    };
    assert_eq!(stuck.waiting.len(), 2);
    assert!(
        stuck.waiting[0].contains("'Task-1'")
            && stuck.waiting[0].contains("wait_for=<Task 'Task-2'>")
    );
    assert!(stuck.waiting[1].contains("wait_for=<LoopFuture>"));
    assert!(error.to_string().contains("Task-2"));
}

#[test]
fn polling_what_was_ready() {
    run(async {
        let said = create_task(async {
            let mut limited = Box::pin(timeout(MS, async {}));
            (&mut limited).await.unwrap();
            let _ = limited.await;
        });
        assert_eq!(
            said.await.unwrap_err().to_string(),
            "panicked: polled after it was ready"
        );
        let said = create_task(async {
            let mut caught = Box::pin(catch_cancel(pending::<()>()));
            current_task().unwrap().cancel();
            assert!((&mut caught).await.is_err());
            let _ = caught.await;
        });
        assert_eq!(
            said.await.unwrap_err().to_string(),
            "panicked: polled after it was ready"
        );
        // An await of what is settled may be polled as often as one likes.
        let future = create_future();
        future.set_result(1).unwrap();
        let mut join = (&future).into_future();
        assert_eq!(Pin::new(&mut join).await.unwrap(), 1);
        assert_eq!(join.await.unwrap(), 1);
    });
}

#[test]
fn a_value_that_was_moved_out() {
    run(async {
        let task = create_task(async { String::from("once") });
        assert_eq!(task.clone().await.unwrap(), "once");
        let error = (&task).await.unwrap_err();
        assert!(matches!(error, TaskError::Taken));
        assert!(error.to_string().contains("await a reference to share it"));
        let outcomes = gather([&task]).await.unwrap();
        assert!(matches!(outcomes[0], Err(TaskError::Taken)));
    });
}

#[test]
fn a_token_of_another_future_removes_nothing_of_this_one() {
    let event_loop = virtual_loop();
    let (a, b): (LoopFuture<()>, LoopFuture<()>) =
        (event_loop.create_future(), event_loop.create_future());
    a.add_done_callback(|_| ());
    let second = a.add_done_callback(|_| ());
    b.add_done_callback(|_| ());
    assert!(!b.remove_done_callback(second));
    let settled: LoopFuture<()> = event_loop.create_future();
    settled.set_result(()).unwrap();
    let late = settled.add_done_callback(|_| ());
    assert!(!settled.remove_done_callback(late) && !b.remove_done_callback(late));
}
