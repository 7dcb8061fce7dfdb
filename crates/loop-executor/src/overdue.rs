//! Jobs that run for longer than they should: who notices, and what becomes of their threads.
//!
//! A thread cannot be stopped. What can be done is to say whose job keeps it, and to do without it:
//! the thread is *written off*. It is no member of its crew any more, another takes its place, and
//! nobody waits for it; when its job ends after all, the job's future has its outcome and the
//! thread goes.

use std::io;
use std::time::{Duration, Instant};

use crate::UnfinishedJob;
use crate::crew::{Crew, State};
use crate::job::contain;
use crate::sync::{lock, now, wait_while};

/// Who is told of a job that is overdue.
pub(crate) type Report = Box<dyn Fn(&UnfinishedJob) + Send + Sync>;

/// What the builder was told about jobs that are overdue.
pub(crate) struct Overdue {
    pub(crate) deadline: Duration,
    pub(crate) report: Report,
    pub(crate) write_off: bool,
}

impl Crew {
    /// Writes off the workers whose jobs have been running for `limit` or longer, and gives those
    /// jobs, each with whether it was reported; `hire` starts the threads of others, as many as jobs wait for, and `release` sees to it
    /// that nobody waits for the thread. Both are called under the lock: whoever sees that the last
    /// worker has left may wait for the threads that are left.
    ///
    /// A worker whose replacement the system refuses stays: it may end its job, where nobody
    /// would.
    pub(crate) fn write_off(
        &self,
        limit: Duration,
        mut hire: impl FnMut(usize) -> io::Result<()>,
        mut release: impl FnMut(usize),
    ) -> Vec<(UnfinishedJob, bool)> {
        let mut state = lock(&self.state);
        // Until the crew is complete again.
        self.shut_inbox(&mut state);
        let now = now();
        let mut lost = Vec::new();
        for number in 0..state.posts.len() {
            let Some(job) = state.overdue(number, now, limit) else {
                continue;
            };
            // Each replacement takes a job from the queue at most.
            if lost.len() < state.queue.len() {
                if let Err(error) = hire(state.posts.len()) {
                    tracing::warn!(%error, "the system refused a thread that was to replace another");
                    continue;
                }
                state.add_worker();
            }
            state.posts[number].written_off = true;
            state.attendance.leave();
            release(number);
            let running = state.posts[number].running.as_ref();
            let reported = running.is_some_and(|running| running.reported);
            lost.push((job, reported));
        }
        if state.attendance.workers() == 0 {
            self.gone.notify_all();
            self.begun.notify_all();
        }
        lost
    }

    /// The life of the thread that looks after overdue jobs: it calls `found` when there may be
    /// some, until the crew is closed and nobody works any more.
    pub(crate) fn watch(&self, deadline: Duration, mut found: impl FnMut(Vec<UnfinishedJob>)) {
        let mut state = lock(&self.state);
        loop {
            let now = now();
            let mut overdue = Vec::new();
            for number in 0..state.posts.len() {
                if let Some(job) = state.overdue(number, now, deadline)
                    && let Some(running) = &mut state.posts[number].running
                    && !running.reported
                {
                    running.reported = true;
                    overdue.push(job);
                }
            }
            if !overdue.is_empty() {
                drop(state);
                found(overdue);
                state = lock(&self.state);
                continue;
            }
            if state.is_over() {
                return;
            }
            state.watched = state.next_deadline(deadline);
            let wait = state.watched.map(|at| at.saturating_duration_since(now));
            let watched = state.watched;
            state = wait_while(&self.begun, state, wait, |state| {
                // Without a deadline, the first job to begin is waited for.
                !state.is_over() && state.watched == watched
            });
        }
    }
}

impl State {
    /// The job of a worker, if it has been running for so long and can still be written off.
    fn overdue(&self, number: usize, now: Instant, limit: Duration) -> Option<UnfinishedJob> {
        let post = &self.posts[number];
        let running = post.running.as_ref().filter(|_| !post.written_off)?;
        let running_for = now.saturating_duration_since(running.since);
        (running_for >= limit).then(|| UnfinishedJob::new(running.place, Some(running_for)))
    }

    /// When the next job is overdue of which nobody was told.
    fn next_deadline(&self, deadline: Duration) -> Option<Instant> {
        let posts = self.posts.iter().filter(|post| !post.written_off);
        let running = posts.filter_map(|post| post.running.as_ref());
        running
            .filter(|running| !running.reported)
            .filter_map(|running| running.since.checked_add(deadline))
            .min()
    }
}

impl Overdue {
    /// Tells of a job, with code of the caller's.
    pub(crate) fn tell(&self, job: &UnfinishedJob) {
        contain(|| (self.report)(job));
    }
}

/// What is done where nobody has said what to do.
pub(crate) fn log(job: &UnfinishedJob) {
    tracing::warn!(%job, "a job is overdue");
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::Location;
    use std::sync::{Arc, mpsc};
    use std::thread;

    use super::*;
    use crate::Job;
    use crate::crew::Running;

    #[test]
    fn a_replacement_that_the_system_refuses_loses_no_job() {
        let crew = Arc::new(Crew::new(1));
        let (end, ended) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let stuck = Job::new(
            move || {
                begin.send(()).unwrap();
                ended.recv().is_err()
            },
            None,
        );
        let next = Job::new(|| 7, None);
        let (worker, workers) = mpsc::channel();
        let hire = |number| {
            let crew = Arc::clone(&crew);
            let life = thread::spawn(move || crew.work(number));
            worker.send(life).unwrap();
            Ok(())
        };
        crew.submit(stuck.0, hire).unwrap();
        begun.recv().unwrap();
        crew.submit(next.0, |_| unreachable!("one is all")).unwrap();

        let refuse = |_| Err(io::ErrorKind::WouldBlock.into());
        let lost = crew.write_off(Duration::ZERO, refuse, |_| unreachable!("nobody goes"));
        assert!(lost.is_empty(), "the only worker stays");
        assert!(!next.1.done(), "it waits for the one who stays");
        drop(end);
        assert!(stuck.1.result(None).unwrap());
        assert_eq!(next.1.result(None).unwrap(), 7);
        crew.shut_down(false);
        assert!(crew.wait(None));
        workers.recv().unwrap().join().unwrap();
    }

    #[test]
    fn the_watch_waits_for_the_nearest_deadline_that_nobody_was_told_of() {
        let crew = Crew::new(3);
        let mut state = lock(&crew.state);
        let (start, deadline) = (now(), Duration::from_secs(60));
        let after = |seconds| Some(start + Duration::from_secs(seconds));
        for since in [3, 1, 2].map(after) {
            state.add_worker();
            let post = state.posts.last_mut().unwrap();
            post.running = since.map(|since| Running {
                place: Location::caller(),
                since,
                reported: false,
            });
        }
        assert_eq!(state.next_deadline(deadline), after(61));
        let is_overdue = |state: &State, now| state.overdue(1, now, deadline).is_some();
        let moment = start + Duration::from_secs(61);
        assert!(is_overdue(&state, moment), "who is woken then finds it");
        assert!(!is_overdue(&state, moment - Duration::from_nanos(1)));
        state.posts[1].written_off = true;
        assert_eq!(state.next_deadline(deadline), after(62));
        state.posts[2].running.as_mut().unwrap().reported = true;
        assert_eq!(state.next_deadline(deadline), after(63));
        state.posts[0].running = None;
        assert_eq!(state.next_deadline(deadline), None);
    }
}
