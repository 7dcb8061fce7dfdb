//! Loop futures by themselves: what state they are in, who is told, and that no value is lost.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use common::{Drops, Log, create_future, forget, reports, run, virtual_loop};
use loop_core::EventLoop;
use loop_tasks::{
    CallbackToken, InvalidState, LoopExt, LoopFuture, NotReady, TaskError, create_task, yield_now,
};
use proptest::prelude::*;

#[test]
fn a_new_future_is_pending_and_has_no_result() {
    let event_loop = virtual_loop();
    let future: LoopFuture<i32> = event_loop.create_future();
    assert!(!future.done() && !future.cancelled() && !future.failed());
    let not_ready: NotReady = future.result().unwrap_err();
    assert_eq!(future.take_result().unwrap_err(), not_ready);
    assert_eq!(not_ready.to_string(), "Result is not set.");
    assert_eq!(future.get_loop(), event_loop);
}

#[test]
fn a_result_is_set_once_and_the_second_value_comes_back() {
    let event_loop = virtual_loop();
    let future = event_loop.create_future();
    future.set_result(String::from("first")).unwrap();
    assert!(future.done() && !future.cancelled() && !future.failed());
    let InvalidState(value) = future.set_result(String::from("second")).unwrap_err();
    assert_eq!(value, "second");
    assert_eq!(future.result().unwrap().unwrap(), "first");
}

#[test]
fn an_error_is_set_once_and_the_second_one_comes_back() {
    let event_loop = virtual_loop();
    let future: LoopFuture<Result<i32, String>> = event_loop.create_future();
    future.set_exception(String::from("first")).unwrap();
    assert!(future.done() && !future.cancelled() && future.failed());
    assert_eq!(future.set_result(Ok(1)).unwrap_err().0, Ok(1));
    assert_eq!(
        future.set_exception(String::from("second")).unwrap_err().0,
        "second"
    );
    assert_eq!(
        future.result().unwrap().unwrap(),
        Err(String::from("first"))
    );
}

/// An `Err` that was set as a result is a result: only `set_exception` makes it a failure.
#[test]
fn an_error_as_a_result_is_no_failure() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let future: LoopFuture<Result<i32, String>> = event_loop.create_future();
    future.set_result(Err(String::from("no"))).unwrap();
    assert!(!future.failed());
    drop(future);
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_cancelled_future_takes_no_result_and_hands_it_back() {
    let event_loop = virtual_loop();
    let future = event_loop.create_future();
    assert!(future.cancel());
    assert!(future.done() && future.cancelled() && !future.failed());
    assert!(!future.cancel(), "it is settled already");
    assert_eq!(future.set_result(vec![1]).unwrap_err().0, [1]);
    assert!(matches!(
        future.result().unwrap(),
        Err(TaskError::Cancelled(_))
    ));
}

/// bpo-26923 and its like: a cancel that comes too late must change nothing.
#[test]
fn cancelling_a_done_future_is_refused_and_keeps_the_result() {
    let event_loop = virtual_loop();
    let future = event_loop.create_future();
    future.set_result(7).unwrap();
    assert!(!future.cancel());
    assert!(!future.cancelled());
    assert_eq!(future.result().unwrap().unwrap(), 7);
}

#[test]
fn every_value_given_to_a_future_is_dropped_once() {
    let (event_loop, drops) = (virtual_loop(), Drops::default());
    let settled = event_loop.create_future();
    settled.set_result(drops.counted()).unwrap();
    drop(settled.set_result(drops.counted()));
    assert_eq!(drops.alive(), 1);
    let taken = settled.take_result().unwrap().unwrap();
    drop(settled);
    assert_eq!(drops.alive(), 1);
    drop(taken);
    let forgotten = event_loop.create_future();
    forgotten.set_result(drops.counted()).unwrap();
    drop(forgotten);
    event_loop.close().unwrap();
    assert_eq!((drops.alive(), drops.count()), (0, 3));
}

#[test]
fn by_value_the_result_moves_out_and_by_reference_it_is_shared() {
    let event_loop = virtual_loop();
    let future = event_loop.create_future();
    future.set_result(String::from("once")).unwrap();
    let all = event_loop
        .run_until_complete(async move {
            let shared = [(&future).await, (&future).await];
            let last = future.clone().await;
            let late = [(&future).await, future.clone().await];
            let results = (future.result(), future.take_result());
            (shared, last, late, results)
        })
        .unwrap();
    let (shared, last, late, (result, take_result)) = all;
    assert!(shared.into_iter().all(|value| value.unwrap() == "once"));
    assert_eq!(last.unwrap(), "once");
    assert!(late.iter().all(|e| matches!(e, Err(TaskError::Taken))));
    assert!(matches!(result, Ok(Err(TaskError::Taken))));
    assert!(matches!(take_result, Ok(Err(TaskError::Taken))));
}

