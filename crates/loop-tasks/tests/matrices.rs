//! Every combination of what can happen to `wait_for`, `gather` and `wait`: the tables are what CPython 3.13 does.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use common::{Log, MS, create_future, run, yields};
use loop_core::get_running_loop;
use loop_tasks::{
    AnyLoopFuture, LoopFuture, ReturnWhen, Task, TaskError, catch_cancel, create_task,
    current_task, gather, sleep, try_create_task, try_gather, wait, yield_now,
};

type Outcome = Result<i32, &'static str>;

fn describe(outcome: &Result<Outcome, TaskError>) -> &'static str {
    match outcome {
        Ok(Ok(_)) => "value",
        Ok(Err(_)) => "error",
        Err(TaskError::Cancelled(_)) => "cancelled",
        Err(TaskError::Panicked(_)) => "panic",
        Err(_) => "something else",
    }
}

/// How a coroutine ends.
fn end(how: &str) -> Outcome {
    match how {
        "error" => Err("error"),
        "panic" => panic!("panic"),
        _ => Ok(1),
    }
}

/// What is waited for: it sleeps until `at`, and then ends. If it is cancelled before, it ignores that and ends one
/// millisecond later; or else, it cancels itself just before its end.
fn inner(at: u32, how: &'static str, cancels_itself: bool) -> Task<Outcome> {
    try_create_task(async move {
        if cancels_itself {
            sleep(at * MS).await;
            current_task().unwrap().cancel();
        } else if catch_cancel(sleep(at * MS)).await.is_err() {
            sleep(MS).await;
        }
        end(how)
    })
}

/// bpo-42130, bpo-32751 and their like. At 5 ms either the one who waits is cancelled or the time is over; the inner one
/// ends before that, in the same iteration, or after.
#[test]
fn waiting_with_a_limit() {
    // When the inner one ends, what happens, whether it cancels itself: what comes of the one who waits, at which
    // millisecond, and of the inner one.
    let expected = [
        "before cancel ignores: value at 4, value",
        "before cancel itself: cancelled at 4, cancelled",
        "before timeout ignores: value at 4, value",
        "before timeout itself: cancelled at 4, cancelled",
        "before error ignores: error at 4, error",
        "before error itself: error at 4, error",
        "before panic ignores: panic at 4, panic",
        "before panic itself: panic at 4, panic",
        "same cancel ignores: value at 6, value",
        "same cancel itself: cancelled at 5, cancelled",
        "same timeout ignores: value at 6, value",
        "same timeout itself: elapsed at 5, cancelled",
        "same error ignores: error at 6, error",
        "same error itself: elapsed at 5, cancelled",
        "same panic ignores: panic at 6, panic",
        "same panic itself: elapsed at 5, cancelled",
        "after cancel ignores: value at 6, value",
        "after cancel itself: cancelled at 5, cancelled",
        "after timeout ignores: value at 6, value",
        "after timeout itself: elapsed at 5, cancelled",
        "after error ignores: error at 6, error",
        "after error itself: elapsed at 5, cancelled",
        "after panic ignores: panic at 6, panic",
        "after panic itself: elapsed at 5, cancelled",
    ];
    let log = Log::default();
    for (at, when) in [(4, "before"), (5, "same"), (6, "after")] {
        for what in ["cancel", "timeout", "error", "panic"] {
            for cancels_itself in [false, true] {
                let note = log.clone();
                run(async move {
                    let start = get_running_loop().unwrap().time();
                    let task = inner(at, what, cancels_itself);
                    let limit = if what == "cancel" { 100 } else { 5 };
                    let awaited = task.clone();
                    yield_now().await;
                    let outer = create_task(async move {
                        match loop_tasks::wait_for(limit * MS, &awaited).await {
                            Ok(outcome) => describe(&outcome),
                            Err(_) => "elapsed",
                        }
                    });
                    if what == "cancel" {
                        let asked = outer.clone();
                        get_running_loop()
                            .unwrap()
                            .call_at(start + 5 * MS, move || {
                                asked.cancel();
                            })
                            .unwrap();
                    }
                    let seen = match outer.await {
                        Ok(seen) => seen,
                        Err(TaskError::Cancelled(_)) => "cancelled",
                        Err(_) => "panic",
                    };
                    let now = get_running_loop().unwrap().time() - start;
                    let inner = describe(&task.await);
                    let cancels = if cancels_itself { "itself" } else { "ignores" };
                    note.add(format_args!(
                        "{when} {what} {cancels}: {seen} at {}, {inner}",
                        now.as_millis()
                    ));
                });
            }
        }
    }
    assert_eq!(log.take(), expected);
}

