//! Coroutines submitted from other threads, and what comes back.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::{LoopThread, logged, turn};
use loop_bridge::{
    ConcurrentError, ConcurrentFuture, FutureState, run_coroutine_threadsafe, run_future_threadsafe,
};
use loop_core::{EventLoop, UnboundLoop};
use loop_tasks::{ContextVar, LoopExt, current_task, sleep, yield_now};

const SOON: Option<Duration> = Some(Duration::from_secs(10));

#[test]
fn in_debug_mode_the_start_of_one_is_of_the_place_that_submitted_it() {
    let builder = EventLoop::builder().debug(true);
    let event_loop = builder
        .slow_callback_duration(Duration::ZERO)
        .build()
        .unwrap();
    let line = line!() + 1;
    let submitted = run_future_threadsafe(&event_loop.handle(), async {});
    let place = format!("{}:{line}:", file!());
    let lines = logged(|| turn(&event_loop, 1));
    let is_it = |line: &String| line.contains("start of") && line.contains(&place);
    assert!(lines.iter().any(is_it), "{lines:?}");
    drop(submitted);
}

#[test]
fn the_future_itself_need_not_be_send() {
    let there = LoopThread::spawn();
    let answer = run_coroutine_threadsafe(&there.handle, || async {
        let trace = Rc::new(RefCell::new(Vec::new()));
        let task = current_task().unwrap();
        trace.borrow_mut().push(task.get_name().to_string());
        yield_now().await;
        trace
            .borrow_mut()
            .push(format!("{:?}", thread::current().id()));
        trace.take()
    })
    .unwrap();
    let id = there.handle.thread_id().unwrap_or_else(|| {
        answer.result(SOON).unwrap();
        there.handle.thread_id().unwrap()
    });
    assert_eq!(
        answer.result(SOON).unwrap(),
        ["Task-1".to_string(), format!("{id:?}")]
    );
}

#[test]
fn a_future_made_here_runs_there() {
    let there = LoopThread::spawn();
    let answer = run_future_threadsafe(&there.handle, async { thread::current().id() }).unwrap();
    assert_ne!(answer.result(SOON).unwrap(), thread::current().id());
}

#[test]
fn it_works_before_the_loop_runs_and_even_before_it_is_bound() {
    let unbound = UnboundLoop::new().unwrap();
    let handle = unbound.handle();
    let first = run_future_threadsafe(&handle, async { 1 }).unwrap();
    let event_loop = unbound.bind();
    let second = run_future_threadsafe(&handle, async { 2 }).unwrap();
    assert_eq!(first.state(), FutureState::Pending);
    second.add_done_callback(move |_| handle.stop());
    event_loop.run_forever().unwrap();
    assert_eq!(
        first.result(None).unwrap() + second.result(None).unwrap(),
        3
    );
}

#[test]
fn on_the_loops_own_thread_it_takes_a_callback_and_refuses_to_block() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let trace = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&trace);
    let inner = handle.clone();
    event_loop
        .call_soon(move || {
            let future = run_coroutine_threadsafe(&inner, || async { "done" }).unwrap();
            let look = future.result(Some(Duration::ZERO));
            assert!(
                matches!(look, Err(ConcurrentError::TimedOut)),
                "a look blocks nobody"
            );
            for timeout in [None, SOON] {
                let refused = future.result(timeout);
                assert!(
                    matches!(refused, Err(ConcurrentError::WouldDeadlock(_))),
                    "{refused:?}"
                );
            }
            log.borrow_mut().push("refused");
            future.add_done_callback(move |future| {
                assert_eq!(
                    future.result(None).unwrap(),
                    "done",
                    "done: nothing to wait for"
                );
                inner.stop();
            });
        })
        .unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(*trace.borrow(), ["refused"]);
}

#[test]
fn a_coroutine_of_one_loop_awaits_one_of_another() {
    let there = LoopThread::spawn();
    let here = EventLoop::new().unwrap();
    let handle = there.handle.clone();
    let sum = here
        .run_until_complete(async move {
            let answer = run_coroutine_threadsafe(&handle, || async {
                yield_now().await;
                40
            });
            answer.unwrap().await.unwrap() + 2
        })
        .unwrap();
    assert_eq!(sum, 42);
}

#[test]
fn coroutines_start_in_the_order_of_the_calls_around_them() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let trace = Arc::new(Mutex::new(Vec::new()));
    let push = |what: &'static str| {
        let trace = Arc::clone(&trace);
        move || trace.lock().unwrap().push(what)
    };
    handle.call_soon_threadsafe(push("call 1")).unwrap();
    let (made, ran, ended) = (push("make"), push("step"), push("done"));
    let future = run_coroutine_threadsafe(&handle, move || {
        made();
        async move { ran() }
    })
    .unwrap();
    future.add_done_callback(move |_| ended());
    handle.call_soon_threadsafe(push("call 2")).unwrap();
    for _ in 0..3 {
        turn(&event_loop, 1);
        trace.lock().unwrap().push("|");
    }
    // One hop to the first step, one from the end of the task to the end of the future, as in asyncio.
    assert_eq!(
        *trace.lock().unwrap(),
        ["call 1", "make", "call 2", "|", "step", "|", "done", "|"]
    );
}

#[test]
fn a_timeout_leaves_the_task_alone_and_its_result_can_be_had_later() {
    let there = LoopThread::spawn();
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(Some(wait));
    let future = run_coroutine_threadsafe(&there.handle, move || async move {
        let wait = wait.lock().unwrap().take().unwrap();
        while wait.try_recv().is_err() {
            sleep(Duration::from_micros(100)).await;
        }
        "later"
    })
    .unwrap();
    let early = future.result(Some(Duration::from_millis(2)));
    assert!(matches!(early, Err(ConcurrentError::TimedOut)));
    assert!(!future.done());
    go.send(()).unwrap();
    assert_eq!(future.result(SOON).unwrap(), "later");
}

