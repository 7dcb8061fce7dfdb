//! Debug mode: a slow callback is reported, with its name and the place that scheduled it.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::time::Duration;

use common::log::Log;
use common::{stop, virtual_loop};
use loop_core::{EventLoop, Job, get_running_loop};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the thread busy for so long that the callback counts as slow.
fn be_slow() {
    let me = get_running_loop().unwrap();
    let handle = me.handle();
    let clock = EventLoop::new().unwrap();
    let end = clock.time() + Duration::from_millis(25);
    while clock.time() < end {
        std::hint::spin_loop();
    }
    assert!(handle.is_running());
}

fn watched_loop() -> EventLoop {
    EventLoop::builder()
        .virtual_clock()
        .debug(true)
        .slow_callback_duration(Duration::from_millis(20))
        .build()
        .unwrap()
}

#[test]
fn a_slow_callback_is_reported_with_its_name_and_place() {
    let log = Log::default();
    let event_loop = watched_loop();
    fn quick() {}
    fn slow() {
        be_slow();
    }
    event_loop.call_soon(quick).unwrap();
    let line = line!() + 1;
    event_loop.call_soon(slow).unwrap();
    log.listen(|| event_loop.run_once(None)).unwrap();
    let mut said = log.take();
    // On a busy machine any callback may be slow.
    said.retain(|text| !text.contains("::quick "));
    assert_eq!(said.len(), 1, "{said:?}");
    let place = format!("slow scheduled at {}:{line}:", file!());
    assert!(said[0].starts_with("WARN Executing <"), "{said:?}");
    assert!(said[0].contains(&place), "{said:?} does not say {place}");
    let took = said[0].split_once("> took ").and_then(|(_, took)| {
        let seconds = took.strip_suffix(" seconds")?;
        seconds.parse::<f64>().ok()
    });
    assert!(took.is_some_and(|seconds| seconds >= 0.02), "{said:?}");
}

#[test]
fn a_slow_timer_is_reported_with_the_name_of_its_callback() {
    let log = Log::default();
    let event_loop = watched_loop();
    fn slow_timer() {
        be_slow();
    }
    let line = line!() + 2;
    event_loop
        .call_later(Duration::from_secs(1), slow_timer)
        .unwrap();
    log.listen(|| event_loop.run_once(None)).unwrap();
    let said = log.take();
    assert_eq!(said.len(), 1, "{said:?}");
    let place = format!("slow_timer scheduled at {}:{line}:", file!());
    assert!(said[0].contains(&place), "{said:?} does not say {place}");
}

#[cfg(unix)]
#[test]
fn a_slow_reader_is_reported_with_its_descriptor() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    let log = Log::default();
    let event_loop = watched_loop();
    let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
    far.write_all(b"x").unwrap();
    let line = line!() + 1;
    event_loop.add_reader(&near, be_slow).unwrap();
    log.listen(|| event_loop.run_once(None)).unwrap();
    let said = log.take();
    assert_eq!(said.len(), 1, "{said:?}");
    let who = format!("reader of fd {}: ", near.as_raw_fd());
    let place = format!("be_slow scheduled at {}:{line}:", file!());
    assert!(
        said[0].contains(&who) && said[0].contains(&place),
        "{said:?}"
    );
}

#[test]
fn a_job_describes_itself() {
    struct Step(u32);
    impl Job for Step {
        fn run(self, _: &EventLoop) {
            be_slow();
        }

        fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "step {} of a task", self.0)
        }
    }
    let log = Log::default();
    let event_loop = watched_loop();
    event_loop.loop_ref().schedule(Step(7));
    log.listen(|| event_loop.run_once(None)).unwrap();
    let said = log.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("WARN Executing <step 7 of a task> took"));
}

/// What other threads hand in has a place too; so has what runs only because the loop closes.
#[test]
fn a_slow_call_from_another_thread_is_reported_with_its_place() {
    let log = Log::default();
    let event_loop = watched_loop();
    let handle = event_loop.handle();
    let line = line!() + 2;
    let post = move || {
        handle.call_soon_threadsafe(be_slow).unwrap();
    };
    let place = format!("be_slow scheduled at {}:{line}:", file!());
    for run in [|it: &EventLoop| it.run_once(None), EventLoop::close] {
        std::thread::spawn(post.clone()).join().unwrap();
        log.listen(|| run(&event_loop)).unwrap();
        let said = log.take();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(&place), "{said:?} does not say {place}");
    }
}

/// A job that calls something of the program's is not to blame for what that does, and the other way round.
#[test]
fn a_slow_call_inside_of_a_job_is_reported_in_its_own_name() {
    struct Driver(bool);
    impl Job for Driver {
        fn run(self, event_loop: &EventLoop) {
            let reference = event_loop.loop_ref();
            reference.call_as("data_received of Echo", None, be_slow);
            reference.call_as("eof_received of Echo", None, || ());
            if self.0 {
                be_slow();
            }
        }

        fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("driver")
        }
    }
    let log = Log::default();
    let event_loop = watched_loop();
    for is_slow in [false, true] {
        event_loop.loop_ref().schedule(Driver(is_slow));
        log.listen(|| event_loop.run_once(None)).unwrap();
        let said = log.take();
        assert!(said[0].starts_with("WARN Executing <data_received of Echo> took"));
        // On a busy machine anything may be slow.
        let told = said.iter().any(|text| text.contains("<driver> took"));
        assert!(told || !is_slow, "{said:?}");
    }
}

