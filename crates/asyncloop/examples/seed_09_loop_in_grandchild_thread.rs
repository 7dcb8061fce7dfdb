//! A loop made, set and run in a thread that a thread started.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, enumerate, seconds, start_thread, time};

const RND: [u32; 4] = [3, 1, 0, 0];

async fn do_some_work(i: usize, x: u32) -> &'static str {
    say!(format!("{i} Waiting {x}"));
    sleep(seconds(f64::from(x))).await;
    say!(format!("{i} Done after {x}s"));
    "haha"
}

fn start_sub_loop() {
    let sub_sub_loop = new_event_loop().unwrap();
    set_event_loop(Some(&sub_sub_loop));
    say!("create start_sub_loop threads ", enumerate());
    let start = time();
    let task: Vec<_> = RND
        .into_iter()
        .enumerate()
        .map(|(i, x)| ensure_future(do_some_work(i, x)).unwrap())
        .collect();
    let waited = sub_sub_loop
        .run_until_complete(wait(task, None, ReturnWhen::AllCompleted))
        .unwrap()
        .unwrap();
    for i in &waited.done {
        say!(i.result().unwrap().unwrap());
    }
    for i in &waited.pending {
        say!(format!("{i:?}"));
    }
    say!("cost time:", time() - start);
    say!("over threads", enumerate());
    set_event_loop(None);
    sub_sub_loop.close().unwrap();
}

fn other_thread() {
    say!("create other_thread thread:", enumerate());
    let t = start_thread("start_sub_loop", start_sub_loop);
    t.join().unwrap();
    say!("after t.join() threads ", enumerate());
}

fn main() -> Result {
    let th = start_thread("other_thread", other_thread);
    th.join().unwrap();
    say!("End thread", enumerate());
    Ok(())
}