/// Who was first to wait gets the value; who waits for it too is told where it went.
#[test]
fn of_two_owning_awaits_the_first_gets_the_value() {
    struct NotClone;
    let outcomes = run(async {
        let future = create_future();
        let tasks = [0; 2].map(|_| {
            let future: LoopFuture<NotClone> = future.clone();
            create_task(future.into_future())
        });
        yield_now().await;
        future.set_result(NotClone).unwrap();
        let [first, second] = tasks;
        (first.await.unwrap(), second.await.unwrap())
    });
    assert!(matches!(outcomes, (Ok(NotClone), Err(TaskError::Taken))));
}

#[test]
fn any_number_of_tasks_may_await_a_reference() {
    let log = Log::default();
    let note = log.clone();
    run(async move {
        let future = create_future();
        let tasks: Vec<_> = (0..4)
            .map(|n| {
                let (future, log) = (future.clone(), note.clone());
                create_task(async move {
                    let value = (&future).await.unwrap();
                    log.add(format_args!("{n}: {value}"));
                })
            })
            .collect();
        yield_now().await;
        future.set_result("x").unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["0: x", "1: x", "2: x", "3: x"]);
}

#[test]
fn callbacks_run_in_order_with_the_future_and_never_inside_the_call() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future = event_loop.create_future();
    for name in ["a", "b", "c"] {
        let log = log.clone();
        future.add_done_callback(move |future: &LoopFuture<i32>| {
            log.add(format_args!("{name} {:?}", future.result().unwrap().ok()));
        });
    }
    future.set_result(1).unwrap();
    let note = log.clone();
    future.add_done_callback(move |_| note.add("late"));
    assert_eq!(log.take(), [""; 0]);
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["a Some(1)", "b Some(1)", "c Some(1)", "late"]);
}

#[test]
fn callbacks_are_told_of_a_cancellation() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let note = log.clone();
    future.add_done_callback(move |future| note.add(future.cancelled()));
    future.cancel();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["true"]);
}

#[test]
fn a_removed_callback_is_dropped_unrun_and_the_others_keep_their_order() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let tokens: Vec<CallbackToken> = ["a", "b", "c", "d"]
        .into_iter()
        .map(|name| {
            let (note, dropped) = (log.clone(), log.on_drop("dropped"));
            future.add_done_callback(move |_| {
                note.add(name);
                dropped.disarm();
            })
        })
        .collect();
    assert!(future.remove_done_callback(tokens[0]));
    assert!(future.remove_done_callback(tokens[2]));
    assert!(!future.remove_done_callback(tokens[2]));
    assert_eq!(log.take(), ["dropped", "dropped"]);
    let note = log.clone();
    future.add_done_callback(move |_| note.add("e"));
    future.set_result(()).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["b", "d", "e"]);
}

/// Settling schedules them all, so none can be removed from inside another one: as in asyncio.
#[test]
fn a_callback_that_is_scheduled_cannot_be_removed() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let second = Rc::new(Cell::new(None));
    let (note, token) = (log.clone(), Rc::clone(&second));
    future.add_done_callback(move |future| {
        let removed = future.remove_done_callback(token.get().unwrap());
        note.add(format_args!("removed: {removed}"));
    });
    let note = log.clone();
    second.set(Some(future.add_done_callback(move |_| note.add("second"))));
    future.set_result(()).unwrap();
    assert!(!future.remove_done_callback(second.get().unwrap()));
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["removed: false", "second"]);
}

#[test]
fn a_callback_added_inside_a_callback_runs_in_the_next_iteration() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let note = log.clone();
    future.add_done_callback(move |future| {
        note.add("first");
        let inner = note.clone();
        future.add_done_callback(move |_| inner.add("added"));
    });
    let note = log.clone();
    future.add_done_callback(move |_| note.add("second"));
    future.set_result(()).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["first", "second"]);
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["added"]);
}

#[test]
fn inside_a_callback_the_future_cannot_be_settled_again() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let future = event_loop.create_future();
    let note = log.clone();
    future.add_done_callback(move |future| {
        note.add(future.cancel());
        note.add(future.set_result(2).unwrap_err().0);
    });
    future.set_result(1).unwrap();
    event_loop.run_once(None).unwrap();
    assert_eq!(log.take(), ["false", "2"]);
    assert_eq!(future.result().unwrap().unwrap(), 1);
}

/// One callback settles the next future, and so on: each link of the chain is one iteration.
#[test]
fn a_callback_may_settle_another_future() {
    let (event_loop, log) = (virtual_loop(), Log::default());
    let futures: Vec<LoopFuture<usize>> = (0..4).map(|_| event_loop.create_future()).collect();
    for pair in 0..3 {
        let (next, note) = (futures[pair + 1].clone(), log.clone());
        futures[pair].add_done_callback(move |future| {
            let value = future.result().unwrap().unwrap();
            note.add(value);
            next.set_result(value + 1).unwrap();
        });
    }
    futures[0].set_result(0).unwrap();
    for iteration in 0..3 {
        event_loop.run_once(None).unwrap();
        assert_eq!(log.take(), [iteration.to_string()]);
    }
    assert_eq!(futures[3].result().unwrap().unwrap(), 3);
}

