//! Awaiting two coroutines one after the other is sequential.

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
    let start = time();
    let resulta = testa(1).await;
    let resultb = testb(2).await;
    say!(format!("test a result is {resulta}"));
    say!(format!("test b result is {resultb}"));
    say!("use", time() - start, "time");
    Ok(())
}

fn main() -> Result {
    let event_loop = new_event_loop()?;
    event_loop.run_until_complete(run())??;
    event_loop.close()?;
    Ok(())
}
