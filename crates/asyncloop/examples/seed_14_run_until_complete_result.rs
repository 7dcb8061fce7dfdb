//! `run_until_complete` returns the coroutine's value.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::Result;

async fn add3(x: i32) -> i32 {
    say!("in async fun add");
    x + 3
}

fn main() -> Result {
    let event_loop = new_event_loop()?;
    let result = event_loop.run_until_complete(add3(2))?;
    say!(result);
    event_loop.close()?;
    Ok(())
}
