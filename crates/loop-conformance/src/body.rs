//! Bodies: the ops of a task, one after the other.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use asyncloop::{
    AnyTask, Cancelled, TaskBuilder, Timeout, catch_cancel, current_task, sleep, wait_for,
};

use crate::failure::{Failure, Pattern};
use crate::machine::Machine;
use crate::one::got;
use crate::program::{Body, Handler, Name, Op};
use crate::raised::{Flow, Outcome, Raised};
use crate::table::{Awaitable, Thing};
use crate::value::Value;

/// Where ops stand.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The name of the task that does them.
    pub(crate) me: &'a Name,
    /// What the handler around them took.
    handling: Option<&'a Raised>,
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Flow>> + 'a>>;

impl Machine {
    /// Makes a task that does these ops.
    pub(crate) fn spawn(&self, name: &Name, body: &Body, eager: bool) -> Awaitable {
        let builder = TaskBuilder::new().name(Rc::clone(name)).eager(eager);
        let task = builder.try_spawn_on(self.event_loop(), self.clone().body(name, body));
        let task = Awaitable::from(task.expect("a program runs while its loop is open"));
        self.table().set_task(name, task.clone());
        task
    }

    /// A coroutine that does these ops.
    pub(crate) fn body(self, name: &Name, body: &Body) -> impl Future<Output = Outcome> + use<> {
        let (me, ops) = (Rc::clone(name), Rc::clone(body));
        async move {
            let scope = Scope {
                me: &me,
                handling: None,
            };
            self.value_of_body(scope, &ops).await
        }
    }

    async fn value_of_body(&self, scope: Scope<'_>, ops: &[Op]) -> Outcome {
        match self.run_ops(scope, ops).await {
            Ok(()) => Ok(Value::Null),
            Err(Flow::Return(value)) => Ok(value),
            Err(Flow::Error(failure)) => Err(failure),
        }
    }

    pub(crate) fn run_ops<'a>(&'a self, scope: Scope<'a>, ops: &'a [Op]) -> Running<'a> {
        Box::pin(async move {
            for op in ops {
                self.run_op(scope, op).await?;
            }
            Ok(())
        })
    }

    async fn run_op(&self, scope: Scope<'_>, op: &Op) -> Result<(), Flow> {
        let me = scope.me;
        if let Some(done) = self.at_once(me, op) {
            return match done {
                Ok(()) => Ok(()),
                Err(raised) => raised.raise().await,
            };
        }
        match op {
            Op::Sleep(delay) => sleep(*delay).await,
            Op::Return(value) => return Err(Flow::Return(value.clone())),
            Op::Raise(kind) => return Err(Failure::Own(Rc::clone(kind)).into()),
            Op::Reraise => return self.reraise(scope).await,
            Op::Repeat(times, ops) => {
                for _ in 0..*times {
                    self.run_ops(scope, ops).await?;
                }
            }
            Op::Try(ops, handlers, last) => {
                return self.run_try(scope, ops, handlers, last.as_ref()).await;
            }
            Op::Gather(name, names, keeps_errors) => {
                let gather = self.gather(names, *keeps_errors);
                self.table().set(name, Thing::Awaitable(gather.clone()));
                let values = got(&gather).await?;
                self.note_on(me, "gathered", name, values);
            }
            Op::Wait(names, time, when) => self.wait(me, names, *time, *when).await,
            Op::WaitFor(time, ops) => {
                let value = wait_for(*time, self.value_of_body(scope, ops)).await;
                let value = value.map_err(|_| Failure::Timeout)??;
                self.note(me, ["in_time".into(), value]);
            }
            Op::Timeout(name, delay, ops) => {
                let timeout = delay.map_or_else(Timeout::never, Timeout::new);
                self.table().set(name, Thing::Timeout(timeout.clone()));
                let ended = timeout.run(self.run_ops(scope, ops)).await;
                return ended.unwrap_or(Err(Failure::Timeout.into()));
            }
            Op::AsCompleted(names, time) => return self.as_completed(me, names, *time).await,
            Op::TaskGroup(name, ops) => return self.group(scope, name, ops).await,
            Op::CancelSelf => {
                this_task().cancel();
            }
            Op::Cancelling => {
                let count = i64::from(this_task().cancelling());
                self.note(me, ["cancelling".into(), Value::Int(count)]);
            }
            Op::Uncancel => {
                let count = i64::from(this_task().uncancel());
                self.note(me, ["uncancel".into(), Value::Int(count)]);
            }
            op => {
                let Some(thing) = op.needs().and_then(|name| self.table().get(name)) else {
                    return Ok(());
                };
                return self.run_op_with(scope, op, thing).await;
            }
        }
        Ok(())
    }

    async fn run_try(
        &self,
        scope: Scope<'_>,
        ops: &[Op],
        handlers: &[Handler],
        last: Option<&Body>,
    ) -> Result<(), Flow> {
        let cancelled = Pattern::from("Cancelled");
        let catches = last.is_some() || handlers.iter().any(|h| h.pattern == cancelled);
        let mut ended = self.caught(scope, ops, catches).await;
        if let Some(raised) = Raised::of(&ended) {
            let failure = raised.failure();
            if let Some(handler) = handlers.iter().find(|h| h.pattern.takes(&failure)) {
                self.note(scope.me, ["caught".into(), Value::from(&failure)]);
                let handling = Some(&raised);
                let scope = Scope { handling, ..scope };
                ended = self.caught(scope, &handler.body, last.is_some()).await;
            }
        }
        if let Some(last) = last {
            self.run_ops(scope, last).await?;
        }
        match ended {
            Ok(ended) => ended,
            Err(cancelled) => cancelled.resume().await,
        }
    }

    /// Does ops, with a frame around them that catches a cancellation if somebody asks for that.
    async fn caught(
        &self,
        scope: Scope<'_>,
        ops: &[Op],
        catches: bool,
    ) -> Result<Result<(), Flow>, Cancelled> {
        if catches {
            catch_cancel(self.run_ops(scope, ops)).await
        } else {
            Ok(self.run_ops(scope, ops).await)
        }
    }

    async fn reraise(&self, scope: Scope<'_>) -> Result<(), Flow> {
        match scope.handling {
            Some(raised) => raised.clone().raise().await,
            None => Err(Failure::Internal("nothing to raise again".into()).into()),
        }
    }
}

fn this_task() -> AnyTask {
    current_task().expect("a body runs in a task")
}
