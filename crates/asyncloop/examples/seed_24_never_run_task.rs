//! A task on a loop that never runs does not run; destroying it is reported.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, block, current_thread, seconds};

async fn asyncfunc1() -> &'static str {
    say!("Suspending func1");
    sleep(seconds(1.0)).await;
    say!("func func1 ", current_thread());
    say!("Resuming func1");
    "func1"
}

fn callbackfunc(task: &Task<&'static str>) {
    say!("task 运行结束,它的结果是:", task.result().unwrap().unwrap());
}

fn main() -> Result {
    say!("In main thread ", current_thread());
    let event_loop = new_event_loop()?;
    let task = event_loop.create_task(asyncfunc1());
    task.add_done_callback(callbackfunc);
    block(3.0);
    say!(task.done());
    drop(task);
    event_loop.close()?; // reports that the task was pending
    Ok(())
}
