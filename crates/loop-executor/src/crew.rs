//! Who does what in a thread pool: the queue of jobs, the workers that sleep, and how it ends.
//!
//! One lock guards all of it, but for the [`Inbox`]. There is no thread in this file: the pool
//! brings the threads, each of which calls [`Crew::work`], and the models bring theirs.
//!
//! A job that is submitted goes to the end of the queue, and [`Attendance`] says who is to come for it: a new worker, one
//! that sleeps, or one that is awake and will look.
//!
//! Where it is known beforehand that somebody will look, a job is left in the *inbox* instead, which has a lock of its
//! own: there nobody has to be told, and those who submit do not meet the workers at each job. It is open only while the
//! crew is open, complete (else the queue must be counted, to hire) and *attended*: all are awake, or somebody is on the
//! way. Who ends that, because it takes a job or goes to sleep, shuts it first, and what lay there goes to the end of the
//! queue. Who finds the queue empty looks there.
//!
//! While a job waits, therefore, nobody sleeps or somebody is on the way. A worker leaves only when the
//! crew is closed and the queue is empty. So a job in the queue always has a worker that will look;
//! the one exception would be a job that came before the first worker and whose thread the system
//! refuses, and that one is handed back instead of queued.

use std::collections::VecDeque;
use std::io;
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::attendance::Attendance;
use crate::error::{BrokenThreadPool, SubmitError};
use crate::inbox::Inbox;
use crate::sync::{Condvar, Mutex, MutexGuard, lock, now, thread, wait_while};
use crate::{Job, UnfinishedJob};

/// How often a worker that searches looks again: some microseconds, unless others want to run.
const LOOKS: usize = if cfg!(loom) { 1 } else { 8 };

pub(crate) struct Crew {
    max_workers: usize,
    inbox: Inbox,
    pub(crate) state: Mutex<State>,
    /// Told when there is a job for a sleeping worker, and when the crew closes.
    wake: Condvar,
    /// Told when the last worker leaves.
    pub(crate) gone: Condvar,
    /// Told, if somebody watches for overdue jobs and has none in sight, when a job begins; and
    /// when the last worker leaves.
    pub(crate) begun: Condvar,
}

pub(crate) struct State {
    phase: Phase,
    pub(crate) queue: VecDeque<Job>,
    /// Whether jobs may be left in the inbox. They come behind those of the queue.
    inbox_open: bool,
    pub(crate) attendance: Attendance,
    /// The workers that there have ever been, by their number.
    pub(crate) posts: Vec<Post>,
    /// The deadline that the watch waits for. `None` where there is none, or no watch.
    pub(crate) watched: Option<Instant>,
}

/// A worker, as the others see it.
#[derive(Default)]
pub(crate) struct Post {
    /// What it runs at the moment.
    pub(crate) running: Option<Running>,
    /// Whether it is counted out, and leaves when it is done.
    pub(crate) written_off: bool,
}

pub(crate) struct Running {
    pub(crate) place: &'static Location<'static>,
    pub(crate) since: Instant,
    /// Whether it was told of that it is overdue.
    pub(crate) reported: bool,
}

enum Phase {
    Open,
    ShutDown,
    Broken(BrokenThreadPool),
}

impl Crew {
    pub(crate) fn new(max_workers: usize) -> Self {
        Crew {
            max_workers,
            inbox: Inbox::new(),
            state: Mutex::new(State {
                phase: Phase::Open,
                queue: VecDeque::new(),
                inbox_open: false,
                attendance: Attendance::new(max_workers),
                posts: Vec::new(),
                watched: None,
            }),
            wake: Condvar::new(),
            gone: Condvar::new(),
            begun: Condvar::new(),
        }
    }

