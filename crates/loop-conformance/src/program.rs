//! Programs: what a line of a script says is to be done.
//!
//! A program is `{"id": STRING, "main": [OP, ...]}`, and an op is `[NAME, ARGUMENT, ...]`. One table
//! of names holds the tasks, futures, gathers, handles, timeouts, groups and sync objects of a run;
//! an op that names what the table does not hold does nothing.

use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::failure::Pattern;
use crate::value::Value;

/// A name in the table of names, a label, or the kind of an error of the program's own.
pub type Name = Rc<str>;

/// Ops that run one after the other.
pub type Body = Rc<[Op]>;

/// Names that stand together, as in `gather`.
pub type Names = Rc<[Name]>;

/// A script.
#[derive(Clone, Debug, Deserialize)]
pub struct Program {
    /// Which program this is; its trace bears the same.
    pub id: String,
    /// The body of the task `main`.
    #[serde(deserialize_with = "body")]
    pub main: Body,
}

/// Which of the awaited ends a `wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum When {
    /// The first that is done.
    FirstCompleted,
    /// The first that fails, or all.
    FirstException,
    /// All of them.
    AllCompleted,
}

/// Which item a queue gives next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Next {
    /// The oldest.
    Fifo,
    /// The youngest.
    Lifo,
    /// The least.
    Priority,
}

/// A handler of a `try`: the errors that it takes, and what it does.
#[derive(Clone, Debug)]
pub struct Handler {
    /// What it takes.
    pub pattern: Pattern,
    /// What it does.
    pub body: Body,
}

/// One thing to do. Durations are whole microseconds.
///
/// The names are asyncio's; where one says nothing more than asyncio's documentation does, neither
/// does the text here.
#[derive(Clone, Debug)]
pub enum Op {
    /// Notes a label.
    Log(Name),
    /// Makes a task with this name and body.
    Spawn(Name, Body),
    /// Makes a task that runs at once up to its first wait.
    SpawnEager(Name, Body),
    /// Cancels a task, future or gather and notes what that returned.
    Cancel(Name),
    /// Makes a future.
    Future(Name),
    /// Settles a future with a value.
    SetResult(Name, Value),
    /// Settles a future with an error of this kind.
    SetException(Name, Name),
    /// Adds a done callback to the first name, which notes the second and the outcome.
    AddCallback(Name, Name),
    /// Removes the callback that notes the second name from the first, and notes whether it was still there.
    RemoveCallback(Name, Name),
    /// Notes a future's result, or raises what asking for it raises.
    Result(Name),
    /// Notes what has become of a task, future or gather.
    State(Name),
    /// Runs ops in a callback.
    CallSoon(Name, Body),
    /// Runs ops in a callback after a delay.
    CallLater(Name, Duration, Body),
    /// Runs ops in a callback at a time of the loop's clock.
    CallAt(Name, Duration, Body),
    /// Cancels a handle.
    CancelHandle(Name),
    /// Makes an event.
    Event(Name),
    /// Sets an event.
    EventSet(Name),
    /// Clears an event.
    EventClear(Name),
    /// Makes a lock.
    Lock(Name),
    /// Makes a semaphore with this many places.
    Semaphore(Name, usize),
    /// Makes a semaphore that refuses to have more places than these.
    Bounded(Name, usize),
    /// Gives a place back to a semaphore, whether it was taken or not.
    Release(Name),
    /// Makes a queue with room for this many items; for any number, if it is 0.
    Queue(Name, Next, usize),
    /// Shuts a queue down; the flag drops what it holds.
    Shutdown(Name, bool),
    /// Makes a condition with a lock of its own.
    Condition(Name),
    /// Makes a barrier for this many parties.
    Barrier(Name, usize),
    /// Notes what can be seen of a sync object or of a timeout.
    Look(Name),
    /// Makes all tasks from here on eager, or none but those that ask for it.
    Eager(bool),
    /// Puts an item into a queue if there is room.
    PutNowait(Name, Value),
    /// Takes an item from a queue if there is one, and notes it.
    GetNowait(Name),
    /// Says that an item that was taken is dealt with.
    TaskDone(Name),

