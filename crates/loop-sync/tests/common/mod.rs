//! What the tests of this crate share: virtual time, a trace to compare, and every way to abandon a wait.

#![allow(dead_code, reason = "every test file has a copy, none needs all of it")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use loop_core::{EventLoop, get_running_loop};
use loop_tasks::{
    LoopExt, LoopFuture, ReturnWhen, Task, catch_cancel, create_task, wait, yield_now,
};

/// Runs a future to its end in virtual time: a wake-up that is lost is an error, not a hang.
pub(crate) fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    let output = event_loop.run_until_complete(future).unwrap();
    event_loop.close().unwrap();
    output
}

pub(crate) async fn yields(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// What happened, in order; clones write the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    /// What was noted since the last time, as one line.
    pub(crate) fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

/// Makes a task that notes `name` with what `future` came to.
pub(crate) fn noting<T: std::fmt::Debug + 'static>(
    trace: &Trace,
    name: &str,
    future: impl Future<Output = T> + 'static,
) -> Task<T> {
    let (trace, name) = (trace.clone(), name.to_owned());
    create_task(async move {
        let output = future.await;
        trace.note(name);
        output
    })
}

/// How a wait is abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The task is cancelled, and ends.
    Cancel,
    /// The task is cancelled, catches that, and goes on.
    Caught,
    /// Something else in the task was quicker: the future is dropped while the task goes on.
    Select,
    /// The same inside a combinator that has a waker of its own.
    Foreign,
}

const WAYS: [Way; 4] = [Way::Cancel, Way::Caught, Way::Select, Way::Foreign];

/// Which tasks are abandoned, before which hop, and how.
#[derive(Clone, Debug)]
pub(crate) struct Plan(Vec<(usize, usize, Way)>);

impl Plan {
    /// Calls `check` with every plan that abandons one of so many tasks, or two of them, within so many hops.
    pub(crate) fn each(tasks: usize, hops: usize, check: impl Fn(&Plan)) {
        for (first, at) in (0..tasks).flat_map(|task| (0..hops).map(move |at| (task, at))) {
            for way in WAYS {
                check(&Plan(vec![(first, at, way)]));
                for (second, later) in
                    (0..tasks).flat_map(|task| (at..hops).map(move |at| (task, at)))
                {
                    if second != first {
                        // The same way twice, and each way with a cancellation in every other hop.
                        let other = if later % 2 == 0 { way } else { Way::Cancel };
                        check(&Plan(vec![(first, at, way), (second, later, other)]));
                    }
                }
            }
        }
    }

    /// Makes a task of each body, abandons what is to be abandoned, and lets the others run: until all are done, or
    /// `at_rest` has helped the last. Whether each was done when all had come to rest.
    pub(crate) fn run(
        &self,
        bodies: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>>,
        at_rest: impl AsyncFnOnce(&[bool]) + 'static,
    ) {
        let plan = self.clone();
        let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
        let result = event_loop.run_until_complete(async move {
            let mut trips: Vec<LoopFuture<()>> = Vec::new();
            let mut tasks: Vec<Task<()>> = Vec::new();
            for (index, body) in bodies.into_iter().enumerate() {
                let trip = get_running_loop().unwrap().create_future();
                trips.push(trip.clone());
                let way = plan.0.iter().find(|&&(task, ..)| task == index);
                tasks.push(match way.map(|&(.., way)| way) {
                    None | Some(Way::Cancel) => create_task(body),
                    Some(Way::Caught) => create_task(async {
                        if catch_cancel(body).await.is_err() {
                            yield_now().await;
                        }
                    }),
                    Some(Way::Select) => create_task(async move {
                        if let Either::Right((_, body)) = select(body, trip.into_future()).await {
                            drop(body);
                            yield_now().await;
                        }
                    }),
                    Some(Way::Foreign) => create_task(async move {
                        let mut inside = FuturesUnordered::from_iter([body]);
                        select(inside.next(), trip.into_future()).await;
                        drop(inside);
                        yield_now().await;
                    }),
                });
            }
            let mut now = 0;
            for &(task, at, way) in &plan.0 {
                yields(at - now).await;
                now = at;
                match way {
                    Way::Cancel | Way::Caught => {
                        tasks[task].cancel();
                    }
                    Way::Select | Way::Foreign => trips[task].set_result(()).unwrap(),
                }
            }
            yields(100).await;
            let done: Vec<bool> = tasks.iter().map(|task| task.done()).collect();
            at_rest(&done).await;
            wait(tasks, None, ReturnWhen::AllCompleted).await.unwrap();
        });
        if let Err(error) = result {
            panic!("{self:?}: {error}");
        }
        event_loop.close().unwrap();
    }
}

/// Counts who is inside, also those who are dropped there.
#[derive(Clone, Default)]
pub(crate) struct Inside(Rc<Cell<usize>>);

impl Inside {
    pub(crate) fn enter(&self, most: usize) -> impl Drop + use<> {
        struct Leave(Inside);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.0.set(self.0.0.get() - 1);
            }
        }
        self.0.set(self.0.get() + 1);
        assert!(self.0.get() <= most, "{} are inside", self.0.get());
        Leave(self.clone())
    }
}

/// A counter that clones share.
#[derive(Clone, Default, Debug)]
pub(crate) struct Count(Rc<Cell<usize>>);

impl Count {
    pub(crate) fn get(&self) -> usize {
        self.0.get()
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.set(self.0.get() + more);
    }

    pub(crate) fn take_one(&self) {
        self.0.set(self.0.get() - 1);
    }
}