#[test]
fn the_callbacks_of_a_future_that_nobody_will_settle_are_dropped_with_it() {
    let (event_loop, drops) = (virtual_loop(), Drops::default());
    let future: LoopFuture<()> = event_loop.create_future();
    for _ in 0..3 {
        let counted = drops.counted();
        future.add_done_callback(move |_| drop(counted));
    }
    let clone = future.clone();
    drop(future);
    assert_eq!(drops.count(), 0);
    drop(clone);
    assert_eq!(drops.count(), 3);
}

/// The references inside a callback go when it has run, not when the future goes.
#[test]
fn a_callback_that_has_run_keeps_nothing() {
    let (event_loop, drops) = (virtual_loop(), Drops::default());
    let future: LoopFuture<()> = event_loop.create_future();
    let counted = drops.counted();
    future.add_done_callback(move |_| {
        let _ = &counted;
    });
    future.set_result(()).unwrap();
    assert_eq!(drops.count(), 0);
    event_loop.run_once(None).unwrap();
    assert_eq!(drops.count(), 1);
}

#[test]
fn an_error_that_nobody_looked_at_is_reported_once_with_its_place() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let line = line!() + 1;
    let future: LoopFuture<Result<(), &str>> = event_loop.create_future();
    future.set_exception("lost").unwrap();
    let clone = future.clone();
    drop(future);
    assert_eq!(reports.take(), [""; 0]);
    drop(clone);
    let reports = reports.take();
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0].starts_with("Future exception was never retrieved: \"lost\"\n"),
        "{}",
        reports[0]
    );
    assert!(
        reports[0].contains(&format!("{}:{line}:", file!())),
        "{}",
        reports[0]
    );
}

