//! Waiting for many: `gather`, `wait`, `shield`, `as_completed`.

use std::cell::Cell;
use std::rc::Rc;

use loop_tasks::{
    LoopFuture, ReturnWhen, as_completed, create_task, gather, shield, sleep, sleep_result,
    try_create_task, try_gather, wait,
};

use crate::common::{MS, create_future, run, yields};
use crate::{noting, trace};

#[test]
fn what_is_done_can_be_waited_for_again_and_counts_once() {
    run(async {
        let done = create_future::<i32>();
        done.set_result(1).unwrap();
        for _ in 0..2 {
            let twice = [done.clone(), done.clone()];
            let waited = wait(twice, None, ReturnWhen::AllCompleted).await.unwrap();
            assert_eq!((waited.done.len(), waited.pending.len()), (1, 0));
        }
    });
}

/// It hears of a child through its done callback: those of the child that are older run first, and whoever awaits the
/// gather is one hop behind.
#[test]
fn done_callbacks_run_before_a_gather_resumes() {
    let trace = trace(4, |log| async move {
        let child = noting(&log, "child");
        let note = log.clone();
        child.add_done_callback(move |_| note.add("callback"));
        let gathered = gather([&child]);
        let note = log.clone();
        gathered.add_done_callback(move |_| note.add("callback of the gather"));
        gathered.await.unwrap();
        log.add("gathered");
    });
    assert_eq!(
        trace,
        [
            "tick 1",
            "child",
            "tick 2",
            "callback",
            "tick 3",
            "callback of the gather",
            "gathered",
            "tick 4"
        ]
    );
}

#[test]
fn a_gather_is_settled_with_its_last_child() {
    let trace = trace(5, |log| async move {
        let children = [3, 1, 2].map(|n| {
            let log = log.clone();
            create_task(async move {
                yields(n).await;
                log.add(n);
            })
        });
        gather(children).await.unwrap();
        log.add("gathered");
    });
    assert_eq!(
        trace,
        [
            "tick 1", "tick 2", "1", "tick 3", "2", "tick 4", "3", "tick 5", "gathered"
        ]
    );
}

#[test]
fn a_gather_counts_children_that_are_done_at_once() {
    let trace = trace(3, |log| async move {
        let done: LoopFuture<i32> = create_future();
        done.set_result(1).unwrap();
        let gathered = gather([&done, &done]);
        assert!(gathered.done());
        assert_eq!(gathered.await.unwrap().len(), 2);
        let none: [LoopFuture<i32>; 0] = [];
        assert!(gather(none).await.unwrap().is_empty());
        log.add("no hop");
        // With one that is not, it takes the hops of that one.
        let open: LoopFuture<i32> = create_future();
        let gathered = gather([&done, &open, &done]);
        assert!(!gathered.done());
        open.set_result(2).unwrap();
        assert_eq!(gathered.await.unwrap().len(), 3);
        log.add("two hops");
    });
    assert_eq!(trace, ["no hop", "tick 1", "tick 2", "two hops", "tick 3"]);
}

#[test]
fn a_gather_fails_with_its_first_error_and_the_others_go_on() {
    let trace = trace(5, |log| async move {
        let children = [4, 1, 2].map(|n| {
            let log = log.clone();
            try_create_task(async move {
                yields(n).await;
                log.add(n);
                if n < 4 { Err(n) } else { Ok(n) }
            })
        });
        let last = children[0].clone();
        let failed = try_gather(children).await.unwrap();
        log.add(format_args!("failed {failed:?}"));
        let _ = last.await;
        log.add("last");
    });
    assert_eq!(
        trace,
        [
            "tick 1",
            "tick 2",
            "1",
            "tick 3",
            "2",
            "tick 4",
            "failed Err(1)",
            "tick 5",
            "4",
            "last"
        ]
    );
}

#[test]
fn a_wait_takes_the_hops_of_a_gather_also_for_what_is_done() {
    let trace = trace(6, |log| async move {
        let child = noting(&log, "child");
        wait([&child], None, ReturnWhen::AllCompleted)
            .await
            .unwrap();
        log.add("waited");
        wait([&child], None, ReturnWhen::AllCompleted)
            .await
            .unwrap();
        log.add("waited for what was done");
    });
    assert_eq!(
        trace,
        [
            "tick 1",
            "child",
            "tick 2",
            "tick 3",
            "waited",
            "tick 4",
            "tick 5",
            "waited for what was done",
            "tick 6"
        ]
    );
}

#[test]
fn a_shield_is_one_hop_more() {
    let trace = trace(4, |log| async move {
        let child = noting(&log, "child");
        shield(&child).await.unwrap();
        log.add("shielded");
        shield(&child).await.unwrap();
        log.add("what is done needs no shield");
    });
    assert_eq!(
        trace,
        [
            "tick 1",
            "child",
            "tick 2",
            "tick 3",
            "shielded",
            "what is done needs no shield",
            "tick 4"
        ]
    );
}

