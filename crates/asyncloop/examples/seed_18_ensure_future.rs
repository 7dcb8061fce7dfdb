//! `ensure_future` schedules both before any await: they overlap.

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
    let taska = ensure_future(testa(1))?;
    let taskb = ensure_future(testb(2))?;
    say!(format!("{taska:?}"));
    say!(format!("{taskb:?}"));
    say!(taska.done(), taskb.done());
    (&taskb).await?;
    (&taska).await?;
    say!(taska.done(), taskb.done());
    say!(taskb.result()??);
    say!(taska.result()??);
    say!("use", time() - start, "time");
    Ok(())
}

fn main() -> Result {
    let event_loop = new_event_loop()?;
    event_loop.run_until_complete(run())??;
    event_loop.close()?;
    Ok(())
}