    /// Sleeps; for no time at all, it yields once.
    Sleep(Duration),
    /// Awaits a task, future or gather and notes its value.
    Await(Name),
    /// Ends the task's body with a value.
    Return(Value),
    /// Raises an error of this kind.
    Raise(Name),
    /// Runs ops so many times.
    Repeat(u32, Body),
    /// Runs ops; of the handlers the first that matches takes their error; the last body runs in any
    /// case.
    Try(Body, Rc<[Handler]>, Option<Body>),
    /// In a handler: raises again what it took.
    Reraise,
    /// Gathers, under a name of its own, what is known of these names; the flag keeps errors as
    /// values.
    Gather(Name, Names, bool),
    /// Waits for what is known of these names, for at most a time.
    Wait(Names, Option<Duration>, When),
    /// Runs a body under the awaiting task's name, for at most a time.
    WaitFor(Duration, Body),
    /// Awaits a task, future or gather for at most a time.
    WaitForTask(Duration, Name),
    /// Runs ops under a timeout with this name.
    Timeout(Name, Option<Duration>, Body),
    /// Moves a timeout's deadline, counted from now; of no effect once it is over.
    Reschedule(Name, Option<Duration>),
    /// Awaits a task, future or gather without handing on a cancellation.
    Shield(Name),
    /// Notes the outcomes of these names as they come, within a time.
    AsCompleted(Names, Option<Duration>),
    /// Runs ops in a task group with this name.
    TaskGroup(Name, Body),
    /// Makes a task in the group of the first name; if it is over, notes that.
    TgSpawn(Name, Name, Body),
    /// Waits until an event is set.
    EventWait(Name),
    /// Runs ops while holding a lock, a condition's lock, or a place of a semaphore.
    With(Name, Body),
    /// Takes a place of a semaphore and keeps it.
    Take(Name),
    /// Puts an item into a queue.
    Put(Name, Value),
    /// Takes an item from a queue and notes it.
    Get(Name),
    /// Waits until a queue's items are dealt with.
    JoinQueue(Name),
    /// Takes a condition's lock, waits to be notified, and runs ops.
    CondWait(Name, Body),
    /// Takes a condition's lock and notifies so many.
    Notify(Name, usize),
    /// Waits at a barrier and notes the place in line.
    BarrierWait(Name),
    /// Breaks a barrier.
    BarrierAbort(Name),
    /// Sends those who wait at a barrier away, and leaves it usable.
    BarrierReset(Name),
    /// Cancels the task itself.
    CancelSelf,
    /// Notes how many cancellations are asked for.
    Cancelling,
    /// Takes one back and notes how many are left.
    Uncancel,
}

impl Op {
    /// The name that the table of names must hold; while it does not, the op does nothing.
    ///
    /// # Examples
    /// ```
    /// use loop_conformance::Op;
    ///
    /// assert_eq!(Op::Await("t".into()).needs().map(|name| &**name), Some("t"));
    /// assert_eq!(Op::Log("L".into()).needs(), None);
    /// ```
    #[must_use]
    pub fn needs(&self) -> Option<&Name> {
        match self {
            Self::Cancel(name)
            | Self::SetResult(name, _)
            | Self::SetException(name, _)
            | Self::AddCallback(name, _)
            | Self::RemoveCallback(name, _)
            | Self::Release(name)
            | Self::Take(name)
            | Self::Shutdown(name, _)
            | Self::Look(name)
            | Self::Result(name)
            | Self::State(name)
            | Self::CancelHandle(name)
            | Self::EventSet(name)
            | Self::EventClear(name)
            | Self::PutNowait(name, _)
            | Self::GetNowait(name)
            | Self::TaskDone(name)
            | Self::Await(name)
            | Self::WaitForTask(_, name)
            | Self::Reschedule(name, _)
            | Self::Shield(name)
            | Self::TgSpawn(name, ..)
            | Self::EventWait(name)
            | Self::With(name, _)
            | Self::Put(name, _)
            | Self::Get(name)
            | Self::JoinQueue(name)
            | Self::CondWait(name, _)
            | Self::Notify(name, _)
            | Self::BarrierWait(name)
            | Self::BarrierAbort(name)
            | Self::BarrierReset(name) => Some(name),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(OpReader)
    }
}

impl<'de> Deserialize<'de> for Handler {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (pattern, ops): (Pattern, Vec<Op>) = Deserialize::deserialize(deserializer)?;
        Ok(Self {
            pattern,
            body: ops.into(),
        })
    }
}

