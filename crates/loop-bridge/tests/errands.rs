//! Errands: what becomes of the work that a loop has done elsewhere, and of its outcome.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{Counted, Tally, logged, quiet, turn, watched_loop};
use loop_bridge::{ConcurrentError, Errand};
use loop_core::EventLoop;
use loop_tasks::{LoopExt, LoopFuture, RunError, TaskError};

fn errand<F, T>(event_loop: &EventLoop, work: F) -> (Errand, LoopFuture<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let made = Errand::new(event_loop, work);
    made.unwrap_or_else(|_| unreachable!("the loop is open"))
}

/// Runs it in another thread, to the end of that.
fn run(errand: Errand) -> bool {
    thread::spawn(|| errand.run()).join().unwrap()
}

#[test]
fn the_outcome_comes_in_one_callback_and_the_awaiting_task_a_hop_later() {
    let event_loop = EventLoop::new().unwrap();
    let trace = Rc::new(RefCell::new(Vec::new()));
    let (errand, future) = errand(&event_loop, || 1);
    let (settled, log) = (future.clone(), Rc::clone(&trace));
    let awaiting = event_loop.create_task(async move {
        log.borrow_mut().push("awaits");
        assert_eq!(future.await.unwrap(), 1);
        log.borrow_mut().push("has it");
    });
    turn(&event_loop, 1);
    assert!(run(errand));
    assert!(!settled.done());
    turn(&event_loop, 1);
    assert!(settled.done() && !awaiting.done());
    trace.borrow_mut().push("|");
    turn(&event_loop, 1);
    assert_eq!(*trace.borrow(), ["awaits", "|", "has it"]);
}

#[test]
fn one_that_runs_on_the_loops_own_thread_comes_in_a_callback_too() {
    let event_loop = EventLoop::new().unwrap();
    let (errand, future) = errand(&event_loop, || 1);
    assert!(errand.run());
    assert!(!future.done());
    turn(&event_loop, 1);
    assert_eq!(future.result().unwrap().unwrap(), 1);
}

