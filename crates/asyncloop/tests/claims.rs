//! Statements about asyncio, each as it was measured on CPython, in the words of this library.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use asyncloop::prelude::*;
use asyncloop::{ConcurrentError, LoopError, RunError, Runner, TaskError, sleep_result};

const SECOND: Duration = Duration::from_secs(1);
const LONG: Option<Duration> = Some(Duration::from_secs(20));

type Log = Rc<RefCell<Vec<String>>>;

fn virtual_loop() -> EventLoop {
    EventLoop::builder().virtual_clock().build().unwrap()
}

fn virtual_run<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
    let runner = Runner::with_builder(EventLoop::builder().virtual_clock());
    let output = runner.run(main).unwrap();
    runner.close().unwrap();
    output
}

/// Appends to the log when it is called.
fn note(log: &Log, what: &str) -> impl FnOnce() + 'static {
    let (log, what) = (Rc::clone(log), what.to_owned());
    move || log.borrow_mut().push(what)
}

#[test]
fn claim_40_get_event_loop_in_thread() {
    fn bare() {
        let error = get_event_loop().unwrap_err();
        assert_eq!(
            error.to_string(),
            "There is no current event loop in thread 'Thread-1'."
        );
    }
    fn with_set() {
        let event_loop = new_event_loop().unwrap();
        set_event_loop(Some(&event_loop));
        assert_eq!(get_event_loop().unwrap(), event_loop);
        assert_eq!(
            get_running_loop().unwrap_err().to_string(),
            "no running event loop"
        );
        let inside = event_loop.run_until_complete(async {
            (
                get_event_loop().unwrap().id(),
                get_running_loop().unwrap().id(),
            )
        });
        assert_eq!(inside.unwrap(), (event_loop.id(), event_loop.id()));
        set_event_loop(None);
        event_loop.close().unwrap();
    }
    for f in [bare as fn(), with_set, bare] {
        thread::Builder::new()
            .name("Thread-1".to_owned())
            .spawn(f)
            .unwrap()
            .join()
            .unwrap();
    }
}

#[test]
fn claim_41_new_loop_distinct() {
    let main = new_event_loop().unwrap();
    let () = set_event_loop(Some(&main));
    let other = new_event_loop().unwrap();
    assert_eq!(get_event_loop().unwrap(), main);
    assert_ne!(other, main);
    assert_ne!(other, new_event_loop().unwrap());
    for event_loop in [&main, &other] {
        assert!(!event_loop.is_running() && !event_loop.is_closed());
        event_loop.close().unwrap();
        event_loop.close().unwrap(); // a second close does nothing
        assert!(!event_loop.is_running() && event_loop.is_closed());
    }
    set_event_loop(None);
}

#[test]
fn claim_42_close_running_loop() {
    let event_loop = virtual_loop();
    let me = event_loop.clone();
    event_loop
        .call_soon(move || {
            assert_eq!(
                me.close().unwrap_err().to_string(),
                "Cannot close a running event loop"
            );
            assert!(me.is_running() && !me.is_closed());
        })
        .unwrap();
    let me = event_loop.clone();
    event_loop.call_later(SECOND, move || me.stop()).unwrap();
    event_loop.run_forever().unwrap();
    event_loop.close().unwrap();

    let refusals = [
        event_loop.call_soon(|| ()).unwrap_err().to_string(),
        event_loop
            .handle()
            .call_soon_threadsafe(|| ())
            .unwrap_err()
            .to_string(),
        event_loop.run_forever().unwrap_err().to_string(),
        event_loop
            .call_later(SECOND, || ())
            .unwrap_err()
            .to_string(),
    ];
    assert!(
        refusals
            .iter()
            .all(|refusal| refusal == "Event loop is closed"),
        "{refusals:?}"
    );
    assert!(event_loop.run_in_executor(None, || ()).is_err());
}

#[test]
fn claim_43_wait_timeout() {
    virtual_run(async {
        let tasks = [3, 1].map(|x| create_task(sleep_result(x * SECOND, x)));
        let first = wait(tasks.clone(), Some(2 * SECOND), ReturnWhen::AllCompleted)
            .await
            .unwrap();
        assert_eq!(first.done[0].result().unwrap().unwrap(), 1);
        assert_eq!((first.done.len(), first.pending.len()), (1, 1));
        assert!(!first.pending[0].cancelled());
        let second = wait(first.pending, None, ReturnWhen::AllCompleted)
            .await
            .unwrap();
        assert_eq!(second.done[0].result().unwrap().unwrap(), 3);
        assert!(second.pending.is_empty());
        let all: Vec<u32> = gather(tasks)
            .await
            .unwrap()
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(all, [3, 1]);
    });
}

