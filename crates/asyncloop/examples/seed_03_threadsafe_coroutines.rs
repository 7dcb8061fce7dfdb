//! Coroutines from another thread overlap on the loop's thread; the caller does not wait.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, seconds, start_thread, time};

fn start_loop(new_loop: UnboundLoop) {
    let new_loop = new_loop.bind();
    set_event_loop(Some(&new_loop));
    new_loop.run_forever().unwrap();
    set_event_loop(None);
    new_loop.close().unwrap();
}

async fn do_some_work(n: u32) {
    say!(format!("work_waiting {n}"));
    sleep(seconds(f64::from(n))).await;
    say!(format!("work_done {n}"));
}

fn main() -> Result {
    let start = time();

    let new_loop = UnboundLoop::new()?;
    let handle = new_loop.handle();
    let t = start_thread("start_loop", move || start_loop(new_loop));

    let f1 = run_coroutine_threadsafe(&handle, || do_some_work(4))?;
    let f2 = run_coroutine_threadsafe(&handle, || do_some_work(6))?;

    let end = time();
    say!(format!("当前IO所消耗时间{}秒", start - end)); // this thread was not blocked

    f1.result(None)?;
    f2.result(None)?;
    handle.stop();
    t.join().unwrap();
    say!("loop stopped");
    Ok(())
}
