//! Concurrent futures as futures of a loop: what arrives, and when.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use common::{LoopThread, turn, watched_loop};
use loop_bridge::{
    ConcurrentError, JobPanicked, Promise, concurrent_future, run_coroutine_threadsafe,
    run_future_threadsafe, wrap_future, wrap_future_on,
};
use loop_core::{EventLoop, set_event_loop};
use loop_tasks::{
    LoopExt, LoopFuture, ReturnWhen, RunError, TaskError, create_task, gather, sleep, sleep_result,
    wait,
};

const SECOND: Duration = Duration::from_secs(1);

// Results.

#[test]
fn by_value_the_result_moves_and_by_reference_it_is_shared() {
    struct Page(u32); // not Clone
    let event_loop = EventLoop::new().unwrap();
    let (promise, future) = concurrent_future();
    let wrapped = wrap_future_on(&event_loop, future.clone());
    let worker = thread::spawn(move || promise.run(|| Page(7)));
    assert_eq!(event_loop.run_until_complete(wrapped).unwrap().0, 7);
    assert!(matches!(
        future.take_result(None),
        Err(ConcurrentError::Taken)
    ));
    worker.join().unwrap();

    let (promise, future) = concurrent_future();
    let wrapped = [(); 3].map(|()| wrap_future_on(&event_loop, &future));
    promise.set_result("page".to_string()).unwrap();
    for wrapped in wrapped {
        assert_eq!(event_loop.run_until_complete(wrapped).unwrap(), "page");
    }
    assert_eq!(future.result(None).unwrap(), "page");
}

#[test]
fn the_result_comes_in_one_callback_and_the_awaiting_task_a_hop_later() {
    let event_loop = EventLoop::new().unwrap();
    let trace = Rc::new(RefCell::new(Vec::new()));
    let (promise, future) = concurrent_future();
    let wrapped = wrap_future_on(&event_loop, future);
    let (settled, log) = (wrapped.clone(), Rc::clone(&trace));
    let awaiting = event_loop.create_task(async move {
        log.borrow_mut().push("awaits");
        wrapped.await.unwrap();
        log.borrow_mut().push("has it");
    });
    turn(&event_loop, 1);
    thread::spawn(move || promise.set_result(1))
        .join()
        .unwrap()
        .unwrap();
    turn(&event_loop, 1);
    assert!(settled.done() && !awaiting.done());
    trace.borrow_mut().push("|");
    turn(&event_loop, 1);
    assert_eq!(*trace.borrow(), ["awaits", "|", "has it"]);
}

#[test]
fn one_that_is_done_already_arrives_in_a_callback_all_the_same() {
    let event_loop = EventLoop::new().unwrap();
    let (promise, future) = concurrent_future();
    promise.set_result(1).unwrap();
    let wrapped = wrap_future_on(&event_loop, future);
    assert!(!wrapped.done());
    turn(&event_loop, 1);
    assert_eq!(wrapped.result().unwrap().unwrap(), 1);
}

#[test]
fn futures_of_a_loop_are_returned_as_they_are() {
    let event_loop = EventLoop::new().unwrap();
    let future: LoopFuture<u32> = event_loop.create_future();
    assert!(wrap_future_on(&event_loop, &future).same(&future));
    assert!(wrap_future_on(&event_loop, future.clone()).same(&future));
    let task = event_loop.create_task(async { 1 });
    assert!(wrap_future_on(&event_loop, &task).same(&task));
    assert!(wrap_future_on(&event_loop, task.clone()).same(&task));
    event_loop.run_until_complete(task).unwrap();
}

#[test]
fn it_needs_a_loop_that_is_running_or_current() {
    let (_promise, future) = concurrent_future::<u32>();
    let unwrapped = future.clone();
    let panic = thread::spawn(move || drop(wrap_future(unwrapped)))
        .join()
        .unwrap_err();
    let text = loop_core::panic_message(&*panic);
    assert!(
        text.starts_with("There is no current event loop in thread"),
        "{text}"
    );

    let event_loop = EventLoop::new().unwrap();
    set_event_loop(Some(&event_loop));
    let wrapped = wrap_future(future);
    set_event_loop(None);
    assert_eq!(wrapped.get_loop(), event_loop);
}

#[test]
fn jobs_stand_beside_tasks_wherever_those_do() {
    let event_loop = EventLoop::new().unwrap();
    let results = event_loop.run_until_complete(async {
        let (promise, job) = concurrent_future();
        let (other, slow) = concurrent_future();
        let task: LoopFuture<u32> = create_task(async { 1 }).into();
        let worker = thread::spawn(move || promise.run(|| 2));
        let waited = wait(
            [wrap_future(&job), wrap_future(slow)],
            None,
            ReturnWhen::FirstCompleted,
        );
        let waited = waited.await.unwrap();
        assert_eq!((waited.done.len(), waited.pending.len()), (1, 1));
        worker.join().unwrap();
        drop(other);
        gather([task, wrap_future(job)]).await
    });
    let results: Vec<u32> = results
        .unwrap()
        .unwrap()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(results, [1, 2]);
}

// Failures.

