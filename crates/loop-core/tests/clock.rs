//! Time: the virtual clock that jumps, what it waits for, and durations at the edge of what can be counted.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use common::{Trace, stop, virtual_loop, watchdog};
use loop_core::{EventLoop, LoopError, Runtime, WakeKey, get_running_loop};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

#[test]
fn virtual_time_stands_still_while_anything_is_ready_and_jumps_when_nothing_is() {
    let event_loop = virtual_loop();
    let start = event_loop.time();
    let trace = Trace::new();
    let log = trace.clone();
    event_loop
        .call_soon(move || {
            let me = get_running_loop().unwrap();
            log.push(("soon", me.time() - start));
            me.call_later(3600 * SEC, {
                let log = log.clone();
                move || {
                    let me = get_running_loop().unwrap();
                    log.push(("an hour", me.time() - start));
                    assert_eq!(me.handle().time(), me.time());
                    stop();
                }
            })
            .unwrap();
            let log = log.clone();
            me.call_later(MS, move || {
                log.push(("a moment", get_running_loop().unwrap().time() - start));
            })
            .unwrap();
        })
        .unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(
        trace.take(),
        [
            ("soon", Duration::ZERO),
            ("a moment", MS),
            ("an hour", 3600 * SEC)
        ]
    );
    assert_eq!(event_loop.time() - start, 3600 * SEC);
    assert_eq!(event_loop.stall(), Duration::ZERO, "a jump is not a stall");
}

#[test]
fn an_iteration_in_virtual_time_jumps_no_further_than_it_may() {
    let event_loop = virtual_loop();
    let start = event_loop.time();
    let trace = Trace::new();
    event_loop.call_later(10 * MS, trace.note("timer")).unwrap();
    event_loop.run_once(Some(4 * MS)).unwrap();
    assert_eq!((event_loop.time() - start, trace.take()), (4 * MS, vec![]));
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    assert_eq!(event_loop.time() - start, 4 * MS);
    event_loop.run_once(Some(60 * MS)).unwrap();
    assert_eq!(event_loop.time() - start, 10 * MS);
    assert_eq!(trace.take(), ["timer"]);
    event_loop.run_once(Some(5 * MS)).unwrap();
    assert_eq!(event_loop.time() - start, 15 * MS);
}

/// What still waits when nothing can happen any more.
struct Waiting;

impl Runtime for Waiting {
    fn wake(&self, _: WakeKey) {}

    fn recover(
        &self,
        panic: Box<dyn std::any::Any + Send>,
    ) -> Option<Box<dyn std::any::Any + Send>> {
        Some(panic)
    }

    fn close(&self) {}

    fn waiting(&self) -> Vec<String> {
        vec!["<Task-1>".into(), "<Task-2>".into()]
    }
}

#[test]
fn a_loop_in_virtual_time_that_can_never_go_on_says_who_waits() {
    let event_loop = virtual_loop();
    let refused = event_loop.run_forever().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "nothing is ready and no timer is left in virtual time, but something is still awaited"
    );
    event_loop.loop_ref().runtime_or_init(|| Waiting);
    let refused = event_loop.run_forever().unwrap_err();
    let LoopError::Stuck(stuck) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(stuck.waiting, ["<Task-1>", "<Task-2>"]);
    assert!(refused.to_string().ends_with(": <Task-1>, <Task-2>"));
    assert!(!event_loop.is_running());

    // It is no worse for that.
    event_loop.call_later(SEC, stop).unwrap();
    event_loop.run_forever().unwrap();
}

/// A delay without end is accepted, and is no reason to believe that something will happen.
#[test]
fn a_timer_that_never_comes_does_not_move_virtual_time() {
    let event_loop = virtual_loop();
    let start = event_loop.time();
    let timer = event_loop
        .call_later(Duration::MAX, || unreachable!())
        .unwrap();
    assert!(matches!(event_loop.run_forever(), Err(LoopError::Stuck(_))));
    assert!(matches!(
        event_loop.run_once(Some(Duration::MAX)),
        Err(LoopError::Stuck(_))
    ));
    assert_eq!(event_loop.time(), start);
    event_loop.call_later(SEC, stop).unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(event_loop.time() - start, SEC);
    timer.cancel();
}