/// A wait whose time is over with that of a child: who is first depends on whose timer is older.
#[test]
fn a_wait_and_a_child_with_one_deadline() {
    for (child_first, done) in [(true, 1), (false, 0)] {
        let seen = Rc::new(Cell::new(9));
        let put = Rc::clone(&seen);
        trace(0, move |_| async move {
            let child = create_task(async move {
                if !child_first {
                    yields(2).await;
                }
                sleep(MS).await;
            });
            if child_first {
                yields(2).await;
            }
            let waited = wait([&child], Some(MS), ReturnWhen::AllCompleted)
                .await
                .unwrap();
            put.set(waited.done.len());
            child.await.unwrap();
        });
        assert_eq!(seen.get(), done, "child first: {child_first}");
    }
}

#[test]
fn as_completed_gives_what_is_done_in_the_order_given_then_in_the_order_of_the_ends() {
    let trace = trace(0, |log| async move {
        let done = |n: i32| {
            let future: LoopFuture<i32> = create_future();
            future.set_result(n).unwrap();
            future
        };
        let open: Vec<LoopFuture<i32>> = (0..3).map(|_| create_future()).collect();
        let mut each = as_completed(
            [
                open[0].clone(),
                done(10),
                open[1].clone(),
                done(11),
                open[2].clone(),
                done(12),
            ],
            None,
        );
        let note = log.clone();
        create_task(async move {
            for n in [2, 0, 1] {
                yields(2).await;
                note.add(format_args!("set {n}"));
                open[n].set_result(i32::try_from(n).unwrap()).unwrap();
            }
        });
        while let Some(next) = each.next().await {
            log.add(next.unwrap().result().unwrap().unwrap());
        }
    });
    assert_eq!(
        trace,
        ["10", "11", "12", "set 2", "2", "set 0", "0", "set 1", "1"]
    );
}

/// A done callback puts it into the queue, the getter is one hop behind; what stands in the queue takes none.
#[test]
fn the_hops_of_as_completed() {
    let trace = trace(4, |log| async move {
        let children = ["a", "b"].map(|name| noting(&log, name));
        let mut each = as_completed(children, None);
        each.next().await.unwrap().unwrap();
        log.add("first");
        each.next().await.unwrap().unwrap();
        log.add("second");
        assert!(each.next().await.is_none());
    });
    assert_eq!(
        trace,
        [
            "tick 1", "a", "b", "tick 2", "tick 3", "first", "second", "tick 4"
        ]
    );
}

/// A wait that is over is among the callbacks of its members no more, whatever comes of them.
#[test]
fn a_wait_that_is_over_is_no_callback() {
    let trace = trace(2, |log| async move {
        let members = [(); 3].map(|()| create_future::<()>());
        let [first, second, third] = &members;
        let awaiting = create_task({
            let (second, log) = (second.clone(), log.clone());
            async move {
                second.await.unwrap();
                log.add("awaited");
            }
        });
        for wait_for in [&members[..], &members[1..]] {
            let waited = wait(wait_for, Some(MS), ReturnWhen::AllCompleted).await;
            assert_eq!(waited.unwrap().pending.len(), wait_for.len());
        }
        log.add(format!("{first:?} {second:?} {third:?}"));
        assert!(first.erase_future().awaited_by().is_empty());
        assert_eq!(
            second.erase_future().awaited_by(),
            [awaiting.erase_future()]
        );
        for member in &members {
            member.set_result(()).unwrap();
        }
        // One that is told of is done, though another wait was there before.
        let done = wait(&members, None, ReturnWhen::AllCompleted).await;
        assert_eq!(done.unwrap().done.len(), 3);
        log.add("waited");
    });
    let shown = "<LoopFuture pending> <LoopFuture pending cb=[1]> <LoopFuture pending>";
    assert_eq!(trace, ["tick 1", "tick 2", shown, "awaited", "waited"]);
}

/// Each of a hundred rounds has one that is done: nothing of the rounds before is heard again.
#[test]
fn the_first_of_the_rest_again_and_again() {
    let trace = trace(0, |log| async move {
        let mut rest: Vec<_> = (0..100)
            .map(|n| sleep_result(MS * (1 + n * 37 % 100), n * 37 % 100))
            .map(create_task)
            .collect();
        while !rest.is_empty() {
            let waited = wait(rest, None, ReturnWhen::FirstCompleted).await.unwrap();
            rest = waited.pending;
            for task in waited.done {
                log.add(task.result().unwrap().unwrap());
            }
        }
    });
    assert!(trace.into_iter().eq((0..100).map(|n| n.to_string())));
}
