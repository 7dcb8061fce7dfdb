//! A loop in debug mode that is blocked: another thread says by whom, while it lasts.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::panic::Location;
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use common::log::Log;
use common::{stop, watchdog};
use loop_core::{EventLoop, LoopBuilder, RunningCallback, get_running_loop};

const SOON: Duration = Duration::from_millis(5);
const NEVER: Duration = Duration::from_secs(3600);

/// What the thread that looks from outside says goes to the subscriber of the process.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing::subscriber::set_global_default(log.clone()).unwrap();
        log
    })
}

fn debugging() -> LoopBuilder {
    EventLoop::builder().debug(true)
}

/// Runs an iteration with a callback that blocks for as long as `other` takes, in another thread; what that gives.
#[track_caller]
fn blocked<R: Send + 'static>(
    event_loop: &EventLoop,
    other: impl FnOnce(String) -> R + Send + 'static,
) -> R {
    let (release, released) = mpsc::channel();
    // A callback of a place of its own, by which it can be told from those of other tests.
    let here = Location::caller();
    event_loop.call_soon(move || wait(&released)).unwrap();
    let place = format!(" scheduled at {here}>");
    let other = std::thread::spawn(move || {
        let result = other(place);
        drop(release);
        result
    });
    event_loop.run_once(None).unwrap();
    other.join().unwrap()
}

fn wait(released: &Receiver<()>) {
    assert!(released.recv().is_err(), "nobody sends anything");
}

fn present() -> Option<RunningCallback> {
    get_running_loop().unwrap().handle().running_callback()
}

#[test]
fn a_callback_that_does_not_end_is_told_of_while_it_lasts() {
    let _watchdog = watchdog();
    let event_loop = debugging().blocked_after(SOON).build().unwrap();
    let said = blocked(&event_loop, |place| log().wait_for(3, &place));
    assert!(said[0].starts_with("WARN Executing <"), "{said:?}");
    assert!(said[0].contains("closure"), "{said:?}");
    assert!(said[0].ends_with(" seconds so far, and blocks its event loop"));
    let lasted: Vec<f64> = said.iter().map(|it| seconds(it)).collect();
    assert!(lasted[0] >= SOON.as_secs_f64(), "{said:?}");
    for (earlier, later) in lasted.iter().zip(&lasted[1..]) {
        // They are rounded to milliseconds.
        assert!(*later >= 2.0 * earlier - 0.002, "{said:?}");
    }
    event_loop.close().unwrap();
}

/// What "has taken ... seconds" says.
fn seconds(said: &str) -> f64 {
    let (_, rest) = said.split_once("has taken ").unwrap();
    rest.split_once(' ').unwrap().0.parse().unwrap()
}

/// A time that is set while a callback runs counts for the next one.
#[test]
fn the_time_can_be_set_at_any_time() {
    let _watchdog = watchdog();
    let event_loop = debugging().blocked_after(NEVER).build().unwrap();
    event_loop.set_blocked_after(SOON);
    let said = blocked(&event_loop, |place| log().wait_for(1, &place));
    assert!(seconds(&said[0]) >= SOON.as_secs_f64(), "{said:?}");
    event_loop.close().unwrap();
}

#[test]
fn nobody_is_told_of_before_the_time() {
    let _watchdog = watchdog();
    let patient = debugging().blocked_after(NEVER).build().unwrap();
    let said = blocked(&patient, |place| {
        // Another loop is told of, so the thread that looks is there and has looked at this one too.
        let event_loop = debugging().blocked_after(SOON).build().unwrap();
        blocked(&event_loop, |place| log().wait_for(2, &place));
        event_loop.close().unwrap();
        log().of(&place)
    });
    assert_eq!(said, [""; 0]);
    patient.close().unwrap();
}

#[test]
fn other_threads_see_what_runs() {
    let _watchdog = watchdog();
    let event_loop = debugging().blocked_after(NEVER).build().unwrap();
    let handle = event_loop.handle();
    let (running, place) = blocked(&event_loop, move |place| {
        loop {
            if let Some(running) = handle.running_callback() {
                return (running, place);
            }
            std::thread::yield_now();
        }
    });
    assert!(running.to_string().ends_with(&place), "{running:?}");
    assert!(event_loop.handle().running_callback().is_none(), "it ended");
    event_loop.close().unwrap();
}

#[test]
fn a_timer_is_seen_as_its_callback() {
    let event_loop = debugging().virtual_clock().build().unwrap();
    event_loop
        .call_later(SOON, || {
            let running = present().unwrap();
            assert!(running.description.contains("a_timer_is_seen"));
            assert!(running.place.unwrap().file().ends_with("blocked.rs"));
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.close().unwrap();
}

#[test]
fn nothing_is_seen_outside_debug_mode() {
    let event_loop = EventLoop::builder().debug(false).build().unwrap();
    event_loop
        .call_soon(|| assert!(present().is_none()))
        .unwrap();
    event_loop.call_soon(stop).unwrap();
    event_loop.run_forever().unwrap();
    event_loop.close().unwrap();
}

/// Debug mode may be turned on and off while a callback runs, and that may panic.
#[test]
fn nothing_stays_behind() {
    let event_loop = debugging().build().unwrap();
    let turn = |on: bool| move || get_running_loop().unwrap().set_debug(on);
    event_loop.set_exception_handler(|_, _| {});
    for callback in [turn(false), turn(true), turn(false)] {
        event_loop.call_soon(callback).unwrap();
        event_loop.run_once(None).unwrap();
        assert!(event_loop.handle().running_callback().is_none());
    }
    event_loop.set_debug(true);
    event_loop.call_soon(|| panic!("no luck")).unwrap();
    event_loop.run_once(None).unwrap();
    assert!(event_loop.handle().running_callback().is_none());
    event_loop.close().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn the_thread_goes_with_the_last_loop() {
    let _watchdog = watchdog();
    let is_there = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks
            // One that has ended since is not it.
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
            .any(|name| name.trim() == "loop-overseer")
    };
    for _ in 0..2 {
        let event_loop = debugging().blocked_after(SOON).build().unwrap();
        let handle = event_loop.handle();
        blocked(&event_loop, |place| log().wait_for(1, &place));
        event_loop.close().unwrap();
        // A handle alone does not keep it, and the loops of the other tests have an end.
        while is_there() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        drop(handle);
    }
}