#[test]
fn claim_44_wrap_future_linked() {
    let unbound = UnboundLoop::new().unwrap();
    let sub = unbound.handle();
    let thread = thread::spawn(move || unbound.bind().run_forever());
    let (seen, was_seen) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let event_loop = new_event_loop().unwrap();
    let handle = sub.clone();
    event_loop
        .run_until_complete(async move {
            let source =
                run_coroutine_threadsafe(&handle, || sleep_result(Duration::from_millis(1), 1));
            let source = source.unwrap();
            let wrapper = wrap_future(&source);
            assert_eq!(wrapper.await.unwrap(), 1);
            assert_eq!(source.result(None).unwrap(), 1);

            let source = run_coroutine_threadsafe(&handle, move || async move {
                begun.send(()).unwrap();
                if let Err(cancelled) = catch_cancel(std::future::pending::<()>()).await {
                    seen.send(()).unwrap();
                    cancelled.resume().await;
                }
            })
            .unwrap();
            has_begun.recv_timeout(LONG.unwrap()).unwrap();
            let wrapper = wrap_future(&source);
            assert!(wrapper.cancel());
            // The cancellation travels through callbacks of this loop.
            while was_seen.try_recv().is_err() {
                sleep(Duration::from_millis(1)).await;
            }
            assert!(wrapper.cancelled() && source.cancelled());
        })
        .unwrap();
    sub.stop();
    thread.join().unwrap().unwrap();
    event_loop.close().unwrap();
}

