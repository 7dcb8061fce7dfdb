//! `gather` over two tasks with done callbacks: the callbacks first, then the results in order.

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

async fn asyncfunc2() -> &'static str {
    say!("Suspending func2");
    sleep(seconds(1.0)).await;
    say!("func func2 ", current_thread());
    say!("Resuming func2");
    "func2"
}

fn callbackfunc(task: &Task<&'static str>) {
    say!("task 运行结束,它的结果是:", task.result().unwrap().unwrap());
}

async fn run() -> Result {
    let event_loop = get_running_loop()?;
    let task1 = event_loop.create_task(asyncfunc1());
    task1.add_done_callback(callbackfunc);

    let task2 = event_loop.create_task(asyncfunc2());
    task2.add_done_callback(callbackfunc);

    let result: std::result::Result<Vec<_>, _> =
        gather([task1, task2]).await?.into_iter().collect();
    say!(format!("{:?}", result?));
    Ok(())
}

fn main() -> Result {
    say!("In main thread ", current_thread());
    let event_loop = new_event_loop()?;
    event_loop.run_until_complete(run())??;
    event_loop.close()?;
    Ok(())
}
