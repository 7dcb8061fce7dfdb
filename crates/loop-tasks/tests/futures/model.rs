//! Futures against a model of them: random operations, the same outcome.

use std::cell::RefCell;
use std::rc::Rc;

use crate::common::{Log, virtual_loop};
use loop_core::EventLoop;
use loop_tasks::{CallbackToken, LoopExt, LoopFuture, TaskError};
use proptest::prelude::*;

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
