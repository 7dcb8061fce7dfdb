//! Coroutines that other threads ask a loop to run, and outcomes that a loop awaits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use loop_bridge::{
    ConcurrentError, concurrent_future, run_coroutine_threadsafe, run_future_threadsafe,
    wrap_future, wrap_future_on, wrap_future_shared,
};
use loop_core::{EventLoop, LoopClosed, UnboundLoop, get_running_loop};
use loop_tasks::{LoopExt, TaskError, all_tasks, create_task, sleep, yield_now};

const LONG: Option<Duration> = Some(Duration::from_secs(20));

/// A loop in another thread, for as long as `f` runs.
fn with_loop<R>(f: impl FnOnce(loop_core::LoopHandle) -> R) -> R {
    let unbound = UnboundLoop::new().expect("there are few loops");
    let handle = unbound.handle();
    let thread = thread::spawn(move || {
        let event_loop = unbound.bind();
        event_loop.run_forever().expect("it runs once");
        event_loop.close().expect("it has stopped");
    });
    let result = f(handle.clone());
    handle.stop();
    thread.join().expect("the loop's thread does not panic");
    result
}

#[test]
fn a_coroutine_need_not_be_send() {
    let value = with_loop(|handle| {
        run_coroutine_threadsafe(&handle, || async {
            let local = Rc::new(Cell::new(1));
            yield_now().await;
            local.set(local.get() + 1);
            local.get()
        })
        .unwrap()
        .result(LONG)
    });
    assert_eq!(value.unwrap(), 2);
}

#[test]
fn it_works_before_the_loop_runs_and_coroutines_overlap() {
    let unbound = EventLoop::builder()
        .virtual_clock()
        .build_unbound()
        .unwrap();
    let handle = unbound.handle();
    let futures: Vec<_> = [4, 6]
        .map(|n| {
            run_coroutine_threadsafe(&handle, move || async move {
                sleep(Duration::from_secs(n)).await;
                n
            })
            .unwrap()
        })
        .into();
    let elapsed = thread::spawn(move || {
        let event_loop = unbound.bind();
        let start = event_loop.time();
        event_loop
            .call_later(Duration::from_secs(6), || {})
            .unwrap();
        for _ in 0..20 {
            event_loop.run_once(None).ok();
        }
        let elapsed = event_loop.time() - start;
        event_loop.close().unwrap();
        elapsed
    });
    assert_eq!(elapsed.join().unwrap(), Duration::from_secs(6));
    assert_eq!(futures[0].result(LONG).unwrap(), 4);
    assert_eq!(futures[1].result(LONG).unwrap(), 6);
}

