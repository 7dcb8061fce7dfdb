//! Three sleeping tasks in one thread overlap; `wait` returns when all are done.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, seconds};

async fn func1(num: u32) -> String {
    say!(num, "before---func1----");
    sleep(seconds(f64::from(num))).await;
    format!("recv num {num}")
}

fn main() -> Result {
    let begin = seed_support::time();
    let event_loop = new_event_loop()?;
    set_event_loop(Some(&event_loop));

    let coroutine1 = func1(5);
    let coroutine2 = func1(3);
    let coroutine3 = func1(4);

    let tasks = [
        ensure_future(coroutine1)?,
        ensure_future(coroutine2)?,
        ensure_future(coroutine3)?,
    ];

    event_loop.run_until_complete(wait(tasks.clone(), None, ReturnWhen::AllCompleted))??;
    let results: Vec<String> = tasks.iter().map(|t| t.result().unwrap().unwrap()).collect();
    say!("wait done", format!("{results:?}"));
    let stopper = event_loop.clone();
    event_loop.call_later(seconds(1.0), move || stopper.stop())?;
    event_loop.run_forever()?;
    say!(seed_support::time() - begin);
    set_event_loop(None);
    event_loop.close()?;
    Ok(())
}
