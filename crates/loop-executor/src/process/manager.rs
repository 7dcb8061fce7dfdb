//! The thread that runs a pool of processes: it starts workers, gives them jobs, hears of results
//! and deaths, and waits for nobody in particular.
//!
//! One round of its life:
//!
//! 1. Carry out the orders that came from other threads.
//! 2. Give jobs to workers that are idle; retire those that had their share.
//! 3. Start workers for the jobs that are left, or send everybody home if there will be none.
//! 4. If nobody is left, end.
//! 5. Wait until a worker has something to say, a deadline has passed, or the bell rings.
//! 6. Hear the workers; bury those that are dead.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::link::{Health, Link, Stage};
use super::shared::{Order, Shared};
use super::sys::{self, Interest};
use crate::sync::now;
use crate::{BreakCause, BrokenProcessPool, JobError, WorkerDied, WorkerPhase};

/// After how many deaths in a row, each of a worker that had just been started, the pool gives up.
const MAX_FAILED_STARTS: u32 = 8;

/// After how many refusals in a row, while there is no worker, the pool gives up.
const MAX_REFUSALS: u32 = 4;

/// How long to wait before the system is asked again after a refusal.
const AFTER_REFUSAL: Duration = Duration::from_millis(50);

pub(crate) struct Manager {
    shared: Arc<Shared>,
    /// Readable when it has been rung.
    bell: UnixStream,
    links: Vec<Link>,
    /// How many starts in a row have come to nothing.
    failed_starts: u32,
    /// No worker is started before then.
    not_before: Option<Instant>,
}

impl Manager {
    pub(crate) fn new(shared: Arc<Shared>, bell: UnixStream) -> Self {
        Manager {
            shared,
            bell,
            links: Vec::new(),
            failed_starts: 0,
            not_before: None,
        }
    }

    /// The life of the thread.
    pub(crate) fn run(mut self) {
        self.shared.id.enter();
        loop {
            self.carry_out_orders();
            self.give_jobs();
            if self.man() {
                continue;
            }
            if self.links.is_empty() && self.shared.end_if_done() {
                return;
            }
            let come = self.wait();
            self.hear(&come);
        }
    }

    // 1.

    fn carry_out_orders(&mut self) {
        for order in self.shared.take_orders() {
            match order {
                Order::Cancelled(id) => {
                    let has_it = |link: &Link| link.job().is_some_and(|job| job.id == id);
                    if let Some(at) = self.links.iter().position(has_it) {
                        self.stop(at, "its job was cancelled");
                    }
                }
                Order::Terminate => self.links.iter().for_each(Link::terminate),
                Order::Kill => self.links.iter_mut().for_each(Link::kill),
            }
        }
    }

    // 2.

    fn give_jobs(&mut self) {
        let share = self.shared.settings.max_tasks_per_child;
        for link in self.links.iter_mut().filter(|link| link.is_idle()) {
            if share.is_some_and(|share| link.jobs() >= share.get()) {
                link.retire();
            } else if !give_job(&self.shared, link) {
                break;
            }
        }
    }

    // 3.

    /// Sees to it that there are workers; `true` if a job has come meanwhile for one that is idle.
    fn man(&mut self) -> bool {
        let count = |is: fn(&Link) -> bool| self.links.iter().filter(|link| is(link)).count();
        let (idle, starting) = (count(Link::is_idle), count(Link::is_starting));
        let living = count(|link| link.stage() != Stage::Retiring);
        let room = self.shared.settings.max_workers.saturating_sub(living);
        let (waiting, open) = {
            let running = self.links.iter().filter_map(Link::running);
            self.shared.look_ahead(idle + room > 0, running)
        };
        if waiting == 0 {
            if !open {
                self.send_home();
            }
            return false;
        }
        if self.not_before.is_some_and(|at| now() < at) {
            return idle > 0;
        }
        self.not_before = None;
        let missing = room.min(waiting.saturating_sub(idle + starting));
        for started in 0..missing {
            match Link::start(&self.shared.settings) {
                Ok(link) => {
                    tracing::debug!(pid = link.pid(), "a worker process was started");
                    self.links.push(link);
                }
                Err(error) => {
                    self.refused(living + started, error);
                    break;
                }
            }
        }
        if missing > 0 {
            self.publish();
        }
        idle > 0
    }

