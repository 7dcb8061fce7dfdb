//! Callbacks from another thread that block run one after the other on the loop's thread; the caller does not wait.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, block, start_thread, time};

fn func1(num: u32) {
    say!(num, "before---func1----");
    block(f64::from(num));
}

fn start_loop(new_loop: UnboundLoop) {
    let new_loop = new_loop.bind();
    set_event_loop(Some(&new_loop));
    new_loop.run_forever().unwrap();
    set_event_loop(None);
    new_loop.close().unwrap();
}

fn main() -> Result {
    let begin = time();

    let new_loop = UnboundLoop::new()?; // made in this thread, not running
    let handle = new_loop.handle();
    let t = start_thread("start_loop", move || start_loop(new_loop));

    handle.call_soon_threadsafe(|| func1(3))?;
    handle.call_soon_threadsafe(|| func1(2))?;
    handle.call_soon_threadsafe(|| func1(6))?;

    say!(time() - begin); // this thread was not blocked

    handle.stop();
    t.join().unwrap();
    say!("loop stopped");
    Ok(())
}
