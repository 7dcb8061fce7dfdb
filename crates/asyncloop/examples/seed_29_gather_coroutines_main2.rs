//! `gather` over two coroutines.

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

async fn main2() -> Result {
    let (first, second) = gather!(asyncfunc1(), asyncfunc2()).await?;
    say!(format!("{:?}", [first?, second?]));
    Ok(())
}

fn main() -> Result {
    say!("In main thread ", current_thread());
    let event_loop = new_event_loop()?;
    event_loop.run_until_complete(main2())??;
    event_loop.close()?;
    Ok(())
}