    /// There are no jobs, and there will be none.
    fn send_home(&mut self) {
        for at in (0..self.links.len()).rev() {
            if self.links[at].is_idle() {
                self.links[at].retire();
            } else if self.links[at].is_starting() {
                self.stop(at, "it was not needed any more");
            }
        }
    }

    /// The system would not start a worker.
    fn refused(&mut self, living: usize, error: io::Error) {
        tracing::warn!(%error, living, "the system would not start a worker process");
        self.not_before = now().checked_add(AFTER_REFUSAL);
        if living == 0 {
            self.failed_starts += 1;
            if self.failed_starts >= MAX_REFUSALS {
                self.give_up(BreakCause::Spawn(Arc::new(error)));
            }
        }
    }

    // 5.

    /// What has come: from the bell first, then from each link in turn.
    fn wait(&self) -> Vec<Interest> {
        let mut descriptors = Vec::with_capacity(1 + 2 * self.links.len());
        descriptors.push((self.bell.as_fd(), Interest::READABLE));
        descriptors.extend(self.links.iter().flat_map(Link::descriptors));
        let deadlines = self.links.iter().filter_map(Link::deadline);
        let next = deadlines.chain(self.not_before).min();
        let timeout = next.map(|next| next.saturating_duration_since(now()));
        match sys::poll(&descriptors, timeout) {
            Ok(come) => come,
            Err(error) => {
                tracing::error!(%error, "a pool of processes cannot wait for its workers");
                vec![Interest::READABLE; descriptors.len()]
            }
        }
    }

    // 6.

    fn hear(&mut self, come: &[Interest]) {
        let mut come = come.iter();
        if come.next().is_some_and(|bell| bell.readable) {
            // It is rung once until it was heard.
            let _ = self.bell.read(&mut [0; 16]);
        }
        let settings = &self.shared.settings;
        let mut sick = Vec::new();
        for (at, link) in self.links.iter_mut().enumerate() {
            let descriptors = link.descriptors().count();
            let mut come = come.by_ref().take(descriptors);
            let socket = come.next().copied().unwrap_or_default();
            let ended = come.any(|end| end.readable);
            if socket.writable {
                link.write();
            }
            let mut health = Health::Lives;
            if socket.readable || ended {
                health = link.hear(settings, ended);
            }
            if let (Health::Lives, Some(deadline)) = (&health, link.deadline())
                && deadline <= now()
            {
                health = link.overdue(settings);
            }
            if !matches!(health, Health::Lives) {
                sick.push((at, health));
            }
        }
        if self.links.iter().any(|link| link.stage() == Stage::Ready) {
            self.failed_starts = 0;
        }
        // The last first: burying one moves those behind it.
        for (at, health) in sick.into_iter().rev() {
            match health {
                Health::Lives => {}
                Health::Dead(cause) => self.dead(at, cause),
                Health::NotAWorker(what) => return self.give_up(BreakCause::NotAWorker { what }),
                Health::InitializerFailed(message) => {
                    return self.give_up(BreakCause::Initializer(message));
                }
            }
            if self.links.is_empty() {
                // The pool may have given up meanwhile.
                return;
            }
        }
    }

    /// Ends a worker whose job is not wanted any more, or that is not.
    fn stop(&mut self, at: usize, why: &str) {
        let mut link = self.links.swap_remove(at);
        tracing::info!(pid = link.pid(), why, "a worker process is killed");
        link.kill();
        bury(&mut link);
        self.publish();
    }

