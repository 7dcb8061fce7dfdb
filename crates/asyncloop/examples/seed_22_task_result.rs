//! A task keeps its result; the coroutine runs on the calling thread.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, current_thread, seconds};

async fn asyncfunc1() -> &'static str {
    say!("Suspending func1");
    sleep(seconds(1.0)).await;
    say!("func func1 ", current_thread());
    say!("Resuming func1");
    "func1"
}

fn main() -> Result {
    say!("In main thread ", current_thread());
    let event_loop = new_event_loop()?;
    let task = event_loop.create_task(asyncfunc1());
    event_loop.run_until_complete(&task)?;
    say!("task result is ", task.result()??);
    event_loop.close()?;
    Ok(())
}
