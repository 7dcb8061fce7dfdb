//! What the pool's users and its manager share: jobs that wait, orders, and how it ends.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame;
use super::owed::Owed;
use super::settings::Settings;
use super::wire;
use crate::sync::{Condvar, Mutex, MutexGuard, lock, now, wait_while};
use crate::worker::PoolId;
use crate::{BrokenProcessPool, CallJob, SubmitError, UnfinishedJob};

pub(crate) struct Shared {
    pub(crate) id: PoolId,
    pub(crate) settings: Settings,
    state: Mutex<State>,
    /// Told when the manager has ended.
    over: Condvar,
    /// Wakes the manager from its wait.
    bell: UnixStream,
}

struct State {
    phase: Phase,
    queue: VecDeque<Waiting>,
    orders: Vec<Order>,
    next_id: u64,
    /// Whether the manager waits for jobs: it has a worker without one, or may start another.
    /// If not, it looks by itself when a worker has become free.
    hungry: bool,
    /// Whether the bell was rung and not heard.
    rung: bool,
    manager: Life,
    pids: Vec<u32>,
    /// What the workers had to do when the manager last looked: where it was submitted, and since
    /// when they have had it.
    running: Vec<(&'static Location<'static>, Instant)>,
}

enum Phase {
    Open,
    ShutDown,
    /// Shut down, and the workers are told to end too: what has not begun will not.
    Stopped,
    Broken(BrokenProcessPool),
}

#[derive(PartialEq)]
enum Life {
    Unborn,
    Living,
    Ended,
}

/// A job that waits for a worker.
pub(crate) struct Waiting {
    pub(crate) id: u64,
    pub(crate) owed: Owed,
    pub(crate) frame: Arc<Vec<u8>>,
    /// How many workers have died before they read it.
    pub(crate) losses: u32,
}

/// What the manager is told to do.
pub(crate) enum Order {
    /// The future of this job was cancelled while it ran.
    Cancelled(u64),
    /// Ask all workers to end.
    Terminate,
    /// Kill all workers.
    Kill,
}

/// After how many workers that died before they read it a job is given up.
const MAX_LOSSES: u32 = 3;

