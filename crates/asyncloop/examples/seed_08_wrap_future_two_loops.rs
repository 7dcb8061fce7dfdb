//! Coroutines queued on a loop that does not run yet begin when its thread does; `wrap_future` joins two loops.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, enumerate, seconds, start_thread};

async fn do_some_work(i: usize, x: u32) -> &'static str {
    say!(format!("{i} Waiting {x}"));
    sleep(seconds(f64::from(x))).await;
    say!(format!("{i} Done after {x}s"));
    "haha"
}

fn main() -> Result {
    let main_loop = new_event_loop()?; // the main loop, of the main thread
    set_event_loop(Some(&main_loop));
    let unbound = UnboundLoop::new()?; // another one, for a thread of its own
    let sub_loop = unbound.handle();

    let rnd = [1, 3, 4, 0];
    let mut task = Vec::new();
    for (i, x) in rnd.into_iter().enumerate() {
        let future = run_coroutine_threadsafe(&sub_loop, move || do_some_work(i, x))?;
        task.push(wrap_future(future));
    }
    let th = start_thread("run_forever", move || unbound.bind().run_forever());
    say!("thread", enumerate());

    main_loop.run_until_complete(wait(task, None, ReturnWhen::AllCompleted))??;
    sub_loop.stop();
    th.join().unwrap()?;
    say!("End thread", enumerate());
    set_event_loop(None);
    main_loop.close()?;
    Ok(())
}