#[test]
fn a_panic_arrives_with_its_payload() {
    let there = LoopThread::spawn();
    let in_task = run_coroutine_threadsafe(&there.handle, || async {
        yield_now().await;
        std::panic::panic_any(7_u32)
    })
    .unwrap();
    let in_make = run_coroutine_threadsafe(&there.handle, || -> std::future::Ready<()> {
        panic!("no coroutine today")
    })
    .unwrap();
    let Err(ConcurrentError::Panicked(panic)) = in_task.result(SOON) else {
        panic!("{in_task:?}");
    };
    assert_eq!(panic.take_payload().unwrap().downcast_ref(), Some(&7_u32));
    let Err(ConcurrentError::Panicked(panic)) = in_make.result(SOON) else {
        panic!("{in_make:?}");
    };
    assert_eq!(panic.message(), "no coroutine today");
    // The loop goes on.
    let next = run_future_threadsafe(&there.handle, async { 1 }).unwrap();
    assert_eq!(next.result(SOON).unwrap(), 1);
    assert_eq!(there.reports(), [""; 0]);
}

#[test]
fn the_context_of_the_caller_comes_along() {
    static USER: ContextVar<&str> = ContextVar::new();
    let there = LoopThread::spawn();
    let token = USER.set("ada");
    let user = run_coroutine_threadsafe(&there.handle, || async { USER.get() }).unwrap();
    USER.reset(token);
    assert_eq!(user.result(SOON).unwrap(), Some("ada"));
    let nobody = run_coroutine_threadsafe(&there.handle, || async { USER.get() }).unwrap();
    assert_eq!(nobody.result(SOON).unwrap(), None);
}

#[test]
fn a_closed_loop_hands_back_what_was_to_run() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    event_loop.close().unwrap();
    let refused = run_coroutine_threadsafe(&handle, || async { 7 }).unwrap_err();
    let other = EventLoop::new().unwrap();
    assert_eq!(other.run_until_complete((refused.0)()).unwrap(), 7);
    let refused = run_future_threadsafe(&handle, async { 8 }).unwrap_err();
    assert_eq!(other.run_until_complete(refused.0).unwrap(), 8);
}

#[test]
fn ten_threads_times_a_thousand_coroutines_are_all_accounted_for() {
    const THREADS: usize = 10;
    const EACH: usize = 1_000;
    let there = LoopThread::spawn();
    let dropped = Arc::new(AtomicUsize::new(0));
    let called_back = Arc::new(AtomicUsize::new(0));
    struct Mark(Arc<AtomicUsize>);
    impl Drop for Mark {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (handle, dropped) = (there.handle.clone(), Arc::clone(&dropped));
            let called_back = Arc::clone(&called_back);
            thread::spawn(move || {
                let futures: Vec<_> = (0..EACH)
                    .map(|number| {
                        let mark = Mark(Arc::clone(&dropped));
                        let future = run_coroutine_threadsafe(&handle, move || async move {
                            let _mark = mark;
                            for _ in 0..number % 4 {
                                yield_now().await;
                            }
                            assert!(number % 10 != 3, "as planned");
                            if number % 10 == 7 {
                                std::future::pending::<()>().await;
                            }
                            thread * EACH + number
                        })
                        .unwrap();
                        let called_back = Arc::clone(&called_back);
                        future.add_done_callback(move |_| {
                            called_back.fetch_add(1, Ordering::SeqCst);
                        });
                        if number % 10 == 7 {
                            future.cancel();
                        }
                        future
                    })
                    .collect();
                let (mut sum, mut cancelled, mut panicked) = (0, 0, 0);
                for future in futures {
                    match future.result(SOON) {
                        Ok(value) => sum += value,
                        Err(ConcurrentError::Cancelled) => cancelled += 1,
                        Err(ConcurrentError::Panicked(_)) => panicked += 1,
                        Err(other) => panic!("{other}"),
                    }
                }
                (sum, cancelled, panicked)
            })
        })
        .collect();
    let mut total = 0;
    for thread in threads {
        let (sum, cancelled, panicked) = thread.join().unwrap();
        assert_eq!((cancelled, panicked), (EACH / 10, EACH / 10));
        total += sum;
    }
    let all = THREADS * EACH;
    let expected: usize = (0..all).filter(|n| n % 10 != 3 && n % 10 != 7).sum();
    assert_eq!(total, expected);
    there.finish_tasks();
    assert_eq!(dropped.load(Ordering::SeqCst), all);
    assert_eq!(called_back.load(Ordering::SeqCst), all);
    assert_eq!(there.stop(), [""; 0]);
}

#[test]
fn a_thread_that_is_ending_can_still_submit() {
    struct Last(loop_core::LoopHandle, mpsc::Sender<ConcurrentFuture<u32>>);
    impl Drop for Last {
        fn drop(&mut self) {
            let future = run_coroutine_threadsafe(&self.0, || async { 7 }).unwrap();
            self.1.send(future).unwrap();
        }
    }
    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    static NAME: ContextVar<&str> = ContextVar::new();
    let there = LoopThread::spawn();
    let (send, receive) = mpsc::channel();
    let last = Last(there.handle.clone(), send);
    let thread = thread::spawn(move || {
        // Destroyed in reverse order: the context is gone when the other one submits.
        LAST.set(Some(last));
        NAME.set("ada");
    });
    thread.join().unwrap();
    assert_eq!(receive.recv().unwrap().result(SOON).unwrap(), 7);
}
