//! `wait` returns what is done and what is pending; here nothing is.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, seconds, time};

async fn testa(x: i32) -> i32 {
    say!("in test a");
    sleep(seconds(3.0)).await;
    say!("Resuming a");
    x
}

async fn testb(x: i32) -> i32 {
    say!("in test b");
    sleep(seconds(1.0)).await;
    say!("Resuming b");
    x
}

async fn run() -> Result {
    let event_loop = get_running_loop()?;
    let start = time();
    let tasks = [
        event_loop.create_task(testa(1)),
        event_loop.create_task(testb(2)),
    ];
    let waited = wait(tasks, None, ReturnWhen::AllCompleted).await?;
    say!(format!("{:?}", waited.done)); // in the order given
    say!(format!("{:?}", waited.pending));
    say!(waited.done[0].result()??);
    say!("use", time() - start, "time");
    Ok(())
}

fn main() -> Result {
    let event_loop = new_event_loop()?;
    event_loop.run_until_complete(run())??;
    event_loop.close()?;
    Ok(())
}