/// What one child of a gather does: it ends after two yields; a cancellation is what it ends with.
fn child(how: &'static str) -> Task<Outcome> {
    try_create_task(async move {
        yields(2).await;
        if how == "cancelled" {
            current_task().unwrap().cancel();
            yield_now().await;
        }
        end(how)
    })
}

/// A gather of one child that ends in each way and of one that lasts longer, cancelled at each moment: what `cancel`
/// said, and what came of it.
#[test]
fn gather_of_children() {
    let expected = [
        "value kept none: -, value value",
        "value kept before: true, cancelled",
        "value kept during: true, cancelled",
        "value kept after: false, value value",
        "value raised none: -, value value",
        "value raised before: true, cancelled",
        "value raised during: true, cancelled",
        "value raised after: false, value value",
        "error kept none: -, error value",
        "error kept before: true, cancelled",
        "error kept during: true, cancelled",
        "error kept after: false, error value",
        "error raised none: -, error",
        "error raised before: true, cancelled",
        "error raised during: true, cancelled",
        "error raised after: false, error",
        "cancelled kept none: -, cancelled value",
        "cancelled kept before: true, cancelled",
        "cancelled kept during: true, cancelled",
        "cancelled kept after: false, cancelled value",
        "cancelled raised none: -, cancelled",
        "cancelled raised before: true, cancelled",
        "cancelled raised during: true, cancelled",
        "cancelled raised after: false, cancelled",
        "panic kept none: -, panic value",
        "panic kept before: true, cancelled",
        "panic kept during: true, cancelled",
        "panic kept after: false, panic value",
        "panic raised none: -, panic",
        "panic raised before: true, cancelled",
        "panic raised during: true, cancelled",
        "panic raised after: false, panic",
    ];
    let log = Log::default();
    for how in ["value", "error", "cancelled", "panic"] {
        for keep_errors in [true, false] {
            for moment in ["none", "before", "during", "after"] {
                let note = log.clone();
                run(async move {
                    let children = [
                        child(how),
                        try_create_task(async {
                            yields(5).await;
                            Ok(2)
                        }),
                    ];
                    let say = |gathered: AnyLoopFuture, outcome: Box<dyn FnOnce() -> String>| async move {
                        let mut said = String::from("-");
                        if moment == "before" {
                            said = gathered.cancel().to_string();
                        }
                        yields(2).await;
                        if moment == "during" {
                            said = gathered.cancel().to_string();
                        }
                        yields(8).await;
                        if moment == "after" {
                            said = gathered.cancel().to_string();
                        }
                        assert!(gathered.done() && !gathered.cancelled());
                        let how_it_is = outcome();
                        let kept = if keep_errors { "kept" } else { "raised" };
                        note.add(format_args!("{how} {kept} {moment}: {said}, {how_it_is}"));
                    };
                    if keep_errors {
                        let gathered = gather(&children);
                        let outcome = gathered.clone();
                        say(
                            gathered.erase_future(),
                            Box::new(move || match outcome.result().unwrap() {
                                Ok(all) => {
                                    let all: Vec<_> = all.iter().map(describe).collect();
                                    all.join(" ")
                                }
                                Err(error) => error.to_string(),
                            }),
                        )
                        .await;
                    } else {
                        let gathered = try_gather(&children);
                        let outcome = gathered.clone();
                        say(
                            gathered.erase_future(),
                            Box::new(move || match outcome.result().unwrap() {
                                Ok(Ok(_)) => "value value".into(),
                                Ok(Err(_)) => "error".into(),
                                Err(TaskError::Panicked(_)) => "panic".into(),
                                Err(error) => error.to_string(),
                            }),
                        )
                        .await;
                    }
                    for child in children {
                        let _ = child.await;
                    }
                });
            }
        }
    }
    assert_eq!(log.take(), expected);
}

