//! `wait` until the first exception returns at the first failure and raises nothing.

mod seed_support;

use std::fmt;

use asyncloop::prelude::*;
use seed_support::{Result, seconds, time};

#[derive(Clone)]
struct ZeroDivisionError;

impl fmt::Debug for ZeroDivisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ZeroDivisionError('division by zero')")
    }
}

fn divide(a: i32, b: i32) -> std::result::Result<i32, ZeroDivisionError> {
    a.checked_div(b).ok_or(ZeroDivisionError)
}

async fn testa(x: i32) -> std::result::Result<i32, ZeroDivisionError> {
    say!("in test a");
    sleep(seconds(3.0)).await;
    say!(divide(1, 0)?);
    say!("Resuming a");
    Ok(x)
}

async fn testb(x: i32) -> std::result::Result<i32, ZeroDivisionError> {
    say!("in test b");
    sleep(seconds(1.0)).await;
    say!(divide(1, 0)?);
    say!("Resuming b");
    Ok(x)
}

async fn run() -> Result {
    let event_loop = get_running_loop()?;
    let start = time();
    let tasks = [
        event_loop.try_create_task(testa(1)),
        event_loop.try_create_task(testb(2)),
    ];
    let waited = wait(tasks, None, ReturnWhen::FirstException).await?;
    say!(format!("{:?}", waited.done));
    say!(format!("{:?}", waited.pending));
    say!("use", time() - start, "time");
    say!(format!("{:?}", waited.done[0].result()??.unwrap_err()));
    for t in &waited.pending {
        t.cancel();
    }
    wait(&waited.pending, None, ReturnWhen::AllCompleted).await?;
    say!(waited.pending[0].cancelled());
    Ok(())
}

fn main() -> Result {
    let event_loop = new_event_loop()?;
    event_loop.run_until_complete(run())??;
    event_loop.close()?;
    Ok(())
}
