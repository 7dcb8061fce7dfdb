//! The ops that never suspend: a task does them, and so may a callback.

use std::rc::Rc;

use asyncloop::{
    Barrier, BoundedSemaphore, Condition, Event, GetNowaitError, LifoQueue, Lock, LoopExt,
    PriorityQueue, PutNowaitError, Queue, Semaphore, eager_task_factory,
};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::program::{Body, Name, Next, Op};
use crate::raised::{Raised, misuse, value_of};
use crate::table::{Thing, state};
use crate::value::Value;

impl Machine {
    /// Does an op that never suspends. `None`: it may.
    pub(crate) fn at_once(&self, me: &Name, op: &Op) -> Option<Result<(), Raised>> {
        if let Some(made) = self.made(op) {
            let (name, thing) = made;
            self.table().set(name, thing);
            return Some(Ok(()));
        }
        match op {
            Op::Log(label) => self.note(me, ["log".into(), Rc::clone(label).into()]),
            Op::Spawn(name, body) => drop(self.spawn(name, body, false)),
            Op::SpawnEager(name, body) => drop(self.spawn(name, body, true)),
            Op::Eager(eager) => {
                let factory = eager.then_some(eager_task_factory);
                self.event_loop().set_task_factory(factory);
            }
            _ => {
                let thing = self.table().get(op.needs()?);
                return match thing {
                    Some(thing) => self.at_once_with(me, op, thing),
                    None => Some(Ok(())),
                };
            }
        }
        Some(Ok(()))
    }

