//! A pool in miniature that makes one mistake, to see that the models notice.

use std::collections::VecDeque;
use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::{Ends, Subject};

/// The numbers of the mistakes; the pool has its own as a parameter of its type.
pub(crate) struct Mistake;

impl Mistake {
    pub(crate) const NONE: u8 = 0;
    /// A worker sees an empty queue, lets go of the lock, and sleeps under the next.
    pub(crate) const LOOK_THEN_SLEEP: u8 = 1;
    /// Shutdown wakes one of the sleeping workers.
    pub(crate) const NOTIFY_ONE: u8 = 2;
    /// A worker leaves a closed pool without another look at the queue.
    pub(crate) const LEAVE_AT_ONCE: u8 = 3;
    /// Submit sees that the pool is open, and queues under the next lock.
    pub(crate) const LOOK_THEN_QUEUE: u8 = 4;
    /// An initializer that fails closes the pool, and that is all.
    pub(crate) const FORGET_PENDING: u8 = 5;
    /// The last worker tells one of those who wait for it.
    pub(crate) const TELL_ONE: u8 = 6;
    /// A worker that tells of an outcome, and for which nobody is woken meanwhile, sleeps without another look.
    pub(crate) const TELL_THEN_SLEEP: u8 = 7;
}

type Job = (Box<dyn FnOnce() + Send>, Ends);

#[derive(Default)]
struct State {
    closed: bool,
    queue: VecDeque<Job>,
    workers: usize,
    telling: bool,
}

struct Shared {
    max_workers: usize,
    broken: bool,
    state: Mutex<State>,
    wake: Condvar,
    gone: Condvar,
}

pub(crate) struct Mutant<const MISTAKE: u8>(Arc<Shared>);

impl<const MISTAKE: u8> Mutant<MISTAKE> {
    fn with(max_workers: usize, broken: bool) -> Self {
        Mutant(Arc::new(Shared {
            max_workers,
            broken,
            state: Mutex::new(State::default()),
            wake: Condvar::new(),
            gone: Condvar::new(),
        }))
    }

    fn work(shared: &Shared) {
        let mut state = shared.state.lock().unwrap();
        if shared.broken {
            state.closed = true;
            if MISTAKE != Mistake::FORGET_PENDING {
                for (_, ends) in state.queue.drain(..) {
                    ends.failed.add();
                }
            }
        }
        while !(shared.broken || MISTAKE == Mistake::LEAVE_AT_ONCE && state.closed) {
            if let Some((job, ends)) = state.queue.pop_front() {
                drop(state);
                job();
                ends.ran.add();
                shared.state.lock().unwrap().telling = true;
                // Now it tells, and others submit.
                state = shared.state.lock().unwrap();
                state.telling = false;
                if MISTAKE == Mistake::TELL_THEN_SLEEP && !state.closed {
                    state = shared.wake.wait(state).unwrap();
                }
            } else if state.closed {
                break;
            } else {
                if MISTAKE == Mistake::LOOK_THEN_SLEEP {
                    drop(state);
                    state = shared.state.lock().unwrap();
                }
                state = shared.wake.wait(state).unwrap();
            }
        }
        state.workers -= 1;
        if state.workers == 0 {
            if MISTAKE == Mistake::TELL_ONE {
                shared.gone.notify_one();
            } else {
                shared.gone.notify_all();
            }
        }
    }
}

impl<const MISTAKE: u8> Subject for Mutant<MISTAKE> {
    fn new(workers: usize) -> Self {
        Mutant::with(workers, false)
    }

    fn broken() -> Self {
        Mutant::with(1, true)
    }

    fn submit(&self, job: impl FnOnce() + Send + 'static, ends: Ends) -> bool {
        let mut state = self.0.state.lock().unwrap();
        if state.closed {
            return false;
        }
        if MISTAKE == Mistake::LOOK_THEN_QUEUE {
            drop(state);
            state = self.0.state.lock().unwrap();
        }
        state.queue.push_back((Box::new(job), ends));
        if state.workers < self.0.max_workers {
            state.workers += 1;
            let shared = Arc::clone(&self.0);
            thread::spawn(move || Mutant::<MISTAKE>::work(&shared));
        }
        let telling = state.telling;
        drop(state);
        if !telling {
            self.0.wake.notify_one();
        }
        true
    }

    fn shutdown(&self, wait: bool, cancel_futures: bool) {
        let mut state = self.0.state.lock().unwrap();
        state.closed = true;
        if cancel_futures {
            for (_, ends) in state.queue.drain(..) {
                ends.cancelled.add();
            }
        }
        if MISTAKE == Mistake::NOTIFY_ONE {
            self.0.wake.notify_one();
        } else {
            self.0.wake.notify_all();
        }
        while wait && state.workers > 0 {
            state = self.0.gone.wait(state).unwrap();
        }
    }
}