    pub(crate) fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// Queues the job; `hire` starts the thread of worker number so-and-so if one more is wanted.
    ///
    /// `hire` is called under the lock. There are few of these calls in the life of a pool, and
    /// this way it is certain, when the system refuses, whether another worker is there.
    pub(crate) fn submit(
        &self,
        job: Job,
        hire: impl FnOnce(usize) -> io::Result<()>,
    ) -> Result<(), SubmitError<Job>> {
        let Err(job) = self.inbox.leave(job) else {
            return Ok(());
        };
        let mut state = lock(&self.state);
        match &state.phase {
            Phase::Open => {}
            Phase::ShutDown => return Err(SubmitError::Shutdown(job)),
            Phase::Broken(broken) => {
                let broken = broken.clone();
                return Err(SubmitError::Broken(job, std::sync::Arc::new(broken)));
            }
        }
        if state.attendance.wants_another(state.queue.len()) {
            let workers = state.attendance.workers();
            match hire(state.posts.len()) {
                Ok(()) => state.add_worker(),
                Err(error) if workers == 0 => return Err(SubmitError::Spawn(job, error)),
                Err(error) => tracing::warn!(%error, workers, "the system refused a thread"),
            }
        }
        // If the inbox is open by now, what lies there came after this job, which found it shut.
        state.queue.push_back(job);
        let wakes = self.call(&mut state);
        drop(state);
        if wakes {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// The life of worker `number`: runs jobs until the crew is closed and there are none left.
    pub(crate) fn work(&self, number: usize) {
        let mut state = lock(&self.state);
        state.attendance.arrive();
        // How many jobs it has had since it last slept.
        let mut streak = 0;
        loop {
            if state.queue.is_empty() {
                self.empty_inbox(&mut state);
            }
            if let Some(job) = state.queue.pop_front() {
                streak += 1;
                let since = now();
                state.posts[number].running = Some(Running {
                    place: job.place(),
                    since,
                    reported: false,
                });
                if state.watched.is_none() {
                    // Without a watch, nobody hears it, and it costs nothing to speak of.
                    state.watched = Some(since);
                    self.begun.notify_all();
                }
                let wakes = self.call(&mut state);
                drop(state);
                if wakes {
                    self.wake.notify_one();
                }
                let wakeup = job.run_and_leave().unwrap_or_default();
                state = lock(&self.state);
                state.posts[number].running = None;
                if state.posts[number].written_off {
                    drop(state); // before the loop is told
                    return;
                }
                // In the models, after every job: there are no loops.
                if wakeup.is_needed() || cfg!(loom) {
                    state = self.tell(state, || drop(wakeup));
                }
            } else if let Phase::Open = state.phase {
                if streak > 1 {
                    state = self.search(state);
                    streak = 1;
                    if !state.queue.is_empty() {
                        continue;
                    }
                }
                streak = 0;
                if !state.attendance.is_somebody_coming() {
                    self.shut_inbox(&mut state);
                    if !state.queue.is_empty() {
                        continue;
                    }
                }
                state.attendance.sleep();
                state = wait_while(&self.wake, state, None, |state| {
                    !state.attendance.is_one_woken() && matches!(state.phase, Phase::Open)
                });
                state.attendance.get_up();
            } else {
                break;
            }
        }
        self.leave(state);
    }

    /// Tells the loop that waits for an outcome, as one who is on the way to the next job.
    ///
    /// Only what cannot keep the worker is done here, or the next job would wait for it: a loop that sleeps is woken with a
    /// call of the system. (The hook of one that is not being run, and destructors, are called before, as part of the job.)
    fn tell<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        tell: impl FnOnce(),
    ) -> MutexGuard<'a, State> {
        state.attendance.search();
        drop(state);
        tell();
        let mut state = lock(&self.state);
        state.attendance.end_search();
        state
    }

