//! Whatever happens at the same time: every job has one outcome and leaves nothing behind.
//!
//! One test in a process of its own, since it counts the process's threads.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use std::sync::Arc;
use std::thread;

use common::{Books, Random, eventually, thread_names, watched};
use loop_executor::{CpuPool, Executor, ExecutorExt, ThreadPoolExecutor};

/// Four threads submit, cancel and drop; one of them shuts the pool down somewhere in between.
fn round(seed: u64, pool: Arc<dyn Executor>) {
    let books = Books::default();
    let submitters = [0, 1, 2, 3].map(|number| {
        let (books, pool) = (books.clone(), Arc::clone(&pool));
        let mut random = Random(seed * 4 + number + 1);
        thread::spawn(move || {
            let mut kept = Vec::new();
            for _ in 0..random.below(60) {
                let (counted, held, fate) = (books.clone(), books.hold(), random.below(10));
                let future = books.enter(pool.submit(move || {
                    counted.runs();
                    assert!(fate != 0, "one in ten");
                    (held, counted.hold())
                }));
                match (future, random.below(4)) {
                    (Some(future), 0) => {
                        future.cancel();
                    }
                    (Some(future), 1) => kept.push(future),
                    _ => {}
                }
                if random.below(200) == 0 {
                    pool.shutdown(random.below(2) == 0, random.below(2) == 0)
                        .unwrap();
                }
            }
            for future in kept {
                let _ = future.take_result(None);
            }
        })
    });
    for submitter in submitters {
        submitter.join().unwrap();
    }
    pool.shutdown(true, false).unwrap();
    books.assert_balanced();
}

#[test]
fn nothing_is_lost_and_nothing_is_left() {
    // Its jobs panic in thousands, and nobody wants to read about it.
    std::panic::set_hook(Box::new(|_| ()));
    watched(|| {
        let before = thread_names();
        for seed in 0..1_500 {
            let workers = 1 + (seed % 3) as usize;
            round(seed, Arc::new(ThreadPoolExecutor::new(workers).unwrap()));
            if seed % 10 == 0 {
                round(seed, Arc::new(CpuPool::new(workers).unwrap()));
            }
        }
        eventually("no thread is left", || thread_names() == before);
    });
    let _ = std::panic::take_hook();
}
