//! Coroutines are not preempted; those that begin after the one that blocks do not time out.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, block, seconds};

async fn long_calc() {
    say!("long calc start");
    block(3.0);
    say!("long calc end");
}

async fn waiting_task(i: u32) {
    say!(format!("waiting task {i} start"));
    match wait_for(seconds(1.5), sleep(seconds(1.0))).await {
        Err(_) => say!(format!("waiting task {i} timeout")),
        Ok(()) => say!(format!("waiting task {i} end")),
    }
}

fn main() -> Result {
    let event_loop = new_event_loop()?;
    let mut tasks = vec![event_loop.create_task(long_calc())];
    tasks.extend((0..3).map(|x| event_loop.create_task(waiting_task(x))));
    event_loop.run_until_complete(wait(tasks, None, ReturnWhen::AllCompleted))??;
    event_loop.close()?;
    Ok(())
}
