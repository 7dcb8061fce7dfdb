//! Somebody else's engine behind `run_in_executor`: the program stays, the executor changes.
//!
//! `cargo run --release --example remote_engine`
//!
//! | file | what it is |
//! | --- | --- |
//! | `engine.rs` | the client of a job queue, as it comes from elsewhere: it knows nothing of loops |
//! | `executor.rs` | `Executor` over that client: all that there is to write |
//! | `main.rs` | a program that counts words, first in threads, then in the engine |

#![forbid(unsafe_code)]

mod engine;
mod executor;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use asyncloop::prelude::*;
use asyncloop::{CallJob, Executor, call_registered};

use crate::engine::Client;
use crate::executor::RemoteExecutor;

type Counts = BTreeMap<String, usize>;

process_fn! {
    /// Counts the words of a text. The engine's workers know it by its name.
    fn count_words(text: String) -> Counts {
        let mut counts = Counts::new();
        for word in text.split_whitespace() {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
        counts
    }

    fn fail(page: u32) -> u32 {
        panic!("no page {page}")
    }
}

/// Where work goes: to an executor, or with `None` to the loop's own threads.
type Place = Option<Arc<dyn Executor<CallJob>>>;

/// The program. Only `place` says where the words are counted.
async fn count(place: Place) -> Result<Counts, Box<dyn Error>> {
    let event_loop = get_running_loop()?;
    let texts = [
        "one fish two fish",
        "red fish blue fish",
        "old fish new fish",
    ];
    let jobs = texts.map(|text| {
        let work = count_words::job(text.to_owned());
        event_loop.run_in_executor(place.as_deref(), work)
    });
    let mut total = Counts::new();
    for job in jobs {
        for (word, count) in job?.await? {
            *total.entry(word).or_default() += count;
        }
    }
    Ok(total)
}

/// What goes wrong in the engine is the awaiting task's to hear, and what is cancelled is revoked.
async fn go_wrong(place: Place) -> Result<String, Box<dyn Error>> {
    let event_loop = get_running_loop()?;
    let error = event_loop
        .run_in_executor(place.as_deref(), fail::job(7))?
        .await;
    let jobs: Vec<_> = (0..50)
        .map(|_| event_loop.run_in_executor(place.as_deref(), count_words::job("a b".to_owned())))
        .collect::<Result<_, _>>()?;
    assert!(jobs.iter().all(|job| job.cancel()));
    for job in jobs {
        assert!(matches!(job.await, Err(TaskError::Cancelled(_))));
    }
    Ok(error.expect_err("there is no such page").to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let event_loop = EventLoop::new()?;

    event_loop.set_default_executor(ThreadPoolExecutor::new(2)?);
    let in_threads = event_loop.run_until_complete(count(None))??;
    println!("threads: {in_threads:?}");

    // On another machine the worker would be this program too, since it knows the functions.
    let client = Client::connect(2, |name, arguments| {
        call_registered(name, arguments).map_err(|error| error.to_string())
    });
    let engine = Arc::new(RemoteExecutor::new(client)?);
    let remotely = event_loop.run_until_complete(count(Some(engine.clone())))??;
    println!("engine:  {remotely:?}");
    assert_eq!(in_threads, remotely);

    let error = event_loop.run_until_complete(go_wrong(Some(engine.clone())))??;
    println!("a job that fails there: {error}");
    assert!(error.contains("no page 7"), "{error}");

    engine.shutdown(true, false)?;
    let refused = event_loop.run_in_executor(Some(&*engine), fail::job(8));
    println!("after its end: {}", refused.expect_err("it is shut down"));
    event_loop.close()?;
    Ok(())
}