    /// What an op makes that only makes a thing, and its name.
    fn made<'op>(&self, op: &'op Op) -> Option<(&'op Name, Thing)> {
        Some(match op {
            Op::Future(name) => (name, Thing::Awaitable(self.event_loop().create_future())),
            Op::CallSoon(name, ops) => {
                let handle = self.event_loop().call_soon(self.callback(ops));
                (name, Thing::Handle(Rc::new(handle.expect(OPEN))))
            }
            Op::CallLater(name, delay, ops) => {
                let timer = self.event_loop().call_later(*delay, self.callback(ops));
                (name, Thing::Timer(Rc::new(timer.expect(OPEN))))
            }
            Op::CallAt(name, time, ops) => {
                let timer = self
                    .event_loop()
                    .call_at(self.at(*time), self.callback(ops));
                (name, Thing::Timer(Rc::new(timer.expect(OPEN))))
            }
            Op::Event(name) => (name, Thing::Event(Event::new())),
            Op::Lock(name) => (name, Thing::Lock(Lock::new())),
            Op::Semaphore(name, places) => (name, Thing::Semaphore(Semaphore::new(*places))),
            Op::Bounded(name, places) => (name, Thing::Bounded(BoundedSemaphore::new(*places))),
            Op::Queue(name, next, room) => (name, Thing::Queue(queue(*next, *room))),
            Op::Condition(name) => (name, Thing::Condition(Condition::new())),
            Op::Barrier(name, parties) => (name, Thing::Barrier(Barrier::new(*parties))),
            _ => return None,
        })
    }

    /// Does an op with the thing that it names.
    fn at_once_with(&self, me: &Name, op: &Op, thing: Thing) -> Option<Result<(), Raised>> {
        let done = match (op, thing) {
            (Op::Cancel(name), Thing::Awaitable(awaitable)) => {
                let accepted = awaitable.cancel();
                self.note_on(me, "cancel", name, accepted.into());
                Ok(())
            }
            (Op::SetResult(_, value), Thing::Awaitable(future)) => future
                .set_result(Ok(value.clone()))
                .map_err(|_| Failure::InvalidState),
            (Op::SetException(_, kind), Thing::Awaitable(future)) => future
                .set_exception(Failure::Own(Rc::clone(kind)))
                .map_err(|_| Failure::InvalidState),
            (Op::AddCallback(_, label), Thing::Awaitable(awaitable)) => {
                let (machine, shown) = (self.clone(), Rc::clone(label));
                let token = awaitable.add_done_callback(move |awaitable| {
                    machine.note_on("loop", "done", &shown, state(awaitable));
                });
                self.table().set_callback(label, awaitable, token);
                Ok(())
            }
            (Op::RemoveCallback(_, label), Thing::Awaitable(awaitable)) => {
                let token = self.table().callback(&awaitable, label);
                let removed = token.is_some_and(|token| awaitable.remove_done_callback(token));
                self.note_on(me, "removed", label, removed.into());
                Ok(())
            }
            (Op::Release(_), Thing::Semaphore(semaphore)) => {
                semaphore.release();
                Ok(())
            }
            (Op::Release(_), Thing::Bounded(semaphore)) => {
                semaphore.release().map_err(|_| Failure::ReleasedTooOften)
            }
            (Op::Shutdown(_, immediate), Thing::Queue(queue)) => {
                queue.shutdown(*immediate);
                Ok(())
            }
            (Op::Look(name), thing) => {
                self.note_on(me, "look", name, looks(&thing));
                Ok(())
            }
            (Op::Result(name), Thing::Awaitable(awaitable)) => match awaitable.result() {
                Err(_) => Err(Failure::InvalidState),
                Ok(outcome) => match value_of(outcome) {
                    Err(raised) => return Some(Err(raised)),
                    Ok(value) => {
                        self.note_on(me, "result", name, value);
                        Ok(())
                    }
                },
            },
            (Op::State(name), Thing::Awaitable(awaitable)) => {
                self.note_on(me, "state", name, state(&awaitable));
                Ok(())
            }
            (Op::CancelHandle(_), Thing::Handle(handle)) => {
                handle.cancel();
                Ok(())
            }
            (Op::CancelHandle(_), Thing::Timer(timer)) => {
                timer.cancel();
                Ok(())
            }
            (Op::EventSet(_), Thing::Event(event)) => {
                event.set();
                Ok(())
            }
            (Op::EventClear(_), Thing::Event(event)) => {
                event.clear();
                Ok(())
            }
            (Op::PutNowait(_, item), Thing::Queue(queue)) => {
                queue.put_nowait(item.clone()).map_err(|error| match error {
                    PutNowaitError::QueueFull(_) => Failure::QueueFull,
                    PutNowaitError::QueueShutDown(_) => Failure::QueueShutDown,
                })
            }
            (Op::GetNowait(name), Thing::Queue(queue)) => match queue.get_nowait() {
                Ok(item) => {
                    self.note_on(me, "item", name, item);
                    Ok(())
                }
                Err(GetNowaitError::QueueEmpty) => Err(Failure::QueueEmpty),
                Err(GetNowaitError::QueueShutDown) => Err(Failure::QueueShutDown),
            },
            (Op::TaskDone(_), Thing::Queue(queue)) => {
                queue.task_done().map_err(|_| Failure::TooManyTaskDone)
            }
            (
                Op::Cancel(name)
                | Op::SetResult(name, _)
                | Op::SetException(name, _)
                | Op::AddCallback(name, _)
                | Op::RemoveCallback(name, _)
                | Op::Release(name)
                | Op::Shutdown(name, _)
                | Op::Result(name)
                | Op::State(name)
                | Op::CancelHandle(name)
                | Op::EventSet(name)
                | Op::EventClear(name)
                | Op::PutNowait(name, _)
                | Op::GetNowait(name)
                | Op::TaskDone(name),
                _,
            ) => Err(misuse(name)),
            _ => return None,
        };
        Some(done.map_err(Raised::Error))
    }

    /// A callback that does ops, each on its own: when one fails, the next is done all the same.
    fn callback(&self, ops: &Body) -> impl FnOnce() + 'static {
        let (machine, ops) = (self.clone(), Rc::clone(ops));
        move || {
            let me = Name::from("loop");
            for op in &*ops {
                match machine.at_once(&me, op) {
                    Some(Err(Raised::Error(failure))) => {
                        machine.note(&me, ["error".into(), Value::from(&failure)]);
                    }
                    // In a callback there is no task that it could end; it ends the callback.
                    Some(Err(Raised::Cancelled(_))) => return,
                    // What may suspend does nothing in a callback.
                    Some(Ok(())) | None => {}
                }
            }
        }
    }

    /// Writes down what became of something with a name.
    pub(crate) fn note_on(&self, who: &str, what: &str, name: &Name, value: Value) {
        self.note(who, [what.into(), Rc::clone(name).into(), value]);
    }
}

/// What can be seen of a sync object or a timeout: what it prints of itself, without what is Rust's or Python's own.
fn looks(thing: &Thing) -> Value {
    let printed = match thing {
        Thing::Event(event) => format!("{event:?}"),
        Thing::Lock(lock) => format!("{lock:?}"),
        Thing::Semaphore(semaphore) => format!("{semaphore:?}"),
        Thing::Bounded(semaphore) => format!("{semaphore:?}"),
        Thing::Queue(queue) => format!("{queue:?}"),
        Thing::Condition(condition) => format!("{condition:?}"),
        Thing::Barrier(barrier) => format!("{barrier:?}"),
        Thing::Timeout(timeout) => format!("expired {}", timeout.expired()),
        _ => String::new(),
    };
    printed.as_str().into()
}

const OPEN: &str = "a program runs while its loop is open";

fn queue(next: Next, room: usize) -> Queue<Value> {
    match next {
        Next::Fifo => Queue::new(room),
        Next::Lifo => (*LifoQueue::new(room)).clone(),
        Next::Priority => (*PriorityQueue::new(room)).clone(),
    }
}
