//! `run_in_executor` starts work in a pool at once, though the loop never runs.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::Result;

fn say_boo() {
    for i in 0..10 {
        say!(format!("...boo {i}"));
    }
}

fn say_baa() {
    for i in 0..10 {
        say!(format!("...baa {i}"));
    }
}

fn main() -> Result {
    say!("running async test");
    let executor = ThreadPoolExecutor::new(2)?;
    let event_loop = new_event_loop()?;
    set_event_loop(Some(&event_loop));

    let boo = event_loop.run_in_executor(Some(&executor), say_boo)?;
    let baa = event_loop.run_in_executor(Some(&executor), say_baa)?;
    executor.shutdown(true, false)?;
    assert!(!boo.done() && !baa.done(), "the loop has heard of nothing");

    set_event_loop(None);
    event_loop.close()?;
    Ok(())
}
