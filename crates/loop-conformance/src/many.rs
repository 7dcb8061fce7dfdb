//! The ops of a task that wait for many: gathers, waits, groups.

use std::rc::Rc;
use std::time::Duration;

use asyncloop::{
    GroupError, ReturnWhen, TaskError, TaskGroup, as_completed, try_gather_with, wait,
};

use crate::body::Scope;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::one::settled;
use crate::program::{Name, Op, When};
use crate::raised::{Flow, Outcome, shown};
use crate::table::{Awaitable, Thing};
use crate::value::Value;

impl Machine {
    /// Gathers what is known of these names. Whoever keeps errors gets them as values.
    pub(crate) fn gather(&self, names: &[Name], keeps_errors: bool) -> Awaitable {
        let known = self.table().awaitables(names).into_iter();
        let children: Vec<Awaitable> = known.map(|(_, child)| child).collect();
        let heard_of: Vec<_> = children.iter().map(|child| child.erase_future()).collect();
        try_gather_with(heard_of, move |heard| match heard {
            Some(_) if keeps_errors => None,
            Some(index) => match outcome(&children[index]) {
                Ok(Ok(_)) => None,
                failed => Some(failed),
            },
            None if keeps_errors => {
                let values = children.iter().map(|child| shown(outcome(child)));
                Some(Ok(Ok(Value::list(values))))
            }
            None => {
                let mut values = Vec::with_capacity(children.len());
                for child in &children {
                    match outcome(child) {
                        Ok(Ok(value)) => values.push(value),
                        failed => return Some(failed),
                    }
                }
                Some(Ok(Ok(Value::list(values))))
            }
        })
    }

    pub(crate) async fn wait(&self, me: &Name, names: &[Name], time: Option<Duration>, when: When) {
        let known = self.table().awaitables(names);
        let when = match when {
            When::FirstCompleted => ReturnWhen::FirstCompleted,
            When::FirstException => ReturnWhen::FirstException,
            When::AllCompleted => ReturnWhen::AllCompleted,
        };
        // Refused if none is known: then there is nothing to wait for.
        let Ok(waited) = wait(known.iter().map(|(_, one)| one), time, when).await else {
            return;
        };
        let names = |found: &[Awaitable]| {
            let found = |one: &Awaitable| found.iter().any(|other| other.same(one));
            let known = known.iter().filter(|(_, one)| found(one));
            let mut names: Vec<&Name> = known.map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            Value::list(names.into_iter().map(|name| Rc::clone(name).into()))
        };
        let (done, pending) = (names(&waited.done), names(&waited.pending));
        self.note(me, ["waited".into(), done, pending]);
    }

    pub(crate) async fn as_completed(
        &self,
        me: &Name,
        names: &[Name],
        time: Option<Duration>,
    ) -> Result<(), Flow> {
        let known = self.table().awaitables(names);
        let mut upcoming = as_completed(known.iter().map(|(_, one)| one), time);
        while let Some(next) = upcoming.next().await {
            let next = next.map_err(|_| Failure::Timeout)?;
            let value = match settled(outcome(&next)).await {
                Ok(value) => value,
                Err(Flow::Error(failure @ (Failure::Own(_) | Failure::Group(_)))) => {
                    Value::from(&failure)
                }
                Err(other) => return Err(other),
            };
            self.note(me, ["next".into(), value]);
        }
        Ok(())
    }

    pub(crate) async fn group(
        &self,
        scope: Scope<'_>,
        name: &Name,
        ops: &[Op],
    ) -> Result<(), Flow> {
        let ended = TaskGroup::scope(async |group| {
            self.table().set(name, Thing::Group(group));
            match self.run_ops(scope, ops).await {
                Ok(()) => Ok(None),
                Err(Flow::Return(value)) => Ok(Some(value)),
                Err(Flow::Error(failure)) => Err(failure),
            }
        });
        match ended.await {
            Ok(None) => Ok(()),
            Ok(Some(value)) => Err(Flow::Return(value)),
            Err(error) => Err(failure_of(&error).into()),
        }
    }
}

/// What came of a child that is done.
fn outcome(child: &Awaitable) -> Result<Outcome, TaskError> {
    child.result().expect("it has been heard that it is done")
}

fn failure_of(error: &GroupError<Failure>) -> Failure {
    let failures = error
        .failures()
        .iter()
        .map(|failure| match failure.error() {
            Some(failure) => failure.clone(),
            None => Failure::Internal(format!("{failure:?}").into()),
        });
    Failure::Group(failures.collect())
}
