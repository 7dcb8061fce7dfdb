//! `result` blocks the calling thread until the loop's thread has finished.

mod seed_support;

use std::any::Any;

use asyncloop::prelude::*;
use asyncloop::sleep_result;
use seed_support::{Result, seconds, start_thread};

async fn coro_func() -> u32 {
    sleep_result(seconds(1.0), 42).await
}

fn main() -> Result {
    let unbound = UnboundLoop::new()?;
    let handle = unbound.handle();
    let t = start_thread("run_forever", move || unbound.bind().run_forever());
    // Later, in another thread of the system:
    let future: ConcurrentFuture<u32> = run_coroutine_threadsafe(&handle, coro_func)?;
    let any: &dyn Any = &future;
    say!(any.is::<ConcurrentFuture<u32>>(), future.done());
    // Wait for the result:
    let result = future.result(None)?;
    say!(result);
    handle.stop();
    t.join().unwrap()?;
    Ok(())
}
