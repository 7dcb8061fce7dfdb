//! One queue: callbacks, steps, wakes and timers.

use std::time::Duration;

use loop_core::get_running_loop;
use loop_tasks::{LoopFuture, create_task, sleep, sleep_until, yield_now};

use crate::common::{MS, create_future, yields};
use crate::{later, noting, soon, trace, waiting};

#[test]
fn tasks_and_callbacks_share_one_queue() {
    let trace = trace(2, |log| async move {
        soon(&log, "callback 1");
        noting(&log, "task 1");
        soon(&log, "callback 2");
        noting(&log, "task 2");
        log.add("made");
        yield_now().await;
        log.add("main");
    });
    assert_eq!(
        trace,
        [
            "made",
            "tick 1",
            "callback 1",
            "task 1",
            "callback 2",
            "task 2",
            "main",
            "tick 2"
        ]
    );
}

#[test]
fn settling_schedules_callbacks_and_steps_oldest_first() {
    let trace = trace(4, |log| async move {
        let future: LoopFuture<i32> = create_future();
        let note = |name: &'static str| {
            let log = log.clone();
            future.add_done_callback(move |_| log.add(name));
        };
        note("callback 1");
        waiting(&log, &future, "task 1");
        yield_now().await;
        note("callback 2");
        waiting(&log, &future, "task 2");
        yield_now().await;
        note("callback 3");
        soon(&log, "before");
        future.set_result(1).unwrap();
        soon(&log, "after");
        note("late");
        yield_now().await;
        log.add("main");
    });
    assert_eq!(
        trace,
        [
            "tick 1",
            "tick 2",
            "tick 3",
            "before",
            "callback 1",
            "task 1",
            "callback 2",
            "task 2",
            "callback 3",
            "after",
            "late",
            "main",
            "tick 4"
        ]
    );
}

/// Cancelling a future is settling it.
#[test]
fn cancelling_a_future_schedules_them_just_so() {
    let trace = trace(3, |log| async move {
        let future: LoopFuture<i32> = create_future();
        let note = log.clone();
        future.add_done_callback(move |_| note.add("callback"));
        waiting(&log, &future, "task");
        yield_now().await;
        future.cancel();
        soon(&log, "after");
        yield_now().await;
        log.add("main");
    });
    assert_eq!(
        trace,
        [
            "tick 1", "tick 2", "callback", "task", "after", "main", "tick 3"
        ]
    );
}

#[test]
fn a_woken_task_steps_in_the_next_iteration_in_the_order_of_the_wakes() {
    let trace = trace(3, |log| async move {
        let shots = [(); 3].map(|()| crate::common::Oneshot::<()>::new());
        for (name, shot) in ["a", "b", "c"].into_iter().zip(shots.clone()) {
            let log = log.clone();
            create_task(async move {
                shot.await;
                log.add(name);
            });
        }
        yield_now().await;
        let [a, b, c] = shots;
        c.send(());
        soon(&log, "callback");
        a.send(());
        b.send(());
        yield_now().await;
        log.add("main");
    });
    assert_eq!(
        trace,
        [
            "tick 1", "tick 2", "c", "callback", "a", "b", "main", "tick 3"
        ]
    );
}

/// The timer is a ready callback that settles what the sleeper waits for; the sleeper steps one iteration later.
#[test]
fn a_sleeper_steps_one_iteration_after_its_timer() {
    let trace = trace(1, |log| async move {
        let note = log.clone();
        create_task(async move {
            sleep(MS).await;
            note.add("sleeper");
        });
        yield_now().await;
        let note = log.clone();
        let event_loop = get_running_loop().unwrap();
        event_loop
            .clone()
            .call_later(MS, move || {
                note.add("timer");
                soon(&note, "after the timer");
            })
            .unwrap();
        sleep(2 * MS).await;
    });
    assert_eq!(trace, ["tick 1", "timer", "sleeper", "after the timer"]);
}

#[test]
fn timers_of_one_deadline_fire_in_the_order_in_which_they_were_made() {
    let trace = trace(0, |log| async move {
        let start = get_running_loop().unwrap().time();
        for (at, name) in [(0u32, "a"), (2, "c"), (1, "b")] {
            let log = log.clone();
            create_task(async move {
                sleep(at * MS).await;
                sleep(5 * MS - at * MS).await;
                log.add(name);
            });
        }
        let note = log.clone();
        create_task(async move {
            sleep(3 * MS).await;
            sleep_until(start + 5 * MS).await;
            note.add("d");
        });
        sleep(3 * MS).await;
        later(&log, 2 * MS, "e");
        sleep(4 * MS).await;
    });
    // The last one is a timer alone: it is one iteration ahead of those who wait for one.
    assert_eq!(trace, ["e", "a", "b", "c", "d"]);
}

#[test]
fn sleeping_for_no_time_is_a_bare_yield() {
    let trace = trace(3, |log| async move {
        for name in ["a", "b"] {
            let log = log.clone();
            create_task(async move {
                for n in 1..=3 {
                    log.add(format_args!("{name}{n}"));
                    if n == 1 {
                        sleep(Duration::ZERO).await;
                    } else {
                        yield_now().await;
                    }
                }
            });
        }
        sleep(Duration::ZERO).await;
        log.add("main");
        yields(3).await;
        assert_eq!(get_running_loop().unwrap().next_deadline(), None);
    });
    assert_eq!(
        trace,
        [
            "tick 1", "a1", "b1", "main", "tick 2", "a2", "b2", "tick 3", "a3", "b3"
        ]
    );
}

#[test]
fn awaiting_a_task_takes_one_hop_from_its_end() {
    let trace = trace(3, |log| async move {
        let child = noting(&log, "child");
        let note = log.clone();
        child.add_done_callback(move |_| note.add("callback"));
        (&child).await.unwrap();
        log.add("awaited");
        child.await.unwrap();
        log.add("what is done takes none");
    });
    assert_eq!(
        trace,
        [
            "tick 1",
            "child",
            "tick 2",
            "callback",
            "awaited",
            "what is done takes none",
            "tick 3"
        ]
    );
}

#[test]
fn each_task_in_a_chain_is_one_hop() {
    let trace = trace(6, |log| async move {
        let note = log.clone();
        let mut last = create_task(async move {
            yield_now().await;
            note.add("leaf");
        });
        for name in ["first", "second", "third"] {
            let (log, before) = (log.clone(), last);
            last = create_task(async move {
                before.await.unwrap();
                log.add(name);
            });
        }
        last.await.unwrap();
        log.add("main");
    });
    assert_eq!(
        trace,
        [
            "tick 1", "tick 2", "leaf", "tick 3", "first", "tick 4", "second", "tick 5", "third",
            "tick 6", "main"
        ]
    );
}
