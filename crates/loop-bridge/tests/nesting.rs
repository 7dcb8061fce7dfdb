//! Threads that ask loops that ask threads, in the patterns that programs nest them.

mod common;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::LoopThread;
use loop_bridge::{ConcurrentFuture, concurrent_future, run_coroutine_threadsafe, wrap_future};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn threads_to_loops_to_threads_and_back() {
    // A thread asks loop A, which asks a thread, which asks loop B, which asks a thread.
    let (a, b) = (LoopThread::spawn(), LoopThread::spawn());
    let b_handle = b.handle.clone();
    let answers: Vec<ConcurrentFuture<Vec<u32>>> = (0..20)
        .map(|number| {
            let b_handle = b_handle.clone();
            run_coroutine_threadsafe(&a.handle, move || async move {
                let (promise, from_thread) = concurrent_future();
                let worker = thread::spawn(move || {
                    promise.run(|| {
                        let from_b = run_coroutine_threadsafe(&b_handle, move || async move {
                            let (promise, innermost) = concurrent_future();
                            let worker = thread::spawn(move || promise.run(|| number));
                            let number = wrap_future(innermost).await.unwrap();
                            worker.join().unwrap();
                            vec![number, 1]
                        });
                        let mut trail = from_b.unwrap().result(None).unwrap();
                        trail.push(2);
                        trail
                    })
                });
                let mut trail = wrap_future(from_thread).await.unwrap();
                worker.join().unwrap();
                trail.push(3);
                trail
            })
            .unwrap()
        })
        .collect();
    for (number, answer) in (0..).zip(answers) {
        assert_eq!(answer.result(Some(10 * SECOND)).unwrap(), [number, 1, 2, 3]);
    }
    assert_eq!((a.stop(), b.stop()), (vec![], vec![]));
}

#[test]
fn two_loops_may_ask_each_other() {
    fn ping(
        here: loop_core::LoopHandle,
        there: loop_core::LoopHandle,
        left: u32,
        trail: Arc<Mutex<Vec<u64>>>,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            trail.lock().unwrap().push(here.id());
            if left > 0 {
                let next = there.clone();
                let asked =
                    run_coroutine_threadsafe(&next, move || ping(there, here, left - 1, trail));
                wrap_future(asked.unwrap()).await.unwrap();
            }
        })
    }
    let (a, b) = (LoopThread::spawn(), LoopThread::spawn());
    let (a_id, b_id) = (a.handle.id(), b.handle.id());
    let trail = Arc::new(Mutex::new(Vec::new()));
    let (here, there, log) = (a.handle.clone(), b.handle.clone(), Arc::clone(&trail));
    let done = run_coroutine_threadsafe(&a.handle, move || ping(here, there, 5, log)).unwrap();
    done.result(Some(10 * SECOND)).unwrap();
    assert_eq!(*trail.lock().unwrap(), [a_id, b_id, a_id, b_id, a_id, b_id]);
}
