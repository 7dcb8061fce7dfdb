//! Panics in every closure that the API takes: each ends at the loop, is reported once, and keeps nothing.

mod common;

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{OnDrop, Trace, reports, stop, virtual_loop};
use loop_core::{EventLoop, ExceptionContext, Job, Runtime, WakeKey, get_running_loop};

const MS: Duration = Duration::from_millis(1);

fn debug_loop() -> EventLoop {
    let builder = EventLoop::builder().virtual_clock();
    builder.debug(true).build().unwrap()
}

#[test]
fn a_panic_in_a_callback_is_reported_and_the_next_one_runs() {
    let event_loop = virtual_loop();
    let (trace, reports) = (Trace::new(), reports(&event_loop));
    event_loop.call_soon(trace.note("before")).unwrap();
    event_loop.call_soon(|| panic!("no {}", "luck")).unwrap();
    event_loop.call_soon(|| panic!("again")).unwrap();
    event_loop.call_soon(trace.note("after")).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["before", "after"]);
    let reports = reports.take();
    assert_eq!(reports.len(), 2);
    assert!(reports[0].starts_with("Exception in callback: no luck\ncallback: "));
    assert!(reports[1].starts_with("Exception in callback: again\ncallback: "));
    assert!(!event_loop.is_running() && !event_loop.is_closed());
}

/// Without debug mode the place is not known, but whose closure it was is.
#[test]
fn the_report_names_the_callback() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    fn explode() {
        panic!("boom");
    }
    event_loop.call_soon(explode).unwrap();
    event_loop.call_later(Duration::ZERO, explode).unwrap();
    event_loop.handle().call_soon_threadsafe(explode).unwrap();
    event_loop.call_soon(|| ()).unwrap();
    event_loop.run_once(None).unwrap();
    let reports = reports.take();
    assert_eq!(reports.len(), 3);
    for report in reports {
        assert!(
            report.contains("the_report_names_the_callback::explode"),
            "{report}"
        );
    }
}

#[test]
fn in_debug_mode_the_report_names_the_place_that_scheduled_it() {
    let event_loop = debug_loop();
    let places = Trace::new();
    let note = places.clone();
    event_loop.set_exception_handler(move |_, context| {
        let place = context.place.unwrap();
        assert!(context.callback.as_ref().unwrap().contains("{{closure}}"));
        note.push((place.file(), place.line()));
    });
    let line = line!();
    event_loop.call_soon(|| panic!("soon")).unwrap();
    event_loop.call_later(MS, || panic!("later")).unwrap();
    let when = event_loop.time() + 2 * MS;
    event_loop.call_at(when, || panic!("at")).unwrap();
    event_loop.call_later(3 * MS, stop).unwrap();
    event_loop.run_forever().unwrap();
    let expected = [1, 2, 4].map(|below| (file!(), line + below));
    assert_eq!(places.take(), expected);
}

/// What is known of the place of one callback is not said of the next.
#[test]
fn outside_debug_mode_a_report_names_no_place_of_another_callback() {
    let event_loop = debug_loop();
    let places = Trace::new();
    let note = places.clone();
    event_loop.set_exception_handler(move |_, context| note.push(context.place.is_some()));
    event_loop.call_later(MS, || panic!("later")).unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.set_debug(false);
    event_loop.call_soon(|| panic!("soon")).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(places.take(), [true, false]);
}

#[test]
fn a_panic_in_a_timer_keeps_no_other() {
    let event_loop = virtual_loop();
    let (trace, reports) = (Trace::new(), reports(&event_loop));
    for i in 0..10 {
        let trace = trace.clone();
        event_loop
            .call_later(MS, move || {
                trace.push(i);
                assert!(i % 3 != 0, "timer {i}");
            })
            .unwrap();
    }
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), (0..10).collect::<Vec<_>>());
    assert_eq!(reports.take().len(), 4);
}