#[test]
fn failures_keep_their_kind() {
    let (event_loop, reports) = watched_loop();
    let fails = |settle: &dyn Fn(Promise<u32>)| {
        let (promise, future) = concurrent_future();
        let wrapped = wrap_future_on(&event_loop, future);
        settle(promise);
        match event_loop.run_until_complete(&wrapped) {
            Err(RunError::Task(error)) => (error, wrapped.cancelled()),
            other => panic!("{other:?}"),
        }
    };
    let (error, _) = fails(&|promise| assert!(promise.run(|| std::panic::panic_any(7_u8))));
    let TaskError::Panicked(panic) = error else {
        panic!("{error:?}");
    };
    assert_eq!(panic.take_payload().unwrap().downcast_ref(), Some(&7_u8));

    let (error, cancelled) =
        fails(&|promise| promise.set_error(ConcurrentError::Cancelled).unwrap());
    assert!(matches!(error, TaskError::Cancelled(_)) && cancelled);

    let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    let broken = ConcurrentError::failed(broken);
    let (error, cancelled) = fails(&|promise| promise.set_error(broken.clone()).unwrap());
    let TaskError::Failed(error) = error else {
        panic!("{error:?}");
    };
    assert!(error.is::<std::io::Error>() && !cancelled);

    let (error, _) = fails(&|promise| drop(promise));
    let TaskError::Failed(error) = error else {
        panic!("{error:?}");
    };
    assert!(matches!(
        error.downcast_ref(),
        Some(ConcurrentError::Abandoned)
    ));

    let (error, _) = fails(&|promise| {
        let future = promise.future();
        promise.set_result(1).unwrap();
        future.take_result(None).unwrap();
    });
    assert!(matches!(error, TaskError::Taken));
    assert_eq!(*reports.borrow(), [""; 0], "all of them were seen");
}

#[test]
fn a_panic_is_one_and_the_same_on_its_way_through_loops_and_threads() {
    let there = LoopThread::spawn();
    let here = EventLoop::new().unwrap();
    let far = run_future_threadsafe(&there.handle, async { std::panic::panic_any(7_u8) }).unwrap();
    let error = here
        .run_until_complete(wrap_future_on(&here, &far))
        .unwrap_err();
    let RunError::Task(TaskError::Panicked(panic)) = error else {
        panic!("{error:?}");
    };
    let panic = JobPanicked::from(panic);
    assert_eq!(panic.take_payload().unwrap().downcast_ref(), Some(&7_u8));
    let Err(ConcurrentError::Panicked(panic)) = far.result(None) else {
        panic!("{far:?}");
    };
    assert!(
        panic.take_payload().is_none(),
        "it was taken through the wrapper"
    );
}

#[test]
fn nothing_arrives_on_a_closed_loop_and_it_says_so() {
    let (event_loop, _reports) = watched_loop();
    event_loop.close().unwrap();
    let (promise, future) = concurrent_future::<u32>();
    let wrapped = wrap_future_on(&event_loop, &future);
    let error = wrapped.result().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "Event loop is closed");
    promise.set_result(1).unwrap();
    assert_eq!(future.result(None).unwrap(), 1);
}

// Virtual time.

#[test]
fn virtual_time_waits_for_a_thread_and_for_no_longer() {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    let began = event_loop.time();
    let trace = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&trace);
    event_loop
        .run_until_complete(async move {
            let note = |text: String| log.borrow_mut().push(text);
            let sleeper = create_task(sleep(SECOND));
            let (promise, future) = concurrent_future();
            let worker = thread::spawn(move || {
                for _ in 0..100 {
                    thread::yield_now();
                }
                promise.run(|| "from the thread")
            });
            note(wrap_future(future).await.unwrap().to_string());
            worker.join().unwrap();
            assert!(!sleeper.done(), "no time has passed");
            sleeper.await.unwrap();
            note("a second".to_string());
            // What was cancelled is waited for no longer, though its thread goes on.
            let (promise, future) = concurrent_future::<u32>();
            assert!(promise.set_running_or_notify_cancel());
            wrap_future(future).cancel();
            sleep(SECOND).await;
            note("another".to_string());
            promise.set_result(1).unwrap();
        })
        .unwrap();
    assert_eq!(*trace.borrow(), ["from the thread", "a second", "another"]);
    assert_eq!(event_loop.time() - began, 2 * SECOND);
    event_loop.close().unwrap();
}

/// A loop that waited in real time for what it has to do itself would wait for ever.
#[test]
fn virtual_time_goes_on_for_a_coroutine_of_the_same_loop() {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    let began = event_loop.time();
    let handle = event_loop.handle();
    let own = move || run_coroutine_threadsafe(&handle, || sleep_result(SECOND, 7)).unwrap();
    let before = wrap_future_on(&event_loop, own());
    let values = event_loop.run_until_complete(async move {
        let from_inside = wrap_future(own());
        (before.await.unwrap(), from_inside.await.unwrap())
    });
    assert_eq!(values.unwrap(), (7, 7));
    assert_eq!(event_loop.time() - began, SECOND);
    event_loop.close().unwrap();
}
