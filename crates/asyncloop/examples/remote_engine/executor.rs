//! An executor whose jobs run in the engine. This file is all that it takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use asyncloop::{BlockingGuard, CallJob, ConcurrentError, Executor, SubmitError, WouldDeadlock};

use crate::engine::{Client, JobId};

/// Gives jobs to the engine, by name and as bytes; a thread of its own collects what comes of them.
pub(crate) struct RemoteExecutor {
    client: Client,
    running: Arc<Mutex<HashMap<JobId, CallJob>>>,
    collector: Mutex<Option<JoinHandle<()>>>,
    collector_id: ThreadId,
}

impl RemoteExecutor {
    pub(crate) fn new(client: Client) -> std::io::Result<Self> {
        let running = Arc::new(Mutex::default());
        let life = (client.clone(), Arc::clone(&running));
        let collector = thread::Builder::new().spawn(move || collect(&life.0, &life.1))?;
        Ok(RemoteExecutor {
            client,
            running,
            collector_id: collector.thread().id(),
            collector: Mutex::new(Some(collector)),
        })
    }
}

impl Executor<CallJob> for RemoteExecutor {
    fn execute(&self, job: CallJob) -> Result<(), SubmitError<CallJob>> {
        // Encoding runs code of the caller's: not under the lock.
        let payload = match job.encode() {
            Ok(payload) => payload,
            Err(error) => {
                job.complete(Err(error));
                return Ok(());
            }
        };
        // Held until the job is entered: it may end before that.
        let mut running = lock(&self.running);
        let Ok(id) = self.client.submit(job.name(), payload) else {
            return Err(SubmitError::Shutdown(job));
        };
        let client = self.client.clone();
        // Whether it was cancelled already or will be: the hook runs, and the engine says that it has ended.
        let _ = job.claim();
        job.on_cancel(move || client.revoke(id));
        running.insert(id, job);
        Ok(())
    }

    fn shutdown(&self, wait: bool, cancel_futures: bool) -> Result<(), WouldDeadlock> {
        if wait {
            self.collector_id.check(None)?;
        }
        self.client.close();
        if cancel_futures {
            let ids: Vec<JobId> = lock(&self.running).keys().copied().collect();
            ids.into_iter().for_each(|id| self.client.revoke(id));
        }
        if wait && let Some(collector) = lock(&self.collector).take() {
            let _ = collector.join();
        }
        Ok(())
    }

    /// Whoever blocks in the thread that collects waits for itself.
    fn blocking_guard(&self) -> Option<Box<dyn BlockingGuard>> {
        Some(Box::new(self.collector_id))
    }
}

/// Settles the jobs that the engine says have ended, until there will be none.
fn collect(client: &Client, running: &Mutex<HashMap<JobId, CallJob>>) {
    while let Some(ended) = client.poll() {
        for id in ended {
            let job = lock(running).remove(&id);
            match (job, client.fetch(id)) {
                (Some(job), Ok(result)) => job.complete(Ok(&result)),
                (Some(job), Err(error)) => job.fail(ConcurrentError::failed(error)),
                (None, _) => {}
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
