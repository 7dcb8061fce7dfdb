//! What the tests of behaviour share: a loop in virtual time, and a trace of what happened when.
#![allow(dead_code, reason = "every file of tests uses a part of it")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use asyncloop::prelude::*;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Runs `main` in virtual time, and gives its output and what the loop reported meanwhile.
pub(crate) fn run_reported<T: 'static>(
    main: impl Future<Output = T> + 'static,
) -> (T, Vec<String>) {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    let reports = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&reports);
    event_loop.set_exception_handler(move |_, context| {
        let exception = context.exception.as_deref().unwrap_or("nothing");
        note.borrow_mut()
            .push(format!("{}: {exception}", context.message));
    });
    let output = event_loop.run_until_complete(main).unwrap();
    event_loop.close().unwrap();
    drop(event_loop);
    (output, reports.take())
}

/// Runs `main` in virtual time. Nothing may be reported.
pub(crate) fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    let (output, reports) = run_reported(main);
    assert!(reports.is_empty(), "{reports:?}");
    output
}

/// What happened, each with the seconds since the trace began.
#[derive(Clone)]
pub(crate) struct Trace {
    start: Instant,
    lines: Rc<RefCell<Vec<String>>>,
}

impl Trace {
    /// Begins now, on the running loop.
    pub(crate) fn begin() -> Trace {
        Trace {
            start: get_running_loop().unwrap().time(),
            lines: Rc::default(),
        }
    }

    pub(crate) fn add(&self, what: impl AsRef<str>) {
        let passed = get_running_loop().unwrap().time() - self.start;
        self.lines
            .borrow_mut()
            .push(format!("{} {}", passed.as_secs_f64(), what.as_ref()));
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.lines.take()
    }
}

/// Sleeps for so many seconds and gives their number.
pub(crate) async fn after(seconds: u32) -> u32 {
    sleep(seconds * SECOND).await;
    seconds
}

/// Sleeps for so many seconds and fails.
pub(crate) async fn fails_after(seconds: u32) -> Result<u32, String> {
    sleep(seconds * SECOND).await;
    Err(format!("after {seconds}"))
}

/// Sleeps for so many seconds and succeeds.
pub(crate) async fn succeeds_after(seconds: u32) -> Result<u32, String> {
    Ok(after(seconds).await)
}