/// Many calls, none of them slow: it is the job that is.
#[test]
fn many_calls_inside_of_a_job_are_slow_together() {
    struct Driver;
    impl Job for Driver {
        fn run(self, event_loop: &EventLoop) {
            let end = event_loop.handle().time() + Duration::from_millis(25);
            let reference = event_loop.loop_ref();
            let clock = EventLoop::new().unwrap();
            while clock.time() < end {
                reference.call_as("a part", None, std::hint::spin_loop);
            }
        }

        fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("driver")
        }
    }
    let log = Log::default();
    let event_loop = EventLoop::builder()
        .debug(true)
        .slow_callback_duration(Duration::from_millis(20))
        .build()
        .unwrap();
    event_loop.loop_ref().schedule(Driver);
    log.listen(|| event_loop.run_once(None)).unwrap();
    let said = log.take();
    let told = |name| said.iter().any(|text| text.contains(name));
    // Of a part that was slow, since the machine is busy, it has been told what it took.
    assert!(told("<driver> took") || told("<a part> took"), "{said:?}");
    event_loop.close().unwrap();
}

#[test]
fn a_call_inside_of_a_job_that_panics_is_the_one_that_is_named() {
    struct Driver;
    impl Job for Driver {
        fn run(self, event_loop: &EventLoop) {
            let place = Some(std::panic::Location::caller());
            let reference = event_loop.loop_ref();
            reference.call_as("data_received of Echo", place, || panic!("no luck"));
        }
    }
    let log = Log::default();
    let event_loop = watched_loop();
    event_loop.loop_ref().schedule(Driver);
    log.listen(|| event_loop.run_once(None)).unwrap();
    let said = log.take();
    let named = "no luck\ncallback: data_received of Echo\nmade at ";
    assert!(said[0].contains(named), "{said:?}");
}

#[test]
fn a_slow_callback_that_panics_is_reported_as_both() {
    let log = Log::default();
    let event_loop = watched_loop();
    event_loop
        .call_soon(|| {
            be_slow();
            panic!("in the end");
        })
        .unwrap();
    log.listen(|| event_loop.run_once(None)).unwrap();
    let said = log.take();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("ERROR Exception in callback: in the end"));
    assert!(
        said[0].contains(&format!("made at {}:", file!())),
        "{said:?}"
    );
    assert!(said[1].starts_with("WARN Executing <"));
}

#[test]
fn without_debug_mode_nothing_is_said() {
    let log = Log::default();
    let event_loop = virtual_loop();
    event_loop.set_debug(false);
    event_loop.set_slow_callback_duration(Duration::ZERO);
    event_loop.call_soon(|| ()).unwrap();
    log.listen(|| event_loop.run_once(None)).unwrap();
    assert_eq!(log.take(), [""; 0]);
}

/// Positions are names: a place must not stick to the callback of another time.
#[test]
fn debug_mode_can_be_switched_at_any_time() {
    let log = Log::default();
    let event_loop = virtual_loop();
    event_loop.set_slow_callback_duration(Duration::ZERO);
    let mut lines = Vec::new();
    for round in 0..6 {
        event_loop.set_debug(round % 2 == 1);
        event_loop.call_soon(|| ()).unwrap();
        lines.push(line!() - 1);
        event_loop.set_debug(round % 3 == 1);
        log.listen(|| event_loop.run_once(None)).unwrap();
    }
    let inner = event_loop.clone();
    event_loop.set_debug(false);
    event_loop.call_soon(move || inner.set_debug(true)).unwrap();
    event_loop.call_soon(stop).unwrap();
    log.listen(|| event_loop.run_forever()).unwrap();
    let said = log.take();
    // Rounds 1 and 4 ran watched; only in round 1 was the place taken down.
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains(&format!("{}:{}:", file!(), lines[1])));
    assert!(!said[1].contains("scheduled at"), "{said:?}");
}

#[test]
fn a_loop_that_was_forgotten_with_work_in_it_says_so() {
    let log = Log::default();
    let event_loop = watched_loop();
    event_loop.call_soon(|| ()).unwrap();
    log.listen(|| drop(event_loop));
    let said = log.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("WARN unclosed event loop <EventLoop "));
    log.listen(|| drop(watched_loop()));
    assert_eq!(log.take(), [""; 0], "nothing was lost with that one");
}

/// A subscriber is foreign code, too.
#[test]
fn a_subscriber_that_panics_takes_nothing_with_it() {
    struct Broken;
    impl Subscriber for Broken {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= Level::WARN
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            panic!("the disk is full");
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }
    let event_loop = watched_loop();
    event_loop.set_slow_callback_duration(Duration::ZERO);
    let trace = common::Trace::new();
    event_loop.call_soon(|| panic!("in a callback")).unwrap();
    event_loop.call_soon(trace.note("after")).unwrap();
    tracing::subscriber::with_default(Broken, || event_loop.run_once(None)).unwrap();
    assert_eq!(trace.take(), ["after"]);
}