    /// Buries a worker, and sees to what it leaves behind.
    fn dead(&mut self, at: usize, cause: Option<Arc<str>>) {
        let mut link = self.links.swap_remove(at);
        if cause.is_some() {
            link.kill();
        }
        let (pid, status) = (link.pid(), bury(&mut link));
        self.publish();
        let has_not_begun = link.has_not_begun();
        let job = link.take_job();
        let phase = match (link.stage(), &job) {
            (Stage::Starting | Stage::Initializing, _) => WorkerPhase::Starting,
            (Stage::Retiring, None) => {
                tracing::debug!(pid, %status, "a worker process has ended");
                return;
            }
            (_, None) => WorkerPhase::Idle,
            (_, Some(_)) => WorkerPhase::Running,
        };
        let function = job.as_ref().map(|job| job.owed.name);
        let died = WorkerDied::new(pid, status, phase, function, cause);
        tracing::warn!(%died, "a worker process died");
        let breaks = self.shared.settings.break_on_worker_death;
        let mut lost = None;
        if let Some(job) = job {
            if job.owed.is_cancelled() {
                return;
            }
            let died = died.clone();
            lost = if breaks {
                let cause = BreakCause::WorkerDied(died);
                let broken = BrokenProcessPool::new(cause);
                Some((job, JobError::Broken(broken)))
            } else if has_not_begun {
                let back = self.shared.put_back(job);
                back.err().map(|job| (job, JobError::WorkerDied(died)))
            } else {
                Some((job, JobError::WorkerDied(died)))
            };
        }
        if phase == WorkerPhase::Starting {
            self.start_failed(link.stage(), died);
        } else if breaks {
            self.give_up(BreakCause::WorkerDied(died));
        }
        // Last: whoever hears that the pool is broken finds it so.
        if let Some((job, error)) = lost {
            job.owed.complete(Err(error));
        }
    }

    fn start_failed(&mut self, stage: Stage, died: WorkerDied) {
        self.failed_starts += 1;
        match died.status().code() {
            // Nobody killed it: it went its own way, as the program does that knows of no workers.
            Some(code) if stage == Stage::Starting => {
                let what = format!("one ended with exit status {code} and said nothing");
                self.give_up(BreakCause::NotAWorker { what });
            }
            _ if self.failed_starts >= MAX_FAILED_STARTS => {
                self.give_up(BreakCause::StartFailed(died));
            }
            _ => {
                let pause = Duration::from_millis(self.failed_starts.into());
                self.not_before = now().checked_add(pause);
            }
        }
    }

    /// Breaks the pool.
    fn give_up(&mut self, cause: BreakCause) {
        let broken = BrokenProcessPool::new(cause);
        tracing::error!(%broken, "a pool of processes gives up");
        let waiting = self.shared.break_with(broken.clone());
        let mut links = std::mem::take(&mut self.links);
        links.iter_mut().for_each(Link::kill);
        let running = links.iter_mut().filter_map(Link::take_job);
        for job in running.chain(waiting) {
            job.owed.complete(Err(JobError::Broken(broken.clone())));
        }
        for link in &mut links {
            bury(link);
        }
        self.publish();
    }

    fn publish(&self) {
        self.shared.set_pids(self.links.iter().map(Link::pid));
    }
}

/// Gives a worker the job that has waited longest; `false` if there is none.
fn give_job(shared: &Arc<Shared>, link: &mut Link) -> bool {
    while let Some(job) = shared.next_job() {
        if !job.owed.claim() {
            // It was cancelled while it waited.
            continue;
        }
        let (id, orders) = (job.id, Arc::downgrade(shared));
        job.owed.on_cancel(move || {
            if let Some(shared) = orders.upgrade() {
                shared.order(Order::Cancelled(id));
            }
        });
        link.give(job);
        return true;
    }
    false
}

fn bury(link: &mut Link) -> ExitStatus {
    link.bury().unwrap_or_else(|error| {
        // Somebody else has waited for it: how it ended is not to be had.
        tracing::error!(pid = link.pid(), %error, "a worker process cannot be waited for");
        ExitStatus::from_raw(0)
    })
}