#[test]
fn a_panic_in_a_call_from_another_thread_keeps_no_other() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let ran = Arc::new(AtomicUsize::new(0));
    for closing in [false, true] {
        let (handle, count) = (event_loop.handle(), Arc::clone(&ran));
        std::thread::spawn(move || {
            for i in 0..10 {
                let count = Arc::clone(&count);
                handle
                    .call_soon_threadsafe(move || {
                        count.fetch_add(1, Ordering::Relaxed);
                        assert!(i % 2 == 0, "call {i}");
                    })
                    .unwrap();
            }
        })
        .join()
        .unwrap();
        if closing {
            event_loop.close().unwrap();
        } else {
            event_loop.run_once(None).unwrap();
        }
        assert_eq!(ran.swap(0, Ordering::Relaxed), 10);
        assert_eq!(reports.take().len(), 5);
    }
}

#[test]
fn a_handler_that_panics_is_survived() {
    let event_loop = virtual_loop();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    event_loop.set_exception_handler(move |_, _| {
        count.set(count.get() + 1);
        panic!("in the handler");
    });
    let trace = Trace::new();
    for i in 0..3 {
        event_loop.call_soon(|| panic!("in a callback")).unwrap();
        event_loop.call_soon(trace.note(i)).unwrap();
    }
    event_loop.run_once(None).unwrap();
    event_loop.call_exception_handler(&ExceptionContext::new("by hand"));
    assert_eq!(calls.get(), 4);
    assert_eq!(trace.take(), [0, 1, 2]);
}

#[test]
fn a_handler_may_use_the_loop_and_replace_itself() {
    let event_loop = virtual_loop();
    let trace = Trace::new();
    let log = trace.clone();
    event_loop.set_exception_handler(move |event_loop, context| {
        log.push(format!("first: {context}"));
        let log = log.clone();
        event_loop.call_soon(log.note("scheduled".into())).unwrap();
        event_loop.set_exception_handler(move |_, context| log.push(format!("second: {context}")));
    });
    event_loop.call_exception_handler(&ExceptionContext::new("a"));
    event_loop.call_exception_handler(&ExceptionContext::new("b"));
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["first: a", "second: b", "scheduled"]);
}

/// The value of a panic is the user's, and so is its drop.
#[test]
fn payloads_that_are_no_text_or_explode_are_survived() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any(Bomb);
        }
    }
    let event_loop = virtual_loop();
    let (trace, reports) = (Trace::new(), reports(&event_loop));
    event_loop.call_soon(|| panic_any(7_u8)).unwrap();
    event_loop
        .call_soon(|| panic_any(OnDrop(|| panic!("in the drop of a panic"))))
        .unwrap();
    event_loop.call_soon(|| panic_any(Bomb)).unwrap();
    event_loop.call_soon(trace.note("after")).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["after"]);
    let reports = reports.take();
    assert_eq!(reports.len(), 3);
    for report in reports {
        let text = "Exception in callback: a panic whose payload is not text";
        assert!(report.starts_with(text), "{report}");
    }
}

/// A layer of tasks whose every function panics.
#[derive(Default)]
struct Panicking {
    wakes: Cell<u32>,
    recovers: Cell<u32>,
    closes: Cell<u32>,
}

impl Runtime for Panicking {
    fn wake(&self, _: WakeKey) {
        self.wakes.set(self.wakes.get() + 1);
        panic!("in wake");
    }

    fn recover(&self, _: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
        self.recovers.set(self.recovers.get() + 1);
        panic!("in recover");
    }

    fn close(&self) {
        self.closes.set(self.closes.get() + 1);
        panic!("in close");
    }

