//! What several test files need: a log that catches reports, and a waker that counts.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::Wake;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loop_bridge::run_coroutine_threadsafe;
use loop_core::{EventLoop, LoopHandle, UnboundLoop};
use loop_tasks::{all_tasks, yield_now};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// While there is just one subscriber, `tracing` asks the thread that comes to an event first whether it has it. If that
/// is another thread, nobody ever hears of the event. So there are two.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

/// Runs `code` and gives the text of every event that it logged in this thread.
pub(crate) fn logged(code: impl FnOnce()) -> Vec<String> {
    LazyLock::force(&ANOTHER);
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), code);
    let lines = log.0.lock().expect("a log that no panic poisons");
    lines.clone()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0 += &format!("{}={value:?} ", field.name());
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0
            .lock()
            .expect("a log that no panic poisons")
            .push(text.0.trim_end().to_string());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A waker's data that counts its wakes.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A value that counts its clones and drops.
#[derive(Default, Clone)]
pub(crate) struct Tally {
    pub(crate) clones: Arc<AtomicUsize>,
    pub(crate) drops: Arc<AtomicUsize>,
}

pub(crate) struct Counted(pub(crate) Tally);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.clones.fetch_add(1, Ordering::SeqCst);
        Counted(self.0.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, Ordering::SeqCst);
    }
}

impl Tally {
    /// Every value made, by hand or by a clone, was dropped once.
    pub(crate) fn assert_balanced(&self, made: usize) {
        let clones = self.clones.load(Ordering::SeqCst);
        assert_eq!(self.drops.load(Ordering::SeqCst), made + clones);
    }
}

/// A loop whose exception handler keeps what it hears.
pub(crate) fn watched_loop() -> (EventLoop, Rc<RefCell<Vec<String>>>) {
    let event_loop = EventLoop::new().expect("there are few loops in a test");
    let reports = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&reports);
    event_loop.set_exception_handler(move |_, context| {
        log.borrow_mut().push(format!("{context:?}"));
    });
    (event_loop, reports)
}

/// Runs so many iterations, none of which waits.
pub(crate) fn turn(event_loop: &EventLoop, times: u32) {
    for _ in 0..times {
        let turned = event_loop.run_once(Some(Duration::ZERO));
        turned.expect("it is open and not running");
    }
}

/// Lets the loop keep what it would report to itself.
pub(crate) fn quiet(event_loop: &EventLoop) {
    event_loop.set_exception_handler(|_, _| ());
}

/// A loop in a thread of its own, which is stopped and joined at the end.
pub(crate) struct LoopThread {
    pub(crate) handle: LoopHandle,
    thread: Option<JoinHandle<()>>,
    reports: Arc<Mutex<Vec<String>>>,
}

impl LoopThread {
    pub(crate) fn spawn() -> LoopThread {
        let unbound = UnboundLoop::new().expect("there are few loops in a test");
        let handle = unbound.handle();
        let reports = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&reports);
        let thread = thread::spawn(move || {
            let event_loop = unbound.bind();
            event_loop.set_exception_handler(move |_, context| {
                let mut log = log.lock().expect("a log that no panic poisons");
                log.push(format!("{context:?}"));
            });
            event_loop.run_forever().expect("it is run once");
            event_loop.close().expect("it has stopped");
        });
        LoopThread {
            handle,
            thread: Some(thread),
            reports,
        }
    }

    /// Waits until the loop has no task left.
    pub(crate) fn finish_tasks(&self) {
        let alone = run_coroutine_threadsafe(&self.handle, || async {
            while all_tasks().len() > 1 {
                yield_now().await;
            }
        });
        let waited = alone
            .expect("it is open")
            .result(Some(Duration::from_secs(10)));
        waited.expect("every task ends");
    }

    /// What the exception handler has heard so far.
    pub(crate) fn reports(&self) -> Vec<String> {
        let reports = self.reports.lock().expect("a log that no panic poisons");
        reports.clone()
    }

    /// Stops and closes the loop and gives everything that its exception handler heard.
    pub(crate) fn stop(mut self) -> Vec<String> {
        self.join();
        self.reports()
    }

    fn join(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            let joined = thread.join();
            assert!(joined.is_ok() || thread::panicking());
        }
    }
}

impl Drop for LoopThread {
    fn drop(&mut self) {
        self.join();
    }
}

/// What panics when it is cloned.
pub(crate) struct Touchy;

impl Clone for Touchy {
    fn clone(&self) -> Self {
        std::panic::resume_unwind(Box::new("do not clone"))
    }
}
