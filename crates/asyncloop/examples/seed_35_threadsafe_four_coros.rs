//! Four coroutines from another thread overlap on the loop's thread.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, current_thread, seconds, start_thread};

async fn asyncfunc1() -> &'static str {
    say!("Suspending func1");
    sleep(seconds(1.0)).await;
    say!("func func1 ", current_thread());
    say!("Resuming func1");
    "func1"
}

async fn asyncfunc2() -> &'static str {
    say!("Suspending func2");
    sleep(seconds(1.0)).await;
    say!("func func2 ", current_thread());
    say!("Resuming func2");
    "func2"
}

fn start_thread_loop(event_loop: UnboundLoop) {
    let event_loop = event_loop.bind();
    set_event_loop(Some(&event_loop));
    event_loop.run_forever().unwrap();
    set_event_loop(None);
    event_loop.close().unwrap();
}

fn main() -> Result {
    say!("In main thread ", current_thread());
    let unbound = UnboundLoop::new()?;
    let handle = unbound.handle();
    // The loop runs in another thread.
    let t = start_thread("start_thread_loop", move || start_thread_loop(unbound));

    let fs = [
        run_coroutine_threadsafe(&handle, asyncfunc1)?,
        run_coroutine_threadsafe(&handle, asyncfunc1)?,
        run_coroutine_threadsafe(&handle, asyncfunc2)?,
        run_coroutine_threadsafe(&handle, asyncfunc2)?,
    ];
    say!("主线程不会阻塞");
    for f in fs {
        f.result(None)?;
    }
    handle.stop();
    t.join().unwrap();
    say!("loop stopped");
    Ok(())
}