fn body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
    Ok(Vec::<Op>::deserialize(deserializer)?.into())
}

/// The arguments of one op, taken from first to last.
struct Arguments<A>(A);

impl<'de, A: SeqAccess<'de>> Arguments<A> {
    fn next<T: Deserialize<'de>>(&mut self) -> Result<T, A::Error> {
        let argument = self.0.next_element()?;
        argument.ok_or_else(|| Error::custom("an op lacks an argument"))
    }

    fn name(&mut self) -> Result<Name, A::Error> {
        Ok(self.next::<String>()?.into())
    }

    fn names(&mut self) -> Result<Names, A::Error> {
        let names = self.next::<Vec<String>>()?;
        Ok(names.into_iter().map(Name::from).collect())
    }

    fn body(&mut self) -> Result<Body, A::Error> {
        Ok(self.next::<Vec<Op>>()?.into())
    }

    fn time(&mut self) -> Result<Duration, A::Error> {
        self.next().map(Duration::from_micros)
    }

    fn time_or_never(&mut self) -> Result<Option<Duration>, A::Error> {
        Ok(self.next::<Option<u64>>()?.map(Duration::from_micros))
    }

    fn end(mut self) -> Result<(), A::Error> {
        match self.0.next_element::<Value>() {
            Ok(None) => Ok(()),
            _ => Err(Error::custom("an op has an argument too many")),
        }
    }
}

struct OpReader;

