//! Three loops in three threads, three coroutines each; the submitter blocks for their results.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, perf_counter, seconds, start_thread, thread_name};

async fn a() -> String {
    // the work
    sleep(seconds(1.0)).await;
    format!("return value from {}", thread_name())
}

fn start_loop(new_loop: UnboundLoop) {
    let new_loop = new_loop.bind();
    set_event_loop(Some(&new_loop));
    new_loop.run_forever().unwrap();
    set_event_loop(None);
    new_loop.close().unwrap();
}

async fn run() -> Result {
    let start = perf_counter();

    // Three loops, each for a thread of its own.
    let mut loops = Vec::new();
    for _ in 0..3 {
        let new_loop = UnboundLoop::new()?;
        let handle = new_loop.handle();
        loops.push((
            handle,
            start_thread("start_loop", move || start_loop(new_loop)),
        ));
    }

    // Three coroutines for each.
    let mut all_futures = Vec::new();
    for (handle, _) in &loops {
        for _ in 0..3 {
            all_futures.push(run_coroutine_threadsafe(handle, a)?);
        }
    }
    say!(format!("{all_futures:?}"));

    // `result` blocks this loop, which is harmless here: the work is on the others.
    let mut results = Vec::new();
    for f in &all_futures {
        results.push(f.result(Some(seconds(2.0)))?);
    }
    say!(format!("{results:?}"));

    for (handle, _) in &loops {
        handle.stop();
    }
    say!(start.elapsed().as_secs_f64());
    for (_, t) in loops {
        t.join().unwrap();
    }
    Ok(())
}

fn main() -> Result {
    asyncloop::run(run())?
}
