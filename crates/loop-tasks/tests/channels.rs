//! Futures of crates that know nothing of this loop, inside `catch_cancel` and `timeout`: channels and events.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use common::{Log, MS, run, yields};
use event_listener::Event;
use futures_channel::{mpsc, oneshot};
use futures_util::future::join_all;
use futures_util::join;
use futures_util::stream::StreamExt;
use loop_core::{EventLoop, get_running_loop};
use loop_tasks::{
    LoopExt, Task, TaskError, all_tasks, catch_cancel, create_task, sleep, timeout, try_gather,
    wait_for,
};

/// One way to get a number from somebody: what waits for it, and what sends it, from any thread.
struct Channel {
    name: &'static str,
    receive: Pin<Box<dyn Future<Output = i32>>>,
    send: Box<dyn FnOnce(i32) + Send>,
}

/// One of each crate. A send to nobody is no error here.
fn channels() -> Vec<Channel> {
    let mut channels = Vec::new();
    let mut add = |name, receive, send| {
        channels.push(Channel {
            name,
            receive,
            send,
        });
    };
    let (sender, receiver) = oneshot::channel();
    add(
        "futures_channel::oneshot",
        Box::pin(async { receiver.await.unwrap() }) as Pin<Box<dyn Future<Output = i32>>>,
        Box::new(move |n| _ = sender.send(n)) as Box<dyn FnOnce(i32) + Send>,
    );
    let (sender, mut receiver) = mpsc::unbounded();
    add(
        "futures_channel::mpsc",
        Box::pin(async move { receiver.next().await.unwrap() }),
        Box::new(move |n| drop(sender.unbounded_send(n))),
    );
    let (sender, receiver) = async_channel::unbounded();
    add(
        "async_channel",
        Box::pin(async move { receiver.recv().await.unwrap() }),
        Box::new(move |n| _ = sender.try_send(n)),
    );
    let (sender, receiver) = async_channel::bounded(1);
    let event = std::sync::Arc::new(Event::new());
    let listener = event.listen();
    add(
        "event_listener",
        Box::pin(async move {
            listener.await;
            receiver.try_recv().unwrap()
        }),
        Box::new(move |n| {
            _ = sender.try_send(n);
            event.notify(1);
        }),
    );
    channels
}

fn no_timer_is_left() -> bool {
    get_running_loop().unwrap().next_deadline().is_none()
}

#[test]
fn a_value_in_time_stops_the_deadline() {
    run(async {
        for limited_by in ["timeout", "wait_for"] {
            for Channel {
                name,
                receive,
                send,
            } in channels()
            {
                let event_loop = get_running_loop().unwrap();
                event_loop.call_later(MS, move || send(7)).unwrap();
                let start = event_loop.time();
                let value = match limited_by {
                    "timeout" => timeout(5 * MS, receive).await,
                    _ => wait_for(5 * MS, receive).await,
                };
                assert_eq!(value, Ok(7), "{name}");
                assert_eq!(event_loop.time() - start, MS);
                assert!(no_timer_is_left());
            }
        }
    });
}

#[test]
fn a_value_too_late_is_sent_to_nobody() {
    run(async {
        for Channel {
            name,
            receive,
            send,
        } in channels()
        {
            let event_loop = get_running_loop().unwrap();
            let start = event_loop.time();
            assert!(timeout(3 * MS, receive).await.is_err(), "{name}");
            assert_eq!(event_loop.time() - start, 3 * MS);
            send(7); // Its waker is forgotten, or stale: nobody is woken.
            let steps = create_task(yields(2));
            yields(1).await;
            assert!(!steps.done());
            steps.await.unwrap();
        }
    });
}

/// The request becomes an interrupt at once: one iteration later the clean-up begins, which may use the same crates.
#[test]
fn a_cancelled_task_drops_what_it_waits_for_and_cleans_up() {
    run(async {
        for Channel {
            name,
            receive,
            send,
        } in channels()
        {
            let log = Log::default();
            let (note, dropped) = (log.clone(), log.on_drop("dropped"));
            let (done, is_done) = oneshot::channel();
            let task = create_task(async move {
                let held = async move {
                    let _dropped = dropped;
                    receive.await
                };
                let cancelled = catch_cancel(held).await.unwrap_err();
                note.add("cleans up");
                is_done.await.unwrap();
                note.add("resumes");
                cancelled.resume().await
            });
            let _: &Task<()> = &task;
            yields(2).await;
            assert!(task.cancel());
            yields(1).await;
            log.add("one iteration later");
            done.send(()).unwrap();
            assert!(matches!((&task).await, Err(TaskError::Cancelled(_))));
            send(7);
            yields(2).await;
            assert_eq!(
                log.take(),
                ["dropped", "cleans up", "one iteration later", "resumes"],
                "{name}"
            );
        }
    });
}