    /// Waits for a moment for a job to come, without sleeping: what the system does to send a thread
    /// to sleep and to wake it takes ten times as long as a short job.
    fn search<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.attendance.is_somebody_searching() {
            return state; // one is enough to find the next job
        }
        state.attendance.search();
        let wakes = self.call(&mut state);
        debug_assert!(!wakes, "one is on its way now");
        for _ in 0..LOOKS {
            drop(state);
            thread::yield_now();
            state = lock(&self.state);
            self.empty_inbox(&mut state);
            if !state.queue.is_empty() || !matches!(state.phase, Phase::Open) {
                break;
            }
        }
        state.attendance.end_search();
        state
    }

    /// Ends the life of a worker whose initializer failed: the crew breaks with it.
    pub(crate) fn break_down(&self, cause: BrokenThreadPool) {
        let mut state = lock(&self.state);
        state.attendance.arrive();
        if !matches!(state.phase, Phase::Broken(_)) {
            state.phase = Phase::Broken(cause.clone());
        }
        self.shut_inbox(&mut state);
        let pending = std::mem::take(&mut state.queue);
        drop(state);
        self.wake.notify_all();
        for job in pending {
            job.fail(loop_bridge::ConcurrentError::failed(cause.clone()));
        }
        self.leave(lock(&self.state));
    }

    /// Accepts no more jobs, and drops those that have not begun if they are not wanted.
    pub(crate) fn shut_down(&self, cancel_futures: bool) {
        let mut state = lock(&self.state);
        if let Phase::Open = state.phase {
            state.phase = Phase::ShutDown;
        }
        self.shut_inbox(&mut state);
        let unwanted = if cancel_futures {
            std::mem::take(&mut state.queue)
        } else {
            VecDeque::new()
        };
        drop(state);
        self.wake.notify_all();
        self.begun.notify_all();
        for job in unwanted {
            job.cancel();
        }
    }

    /// Blocks until the last worker has left, which only happens when the crew is closed; `false`
    /// if one is still there after `timeout`.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let state = lock(&self.state);
        let state = wait_while(&self.gone, state, timeout, |state| {
            state.attendance.workers() > 0
        });
        state.attendance.workers() == 0
    }

    /// The jobs that are running, and then those that wait.
    pub(crate) fn unfinished(&self) -> Vec<UnfinishedJob> {
        let mut state = lock(&self.state);
        self.empty_inbox(&mut state);
        let now = now();
        let running = state.posts.iter().filter_map(|post| post.running.as_ref());
        let running = running.map(|job| {
            let running_for = now.saturating_duration_since(job.since);
            UnfinishedJob::new(job.place, Some(running_for))
        });
        let waiting = state
            .queue
            .iter()
            .map(|job| UnfinishedJob::new(job.place(), None));
        running.chain(waiting).collect()
    }

    /// Takes over what lies in the inbox.
    fn empty_inbox(&self, state: &mut State) {
        if state.inbox_open {
            self.inbox.empty_into(&mut state.queue);
        }
    }

    /// Takes over what lies in the inbox for the last time: from now on, submitters come here.
    pub(crate) fn shut_inbox(&self, state: &mut State) {
        if state.inbox_open {
            state.inbox_open = false;
            self.inbox.shut(&mut state.queue);
        }
    }

    /// Sees to it that somebody comes for each job that waits; says whether a worker that sleeps must be told, which is
    /// then counted as woken.
    fn call(&self, state: &mut State) -> bool {
        if !state.is_attended() {
            self.shut_inbox(state);
        }
        let wakes = !state.queue.is_empty() && state.attendance.wake();
        if !state.inbox_open && state.is_attended() {
            state.inbox_open = true;
            self.inbox.open();
        }
        wakes
    }

    fn leave(&self, mut state: MutexGuard<'_, State>) {
        state.attendance.leave();
        if state.attendance.workers() == 0 {
            self.gone.notify_all();
            self.begun.notify_all();
        }
    }

    /// Workers, those of them that sleep, and jobs that wait for one.
    pub(crate) fn census(&self) -> (usize, usize, usize) {
        let mut state = lock(&self.state);
        self.empty_inbox(&mut state);
        let State {
            attendance, queue, ..
        } = &*state;
        (attendance.workers(), attendance.idle(), queue.len())
    }
}

impl State {
    pub(crate) fn add_worker(&mut self) {
        self.attendance.hire();
        self.posts.push(Post::default());
    }

    /// Whether one more job needs nobody to be told, or hired.
    fn is_attended(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.attendance.is_complete_and_awake()
    }

    /// Whether nobody works any more, and nobody will.
    pub(crate) fn is_over(&self) -> bool {
        self.attendance.workers() == 0 && !matches!(self.phase, Phase::Open)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn whoever_tells_a_loop_comes_for_the_job_that_it_sends() {
        let crew = Crew::new(2);
        let [first, second] = [1, 2].map(|number| Job::new(move || number, None));
        crew.submit(first.0, |_| Ok(())).unwrap();
        lock(&crew.state).attendance.arrive(); // it has come, and is done with the first
        let done = lock(&crew.state).queue.pop_front();
        assert!(done.is_some_and(Job::run));

        let state = crew.tell(lock(&crew.state), || {
            let hire = |_| unreachable!("somebody is on the way");
            crew.submit(second.0, hire).unwrap();
        });
        assert!(!state.attendance.is_somebody_coming());
        assert_eq!(state.queue.len(), 1);
        drop(state);
        let third = Job::new(|| 3, None);
        let mut hired = false;
        crew.submit(third.0, |_| {
            hired = true;
            Ok(())
        })
        .unwrap();
        assert!(hired, "one is at work and has a job waiting for it already");
        crew.shut_down(false);
        crew.work(1);
        assert_eq!(
            (
                first.1.result(None).unwrap(),
                second.1.result(None).unwrap()
            ),
            (1, 2)
        );
        assert_eq!(third.1.result(None).unwrap(), 3);
    }

    #[test]
    fn where_somebody_works_a_thread_that_the_system_refuses_is_done_without() {
        let crew = Crew::new(2);
        let [first, second] = [1, 2].map(|number| Job::new(move || number, None));
        crew.submit(first.0, |_| Ok(())).unwrap();
        let refuse = |_| Err(io::ErrorKind::WouldBlock.into());
        crew.submit(second.0, refuse).unwrap();
        crew.shut_down(false);
        crew.work(0);
        assert_eq!(first.1.result(None).unwrap(), 1);
        assert_eq!(second.1.result(None).unwrap(), 2);
    }
}