    fn waiting(&self) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn a_runtime_that_panics_costs_no_message_and_no_callback() {
    let event_loop = virtual_loop();
    let (trace, reports) = (Trace::new(), reports(&event_loop));
    let me = event_loop.loop_ref();
    let runtime = me.runtime_or_init(Panicking::default);
    let called = Arc::new(AtomicUsize::new(0));
    let (waker, count) = (me.waker(WakeKey::new(1, 1)), Arc::clone(&called));
    let handle = event_loop.handle();
    let from_outside = move || {
        std::thread::spawn(move || {
            waker.wake_by_ref();
            waker.wake();
            handle
                .call_soon_threadsafe(move || {
                    count.fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
        })
        .join()
        .unwrap();
    };
    from_outside();
    event_loop.call_soon(|| panic!("in a callback")).unwrap();
    event_loop.call_soon(trace.note("after")).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(called.load(Ordering::Relaxed), 1);
    assert_eq!(trace.take(), ["after"]);
    assert_eq!((runtime.wakes.get(), runtime.recovers.get()), (2, 1));
    event_loop.close().unwrap();
    assert_eq!(runtime.closes.get(), 1);
    let taken = reports.take();
    assert_eq!(
        number_of(&taken, "Exception in a wake from another thread: in wake"),
        2
    );
    assert_eq!(number_of(&taken, "Exception in callback: in recover"), 1);
    assert_eq!(
        number_of(
            &taken,
            "Exception in a drop while the event loop was closed: in close"
        ),
        1
    );
}

fn number_of(reports: &[String], head: &str) -> usize {
    reports.iter().filter(|r| r.starts_with(head)).count()
}

/// A job of another layer's, which describes itself in a panic.
#[test]
fn a_job_that_cannot_describe_itself_runs_all_the_same() {
    struct Shy(Trace<&'static str>);
    impl Job for Shy {
        fn run(self, event_loop: &EventLoop) {
            assert!(event_loop.is_running());
            self.0.push("ran");
            panic!("and failed");
        }

        fn describe(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("in describe");
        }
    }
    let event_loop = EventLoop::builder()
        .virtual_clock()
        .debug(true)
        .slow_callback_duration(Duration::ZERO)
        .build()
        .unwrap();
    let (trace, reports) = (Trace::new(), reports(&event_loop));
    event_loop.loop_ref().schedule(Shy(trace.clone()));
    event_loop.run_once(None).unwrap();
    assert_eq!(trace.take(), ["ran"]);
    let reports = reports.take();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("and failed") && reports[0].contains("Shy"));
}

#[test]
fn a_panic_in_the_making_of_an_extension_or_a_runtime_is_the_callers() {
    #[derive(Debug)]
    struct Never;
    impl Default for Never {
        fn default() -> Self {
            panic!("no extension");
        }
    }
    let event_loop = virtual_loop();
    let me = event_loop.loop_ref();
    catch_unwind(AssertUnwindSafe(|| me.extension::<Never>())).unwrap_err();
    catch_unwind(AssertUnwindSafe(|| {
        me.runtime_or_init(|| -> Panicking { panic!("no runtime") });
    }))
    .unwrap_err();
    assert!(me.runtime::<Panicking>().is_none());
    me.runtime_or_init(Panicking::default);
    assert!(me.runtime::<Panicking>().is_some());
    assert!(me.extension::<String>().is_some());
}

/// A host's hook runs inside `call_soon_threadsafe`, and inside `Waker::wake`, which must not panic.
#[test]
fn a_wake_hook_that_panics_fails_no_poster() {
    let event_loop = virtual_loop();
    let handle = event_loop.handle();
    assert!(handle.set_wake_hook(|| panic!("in the hook")));
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    handle
        .call_soon_threadsafe(move || {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.loop_ref().waker(WakeKey::new(0, 0)).wake();
    event_loop.run_once(None).unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}

#[test]
fn what_a_panicking_callback_scheduled_stays_scheduled() {
    let event_loop = virtual_loop();
    let (trace, reports) = (Trace::new(), reports(&event_loop));
    let inner = trace.clone();
    event_loop
        .call_soon(move || {
            let me = get_running_loop().unwrap();
            me.call_soon(inner.note("soon")).unwrap();
            me.call_later(MS, inner.note("later")).unwrap();
            me.call_later(2 * MS, stop).unwrap();
            panic!("at its end");
        })
        .unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["soon", "later"]);
    assert_eq!(reports.take().len(), 1);
}

/// Panics with another of its kind when it is dropped, without end.
struct Endless;

static DROPS: AtomicUsize = AtomicUsize::new(0);

impl Drop for Endless {
    fn drop(&mut self) {
        DROPS.fetch_add(1, Ordering::Relaxed);
        panic_any(Endless);
    }
}

#[test]
fn what_panics_without_end_when_it_is_dropped_is_given_up() {
    loop_core::drop_quietly(Endless);
    assert_eq!(DROPS.load(Ordering::Relaxed), 8);
}