/// Three modes, and what is given to them: how many are done and how many pending, and after how many milliseconds.
#[test]
fn wait_in_each_mode() {
    fn failing(at: u32) -> Task<Outcome> {
        try_create_task(async move {
            sleep(at * MS).await;
            Err("error")
        })
    }
    fn working(at: u32) -> Task<Outcome> {
        try_create_task(async move {
            sleep(at * MS).await;
            Ok(1)
        })
    }
    async fn case(what: &str, mode: ReturnWhen) -> String {
        let start = get_running_loop().unwrap().time();
        let tasks = match what {
            "duplicates" => {
                let (task, other) = (working(2), failing(3));
                vec![task.clone(), other.clone(), task.clone(), task, other]
            }
            "empty" => Vec::new(),
            "done" => {
                let tasks = vec![working(0), working(0)];
                yields(2).await;
                tasks
            }
            _ => {
                let done = working(0);
                yields(2).await;
                let cancelled = working(9);
                cancelled.cancel();
                vec![working(4), failing(2), done, cancelled, working(1)]
            }
        };
        let text = match wait(tasks.clone(), None, mode).await {
            Err(error) => error.to_string(),
            Ok(waited) => {
                let now = get_running_loop().unwrap().time() - start;
                format!(
                    "{} {} at {}",
                    waited.done.len(),
                    waited.pending.len(),
                    now.as_millis()
                )
            }
        };
        for task in tasks {
            let _ = catch(task).await;
        }
        text
    }
    async fn catch(task: Task<Outcome>) -> bool {
        (&task).await.is_ok()
    }
    let log = Log::default();
    for mode in [
        ReturnWhen::FirstCompleted,
        ReturnWhen::FirstException,
        ReturnWhen::AllCompleted,
    ] {
        for what in ["duplicates", "empty", "done", "mixed"] {
            let note = log.clone();
            run(async move {
                let text = case(what, mode).await;
                note.add(format_args!("{mode:?} {what}: {text}"));
            });
        }
    }
    assert_eq!(
        log.take(),
        [
            "FirstCompleted duplicates: 1 1 at 2",
            "FirstCompleted empty: Set of Tasks/Futures is empty.",
            "FirstCompleted done: 2 0 at 0",
            "FirstCompleted mixed: 2 3 at 0",
            "FirstException duplicates: 2 0 at 3",
            "FirstException empty: Set of Tasks/Futures is empty.",
            "FirstException done: 2 0 at 0",
            "FirstException mixed: 4 1 at 2",
            "AllCompleted duplicates: 2 0 at 3",
            "AllCompleted empty: Set of Tasks/Futures is empty.",
            "AllCompleted done: 2 0 at 0",
            "AllCompleted mixed: 5 0 at 4",
        ]
    );
}

/// bpo-26923: a cancel that comes after the end says so and changes nothing.
#[test]
fn cancelling_gathers_that_are_over() {
    run(async {
        let none: [LoopFuture<i32>; 0] = [];
        let over = [
            gather(none),
            {
                let done = create_future();
                done.set_result(1).unwrap();
                gather([done])
            },
            {
                let task = create_task(async { 1 });
                let gathered = gather([task]);
                (&gathered).await.unwrap();
                gathered
            },
            {
                let task = create_task(async { if true { panic!("panic") } else { 1 } });
                let gathered = gather([task]);
                (&gathered).await.unwrap();
                gathered
            },
        ];
        for gathered in over {
            assert!(!gathered.cancel() && !gathered.cancelled() && !gathered.failed());
            assert!(gathered.result().unwrap().is_ok());
        }
    });
}

/// bpo-20367: duplicates hang nothing and are told once.
#[test]
fn the_same_future_given_many_times() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        let waited = wait([&future; 5], Some(MS), ReturnWhen::AllCompleted)
            .await
            .unwrap();
        assert_eq!((waited.done.len(), waited.pending.len()), (0, 1));
        let gathered = gather([&future; 5]);
        future.set_result(3).unwrap();
        let all: Vec<i32> = gathered
            .await
            .unwrap()
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(all, [3; 5]);
        let mut each = loop_tasks::as_completed([&future; 5], None);
        assert_eq!(each.remaining(), 1);
        assert!(each.next().await.is_some() && each.next().await.is_none());
    });
}