impl Shared {
    pub(crate) fn new(settings: Settings, bell: UnixStream) -> Self {
        Shared {
            id: PoolId::next(),
            settings,
            state: Mutex::new(State {
                phase: Phase::Open,
                queue: VecDeque::new(),
                orders: Vec::new(),
                next_id: 0,
                hungry: false,
                rung: false,
                manager: Life::Unborn,
                pids: Vec::new(),
                running: Vec::new(),
            }),
            over: Condvar::new(),
            bell,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    // What users do.

    /// Queues a job; `hire` starts the manager if there is none yet.
    pub(crate) fn submit(
        &self,
        job: CallJob,
        hire: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), SubmitError<CallJob>> {
        let id = match self.lock().admit() {
            Ok(id) => id,
            Err(refusal) => return Err(refusal.map(|()| job)),
        };
        // Encoding is code of the caller's: not under the lock.
        let mut frame = wire::open_call(job.name());
        if let Err(error) = job.encode_into(&mut frame, self.settings.max_frame_bytes) {
            job.complete(Err(error));
            return Ok(());
        }
        let kind = if job.is_many() {
            wire::CHUNK
        } else {
            wire::CALL
        };
        // Nor is the sum over a large frame under the lock, where the manager would wait for it.
        frame::seal(&mut frame, kind, id);
        let (owed, content) = job.split();
        match self.queue(id, owed, frame, hire) {
            Ok(()) => {
                crate::job::contain(|| drop(content));
                Ok(())
            }
            Err(refused) => Err(refused.map(|owed| CallJob::join(owed, content))),
        }
    }

    fn queue(
        &self,
        id: u64,
        owed: Owed,
        frame: Vec<u8>,
        hire: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), SubmitError<Owed>> {
        let mut state = self.lock();
        // It may have been shut down while we were encoding.
        if let Some(refusal) = state.phase.refusal() {
            return Err(refusal.map(|()| owed));
        }
        if state.manager == Life::Unborn {
            if let Err(error) = hire() {
                return Err(SubmitError::Spawn(owed, error));
            }
            state.manager = Life::Living;
        }
        state.queue.push_back(Waiting {
            id,
            owed,
            frame: Arc::new(frame),
            losses: 0,
        });
        if state.hungry {
            self.ring(&mut state);
        }
        Ok(())
    }

    /// Accepts no more jobs; with `stop`, the workers are to end as well.
    pub(crate) fn shut_down(&self, cancel_futures: bool, stop: Option<Order>) {
        let mut state = self.lock();
        match (&state.phase, &stop) {
            (Phase::Open | Phase::ShutDown, Some(_)) => state.phase = Phase::Stopped,
            (Phase::Open, None) => state.phase = Phase::ShutDown,
            _ => {}
        }
        state.orders.extend(stop);
        let unwanted = if cancel_futures {
            std::mem::take(&mut state.queue)
        } else {
            VecDeque::new()
        };
        self.ring(&mut state);
        drop(state);
        for waiting in unwanted {
            waiting.owed.cancel();
        }
    }

    pub(crate) fn order(&self, order: Order) {
        let mut state = self.lock();
        state.orders.push(order);
        self.ring(&mut state);
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.lock().pids.clone()
    }

    pub(crate) fn unfinished(&self) -> Vec<UnfinishedJob> {
        let state = self.lock();
        let now = now();
        let running = state.running.iter().map(|(place, since)| {
            let running_for = now.saturating_duration_since(*since);
            UnfinishedJob::new(place, Some(running_for))
        });
        let waiting = state.queue.iter();
        let waiting = waiting.map(|waiting| UnfinishedJob::new(waiting.owed.place, None));
        running.chain(waiting).collect()
    }

    /// How many jobs wait for a worker.
    pub(crate) fn queued(&self) -> usize {
        self.lock().queue.len()
    }

    /// Blocks until the manager has ended, if there was one, and no longer than `timeout`; `false`
    /// if it has not.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let lives = |state: &State| state.manager == Life::Living;
        let state = wait_while(&self.over, self.lock(), Some(timeout), lives);
        !lives(&state)
    }

    /// Wakes the manager, once for any number of reasons.
    fn ring(&self, state: &mut State) {
        if !state.rung && state.manager == Life::Living {
            state.rung = true;
            // Full it cannot be: nothing is in it that was heard.
            let _ = (&self.bell).write(&[1]);
        }
    }

    // What the manager does.

    /// Takes the orders, and hears the bell.
    pub(crate) fn take_orders(&self) -> Vec<Order> {
        let mut state = self.lock();
        state.rung = false;
        std::mem::take(&mut state.orders)
    }

    /// The job that has waited longest.
    pub(crate) fn next_job(&self) -> Option<Waiting> {
        self.lock().queue.pop_front()
    }

    /// Puts a job back that a worker has lost before it began; it comes back if it is not to be
    /// tried again.
    pub(crate) fn put_back(&self, mut waiting: Waiting) -> Result<(), Waiting> {
        waiting.losses += 1;
        let mut state = self.lock();
        match state.phase {
            Phase::Open | Phase::ShutDown if waiting.losses < MAX_LOSSES => {
                state.queue.push_front(waiting);
                Ok(())
            }
            _ => Err(waiting),
        }
    }

    /// How many jobs wait; and whether there may be more. Jobs that come from now on ring the bell
    /// if the manager is `hungry`. What is `running` is noted for those who ask.
    pub(crate) fn look_ahead(
        &self,
        hungry: bool,
        running: impl Iterator<Item = (&'static Location<'static>, Instant)>,
    ) -> (usize, bool) {
        let mut state = self.lock();
        state.hungry = hungry;
        state.running.clear();
        state.running.extend(running);
        (state.queue.len(), state.phase.is_open())
    }

    /// Ends the manager's life if there is nothing left to do and there will never be.
    pub(crate) fn end_if_done(&self) -> bool {
        let mut state = self.lock();
        let done = !state.phase.is_open() && state.queue.is_empty();
        if done {
            state.manager = Life::Ended;
            self.over.notify_all();
        }
        done
    }

    /// Breaks the pool, and gives the jobs that wait.
    pub(crate) fn break_with(&self, broken: BrokenProcessPool) -> VecDeque<Waiting> {
        let mut state = self.lock();
        state.phase = Phase::Broken(broken);
        std::mem::take(&mut state.queue)
    }

    pub(crate) fn set_pids(&self, pids: impl Iterator<Item = u32>) {
        let pids = pids.collect();
        self.lock().pids = pids;
    }
}

impl State {
    /// The number of one more job, if there may be one.
    fn admit(&mut self) -> Result<u64, SubmitError<()>> {
        match self.phase.refusal() {
            Some(refusal) => Err(refusal),
            None => {
                self.next_id += 1;
                Ok(self.next_id - 1)
            }
        }
    }
}

impl Phase {
    fn is_open(&self) -> bool {
        matches!(self, Phase::Open)
    }

    fn refusal(&self) -> Option<SubmitError<()>> {
        match self {
            Phase::Open => None,
            Phase::ShutDown | Phase::Stopped => Some(SubmitError::Shutdown(())),
            Phase::Broken(broken) => Some(SubmitError::Broken((), Arc::new(broken.clone()))),
        }
    }
}
