//! The story of this project in a few seconds, on a real clock.
//!
//! `cargo run --release --example tour`

use std::time::{Duration, Instant};

use asyncloop::GroupError;
use asyncloop::prelude::*;

type AnyError = Box<dyn std::error::Error>;

/// A tenth of the times that the story speaks of: it says seconds where this is 100 ms.
const SECOND: Duration = Duration::from_millis(100);

/// A timeline: every line says when it was said, since the chapter began.
#[derive(Clone, Copy)]
struct Timeline(Instant);

impl Timeline {
    fn chapter(title: &str) -> Timeline {
        println!("\n{title}");
        println!("{}", "-".repeat(title.chars().count()));
        #[expect(
            clippy::disallowed_methods,
            reason = "the timeline spans several loops and threads"
        )]
        Timeline(Instant::now())
    }

    fn say(self, who: &str, what: &str) {
        let at = self.0.elapsed().as_millis();
        let bar = "·".repeat(usize::try_from(at / 25).unwrap_or(0).min(24));
        println!("{at:>5} ms {bar:<24} {who:<10} {what}");
    }
}

/// What a crawler does with a page: it computes, and awaits nothing meanwhile.
fn parse(line: Timeline, page: &str) -> usize {
    line.say(
        "parser",
        "begins to parse: 300 ms of work that awaits nothing",
    );
    let mut links = 0;
    while line.0.elapsed() < 3 * SECOND + Duration::from_millis(20) {
        links = (0..2_000_u64).filter(|n| (n * n + 1) % 7 == 3).count() + page.len();
    }
    line.say("parser", "has parsed");
    links
}

/// An innocent request: it takes 100 ms and has a limit of 150.
async fn request(line: Timeline, name: String) -> bool {
    match timeout(3 * SECOND / 2, sleep(SECOND)).await {
        Ok(()) => line.say(&name, "was answered in time"),
        Err(elapsed) => line.say(&name, &format!("TIMED OUT: {elapsed}")),
    }
    true
}

/// One: coroutines overlap.
async fn together() -> Result<(), AnyError> {
    let line = Timeline::chapter("1. Three coroutines at once: as long as the longest");
    let jobs = [3, 1, 2].map(|n| async move {
        line.say(&format!("job {n}"), &format!("sleeps for {} ms", n * 100));
        sleep(n * SECOND).await;
        line.say(&format!("job {n}"), "is done");
        n
    });
    let order: Result<Vec<u32>, _> = gather(jobs).await?.into_iter().collect();
    line.say(
        "gather",
        &format!("has their results in the order given: {:?}", order?),
    );
    Ok(())
}

/// Two: one coroutine that blocks makes others time out.
async fn blocked() -> Result<(), AnyError> {
    let line = Timeline::chapter("2. A parser that blocks the loop: innocent requests time out");
    let event_loop = get_running_loop()?;
    event_loop.set_debug(true);
    let tasks: Vec<Task<bool>> = (1..=2)
        .map(|n| {
            TaskBuilder::new()
                .name(format!("request {n}"))
                .spawn(request(line, format!("request {n}")))
        })
        .collect();
    yield_now().await; // their limits run from here
    let parser = TaskBuilder::new()
        .name("parser")
        .spawn(async move { parse(line, "<html>") });
    parser.await?;
    wait(tasks, None, ReturnWhen::AllCompleted).await?;
    event_loop.set_debug(false);
    println!(
        "         (The loop's own report above, \"Executing ...\", says who it was, and where it was made.)"
    );
    Ok(())
}

/// Three: the cure, a pool.
async fn in_a_pool() -> Result<(), AnyError> {
    let line = Timeline::chapter("3. The same, with the parser in a pool: nobody times out");
    let tasks: Vec<Task<bool>> = (1..=2)
        .map(|n| create_task(request(line, format!("request {n}"))))
        .collect();
    yield_now().await;
    let links = to_thread(move || parse(line, "<html>")).await?;
    line.say(
        "main",
        &format!("was told of {links} links by the pool's thread"),
    );
    wait(tasks, None, ReturnWhen::AllCompleted).await?;
    Ok(())
}

/// Four: the other cure, a loop of their own for those who must not wait.
async fn on_another_loop() -> Result<(), AnyError> {
    let line = Timeline::chapter("4. The same, with the requests on a loop in another thread");
    let unbound = UnboundLoop::new()?;
    let sub_loop = unbound.handle();
    let thread = std::thread::spawn(move || unbound.bind().run_forever());
    let mut requests = Vec::new();
    for n in 1..=2 {
        let future =
            run_coroutine_threadsafe(&sub_loop, move || request(line, format!("request {n}")))?;
        requests.push(wrap_future(future));
    }
    parse(line, "<html>"); // blocks this loop, and this loop alone
    wait(requests, None, ReturnWhen::AllCompleted).await?;
    line.say("main", "has its answers from the other loop");
    sub_loop.stop();
    thread
        .join()
        .map_err(|_| "the other loop's thread panicked")??;
    Ok(())
}

/// Five: results from everywhere, in one place.
async fn gathered() -> Result<(), AnyError> {
    let line = Timeline::chapter(
        "5. Results from a task, a pool, a thread and another loop, gathered in one place",
    );
    let event_loop = get_running_loop()?;
    let unbound = UnboundLoop::new()?;
    let sub_loop = unbound.handle();
    let thread = std::thread::spawn(move || unbound.bind().run_forever());

    let from_task = create_task(async {
        sleep(SECOND).await;
        "task"
    });
    let from_pool = event_loop.run_in_executor(None, || "pool")?;
    let from_loop = wrap_future(run_coroutine_threadsafe(&sub_loop, || async {
        sleep(2 * SECOND).await;
        "other loop"
    })?);
    let (promise, future) = asyncloop::concurrent_future();
    std::thread::spawn(move || promise.run(|| "thread"));
    let from_thread = wrap_future(future);

    let (task, pool, other, plain) = gather!(from_task, from_pool, from_loop, from_thread).await?;
    line.say(
        "gather",
        &format!("has {:?}", [task?, pool?, other?, plain?]),
    );

    let failed: Result<(), GroupError<&str>> = TaskGroup::scope(async |group| {
        let slow = group.create_task(async move {
            let outcome = catch_cancel(sleep(30 * SECOND)).await;
            if let Err(cancelled) = outcome {
                line.say("slow", "is cancelled, and cleans up before it goes");
                sleep(SECOND / 2).await;
                cancelled.resume().await;
            }
            Ok(())
        });
        let quick = group.create_task(async move {
            sleep(SECOND / 2).await;
            line.say("quick", "fails");
            Err::<(), _>("no route to host")
        });
        drop((slow, quick));
        Ok(())
    })
    .await;
    if let Err(error) = failed {
        line.say("group", &format!("{error}: {:?}", error.failures()));
    }
    sub_loop.stop();
    thread
        .join()
        .map_err(|_| "the other loop's thread panicked")??;
    Ok(())
}

fn main() -> Result<(), AnyError> {
    println!(
        "asyncloop: asyncio's event loop, in Rust. One second of the story takes 100 ms here."
    );
    let runner = asyncloop::Runner::new();
    runner.run(together())??;
    runner.run(blocked())??;
    runner.run(in_a_pool())??;
    runner.run(on_another_loop())??;
    runner.run(gathered())??;
    runner.close()?;
    Ok(())
}