#[test]
fn whoever_looks_at_an_error_takes_charge_of_it() {
    let event_loop = virtual_loop();
    let reports = reports(&event_loop);
    let failed = || {
        let future: LoopFuture<Result<(), &'static str>> = event_loop.create_future();
        future.set_exception("seen").unwrap();
        future
    };
    let (by_result, by_taking, by_reference, by_value) = (failed(), failed(), failed(), failed());
    let _ = by_result.result();
    let _ = by_taking.take_result();
    event_loop
        .run_until_complete(async move {
            let _ = (&by_reference).await;
            let _ = by_value.await;
        })
        .unwrap();
    drop((by_result, by_taking));
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_future_prints_its_state_and_how_many_wait() {
    let event_loop = virtual_loop();
    let future: LoopFuture<Result<i32, &str>> = event_loop.create_future();
    assert_eq!(format!("{future:?}"), "<LoopFuture pending>");
    future.add_done_callback(|_| ());
    assert_eq!(format!("{future:?}"), "<LoopFuture pending cb=[1]>");
    future.set_exception("no").unwrap();
    assert_eq!(
        format!("{future:?}"),
        "<LoopFuture finished exception=\"no\">"
    );
    let _ = future.result();
    let future: LoopFuture<i32> = event_loop.create_future();
    future.cancel();
    assert_eq!(format!("{future:?}"), "<LoopFuture cancelled>");
}

#[test]
fn a_future_that_has_forgotten_its_type_is_the_same_one() {
    let event_loop = virtual_loop();
    let future: LoopFuture<Result<(), ()>> = event_loop.create_future();
    let other: LoopFuture<i32> = event_loop.create_future();
    let any = future.erase_future();
    assert_eq!(any, future.clone().erase_future());
    assert_ne!(any, other.erase_future());
    assert!(!any.done());
    future.set_exception(()).unwrap();
    assert!(any.done() && any.failed() && !any.cancelled() && !any.cancel());
    let _ = future.result();
}

/// `mem::forget` is safe code: nothing may rely on a drop.
#[test]
fn forgotten_futures_and_awaits_leave_the_rest_working() {
    run(async {
        let future: LoopFuture<i32> = create_future();
        forget(future.clone());
        let mut join = Box::pin((&future).into_future());
        std::future::poll_fn(|cx| {
            assert!(join.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        forget(join);
        let setter = future.clone();
        create_task(async move { setter.set_result(1).unwrap() });
        assert_eq!((&future).await.unwrap(), 1);
        forget(future);
    });
}

/// What a callback, or the program between two iterations, does with the future.
#[derive(Clone, Debug)]
enum Op {
    Set(u8),
    Cancel,
    Add(Vec<Op>),
    Remove(usize),
    Iterate,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let leaf = prop_oneof![
        any::<u8>().prop_map(Op::Set),
        Just(Op::Cancel),
        (0usize..6).prop_map(Op::Remove),
        Just(Op::Iterate),
        Just(Op::Add(Vec::new())),
    ];
    let op = leaf.prop_recursive(3, 24, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(Op::Add)
    });
    prop::collection::vec(op, 0..16)
}

/// The model: three states, the callbacks that wait, and the ready queue.
#[derive(Default)]
struct Model {
    state: Option<Option<u8>>,
    waiting: Vec<(usize, Vec<Op>)>,
    ready: Vec<(usize, Vec<Op>)>,
    born: usize,
    trace: Vec<String>,
}

impl Model {
    fn settle(&mut self, state: Option<u8>) -> bool {
        if self.state.is_some() {
            return false;
        }
        self.state = Some(state);
        self.ready.append(&mut self.waiting);
        true
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Set(value) => {
                let back = (!self.settle(Some(*value))).then_some(*value);
                self.trace.push(format!("set {back:?}"));
            }
            Op::Cancel => {
                let done = self.settle(None);
                self.trace.push(format!("cancel {done}"));
            }
            Op::Add(inner) => {
                let callback = (self.born, inner.clone());
                self.born += 1;
                match self.state {
                    None => self.waiting.push(callback),
                    Some(_) => self.ready.push(callback),
                }
            }
            Op::Remove(id) => {
                let at = self.waiting.iter().position(|(other, _)| other == id);
                self.trace.push(format!("remove {}", at.is_some()));
                if let Some(at) = at {
                    self.waiting.remove(at);
                }
            }
            Op::Iterate => {
                for (id, inner) in std::mem::take(&mut self.ready) {
                    self.trace.push(format!("call {id} {:?}", self.state));
                    for op in inner.iter().filter(|op| !matches!(op, Op::Iterate)) {
                        self.apply(op);
                    }
                }
            }
        }
    }
}

/// The same on a real future.
#[derive(Clone)]
struct Real {
    future: LoopFuture<u8>,
    tokens: Rc<RefCell<Vec<CallbackToken>>>,
    trace: Log,
}

impl Real {
    fn state(&self) -> Option<Option<u8>> {
        match self.future.result() {
            Err(_) => None,
            Ok(Ok(value)) => Some(Some(value)),
            Ok(Err(error)) => {
                assert!(matches!(error, TaskError::Cancelled(_)) && self.future.cancelled());
                Some(None)
            }
        }
    }

    fn apply(&self, op: &Op, event_loop: Option<&EventLoop>) {
        match op {
            Op::Set(value) => {
                let back = self.future.set_result(*value).err().map(|late| late.0);
                self.trace.add(format_args!("set {back:?}"));
            }
            Op::Cancel => self
                .trace
                .add(format_args!("cancel {}", self.future.cancel())),
            Op::Add(inner) => {
                let (this, inner) = (self.clone(), inner.clone());
                let id = self.tokens.borrow().len();
                let token = self.future.add_done_callback(move |future| {
                    assert!(future.same(&this.future));
                    this.trace.add(format_args!("call {id} {:?}", this.state()));
                    for op in &inner {
                        this.apply(op, None);
                    }
                });
                self.tokens.borrow_mut().push(token);
            }
            Op::Remove(id) => {
                let token = self.tokens.borrow().get(*id).copied();
                let removed = token.is_some_and(|token| self.future.remove_done_callback(token));
                self.trace.add(format_args!("remove {removed}"));
            }
            Op::Iterate => {
                if let Some(event_loop) = event_loop {
                    event_loop
                        .run_once(Some(std::time::Duration::ZERO))
                        .expect("the loop is open and idle");
                }
            }
        }
    }
}

/// As many as the environment asks for, or else what takes seconds.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(10_000),
    }
}

proptest! {
    #![proptest_config(config())]

    /// Callbacks that add and remove callbacks, cancel and set, against a model of three states.
    #[test]
    fn futures_behave_as_three_states_and_a_queue(ops in ops()) {
        thread_local! {
            static LOOP: EventLoop = virtual_loop();
        }
        let (model, real) = LOOP.with(|event_loop| {
            let mut model = Model::default();
            let real = Real {
                future: event_loop.create_future(),
                tokens: Rc::default(),
                trace: Log::default(),
            };
            let settling = [Op::Set(0), Op::Iterate, Op::Iterate, Op::Iterate, Op::Iterate];
            for op in ops.iter().chain(&settling) {
                model.apply(op);
                real.apply(op, Some(event_loop));
            }
            (model, real)
        });
        prop_assert_eq!(&model.trace, &real.trace.take());
        prop_assert_eq!(model.state, real.state());
        prop_assert!(model.ready.is_empty() && model.waiting.is_empty());
    }
}