#[test]
fn virtual_time_waits_for_what_comes_from_outside() {
    let _watchdog = watchdog();
    let event_loop = virtual_loop();
    let start = event_loop.time();
    let (first, second) = (
        event_loop.handle().expect_external(),
        event_loop.handle().expect_external(),
    );
    let trace = Trace::new();
    event_loop
        .call_later(3600 * SEC, trace.note("timer"))
        .unwrap();
    event_loop.call_later(3601 * SEC, stop).unwrap();
    let (go, gone) = mpsc::channel();
    event_loop.call_soon(move || go.send(()).unwrap()).unwrap();
    let (handle, answered) = (event_loop.handle(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&answered);
    let thread = std::thread::spawn(move || {
        gone.recv().unwrap();
        for guard in [first, second] {
            let count = Arc::clone(&count);
            handle
                .call_soon_threadsafe(move || {
                    let now = get_running_loop().unwrap().time();
                    assert_eq!(now, start, "time has not moved");
                    count.fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
            drop(guard);
        }
    });
    let reports = common::reports(&event_loop);
    event_loop.run_forever().unwrap();
    thread.join().unwrap();
    assert_eq!(reports.take(), [""; 0]);
    assert_eq!(answered.load(Ordering::Relaxed), 2);
    assert_eq!(trace.take(), ["timer"]);
}

/// The last guard goes between any two instructions of the loop, which must not mistake that for "nothing will come".
#[test]
fn an_answer_and_the_end_of_waiting_for_it_arrive_together() {
    let _watchdog = watchdog();
    for _ in 0..2_000 {
        let event_loop = virtual_loop();
        let start = event_loop.time();
        let (handle, guard) = (event_loop.handle(), event_loop.handle().expect_external());
        let thread = std::thread::spawn(move || {
            let sent = handle.call_soon_threadsafe(stop);
            drop(guard);
            sent.unwrap();
        });
        event_loop.call_later(SEC, || ()).unwrap();
        event_loop.run_forever().unwrap();
        assert_eq!(event_loop.time(), start, "the timer was not reached");
        thread.join().unwrap();
    }
}

/// A look at a loop that waits for something outside comes back.
#[test]
fn waiting_for_something_outside_respects_the_longest_wait() {
    let _watchdog = watchdog();
    let event_loop = virtual_loop();
    let start = event_loop.time();
    let _guard = event_loop.handle().expect_external();
    event_loop.call_later(SEC, || unreachable!()).unwrap();
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    event_loop.run_once(Some(MS)).unwrap();
    assert_eq!(event_loop.time(), start);
    event_loop.stop();
    event_loop.run_forever().unwrap();
}

#[test]
fn durations_and_moments_at_the_edge_are_accepted_and_can_be_cancelled() {
    for event_loop in [virtual_loop(), EventLoop::new().unwrap()] {
        let trace = Trace::new();
        let durations = [
            Duration::MAX,
            Duration::MAX - Duration::from_nanos(1),
            Duration::MAX / 10,
            Duration::from_nanos(u64::MAX),
            Duration::from_nanos(u64::MAX - 1),
            Duration::from_millis(i32::MAX as u64 + 1),
            Duration::from_millis((1 << 32) + 100),
            Duration::from_secs(100 * 365 * 24 * 3600),
        ];
        let timers: Vec<_> = durations
            .into_iter()
            .map(|delay| event_loop.call_later(delay, trace.note("late")).unwrap())
            .collect();
        for timer in &timers {
            let _ = timer.when();
            assert!(format!("{timer:?}").contains("when"));
        }
        let _ = event_loop.next_deadline().unwrap();
        event_loop.call_soon(stop).unwrap();
        event_loop.run_forever().unwrap();
        for timer in timers {
            timer.cancel();
        }
        assert_eq!(event_loop.next_deadline(), None);
        let mut past = event_loop.time();
        let age = [SEC, 3600 * SEC, 50 * 365 * 24 * 3600 * SEC];
        for back in age.into_iter().rev() {
            past = event_loop.time().checked_sub(back).unwrap_or(past);
            event_loop.call_at(past, trace.note("past")).unwrap();
        }
        event_loop.run_once(None).unwrap();
        assert_eq!(trace.take(), ["past"; 3]);
    }
}

/// mio before 1.2.1 counted 2^32 + 100 ms as 100 ms, and a wait of `Duration::MAX` may be none.
#[test]
fn a_long_wait_does_not_end_early() {
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    let early = event_loop
        .call_later(Duration::from_millis((1 << 32) + 10), || unreachable!())
        .unwrap();
    let iterations = Arc::new(AtomicUsize::new(0));
    let handle = event_loop.handle();
    let (asleep, soon_asleep) = mpsc::channel();
    event_loop
        .call_soon(move || asleep.send(()).unwrap())
        .unwrap();
    let begin = event_loop.time();
    let thread = std::thread::spawn(move || {
        soon_asleep.recv().unwrap();
        let end = begin + 50 * MS;
        while handle.time() < end {
            std::thread::yield_now();
        }
        handle.stop();
    });
    event_loop.run_once(None).unwrap();
    while event_loop.time() < begin + 50 * MS {
        iterations.fetch_add(1, Ordering::Relaxed);
        event_loop.run_once(Some(Duration::MAX)).unwrap();
    }
    thread.join().unwrap();
    let iterations = iterations.load(Ordering::Relaxed);
    assert!(iterations < 10, "{iterations} iterations in one sleep");
    early.cancel();
}

/// The bug that makes timeouts fire although nothing was late but the loop: it must be told apart.
#[test]
fn a_stall_is_as_long_as_the_callback_that_caused_it() {
    let event_loop = EventLoop::new().unwrap();
    let trace = Trace::new();
    let log = trace.clone();
    event_loop
        .call_later(5 * MS, move || {
            let me = get_running_loop().unwrap();
            log.push(me.stall());
            let first = me.time();
            me.call_later(5 * MS, move || {
                let me = get_running_loop().unwrap();
                // The machine may have paused since then, and that counts.
                log.push(me.stall().saturating_sub(me.time() - first));
                stop();
            })
            .unwrap();
        })
        .unwrap();
    event_loop.call_soon(|| block(30 * MS)).unwrap();
    event_loop.run_forever().unwrap();
    let stalls = trace.take();
    assert!(stalls[0] >= 30 * MS, "{stalls:?}");
    assert_eq!(stalls[1], Duration::ZERO, "what was before does not count");
}

/// Keeps the running loop busy.
fn block(duration: Duration) {
    let me = get_running_loop().unwrap();
    let end = me.time() + duration;
    while me.time() < end {
        std::hint::spin_loop();
    }
}

#[test]
fn a_callback_that_schedules_itself_for_ever_keeps_no_timer() {
    fn again() {
        get_running_loop().unwrap().call_soon(again).unwrap();
    }
    let _watchdog = watchdog();
    let event_loop = EventLoop::new().unwrap();
    event_loop.call_soon(again).unwrap();
    event_loop.call_later(MS, stop).unwrap();
    event_loop.run_forever().unwrap();
    event_loop.close().unwrap();
}

/// The callback that blocks and the timer that it makes late are due in one iteration, and looked at together.
#[test]
fn a_callback_in_the_same_iteration_stalls_what_is_behind_it() {
    let event_loop = EventLoop::new().unwrap();
    let trace = Trace::new();
    let now = event_loop.time();
    event_loop.call_at(now, || block(30 * MS)).unwrap();
    let log = trace.clone();
    event_loop
        .call_at(now, move || log.push(get_running_loop().unwrap().stall()))
        .unwrap();
    let log = trace.clone();
    event_loop
        .call_at(now, move || {
            // Who asks in an iteration that had no timer to look at has not been kept waiting.
            get_running_loop()
                .unwrap()
                .call_soon(move || {
                    log.push(get_running_loop().unwrap().stall());
                    stop();
                })
                .unwrap();
        })
        .unwrap();
    event_loop.run_forever().unwrap();
    let stalls = trace.take();
    assert!(stalls[0] >= 30 * MS, "{stalls:?}");
    assert_eq!(stalls[1], Duration::ZERO);
}

#[test]
fn a_loop_that_does_not_run_is_not_stalled() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.call_later(SEC, || ()).unwrap();
    event_loop.run_once(Some(Duration::ZERO)).unwrap();
    let stall = event_loop.stall();
    let end = event_loop.time() + 5 * MS;
    while event_loop.time() < end {
        assert_eq!(event_loop.stall(), stall);
    }
}

#[test]
fn the_clock_is_the_systems_and_handles_read_it() {
    let event_loop = EventLoop::new().unwrap();
    #[expect(clippy::disallowed_methods, reason = "what it is compared with")]
    let before = Instant::now();
    let (a, b) = (event_loop.time(), event_loop.handle().time());
    assert!(before <= a + Duration::from_nanos(1) && a <= b);
    let timer = event_loop.call_at(a + SEC, || ()).unwrap();
    assert_eq!(timer.when(), a + SEC);
    assert_eq!(event_loop.next_deadline(), Some(a + SEC));
}
