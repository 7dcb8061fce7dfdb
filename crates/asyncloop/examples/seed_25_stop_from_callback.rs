//! `run_forever` until a done callback calls `stop`.

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

fn callbackfunc(task: &Task<&'static str>) {
    say!("task 运行结束,它的结果是:", task.result().unwrap().unwrap());
    task.get_loop().stop();
}

fn main() -> Result {
    say!("In main thread ", current_thread());
    let event_loop = new_event_loop()?;
    set_event_loop(Some(&event_loop));
    let task = event_loop.create_task(asyncfunc1());
    task.add_done_callback(callbackfunc);
    event_loop.run_forever()?;
    set_event_loop(None);
    event_loop.close()?;
    Ok(())
}
