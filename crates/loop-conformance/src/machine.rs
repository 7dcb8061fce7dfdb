//! The machine: a program's run on an event loop in virtual time, from its start to its end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use asyncloop::{
    AnyTask, EventLoop, LoopError, LoopExt, LoopFuture, RunError, gather_with, set_event_loop,
};

use crate::program::{Body, Name, Program};
use crate::table::{Table, state};
use crate::trace::{Event, Trace};
use crate::value::Value;

/// When a timer cancels the task `main`.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a program and tells what happened.
///
/// # Panics
/// Where an event loop is running already.
///
/// # Examples
/// ```
/// let line = r#"{"id": "p", "main": [["sleep", 5], ["log", "woken"]]}"#;
/// let trace = loop_conformance::run(&serde_json::from_str(line)?);
/// let events = serde_json::to_string(&trace.trace)?;
/// assert_eq!(
///     events,
///     r#"[[5,"main","log","woken"],[5,"main","end",null],[5,"main","closed"]]"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn run(program: &Program) -> Trace {
    let machine = Machine::new();
    let event_loop = machine.event_loop().clone();
    set_event_loop(Some(&event_loop));
    if machine.run_to_the_end(&program.main) == Ended::Stuck {
        machine.note("main", ["stuck".into()]);
    }
    let trace = Trace {
        id: program.id.clone(),
        trace: machine.0.events.take(),
        tasks: machine.0.table.outcomes(),
    };
    event_loop.close().expect("it does not run");
    set_event_loop(None);
    machine.0.table.clear();
    trace
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Well,
    /// Somebody is still awaited, and nothing can happen any more.
    Stuck,
}

/// What the tasks and callbacks of a run share.
#[derive(Clone)]
pub(crate) struct Machine(Rc<Shared>);

struct Shared {
    event_loop: EventLoop,
    start: Instant,
    table: Table,
    events: RefCell<Vec<Event>>,
}

impl Machine {
    fn new() -> Self {
        let event_loop = EventLoop::builder()
            .virtual_clock()
            .build()
            .expect("the system has room for one more loop");
        // A program's errors are in its trace; those that nobody looks at are no news.
        event_loop.set_exception_handler(|_, _| {});
        Self(Rc::new(Shared {
            start: event_loop.time(),
            event_loop,
            table: Table::default(),
            events: RefCell::default(),
        }))
    }

    pub(crate) fn event_loop(&self) -> &EventLoop {
        &self.0.event_loop
    }

    pub(crate) fn table(&self) -> &Table {
        &self.0.table
    }

    /// A time of the program, on the loop's clock.
    pub(crate) fn at(&self, time: Duration) -> Instant {
        self.0.start + time
    }

    /// Writes an event down.
    pub(crate) fn note(&self, who: &str, what: impl IntoIterator<Item = Value>) {
        let elapsed = self.event_loop().time() - self.0.start;
        let now = i64::try_from(elapsed.as_micros()).expect("a program ends within its limit");
        let event = [Value::Int(now), who.into()].into_iter().chain(what);
        self.0.events.borrow_mut().push(event.collect());
    }

    fn run_to_the_end(&self, main: &Body) -> Ended {
        let main = self.spawn(&Name::from("main"), main, false);
        let limit = {
            let (machine, main) = (self.clone(), main.clone());
            move || machine.note("loop", ["limit".into(), main.cancel().into()])
        };
        let timer = self.event_loop().call_at(self.at(LIMIT), limit);
        timer.expect("the loop is open");
        if self.run_until(&main) == Ended::Stuck {
            return Ended::Stuck;
        }
        self.note("main", ["end".into(), state(&main)]);
        let rest = self.event_loop().all_tasks();
        for task in &rest {
            task.cancel();
        }
        if !rest.is_empty() && self.run_until(&all_of(&rest)) == Ended::Stuck {
            return Ended::Stuck;
        }
        self.note("main", ["closed".into()]);
        Ended::Well
    }

    /// Runs the loop until something is done, whatever it came to.
    fn run_until<T: Clone + 'static>(&self, awaitable: &LoopFuture<T>) -> Ended {
        match self.event_loop().run_until_complete(awaitable) {
            Ok(_) | Err(RunError::Task(_)) => Ended::Well,
            Err(RunError::Loop(LoopError::Stuck(_))) => Ended::Stuck,
            Err(error) => panic!("a loop that is not running runs: {error}"),
        }
    }
}

/// A gather of tasks that is done when they are.
fn all_of(tasks: &[AnyTask]) -> LoopFuture<()> {
    let children = tasks.iter().map(AnyTask::erase_future);
    gather_with(children, |heard| match heard {
        Some(_) => None,
        None => Some(Ok(())),
    })
}