#[test]
fn failures_keep_their_kind() {
    let (event_loop, reports) = watched_loop();
    let fails = |settle: &dyn Fn(Errand), work: fn() -> u32| {
        let (errand, future) = errand(&event_loop, work);
        settle(errand);
        match event_loop.run_until_complete(&future) {
            Err(RunError::Task(error)) => (error, future.cancelled()),
            other => panic!("{other:?}"),
        }
    };
    let (error, _) = fails(&|errand| assert!(run(errand)), || {
        std::panic::panic_any(7_u8)
    });
    let TaskError::Panicked(panic) = error else {
        panic!("{error:?}");
    };
    assert_eq!(panic.take_payload().unwrap().downcast_ref(), Some(&7_u8));

    let (error, cancelled) = fails(&drop, || unreachable!("it is dropped"));
    assert!(matches!(error, TaskError::Failed(_)) && !cancelled);
    assert_eq!(error.to_string(), ConcurrentError::Abandoned.to_string());

    let fail = |errand: Errand| errand.fail(ConcurrentError::LoopGone);
    let (error, cancelled) = fails(&fail, || unreachable!("it is failed"));
    assert!(matches!(error, TaskError::Failed(_)) && !cancelled);

    let cancel = |errand: Errand| errand.fail(ConcurrentError::Cancelled);
    let (error, cancelled) = fails(&cancel, || unreachable!("it is cancelled"));
    assert!(matches!(error, TaskError::Cancelled(_)) && cancelled);
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn a_failure_that_nobody_ever_sees_is_reported_once() {
    let (event_loop, reports) = watched_loop();
    let (errand, future) = errand(&event_loop, || panic!("the page is torn"));
    drop::<LoopFuture<()>>(future);
    run(errand);
    turn(&event_loop, 3);
    let reports = reports.borrow();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(
        reports[0].contains("never retrieved") && reports[0].contains("torn"),
        "{reports:?}"
    );
}

#[test]
fn cancelling_the_future_cancels_what_has_not_begun() {
    let (event_loop, reports) = watched_loop();
    let tally = Tally::default();
    let held = Counted(tally.clone());
    let (errand, future) = errand(&event_loop, move || drop(held));
    let order = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&order);
    future.add_done_callback(move |_| log.borrow_mut().push("callback"));
    assert!(future.cancel() && !future.cancel());
    assert!(!errand.is_cancelled(), "that is a callback's business");
    turn(&event_loop, 1);
    assert!(errand.is_cancelled());
    assert_eq!(*order.borrow(), ["callback"]);
    tally.assert_balanced(0);
    assert!(!run(errand), "it is dropped undone");
    tally.assert_balanced(1);
    turn(&event_loop, 2);
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn what_runs_goes_on_and_its_outcome_is_dropped() {
    let (event_loop, reports) = watched_loop();
    let tally = Tally::default();
    for fails in [false, true] {
        let (begin, begun) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let value = Counted(tally.clone());
        let (errand, future) = errand(&event_loop, move || {
            begin.send(()).unwrap();
            ended.recv().unwrap();
            assert!(!fails, "nobody hears of this");
            value
        });
        let worker = thread::spawn(|| errand.run());
        begun.recv().unwrap();
        assert!(future.cancel());
        turn(&event_loop, 1);
        end.send(()).unwrap();
        assert!(worker.join().unwrap());
        turn(&event_loop, 2);
        assert!(future.cancelled());
    }
    tally.assert_balanced(2);
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn completion_against_cancellation_a_thousand_times() {
    const ROUNDS: usize = 1_000;
    let (event_loop, reports) = watched_loop();
    let tally = Tally::default();
    let (errands, worker_errands) = mpsc::channel::<Errand>();
    let worker = thread::spawn(move || worker_errands.into_iter().filter_map(ran).count());
    fn ran(errand: Errand) -> Option<()> {
        errand.run().then_some(())
    }
    let (mut done, mut cancelled) = (0, 0);
    for round in 0..ROUNDS {
        let made = tally.clone();
        let (errand, future) = errand(&event_loop, move || Counted(made));
        errands.send(errand).unwrap();
        if round % 3 > 0 {
            turn(&event_loop, (round % 3) as u32);
        }
        future.cancel();
        match event_loop.run_until_complete(future) {
            Ok(_) => done += 1,
            Err(RunError::Task(TaskError::Cancelled(_))) => cancelled += 1,
            Err(error) => panic!("{error}"),
        }
    }
    drop(errands);
    let ran = worker.join().unwrap();
    turn(&event_loop, 2);
    assert_eq!(done + cancelled, ROUNDS);
    assert!(ran >= done);
    tally.assert_balanced(ran);
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn a_place_that_is_used_again_knows_whose_outcome_it_is() {
    let event_loop = EventLoop::new().unwrap();
    let mut late = Vec::new();
    let mut wanted = Vec::new();
    for round in 0..50 {
        let (begin, begun) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let (first, future) = errand(&event_loop, move || {
            begin.send(()).unwrap();
            assert!(ended.recv().is_err());
            usize::MAX
        });
        let worker = thread::spawn(|| first.run());
        begun.recv().unwrap();
        future.cancel();
        turn(&event_loop, 1);
        // Its place is free, and its outcome still to come.
        late.push((end, worker));
        wanted.push(errand(&event_loop, move || round));
    }
    for (end, worker) in late {
        drop(end);
        assert!(worker.join().unwrap());
    }
    for (round, (errand, future)) in wanted.into_iter().enumerate() {
        assert!(run(errand));
        assert_eq!(event_loop.run_until_complete(future).unwrap(), round);
    }
}

#[test]
fn one_that_is_refused_gives_its_work_back() {
    let (event_loop, reports) = watched_loop();
    let tally = Tally::default();
    let held = Counted(tally.clone());
    fn give_back<F: FnOnce() -> u32 + Send + 'static>(event_loop: &EventLoop, work: F) -> F {
        let (errand, future) = errand(event_loop, work);
        future.cancel();
        errand.into_work::<F, u32>().unwrap()
    }
    let work = give_back(&event_loop, move || {
        drop(held);
        7
    });
    turn(&event_loop, 2);
    tally.assert_balanced(0);
    assert_eq!(work(), 7);
    tally.assert_balanced(1);
    let (errand, future) = errand(&event_loop, || 1);
    assert!(errand.into_work::<fn() -> u32, u32>().is_none());
    let abandoned = event_loop.run_until_complete(future).unwrap_err();
    assert_eq!(
        abandoned.to_string(),
        ConcurrentError::Abandoned.to_string()
    );
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn a_closed_loop_sends_nobody() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.close().unwrap();
    let Err(work) = Errand::new(&event_loop, || 7) else {
        unreachable!("it is closed");
    };
    assert_eq!(work(), 7);
}

#[test]
fn values_are_dropped_once_wherever_they_end() {
    let tally = Tally::default();
    let event_loop = EventLoop::new().unwrap();
    quiet(&event_loop);
    let (mut kept, mut late) = (Vec::new(), Vec::new());
    for number in 0..60 {
        let value = Counted(tally.clone());
        let (errand, future) = errand(&event_loop, move || value);
        match number % 3 {
            0 => kept.push(future),
            1 => drop(future),
            _ => drop(future.cancel()),
        }
        match number % 5 {
            0 => drop(run(errand)),
            1 => drop(errand.run()),
            2 => drop(errand),
            3 => {
                turn(&event_loop, 1);
                run(errand);
            }
            _ => late.push(errand),
        }
    }
    event_loop.close().unwrap();
    for (number, errand) in late.into_iter().enumerate() {
        match number % 3 {
            0 => drop(run(errand)),
            1 => drop(errand),
            _ => errand.fail(ConcurrentError::LoopGone),
        }
    }
    drop(kept);
    tally.assert_balanced(60);
}

#[test]
fn virtual_time_waits_for_it_until_it_is_cancelled() {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    let before = event_loop.time();
    let hour = Duration::from_secs(3_600);
    let (first, future) = errand(&event_loop, || 1);
    let timer = event_loop.call_later(hour, || unreachable!("not yet"));
    let worker = thread::spawn(|| first.run());
    assert_eq!(event_loop.run_until_complete(future).unwrap(), 1);
    assert!(worker.join().unwrap());
    assert_eq!(event_loop.time(), before);
    timer.unwrap().cancel();

    let (_second, future) = errand(&event_loop, || 1);
    future.cancel();
    event_loop
        .run_until_complete(loop_tasks::sleep(hour))
        .unwrap();
    assert_eq!(event_loop.time(), before + hour);
}

#[test]
fn destructors_that_panic_take_nobody_down() {
    struct Mine;
    impl Drop for Mine {
        fn drop(&mut self) {
            panic!("a destructor");
        }
    }
    let (event_loop, reports) = watched_loop();
    let mut lines = logged(|| {
        let work = Mine;
        let (cancelled, future) = errand(&event_loop, move || drop(work));
        future.cancel();
        turn(&event_loop, 1);
        assert!(!cancelled.run());

        let work = Mine;
        let (dropped, future) = errand(&event_loop, move || drop(work));
        drop(dropped);
        assert!(event_loop.run_until_complete(future).is_err());

        // An outcome that comes too late.
        let (late, future) = errand(&event_loop, || Mine);
        let settled = future.clone();
        assert!(late.run());
        future.cancel();
        turn(&event_loop, 2);
        assert!(settled.cancelled());
    });
    lines.retain(|line| line.contains("a destructor"));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn a_future_that_is_settled_by_hand_keeps_its_outcome() {
    let (event_loop, reports) = watched_loop();
    let (errand, future) = errand(&event_loop, || 1);
    future.set_result(2).unwrap();
    assert!(run(errand));
    turn(&event_loop, 2);
    assert_eq!(future.result().unwrap().unwrap(), 2);
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn errands_of_many_types_and_sizes_follow_each_other() {
    let event_loop = EventLoop::new().unwrap();
    let tally = Tally::default();
    for round in 0..100_usize {
        let large = [round; 100];
        let counted = Counted(tally.clone());
        let small = [(); 3].map(|()| errand(&event_loop, move || round));
        let (sum, summed) = errand(&event_loop, move || large.iter().sum::<usize>());
        let (text, written) = errand(&event_loop, move || round.to_string());
        let (keep, kept) = errand(&event_loop, move || counted);
        let (gone, unwanted) = errand(&event_loop, || ());
        unwanted.cancel();
        for errand in [gone, text, sum, keep] {
            run(errand);
        }
        for (errand, future) in small {
            assert!(run(errand));
            assert_eq!(event_loop.run_until_complete(future).unwrap(), round);
        }
        assert_eq!(
            event_loop.run_until_complete(summed).unwrap(),
            100 * round,
            "of the large one"
        );
        let text = event_loop.run_until_complete(written).unwrap();
        assert_eq!(text, round.to_string());
        drop(event_loop.run_until_complete(kept).unwrap());
    }
    tally.assert_balanced(100);
}
