//! The cure: the waiting tasks run on a loop of their own, in another thread.

mod seed_support;

use asyncloop::prelude::*;
use asyncloop::{gather_with, wrap_future_on};
use seed_support::{Result, block, now, seconds, start_thread};

fn print_with_time(text: &str) {
    say!(format!("{}: {text}", now()));
}

async fn long_calc() {
    print_with_time("long calc start");
    block(8.0);
    print_with_time("long calc end");
}

async fn waiting_task(i: u32) {
    print_with_time(&format!("waiting task {i} start"));
    match wait_for(seconds(5.0), sleep(seconds(3.0))).await {
        Err(_) => print_with_time(&format!("waiting task {i} timeout")),
        Ok(()) => print_with_time(&format!("waiting task {i} end")),
    }
}

fn main() -> Result {
    let unbound = UnboundLoop::new()?;
    let sub_loop = unbound.handle();
    let thread = start_thread("run_forever", move || unbound.bind().run_forever());

    let event_loop = new_event_loop()?;
    let task = event_loop.create_task(long_calc());
    let mut futs = vec![task.erase_future()];
    for x in 0..3 {
        let future = run_coroutine_threadsafe(&sub_loop, move || waiting_task(x))?;
        futs.push(wrap_future_on(&event_loop, future).erase_future());
    }
    set_event_loop(Some(&event_loop));
    event_loop.run_until_complete(gather_with(futs, |heard| heard.is_none().then_some(Ok(()))))?;
    set_event_loop(None);

    sub_loop.stop();
    thread.join().unwrap()?;
    print_with_time("all done");
    event_loop.close()?;
    Ok(())
}
