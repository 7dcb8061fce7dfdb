//! The ops of a task that wait for the one thing that they name, or change it.

use std::rc::Rc;

use asyncloop::{TaskBuilder, TaskError, shield, wait_for};

use crate::body::Scope;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::program::Op;
use crate::raised::{Flow, Outcome, misuse, value_of};
use crate::table::{Awaitable, Thing};
use crate::value::Value;

impl Machine {
    /// Does an op with the thing that it names.
    pub(crate) async fn run_op_with(
        &self,
        scope: Scope<'_>,
        op: &Op,
        thing: Thing,
    ) -> Result<(), Flow> {
        let me = scope.me;
        match (op, thing) {
            (Op::Await(name), Thing::Awaitable(awaitable)) => {
                let value = got(&awaitable).await?;
                self.note_on(me, "got", name, value);
            }
            (Op::Shield(name), Thing::Awaitable(awaitable)) => {
                let value = got(&shield(&awaitable)).await?;
                self.note_on(me, "got", name, value);
            }
            (Op::WaitForTask(time, _), Thing::Awaitable(awaitable)) => {
                let outcome = wait_for(*time, &awaitable).await;
                let value = settled(outcome.map_err(|_| Failure::Timeout)?).await?;
                self.note(me, ["in_time".into(), value]);
            }
            (Op::Reschedule(_, delay), Thing::Timeout(timeout)) => {
                // Refused when it is over: then it has no effect.
                let _ = timeout.reschedule_after(*delay);
            }
            (Op::TgSpawn(name, task, body), Thing::Group(group)) => {
                let builder = TaskBuilder::new().name(Rc::clone(task));
                match group.spawn(builder, self.clone().body(task, body)) {
                    Ok(made) => self.table().set_task(task, made.into()),
                    Err(_) => self.note(me, ["group_closed".into(), Rc::clone(name).into()]),
                }
            }
            (Op::EventWait(_), Thing::Event(event)) => event.wait().await,
            (Op::With(_, ops), Thing::Lock(lock)) => {
                let _guard = lock.acquire().await;
                self.run_ops(scope, ops).await?;
            }
            (Op::With(_, ops), Thing::Semaphore(semaphore)) => {
                let _permit = semaphore.acquire().await;
                self.run_ops(scope, ops).await?;
            }
            (Op::Take(_), Thing::Semaphore(semaphore)) => semaphore.acquire().await.forget(),
            (Op::Take(_), Thing::Bounded(semaphore)) => semaphore.acquire().await.forget(),
            (Op::With(_, ops), Thing::Condition(condition)) => {
                let _guard = condition.acquire().await;
                self.run_ops(scope, ops).await?;
            }
            (Op::Put(_, item), Thing::Queue(queue)) => {
                let put = queue.put(item.clone()).await;
                put.map_err(|_| Failure::QueueShutDown)?;
            }
            (Op::Get(name), Thing::Queue(queue)) => {
                let item = queue.get().await.map_err(|_| Failure::QueueShutDown)?;
                self.note_on(me, "item", name, item);
            }
            (Op::JoinQueue(_), Thing::Queue(queue)) => queue.join().await,
            (Op::CondWait(_, ops), Thing::Condition(condition)) => {
                let mut guard = condition.acquire().await;
                condition.wait(&mut guard).await;
                self.run_ops(scope, ops).await?;
            }
            (Op::Notify(_, count), Thing::Condition(condition)) => {
                let guard = condition.acquire().await;
                condition.notify(&guard, *count);
            }
            (Op::BarrierWait(name), Thing::Barrier(barrier)) => {
                let place = barrier.wait().await.map_err(|_| Failure::BrokenBarrier)?;
                let place = i64::try_from(place).expect("parties are few");
                self.note_on(me, "barrier", name, Value::Int(place));
            }
            (Op::BarrierAbort(_), Thing::Barrier(barrier)) => barrier.abort().await,
            (Op::BarrierReset(_), Thing::Barrier(barrier)) => barrier.reset().await,
            (op, _) => {
                let name = op.needs().expect("it was looked up by it");
                return Err(misuse(name).into());
            }
        }
        Ok(())
    }
}

/// Awaits a task, future or gather.
pub(crate) async fn got(awaitable: &Awaitable) -> Result<Value, Flow> {
    settled(awaitable.await).await
}

/// The value of what was awaited, or what it raises.
pub(crate) async fn settled(outcome: Result<Outcome, TaskError>) -> Result<Value, Flow> {
    match value_of(outcome) {
        Ok(value) => Ok(value),
        Err(raised) => raised.raise().await,
    }
}
