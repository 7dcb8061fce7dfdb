//! An await inside a coroutine gives the value; the outer one still needs a loop.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::Result;

async fn add3(x: i32) -> i32 {
    say!("in async fun add");
    x + 3
}

async fn run() -> i32 {
    add3(2).await
}

fn main() -> Result {
    let event_loop = new_event_loop()?;
    say!(event_loop.run_until_complete(run())?);
    event_loop.close()?;
    Ok(())
}