#[test]
fn blocking_on_the_loops_own_thread_is_refused_at_once() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    event_loop
        .run_until_complete(async move {
            let future = run_coroutine_threadsafe(&handle, || async { 7 }).unwrap();
            let error = future.result(LONG).unwrap_err();
            assert!(
                matches!(error, ConcurrentError::WouldDeadlock(_)),
                "{error}"
            );
            wrap_future_shared(&future).await.unwrap().unwrap();
            assert_eq!(future.result(None).unwrap(), 7, "no need to block");
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_timeout_leaves_the_task_running() {
    with_loop(|handle| {
        let (promise, gate) = concurrent_future::<()>();
        let future = run_coroutine_threadsafe(&handle, move || async move {
            wrap_future(gate).await.unwrap().unwrap();
            "late"
        })
        .unwrap();
        let error = future.result(Some(Duration::from_millis(5))).unwrap_err();
        assert!(matches!(error, ConcurrentError::TimedOut));
        promise.set_result(()).unwrap();
        assert_eq!(future.result(LONG).unwrap(), "late");
    });
}

#[test]
fn cancelling_the_future_cancels_the_task() {
    with_loop(|handle| {
        let (promise, dropped) = concurrent_future();
        let (started, begun) = concurrent_future();
        /// Says when it is dropped, and where.
        struct Tell(Option<loop_bridge::Promise<thread::ThreadId>>);
        impl Drop for Tell {
            fn drop(&mut self) {
                let promise = self.0.take().expect("dropped once");
                promise.set_result(thread::current().id()).unwrap();
            }
        }
        let future = run_coroutine_threadsafe(&handle, move || async move {
            let _tell = Tell(Some(promise));
            started.set_result(()).unwrap();
            std::future::pending::<()>().await;
        })
        .unwrap();
        begun.result(LONG).unwrap();
        assert!(future.cancel());
        assert_eq!(dropped.result(LONG).unwrap(), handle.thread_id().unwrap());
        assert!(matches!(
            future.result(LONG),
            Err(ConcurrentError::Cancelled)
        ));
        let tasks = run_coroutine_threadsafe(&handle, || async { all_tasks().len() });
        assert_eq!(
            tasks.unwrap().result(LONG).unwrap(),
            1,
            "only the one that counts"
        );
    });
}

#[test]
fn cancelled_before_the_loop_runs_it_is_never_made() {
    let event_loop = EventLoop::new().unwrap();
    let future =
        run_coroutine_threadsafe(&event_loop.handle(), || async { unreachable!() }).unwrap();
    assert!(future.cancel());
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert!(future.cancelled());
    event_loop.close().unwrap();
}

#[test]
fn panics_arrive_with_their_payload() {
    with_loop(|handle| {
        let future = run_future_threadsafe(&handle, async {
            if true {
                panic!("in the task");
            }
        })
        .unwrap();
        match future.result(LONG).unwrap_err() {
            ConcurrentError::Panicked(panicked) => {
                assert_eq!(panicked.message(), "in the task");
                assert!(panicked.take_payload().is_some());
            }
            other => panic!("{other}"),
        }
        fn never() -> std::future::Ready<()> {
            panic!("while it is made")
        }
        let future = run_coroutine_threadsafe(&handle, never).unwrap();
        assert!(matches!(
            future.result(LONG),
            Err(ConcurrentError::Panicked(_))
        ));
    });
}

#[test]
fn a_loop_that_closes_resolves_what_it_owes() {
    // Not begun, and begun.
    for steps in [0, 1, 3] {
        let event_loop = EventLoop::new().unwrap();
        event_loop.set_exception_handler(|_, _| {});
        let handle = event_loop.handle();
        let future =
            run_coroutine_threadsafe(&handle, || async { std::future::pending::<()>().await })
                .unwrap();
        for _ in 0..steps {
            event_loop.run_once(Some(Duration::ZERO)).unwrap();
        }
        event_loop.close().unwrap();
        assert!(
            matches!(future.result(LONG), Err(ConcurrentError::LoopGone)),
            "{steps}"
        );
        let LoopClosed(make) = run_coroutine_threadsafe(&handle, || async { 3 }).unwrap_err();
        drop(make()); // it came back as it was
    }
    let unbound = UnboundLoop::new().unwrap();
    let future = run_future_threadsafe(&unbound.handle(), async {}).unwrap();
    drop(unbound);
    assert!(matches!(
        future.result(LONG),
        Err(ConcurrentError::LoopGone)
    ));
}

#[test]
fn a_wrapper_passes_results_one_way_and_cancellation_the_other() {
    let event_loop = EventLoop::new().unwrap();
    let errors = Rc::new(Cell::new(0));
    let count = Rc::clone(&errors);
    event_loop.set_exception_handler(move |_, _| count.set(count.get() + 1));
    event_loop
        .run_until_complete(async {
            let (promise, future) = concurrent_future::<u8>();
            let wrapper = wrap_future_shared(&future);
            wrapper.cancel();
            yield_now().await;
            yield_now().await;
            assert!(future.cancelled() && promise.is_cancelled());

            // Work that runs is not cancelled, though the wrapper is; its result comes too late for that.
            let (promise, future) = concurrent_future::<u8>();
            assert!(promise.set_running_or_notify_cancel());
            let wrapper = wrap_future_shared(&future);
            wrapper.cancel();
            yield_now().await;
            yield_now().await;
            assert!(wrapper.cancelled() && future.running());
            promise.set_result(1).unwrap();
            yield_now().await;
            assert_eq!(future.result(None).unwrap(), 1);

            // What is cancelled over there is cancelled here.
            let (promise, future) = concurrent_future::<u8>();
            let wrapper = wrap_future_shared(&future);
            future.cancel();
            assert!(matches!(wrapper.await, Err(TaskError::Cancelled(_))));
            drop(promise);

            // And an error is an error.
            let (promise, future) = concurrent_future::<u8>();
            drop(promise);
            let error = wrap_future(future).await.unwrap().unwrap_err();
            assert!(matches!(error, ConcurrentError::Abandoned));
        })
        .unwrap();
    event_loop.close().unwrap();
    assert_eq!(errors.get(), 0);
}

#[test]
fn virtual_time_waits_for_other_threads() {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    let start = event_loop.time();
    let (promise, future) = concurrent_future();
    let wrapper = wrap_future_on(&event_loop, future);
    let thread = thread::spawn(move || promise.run(|| "from outside"));
    let value = event_loop.run_until_complete(async move {
        let slow = create_task(sleep(Duration::from_secs(3600)));
        let value = wrapper.await.unwrap().unwrap();
        slow.cancel();
        value
    });
    assert_eq!(value.unwrap(), "from outside");
    assert_eq!(event_loop.time(), start, "an hour did not pass");
    thread.join().unwrap();
    event_loop.close().unwrap();
}

#[test]
fn ten_threads_lose_nothing() {
    const THREADS: usize = 10;
    const EACH: usize = 1_000;
    let ran = Arc::new(AtomicUsize::new(0));
    let settled: usize = with_loop(|handle| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (handle, ran) = (handle.clone(), Arc::clone(&ran));
                thread::spawn(move || {
                    let futures: Vec<_> = (0..EACH)
                        .map(|i| {
                            let ran = Arc::clone(&ran);
                            run_coroutine_threadsafe(&handle, move || async move {
                                yield_now().await;
                                ran.fetch_add(1, Ordering::Relaxed);
                                (thread, i)
                            })
                            .unwrap()
                        })
                        .collect();
                    let mut settled = 0;
                    for (i, future) in futures.into_iter().enumerate() {
                        if i % 7 == 0 {
                            future.cancel();
                        }
                        match future.result(LONG) {
                            Ok(value) => assert_eq!(value, (thread, i)),
                            Err(error) => assert!(error.is_cancelled(), "{error}"),
                        }
                        settled += 1;
                    }
                    settled
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(settled, THREADS * EACH);
    assert!(ran.load(Ordering::Relaxed) >= THREADS * EACH * 6 / 7 - THREADS);
}

#[test]
fn calls_run_on_the_loops_thread_one_at_a_time_in_order() {
    let order = with_loop(|handle| {
        let thread_id = run_coroutine_threadsafe(&handle, || async { thread::current().id() })
            .unwrap()
            .result(LONG)
            .unwrap();
        assert_eq!(Some(thread_id), handle.thread_id());
        for i in 0..100 {
            handle
                .call_soon_threadsafe(move || ORDER.with_borrow_mut(|order| order.push(i)))
                .unwrap();
        }
        thread_local! {
            static ORDER: RefCell<Vec<i32>> = const { RefCell::new(Vec::new()) };
        }
        run_coroutine_threadsafe(&handle, || async {
            assert!(get_running_loop().is_ok());
            ORDER.with_borrow(Clone::clone)
        })
        .unwrap()
        .result(LONG)
        .unwrap()
    });
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}
