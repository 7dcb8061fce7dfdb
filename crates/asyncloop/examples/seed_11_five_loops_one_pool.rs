//! Five loops in five threads share one pool; each gets its own result back.

mod seed_support;

use std::sync::Arc;

use asyncloop::prelude::*;
use seed_support::{Result, block, start_thread, time};

fn worker(index: usize) -> usize {
    say!(index, "before:", format!("{:.6}", time()));
    block(1.0);
    say!(index, "after:", format!("{:.6}", time()));
    index
}

fn run(e: &ThreadPoolExecutor, index: usize) {
    let event_loop = new_event_loop().unwrap();
    let future = event_loop
        .run_in_executor(Some(e), move || worker(index))
        .unwrap();
    let rv = event_loop.run_until_complete(future).unwrap();
    say!("Thread", index, "got result", rv);
    event_loop.close().unwrap();
}

fn main() -> Result {
    let e = Arc::new(ThreadPoolExecutor::new(5)?);
    let mut threads = Vec::new();
    for i in 0..5 {
        let e = Arc::clone(&e);
        threads.push(start_thread("main", move || run(&e, i)));
    }
    for t in threads {
        t.join().unwrap();
    }
    Ok(())
}
