//! `run` and `Runner`: what is made when, what one run leaves to the next, and the order in which all of it ends.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use asyncloop::prelude::*;
use asyncloop::{Context, LoopError, RunError, Runner, RunnerError, TaskError};

const SECOND: Duration = Duration::from_secs(1);

fn virtual_runner() -> Runner {
    Runner::with_builder(EventLoop::builder().virtual_clock())
}

/// What happened, in order, on any thread.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    /// Adds what the loop reports, without the descriptions.
    fn listen_to(&self, event_loop: &EventLoop) {
        let trace = self.clone();
        event_loop.set_exception_handler(move |_, context| {
            let exception = context.exception.as_deref().unwrap_or("nothing");
            trace.add(format!("{}: {exception}", context.message));
        });
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[test]
fn a_loop_is_made_when_it_is_needed_and_stays_the_same() {
    let runner = virtual_runner();
    assert!(get_event_loop_id().is_none(), "nothing is made yet");
    let event_loop = runner.get_loop().unwrap();
    let first = runner.run(async { get_running_loop().unwrap().id() });
    let second = runner.run(async { get_running_loop().unwrap().id() });
    assert_eq!(first.unwrap(), event_loop.id());
    assert_eq!(second.unwrap(), event_loop.id());
    assert_eq!(
        get_event_loop_id(),
        Some(event_loop.id()),
        "it is the current one between runs"
    );
    runner.close().unwrap();
    assert!(event_loop.is_closed());
    assert!(get_event_loop_id().is_none(), "and afterwards nobody is");
}

fn get_event_loop_id() -> Option<u64> {
    get_event_loop().ok().map(|event_loop| event_loop.id())
}

#[test]
fn tasks_of_one_run_go_on_in_the_next() {
    let runner = virtual_runner();
    let trace = Trace::default();
    let said = trace.clone();
    let task = runner
        .run(async move {
            create_task(async move {
                sleep(SECOND).await;
                said.add("in the second run");
            })
        })
        .unwrap();
    assert!(!task.done());
    runner.run(sleep(2 * SECOND)).unwrap();
    assert!(task.done());
    assert_eq!(trace.take(), ["in the second run"]);
    runner.close().unwrap();
}

#[test]
fn runs_share_their_context_variables_and_keep_them_to_themselves() {
    static COUNT: ContextVar<u32> = ContextVar::new();
    let count = || COUNT.get().unwrap_or(0);
    COUNT.set(10);
    let runner = virtual_runner();
    // The context is that of the first need, and later changes outside are not seen.
    assert_eq!(runner.run(async move { count() }).unwrap(), 10);
    COUNT.set(99);
    runner.run(async { COUNT.set(11) }).unwrap();
    assert_eq!(runner.run(async move { count() }).unwrap(), 11);

    // Also what a run that does not end well has set is there.
    let panicked = runner.run(async {
        COUNT.set(12);
        assert!(COUNT.get().is_none(), "on purpose");
    });
    assert!(matches!(panicked, Err(RunnerError::Run(RunError::Task(_)))));
    assert_eq!(runner.run(async move { count() }).unwrap(), 12);
    let cancelled = runner.run(async {
        COUNT.set(13);
        current_task().unwrap().cancel();
        yield_now().await;
    });
    assert!(matches!(
        cancelled,
        Err(RunnerError::Run(RunError::Task(TaskError::Cancelled(_))))
    ));
    assert_eq!(runner.run(async move { count() }).unwrap(), 13);

    runner.close().unwrap();
    assert_eq!(count(), 99, "the thread has its own");
    assert_eq!(Context::default().run(count), 0);
}

#[test]
fn a_runner_ends_in_asyncios_order() {
    let trace = Trace::default();
    let runner = Runner::new();
    let event_loop = runner.get_loop().unwrap();
    trace.listen_to(&event_loop);
    let (open, gate) = mpsc::channel::<()>();
    let said = trace.clone();
    runner
        .run(async move {
            let name_of = |n: u32| format!("task {n}");
            for n in 1..=2 {
                let said = said.clone();
                let open = open.clone();
                create_task(async move {
                    if let Err(cancelled) = catch_cancel(pending::<()>()).await {
                        said.add(format!("{} is cancelled", name_of(n)));
                        yield_now().await;
                        said.add(format!("{} has cleaned up", name_of(n)));
                        open.send(()).unwrap();
                        cancelled.resume().await;
                    }
                });
            }
            let job = said.clone();
            let future = get_running_loop().unwrap().run_in_executor(None, move || {
                for _ in 0..2 {
                    gate.recv().unwrap();
                }
                job.add("the job in the pool is done");
            });
            drop(future);
            let said = said.clone();
            create_task(async move {
                let _ = catch_cancel(pending::<()>()).await;
                said.add("task 3 is cancelled");
                panic!("task 3 cannot clean up");
            });
            yield_now().await;
        })
        .unwrap();
    assert_eq!(trace.take(), [""; 0], "nothing ends before the closing");

    runner.close().unwrap();
    let mut trace = trace.take();
    // The job is in a thread of its own: it may be done before or after the report.
    let job = trace
        .iter()
        .position(|line| line == "the job in the pool is done")
        .expect("the closing waits for the pool");
    trace.remove(job);
    assert_eq!(
        trace,
        [
            "task 1 is cancelled",
            "task 2 is cancelled",
            "task 3 is cancelled",
            "task 1 has cleaned up",
            "task 2 has cleaned up",
            "unhandled exception during run() shutdown: panicked: task 3 cannot clean up",
        ],
        "and each failure is reported once"
    );
    assert!(event_loop.is_closed());
}

#[test]
fn errors_of_tasks_that_are_cancelled_at_the_end_are_reported_once() {
    let trace = Trace::default();
    let runner = virtual_runner();
    trace.listen_to(&runner.get_loop().unwrap());
    runner
        .run(async {
            try_create_task(async {
                let _ = catch_cancel(pending::<()>()).await;
                Err::<(), _>("no route to host")
            });
            yield_now().await;
        })
        .unwrap();
    runner.close().unwrap();
    let expected = "unhandled exception during run() shutdown: \"no route to host\"";
    assert_eq!(trace.take(), [expected]);
}

#[test]
fn a_task_that_is_made_during_the_end_is_not_waited_for() {
    let trace = Trace::default();
    let runner = virtual_runner();
    trace.listen_to(&runner.get_loop().unwrap());
    runner
        .run(async {
            create_task(async {
                let _ = catch_cancel(pending::<()>()).await;
                create_task(pending::<()>());
            });
            yield_now().await;
        })
        .unwrap();
    runner.close().unwrap();
    assert_eq!(
        trace.take(),
        ["Task was destroyed but it is pending!: nothing"]
    );
}

#[test]
fn a_task_that_will_not_end_keeps_the_loop_from_nothing_in_virtual_time() {
    let runner = virtual_runner();
    let event_loop = runner.get_loop().unwrap();
    event_loop.set_exception_handler(|_, _| {});
    runner
        .run(async {
            create_task(async {
                loop {
                    let _ = catch_cancel(pending::<()>()).await;
                }
            });
            yield_now().await;
        })
        .unwrap();
    let error = runner.close().unwrap_err();
    let RunnerError::Run(RunError::Loop(LoopError::Stuck(_))) = &error else {
        panic!("{error}");
    };
    assert!(error.to_string().contains("Task-2"), "{error}");
    assert!(event_loop.is_closed());
}

#[test]
fn a_run_inside_a_loop_is_refused_and_harms_nobody() {
    let runner = Rc::new(virtual_runner());
    let inner = Rc::clone(&runner);
    let words = runner
        .run(async move {
            let mine = get_running_loop().unwrap();
            let first = asyncloop::run(async {}).unwrap_err();
            let second = inner.run(async {}).unwrap_err();
            let third = inner.close().unwrap_err();
            assert_eq!(get_running_loop().unwrap(), mine);
            assert!(matches!(third, RunnerError::LoopRunning));
            [first.to_string(), second.to_string()]
        })
        .unwrap();
    for words in words {
        assert!(words.starts_with("run() cannot be called from a running event loop"));
    }
    runner.close().unwrap();
}

#[test]
fn a_refused_main_never_begins() {
    let runner = virtual_runner();
    runner.close().unwrap();
    runner.close().unwrap();
    let begun = Rc::new(Cell::new(false));
    let note = Rc::clone(&begun);
    let error = runner.run(async move { note.set(true) }).unwrap_err();
    assert!(matches!(error, RunnerError::Closed));
    assert_eq!(error.to_string(), "Runner is closed");
    assert!(matches!(runner.get_loop(), Err(RunnerError::Closed)));
    assert!(!begun.get());
}

#[test]
fn a_stopped_run_says_so_and_its_main_task_goes_on() {
    let runner = virtual_runner();
    let event_loop = runner.get_loop().unwrap();
    let done = Rc::new(Cell::new(false));
    let note = Rc::clone(&done);
    let error = runner
        .run(async move {
            get_running_loop().unwrap().stop();
            sleep(SECOND).await;
            note.set(true);
        })
        .unwrap_err();
    assert!(matches!(error, RunnerError::Run(RunError::Stopped)));
    assert_eq!(
        error.to_string(),
        "Event loop stopped before Future completed."
    );
    assert!(!event_loop.is_closed() && !done.get());
    runner.run(sleep(2 * SECOND)).unwrap();
    assert!(done.get());
    runner.close().unwrap();
}

#[test]
fn a_loop_that_was_closed_behind_its_runner_is_an_error_and_not_a_panic() {
    let runner = virtual_runner();
    runner.get_loop().unwrap().close().unwrap();
    let error = runner.run(async {}).unwrap_err();
    assert_eq!(error.to_string(), "Event loop is closed");
    runner.close().unwrap();
}

#[test]
fn what_main_comes_to_is_told_when_everything_has_ended() {
    struct Left(Rc<RefCell<Vec<&'static str>>>);
    impl Drop for Left {
        fn drop(&mut self) {
            self.0.borrow_mut().push("the other task is dropped");
        }
    }
    let seen = Rc::new(RefCell::new(Vec::new()));
    let left = Left(Rc::clone(&seen));
    let result: Result<(), RunnerError> = asyncloop::run(async move {
        create_task(async move {
            let _left = left;
            pending::<()>().await;
        });
        yield_now().await;
        panic!("main panics");
    });
    assert_eq!(*seen.borrow(), ["the other task is dropped"]);
    let Err(RunnerError::Run(RunError::Task(TaskError::Panicked(panicked)))) = result else {
        panic!("{result:?}");
    };
    assert_eq!(panicked.message(), "main panics");
    assert!(get_event_loop_id().is_none());
}

#[test]
fn dropping_a_runner_closes_it() {
    let event_loop = {
        let runner = virtual_runner();
        runner.run(async {}).unwrap();
        runner.get_loop().unwrap()
    };
    assert!(event_loop.is_closed());
}

#[test]
fn the_main_task_was_made_where_run_was_called() {
    let runner = virtual_runner();
    let line = line!() + 1;
    let main = runner.run(async { format!("{:?}", current_task().unwrap()) });
    let place = format!("{}:{line}:", file!());
    let main = main.unwrap();
    assert!(main.contains(&place), "{main} should name {place}");
    runner.close().unwrap();
}

#[test]
fn a_runners_loop_is_what_its_builder_describes() {
    let builder = EventLoop::builder().virtual_clock().debug(true);
    let runner = Runner::with_builder(builder);
    assert!(runner.get_loop().unwrap().get_debug());
    let day = 24 * 3600 * SECOND;
    let passed = runner
        .run(async move {
            let event_loop = get_running_loop().unwrap();
            let start = event_loop.time();
            sleep(day).await;
            event_loop.time() - start
        })
        .unwrap();
    assert_eq!(passed, day);
    runner.close().unwrap();
}
