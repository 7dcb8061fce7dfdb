//! Traces: what a run left behind, and where two of them differ.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// One event: the virtual time in microseconds, who, what, and what belongs to it.
pub type Event = Vec<Value>;

/// What a program did, event by event, and what became of each named task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The program's.
    pub id: String,
    /// The events, in the order in which they happened.
    pub trace: Vec<Event>,
    /// The outcomes, by the names of the tasks.
    pub tasks: BTreeMap<String, Value>,
}

/// The first place where two traces differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which event, or which task's outcome.
    pub place: String,
    /// What asyncio left there.
    pub expected: String,
    /// What stands there instead.
    pub actual: String,
}

impl Trace {
    /// Finds the first place where another trace is not like this one, the expected one.
    ///
    /// # Examples
    /// ```
    /// use loop_conformance::Trace;
    ///
    /// let trace = |text| -> Trace { serde_json::from_str(text).expect("it is a trace") };
    /// let asyncio = trace(r#"{"id": "p", "trace": [[0, "main", "log", "a"]], "tasks": {}}"#);
    /// let other = trace(r#"{"id": "p", "trace": [[1, "main", "log", "a"]], "tasks": {}}"#);
    /// let difference = asyncio.difference(&other).expect("the times differ");
    /// assert_eq!(difference.place, "event 0");
    /// assert_eq!(asyncio.difference(&asyncio), None);
    /// ```
    pub fn difference(&self, actual: &Trace) -> Option<Difference> {
        let length = self.trace.len().max(actual.trace.len());
        let event = (0..length).find(|&at| self.trace.get(at) != actual.trace.get(at));
        if let Some(at) = event {
            let shown = |trace: &Trace| match trace.trace.get(at) {
                Some(event) => Value::list(event.iter().cloned()).to_string(),
                None => "the end".to_owned(),
            };
            return Some(Difference {
                place: format!("event {at}"),
                expected: shown(self),
                actual: shown(actual),
            });
        }
        let mut names = self.tasks.keys().chain(actual.tasks.keys());
        let name = names.find(|name| self.tasks.get(*name) != actual.tasks.get(*name))?;
        let shown = |trace: &Trace| match trace.tasks.get(name) {
            Some(outcome) => outcome.to_string(),
            None => "no such task".to_owned(),
        };
        Some(Difference {
            place: format!("the outcome of {name}"),
            expected: shown(self),
            actual: shown(actual),
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            expected,
            actual,
        } = self;
        write!(f, "{place}\n  asyncio: {expected}\n  ours:    {actual}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(events: &str, tasks: &str) -> Trace {
        let text = format!(r#"{{"id": "p", "trace": {events}, "tasks": {tasks}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_first_event_that_differs_is_named() {
        let expected = trace(r#"[[0, "a", "log"], [1, "a", "log"]]"#, "{}");
        let swapped = trace(r#"[[0, "a", "log"], [1, "b", "log"]]"#, "{}");
        let short = trace(r#"[[0, "a", "log"]]"#, "{}");
        let found = expected.difference(&swapped).unwrap();
        assert_eq!(
            (&*found.place, &*found.actual),
            ("event 1", r#"[1,"b","log"]"#)
        );
        assert_eq!(expected.difference(&short).unwrap().actual, "the end");
        assert_eq!(short.difference(&expected).unwrap().expected, "the end");
    }

    #[test]
    fn outcomes_are_compared_after_the_events() {
        let expected = trace("[]", r#"{"a": 1, "b": "pending"}"#);
        let other = trace("[]", r#"{"a": 1, "b": null}"#);
        let missing = trace("[]", r#"{"a": 1}"#);
        assert_eq!(
            expected.difference(&other).unwrap().place,
            "the outcome of b"
        );
        assert_eq!(
            expected.difference(&missing).unwrap().actual,
            "no such task"
        );
        assert_eq!(
            missing.difference(&expected).unwrap().expected,
            "no such task"
        );
        assert_eq!(expected.difference(&expected), None);
    }
}