impl<'de> Visitor<'de> for OpReader {
    type Value = Op;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an op: a list of its name and its arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, arguments: A) -> Result<Op, A::Error> {
        let mut with = Arguments(arguments);
        let name: String = with.next()?;
        let op = match name.as_str() {
            "log" => Op::Log(with.name()?),
            "spawn" => Op::Spawn(with.name()?, with.body()?),
            "spawn_eager" => Op::SpawnEager(with.name()?, with.body()?),
            "cancel" => Op::Cancel(with.name()?),
            "future" => Op::Future(with.name()?),
            "set_result" => Op::SetResult(with.name()?, with.next()?),
            "set_exception" => Op::SetException(with.name()?, with.name()?),
            "add_callback" => Op::AddCallback(with.name()?, with.name()?),
            "remove_callback" => Op::RemoveCallback(with.name()?, with.name()?),
            "result" => Op::Result(with.name()?),
            "state" => Op::State(with.name()?),
            "call_soon" => Op::CallSoon(with.name()?, with.body()?),
            "call_later" => Op::CallLater(with.name()?, with.time()?, with.body()?),
            "call_at" => Op::CallAt(with.name()?, with.time()?, with.body()?),
            "cancel_handle" => Op::CancelHandle(with.name()?),
            "event" => Op::Event(with.name()?),
            "event_set" => Op::EventSet(with.name()?),
            "event_clear" => Op::EventClear(with.name()?),
            "lock" => Op::Lock(with.name()?),
            "semaphore" => Op::Semaphore(with.name()?, with.next()?),
            "queue" => Op::Queue(with.name()?, with.next()?, with.next()?),
            "bounded" => Op::Bounded(with.name()?, with.next()?),
            "take" => Op::Take(with.name()?),
            "release" => Op::Release(with.name()?),
            "shutdown" => Op::Shutdown(with.name()?, with.next()?),
            "look" => Op::Look(with.name()?),
            "eager" => Op::Eager(with.next()?),
            "condition" => Op::Condition(with.name()?),
            "barrier" => Op::Barrier(with.name()?, with.next()?),
            "put_nowait" => Op::PutNowait(with.name()?, with.next()?),
            "get_nowait" => Op::GetNowait(with.name()?),
            "task_done" => Op::TaskDone(with.name()?),
            "sleep" => Op::Sleep(with.time()?),
            "await" => Op::Await(with.name()?),
            "return" => Op::Return(with.next()?),
            "raise" => Op::Raise(with.name()?),
            "repeat" => Op::Repeat(with.next()?, with.body()?),
            "try" => Op::Try(
                with.body()?,
                with.next::<Vec<Handler>>()?.into(),
                with.next::<Option<Vec<Op>>>()?.map(Body::from),
            ),
            "reraise" => Op::Reraise,
            "gather" => Op::Gather(with.name()?, with.names()?, with.next()?),
            "wait" => Op::Wait(with.names()?, with.time_or_never()?, with.next()?),
            "wait_for" => Op::WaitFor(with.time()?, with.body()?),
            "wait_for_task" => Op::WaitForTask(with.time()?, with.name()?),
            "timeout" => Op::Timeout(with.name()?, with.time_or_never()?, with.body()?),
            "reschedule" => Op::Reschedule(with.name()?, with.time_or_never()?),
            "shield" => Op::Shield(with.name()?),
            "as_completed" => Op::AsCompleted(with.names()?, with.time_or_never()?),
            "taskgroup" => Op::TaskGroup(with.name()?, with.body()?),
            "tg_spawn" => Op::TgSpawn(with.name()?, with.name()?, with.body()?),
            "event_wait" => Op::EventWait(with.name()?),
            "with" => Op::With(with.name()?, with.body()?),
            "put" => Op::Put(with.name()?, with.next()?),
            "get" => Op::Get(with.name()?),
            "join_queue" => Op::JoinQueue(with.name()?),
            "cond_wait" => Op::CondWait(with.name()?, with.body()?),
            "notify" => Op::Notify(with.name()?, with.next()?),
            "barrier_wait" => Op::BarrierWait(with.name()?),
            "barrier_abort" => Op::BarrierAbort(with.name()?),
            "barrier_reset" => Op::BarrierReset(with.name()?),
            "cancel_self" => Op::CancelSelf,
            "cancelling" => Op::Cancelling,
            "uncancel" => Op::Uncancel,
            other => return Err(Error::custom(format!("there is no op `{other}`"))),
        };
        with.end()?;
        Ok(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(text: &str) -> Result<Op, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_nested_program_is_read() {
        let text = r#"{"id": "p", "main": [["try", [["sleep", 5]], [["Any", [["reraise"]]]], null],
            ["wait", ["a", "b"], null, "FIRST_EXCEPTION"], ["return", [1, null]]]}"#;
        let program: Program = serde_json::from_str(text).unwrap();
        let [
            Op::Try(body, handlers, None),
            Op::Wait(names, None, when),
            Op::Return(value),
        ] = &*program.main
        else {
            panic!("{program:?}");
        };
        assert!(matches!(**body, [Op::Sleep(time)] if time.as_micros() == 5));
        assert!(matches!(*handlers[0].body, [Op::Reraise]));
        assert_eq!(handlers[0].pattern, Pattern::Any);
        assert_eq!(
            (&**names, *when),
            (&["a".into(), "b".into()][..], When::FirstException)
        );
        assert_eq!(*value, Value::list([Value::Int(1), Value::Null]));
    }

    #[test]
    fn what_is_no_op_is_refused_by_name() {
        assert!(op(r#"["frobnicate"]"#).unwrap_err().contains("frobnicate"));
        assert!(
            op(r#"["cancel"]"#)
                .unwrap_err()
                .contains("lacks an argument")
        );
        assert!(
            op(r#"["cancel", "t", 1]"#)
                .unwrap_err()
                .contains("too many")
        );
        assert!(op(r#"["sleep", -1]"#).is_err());
        assert!(op("7").unwrap_err().contains("an op"));
    }
}
