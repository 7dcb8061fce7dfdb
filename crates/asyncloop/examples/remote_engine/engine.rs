//! The client library of a job queue, such as those of Celery, Gearman or Ray: it submits bytes under a name, says
//! which jobs have ended, and fetches what came of them.
//!
//! This one is a stand-in, whose broker and workers are threads of this process. The interface is all that the executor
//! sees, and nothing in it knows of loops and futures.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

pub(crate) type JobId = u64;

/// Why there is no job, or no result.
#[derive(Debug)]
pub(crate) enum EngineError {
    /// The task failed, and this is its text.
    Task(String),
    /// It was revoked before it began.
    Revoked,
    /// There is no such job, or its result was fetched.
    Unknown(JobId),
    /// The connection is closed.
    Closed,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::Task(text) => write!(f, "the engine says: {text}"),
            EngineError::Revoked => f.write_str("the job was revoked"),
            EngineError::Unknown(id) => write!(f, "the engine knows no job {id}"),
            EngineError::Closed => f.write_str("the connection is closed"),
        }
    }
}

impl std::error::Error for EngineError {}

/// What the engine's workers do with a task: by name, with bytes.
type Task = fn(&str, &[u8]) -> Result<Vec<u8>, String>;

/// A connection. Clones share it.
#[derive(Clone)]
pub(crate) struct Client(Arc<Broker>);

#[derive(Default)]
struct Broker {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: JobId,
    queue: VecDeque<(JobId, String, Vec<u8>)>,
    /// How many jobs have not ended.
    open: usize,
    results: HashMap<JobId, Result<Vec<u8>, EngineError>>,
    /// Jobs that have ended, and that nobody was told of.
    ended: Vec<JobId>,
    closed: bool,
}

impl Client {
    /// Connects to an engine with so many workers, each of which does `task`.
    pub(crate) fn connect(workers: usize, task: Task) -> Client {
        let broker = Arc::new(Broker::default());
        for _ in 0..workers {
            let broker = Arc::clone(&broker);
            thread::spawn(move || broker.work(task));
        }
        Client(broker)
    }

    /// Submits a job, which has its id from the engine.
    pub(crate) fn submit(&self, task: &str, payload: Vec<u8>) -> Result<JobId, EngineError> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(EngineError::Closed);
        }
        let id = state.next;
        state.next += 1;
        state.open += 1;
        state.queue.push_back((id, task.to_owned(), payload));
        self.0.changed.notify_all();
        Ok(id)
    }

    /// Blocks until jobs have ended, and names them; `None` if the connection is closed and all have.
    pub(crate) fn poll(&self) -> Option<Vec<JobId>> {
        let mut state = self
            .0
            .wait(|state| state.ended.is_empty() && !(state.closed && state.open == 0));
        let ended = std::mem::take(&mut state.ended);
        (!ended.is_empty()).then_some(ended)
    }

    /// Fetches what came of a job that has ended.
    pub(crate) fn fetch(&self, id: JobId) -> Result<Vec<u8>, EngineError> {
        let result = self.0.lock().results.remove(&id);
        result.unwrap_or(Err(EngineError::Unknown(id)))
    }

    /// Takes a job back that no worker has begun; it has then ended.
    pub(crate) fn revoke(&self, id: JobId) {
        let mut state = self.0.lock();
        if let Some(at) = state.queue.iter().position(|job| job.0 == id) {
            state.queue.remove(at);
            self.0.end(state, id, Err(EngineError::Revoked));
        }
    }

    /// Submits no more.
    pub(crate) fn close(&self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Broker {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, unchanged: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self
            .changed
            .wait_while(self.lock(), |state| unchanged(state));
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn end(
        &self,
        mut state: MutexGuard<'_, State>,
        id: JobId,
        result: Result<Vec<u8>, EngineError>,
    ) {
        state.open -= 1;
        state.results.insert(id, result);
        state.ended.push(id);
        self.changed.notify_all();
    }

    /// The life of a worker.
    fn work(&self, task: Task) {
        loop {
            let mut state = self.wait(|state| state.queue.is_empty() && !state.closed);
            let Some((id, name, payload)) = state.queue.pop_front() else {
                return;
            };
            drop(state);
            let result = task(&name, &payload).map_err(EngineError::Task);
            self.end(self.lock(), id, result);
        }
    }
}