#[test]
fn claim_45_call_order() {
    let event_loop = virtual_loop();
    let log = Log::default();
    event_loop
        .call_later(2 * SECOND, note(&log, "later 2"))
        .unwrap();
    event_loop
        .call_later(SECOND, note(&log, "later 1"))
        .unwrap();
    event_loop
        .call_later(Duration::ZERO, note(&log, "later 0"))
        .unwrap();
    let now = event_loop.time();
    event_loop
        .call_at(now + 3 * SECOND / 2, note(&log, "at 3/2"))
        .unwrap();
    event_loop
        .call_at(now - Duration::from_millis(1), note(&log, "at past"))
        .unwrap();
    event_loop.call_soon(note(&log, "soon a")).unwrap();
    event_loop.call_soon(note(&log, "soon b")).unwrap();
    // What is sent here has no need to be `Send` in itself: the log is found again on the loop's thread.
    thread_local! {
        static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
    }
    LOG.set(Some(Rc::clone(&log)));
    let say_c = || {
        LOG.with_borrow(|log| {
            log.as_ref()
                .unwrap()
                .borrow_mut()
                .push("threadsafe c".to_owned())
        })
    };
    event_loop.handle().call_soon_threadsafe(say_c).unwrap();
    let (me, say_d, say_queued) = (
        event_loop.clone(),
        note(&log, "soon d"),
        note(&log, "queued by d"),
    );
    event_loop
        .call_soon(move || {
            say_d();
            me.call_soon(say_queued).unwrap();
        })
        .unwrap();
    let handle = event_loop
        .call_later(SECOND / 2, || unreachable!())
        .unwrap();
    handle.cancel();
    assert!(handle.cancelled());
    let me = event_loop.clone();
    event_loop
        .call_later(22 * SECOND / 10, move || me.stop())
        .unwrap();
    event_loop.run_forever().unwrap();
    event_loop.close().unwrap();
    let expected = [
        "soon a",
        "soon b",
        "threadsafe c",
        "soon d",
        "at past",
        "later 0",
        "queued by d",
        "later 1",
        "at 3/2",
        "later 2",
    ];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn claim_46_result_not_ready() {
    virtual_run(async {
        let task = create_task(async { 7 });
        assert_eq!(task.result().unwrap_err().to_string(), "Result is not set.");
        assert_eq!((&task).await.unwrap(), 7);
        assert!(task.done() && !task.failed());
        assert_eq!(task.result().unwrap().unwrap(), 7);

        let task = create_task(async { 7 });
        assert!(task.cancel() && !task.done());
        assert!(matches!((&task).await, Err(TaskError::Cancelled(_))));
        assert!(task.cancelled() && task.done());

        let future = get_running_loop().unwrap().create_future();
        future.set_result(1).unwrap();
        assert_eq!(
            future.set_result(2).unwrap_err().0,
            2,
            "the value comes back"
        );
        assert!(!future.cancel());
        assert_eq!(future.result().unwrap().unwrap(), 1);
    });
}

/// In Python it cannot be awaited; here it can, which is an addition. The callbacks run where it is settled.
#[test]
fn claim_47_cf_future_not_awaitable() {
    let unbound = UnboundLoop::new().unwrap();
    let handle = unbound.handle();
    let (go, wait_to_go) = mpsc::channel::<()>();
    handle
        .call_soon_threadsafe(move || wait_to_go.recv().unwrap())
        .unwrap();
    let thread = thread::Builder::new()
        .name("loop-thread".to_owned())
        .spawn(move || unbound.bind().run_forever())
        .unwrap();
    let future = run_coroutine_threadsafe(&handle, || async { 7 }).unwrap();
    let (told, tell) = mpsc::channel();
    future.add_done_callback(move |future| {
        let name = thread::current().name().map(str::to_owned);
        told.send((future.result(None).unwrap(), name)).unwrap();
    });
    go.send(()).unwrap();
    assert_eq!(future.result(LONG).unwrap(), 7);
    let (value, name) = tell.recv_timeout(LONG.unwrap()).unwrap();
    assert_eq!((value, name.as_deref()), (7, Some("loop-thread")));
    let awaited = virtual_run(async move { future.take().await });
    assert_eq!(awaited.unwrap(), 7);
    handle.stop();
    thread.join().unwrap().unwrap();
}

#[test]
fn claim_48_two_loops_one_thread() {
    let (a, b) = (virtual_loop(), virtual_loop());
    let (a2, b2) = (a.clone(), b.clone());
    let done = a.run_until_complete(async move {
        let error = a2.run_until_complete(async {}).unwrap_err();
        assert!(matches!(error, RunError::Loop(LoopError::AlreadyRunning)));
        assert_eq!(error.to_string(), "This event loop is already running");
        let error = b2.run_until_complete(async {}).unwrap_err();
        assert!(matches!(error, RunError::Loop(LoopError::AnotherRunning)));
        assert_eq!(
            error.to_string(),
            "Cannot run the event loop while another loop is running"
        );
        assert_eq!(
            get_running_loop().unwrap(),
            a2,
            "a refused run harms nobody"
        );
        "outer done"
    });
    assert_eq!(done.unwrap(), "outer done");
    assert_eq!(b.run_until_complete(async { "ran" }).unwrap(), "ran");
    assert_eq!(a.run_until_complete(async { "ran" }).unwrap(), "ran");
    a.close().unwrap();
    b.close().unwrap();
}

#[test]
fn claim_49_result_timeout() {
    let unbound = UnboundLoop::new().unwrap();
    let handle = unbound.handle();
    let thread = thread::spawn(move || unbound.bind().run_forever());
    let (promise, gate) = asyncloop::concurrent_future();
    let future = run_coroutine_threadsafe(&handle, move || async move {
        wrap_future(gate).await.unwrap();
        "value"
    })
    .unwrap();
    let error = future.result(Some(Duration::from_millis(5))).unwrap_err();
    assert!(matches!(error, ConcurrentError::TimedOut));
    assert!(!future.done() && !future.cancelled());
    promise.set_result(()).unwrap();
    assert_eq!(future.result(LONG).unwrap(), "value");
    handle.stop();
    thread.join().unwrap().unwrap();
}

/// A bare `stop` of another thread does not compile; the one that a handle has wakes the loop.
#[test]
fn claim_50_stop_needs_threadsafe() {
    let unbound = UnboundLoop::new().unwrap();
    let handle = unbound.handle();
    let (ended, end) = mpsc::channel();
    let thread = thread::spawn(move || {
        unbound.bind().run_forever().unwrap();
        ended.send(()).unwrap();
    });
    handle.call_soon_threadsafe(|| ()).unwrap();
    assert!(
        end.recv_timeout(Duration::from_millis(30)).is_err(),
        "it runs until it is stopped"
    );
    handle.stop();
    end.recv_timeout(LONG.unwrap()).unwrap();
    thread.join().unwrap();
}

#[test]
fn claim_51_gather_vs_wait_errors() {
    async fn bad(x: u32) -> Result<u32, String> {
        sleep(x * SECOND).await;
        Err(format!("ValueError({x})"))
    }
    async fn good(x: u32) -> Result<u32, String> {
        sleep(x * SECOND).await;
        Ok(x)
    }
    virtual_run(async {
        let g = try_create_task(good(3));
        let children = [try_create_task(bad(1)), g.clone()];
        assert_eq!(
            try_gather(children).await.unwrap(),
            Err("ValueError(1)".to_owned())
        );
        assert!(!g.done(), "the other goes on");
        let both: Vec<_> = gather([g, try_create_task(bad(1))]).await.unwrap();
        let both: Vec<_> = both.into_iter().map(Result::unwrap).collect();
        assert_eq!(both, [Ok(3), Err("ValueError(1)".to_owned())]);
        let waited = wait([try_create_task(bad(0))], None, ReturnWhen::AllCompleted)
            .await
            .unwrap();
        assert!(waited.done[0].failed() && waited.pending.is_empty());
        let _ = waited.done[0].result();
    });
}

#[test]
fn claim_52_wait_first_completed() {
    virtual_run(async {
        let mut pending: Vec<_> = [3, 1, 2]
            .map(|x| create_task(sleep_result(x * SECOND, x)))
            .into();
        let mut seen = Vec::new();
        while !pending.is_empty() {
            let waited = wait(pending, None, ReturnWhen::FirstCompleted)
                .await
                .unwrap();
            let results: Vec<u32> = waited
                .done
                .iter()
                .map(|t| t.result().unwrap().unwrap())
                .collect();
            seen.push((results, waited.pending.len()));
            pending = waited.pending;
        }
        assert_eq!(seen, [(vec![1], 2), (vec![2], 1), (vec![3], 0)]);
    });
}

#[test]
fn claim_53_ensure_future_identity() {
    virtual_run(async {
        let task: Task<i32> = ensure_future(async { 1 }).unwrap();
        let as_future: &LoopFuture<i32> = &task; // a Task is a Future
        assert!(ensure_future(&task).unwrap().same(as_future));
        let future = get_running_loop().unwrap().create_future();
        assert!(ensure_future(&future).unwrap().same(&future));
        future.set_result(()).unwrap();
        assert_eq!(task.await.unwrap(), 1);
    });
}

#[test]
fn claim_54_executor_two_steps() {
    let event_loop = new_event_loop().unwrap();
    let pool = ThreadPoolExecutor::builder()
        .max_workers(1)
        .thread_name_prefix("pool")
        .build()
        .unwrap();
    let here = thread::current().id();
    let (go, wait_to_go) = mpsc::channel::<()>();
    event_loop
        .run_until_complete(async move {
            let event_loop = get_running_loop().unwrap();
            let future = event_loop
                .run_in_executor(Some(&pool), move || {
                    wait_to_go.recv().unwrap();
                    thread::current().name().map(str::to_owned)
                })
                .unwrap();
            let called = Rc::new(RefCell::new(None));
            let note = Rc::clone(&called);
            future.add_done_callback(move |_| *note.borrow_mut() = Some(thread::current().id()));
            for _ in 0..3 {
                yield_now().await; // the loop runs on meanwhile
                assert!(!future.done());
            }
            go.send(()).unwrap();
            assert_eq!(future.await.unwrap().as_deref(), Some("pool_0"));
            assert_eq!(*called.borrow(), Some(here));
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[cfg(unix)]
#[test]
fn claim_55_run_once() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    let event_loop = virtual_loop();
    let log = Log::default();
    let (mut r, w) = UnixStream::pair().unwrap();
    let w = Rc::new(w);
    r.set_nonblocking(true).unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&r);
    let (me, seen) = (event_loop.clone(), Rc::clone(&log));
    event_loop
        .add_reader(&fd, move || {
            let mut data = [0; 100];
            let n = r.read(&mut data).unwrap();
            let text = String::from_utf8_lossy(&data[..n]).into_owned();
            seen.borrow_mut().push(format!("io {text}"));
            if text == "bye" {
                me.remove_reader(&fd);
                me.stop();
            }
        })
        .unwrap();
    for (n, word) in [(1, Some("hello")), (2, None), (3, Some("bye"))] {
        let (w, say) = (Rc::clone(&w), note(&log, &format!("timer {n}")));
        let timer = move || {
            say();
            if let Some(word) = word {
                (&*w).write_all(word.as_bytes()).unwrap();
            }
        };
        event_loop
            .call_later(Duration::from_millis(20) * n, timer)
            .unwrap();
    }
    event_loop.run_forever().unwrap();
    event_loop.close().unwrap();
    assert_eq!(
        *log.borrow(),
        ["timer 1", "io hello", "timer 2", "timer 3", "io bye"]
    );
}

/// A loop does not go to another thread, let alone another process: that does not compile.
#[test]
fn claim_56_loop_not_picklable() {
    /// Which of the two applies is ambiguous for a type that is `Send`, and then this does not compile.
    trait AmbiguousIfSend<Marker> {
        fn is_bound_to_its_thread() -> bool {
            true
        }
    }
    struct Always;
    struct OnlyIfSend;
    impl<T> AmbiguousIfSend<Always> for T {}
    impl<T: Send> AmbiguousIfSend<OnlyIfSend> for T {}
    assert!(<EventLoop as AmbiguousIfSend<_>>::is_bound_to_its_thread());

    fn may_travel<T: Send>() {}
    may_travel::<LoopHandle>();
    may_travel::<UnboundLoop>();
}