/// The value is there, the step is on its way, and then comes a request: as with a loop future, the request wins.
#[test]
fn a_request_in_the_iteration_of_the_value() {
    run(async {
        for Channel {
            name,
            receive,
            send,
        } in channels()
        {
            let task = create_task(async move { catch_cancel(receive).await.is_err() });
            yields(1).await;
            send(7);
            assert!(task.cancel());
            assert!(task.await.unwrap(), "{name}");
        }
        // What was not received is still in the channel: nothing is lost by a cancellation.
        let (sender, receiver) = async_channel::unbounded();
        let own = receiver.clone();
        let task = create_task(async move { own.recv().await.is_ok() });
        yields(1).await;
        sender.try_send(7).unwrap();
        task.cancel();
        yields(2).await;
        assert!(task.cancelled());
        assert_eq!(receiver.recv().await, Ok(7));
    });
}

/// A listener that was notified and then dropped by an interrupt hands the notification on.
#[test]
fn an_interrupt_hands_on_what_another_crate_hands_on() {
    run(async {
        let event = std::rc::Rc::new(Event::new());
        let listeners = [(); 2].map(|()| {
            let listener = event.listen();
            create_task(listener)
        });
        yields(1).await;
        event.notify(1);
        assert!(listeners[0].cancel());
        yields(2).await;
        assert!(listeners[0].cancelled() && listeners[1].done() && !listeners[1].cancelled());
    });
}

/// Threads that know of no loop wake its tasks, through any of them.
#[test]
fn values_come_from_other_threads() {
    let event_loop = EventLoop::new().unwrap();
    let channels = channels();
    let senders: Vec<_> = channels.iter().map(|channel| channel.name).collect();
    let (receivers, sends): (Vec<_>, Vec<_>) = channels
        .into_iter()
        .map(|channel| (channel.receive, channel.send))
        .unzip();
    let thread = std::thread::spawn(move || {
        for (n, send) in (0..).zip(sends) {
            send(n);
        }
    });
    let values = event_loop
        .run_until_complete(async move {
            // Each in a task of its own, and all in one, with wakers of the combinator's.
            let half = Duration::from_secs(30);
            let tasks = receivers
                .into_iter()
                .map(|receive| create_task(async move { timeout(half, receive).await }));
            let tasks: Vec<_> = tasks.collect();
            join_all(
                tasks
                    .into_iter()
                    .map(|task| async move { task.await.unwrap() }),
            )
            .await
        })
        .unwrap();
    thread.join().unwrap();
    for ((n, name), value) in (0..).zip(senders).zip(values) {
        assert_eq!(value, Ok(n), "{name}");
    }
    event_loop.close().unwrap();
}

/// One task, all channels, each with a deadline and a frame of its own.
#[test]
fn deadlines_around_channels_in_one_join() {
    run(async {
        let mut all = channels().into_iter();
        let [a, b, c, d] = [(); 4].map(|()| all.next().unwrap());
        let event_loop = get_running_loop().unwrap();
        let (b_send, d_send) = (b.send, d.send);
        event_loop
            .call_later(4 * MS, move || {
                b_send(2);
                d_send(4);
            })
            .unwrap();
        let (a, b, c, d) = join!(
            timeout(MS, a.receive),
            timeout(9 * MS, b.receive),
            timeout(3 * MS, catch_cancel(c.receive)),
            catch_cancel(timeout(9 * MS, d.receive)),
        );
        assert!(a.is_err());
        assert_eq!(b, Ok(2));
        assert!(
            matches!(c, Ok(Err(_))),
            "the frame inside took it, and came to an end"
        );
        assert!(matches!(d, Ok(Ok(4))));
        assert!(no_timer_is_left());
    });
}

/// A sender that waits for room is cancelled: its item is not sent, and the next one is.
#[test]
fn a_cancelled_sender_sends_nothing() {
    run(async {
        let (sender, receiver) = async_channel::bounded(1);
        sender.send(0).await.unwrap();
        let senders = [1, 2].map(|n| {
            let sender = sender.clone();
            create_task(async move { sender.send(n).await.is_ok() })
        });
        let last = sender.clone();
        let late = create_task(async move { timeout(MS, last.send(3)).await.is_err() });
        yields(1).await;
        senders[0].cancel();
        yields(1).await;
        drop(sender);
        assert!(late.await.unwrap(), "there was no room in time");
        let mut received = Vec::new();
        while let Ok(n) = receiver.recv().await {
            received.push(n);
        }
        assert_eq!(received, [0, 2]);
        assert!(senders[0].cancelled());
    });
}

/// Workers on channels of another crate, spawned, cancelled and gathered as any tasks.
#[test]
fn a_pipeline_of_tasks_and_channels() {
    run(async {
        let (work, jobs) = async_channel::unbounded::<i32>();
        let (results, done) = mpsc::unbounded();
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let (jobs, results) = (jobs.clone(), results.clone());
                create_task(async move {
                    while let Ok(n) = jobs.recv().await {
                        sleep(MS).await;
                        results.unbounded_send(n * n).map_err(|_| "nobody")?;
                    }
                    Ok::<(), &str>(())
                })
            })
            .collect();
        drop(results);
        for n in 0..20 {
            work.send(n).await.unwrap();
        }
        drop(work);
        workers[0].cancel();
        let mut squares: Vec<i32> = done.collect().await;
        squares.sort_unstable();
        assert_eq!(squares, (0..20).map(|n| n * n).collect::<Vec<_>>());
        assert!(workers[0].cancelled());
        assert!(try_gather(&workers[1..]).await.unwrap().is_ok());
        assert_eq!(all_tasks().len(), 1);
    });
}
