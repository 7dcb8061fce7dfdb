//! Who of a crew sleeps, who is on the way to a job, and who must be told of the next one.
//!
//! When a job is put into the queue, somebody is to come for it:
//!
//! 1. If more jobs wait than workers sleep, or are on their way, a new worker, if there may be one
//!    more.
//! 2. If no worker is on its way, one of those that sleep. It is *woken*: counted out of the idle
//!    ones here, not when it gets to run.
//! 3. Otherwise nobody: whoever is on its way looks at the queue, and so does a busy worker when
//!    it is done.
//!
//! *On their way* are those that were woken, and those that *search*, of which there are two kinds:
//!
//! - A worker that has had one job after the other and finds no more lets others run for a moment and looks again
//!   before it sleeps. (One that was woken for a single job does not: where jobs come one at a time, it would only be
//!   in the way of whoever waits for that one.)
//! - A worker that wakes a loop for the outcome of a job. Where they share a processor, the loop often runs at once,
//!   before the worker sleeps, and sends the next job: that needs no second worker, and no wake-up.
//!
//! A worker that takes a job and leaves others behind, with nobody on the way, wakes the next one first. So in a burst
//! of short jobs the system is asked to wake a thread now and then and not for every job, and of jobs that block each
//! has a worker of its own.

/// The workers of a crew, counted by what they do; those that are left run jobs.
pub(crate) struct Attendance {
    max_workers: usize,
    /// All that have not left, and that are not written off.
    workers: usize,
    /// Those that sleep and that nobody has woken.
    idle: usize,
    /// Wake-ups that no worker has answered yet.
    woken: usize,
    /// Those that have no job, and look for one before they sleep.
    searching: usize,
    /// Those whose threads have been started and have not got here yet. They come for a job like those that are woken,
    /// but what they do before it may take long.
    starting: usize,
}

impl Attendance {
    /// That of a crew which will have no more than so many.
    pub(crate) fn new(max_workers: usize) -> Self {
        Attendance {
            max_workers,
            workers: 0,
            idle: 0,
            woken: 0,
            searching: 0,
            starting: 0,
        }
    }

    /// How many there are.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Those that have nothing to do.
    pub(crate) fn idle(&self) -> usize {
        self.idle + self.searching
    }

    /// Whether somebody will look for a job without being told.
    pub(crate) fn is_somebody_coming(&self) -> bool {
        self.woken + self.searching > 0
    }

    /// Whether somebody has no job and looks for one.
    pub(crate) fn is_somebody_searching(&self) -> bool {
        self.searching > 0
    }

    /// Whether one more worker is wanted for a job that is put behind `queued` others.
    pub(crate) fn wants_another(&self, queued: usize) -> bool {
        let coming = self.idle + self.woken + self.searching + self.starting;
        self.workers < self.max_workers && queued >= coming
    }

    /// Whether one more job needs nobody to be told, or hired: the crew is complete, and all are awake, or one is on
    /// its way.
    pub(crate) fn is_complete_and_awake(&self) -> bool {
        self.workers == self.max_workers && (self.idle == 0 || self.is_somebody_coming())
    }

    /// The thread of a worker was started.
    pub(crate) fn hire(&mut self) {
        self.workers += 1;
        self.starting += 1;
    }

    /// That worker is here.
    pub(crate) fn arrive(&mut self) {
        self.starting -= 1;
    }

    /// A worker leaves, or is written off.
    pub(crate) fn leave(&mut self) {
        self.workers -= 1;
    }

    /// A worker begins to look for a job.
    pub(crate) fn search(&mut self) {
        self.searching += 1;
    }

    /// It has looked: it takes a job, or sleeps.
    pub(crate) fn end_search(&mut self) {
        self.searching -= 1;
    }

    /// A worker goes to sleep.
    pub(crate) fn sleep(&mut self) {
        self.idle += 1;
    }

    /// Whether one of those that sleep is to get up.
    pub(crate) fn is_one_woken(&self) -> bool {
        self.woken > 0
    }

    /// A worker gets up: for a job, or without having been woken, at the end.
    pub(crate) fn get_up(&mut self) {
        if self.woken > 0 {
            self.woken -= 1;
        } else {
            self.idle -= 1;
        }
    }

    /// Counts one of those that sleep as woken, if there is one and nobody is on the way; says whether the system must be
    /// asked to.
    pub(crate) fn wake(&mut self) -> bool {
        let wakes = self.idle > 0 && !self.is_somebody_coming();
        if wakes {
            self.idle -= 1;
            self.woken += 1;
        }
        wakes
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn for_a_job_comes_a_new_worker_one_that_sleeps_or_one_on_its_way() {
        let mut crew = Attendance::new(2);
        assert!(crew.wants_another(0) && !crew.wake(), "there is nobody");
        crew.hire();
        assert!(!crew.wants_another(0), "one will be here");
        assert!(crew.wants_another(1), "it takes one job, not two");
        crew.arrive();
        assert!(crew.wants_another(0), "it runs a job");

        crew.sleep();
        assert!(!crew.wants_another(0) && crew.wake());
        assert!(crew.is_one_woken() && !crew.wants_another(0));
        assert!(!crew.wake(), "it is on its way");
        crew.get_up();
        assert!(!crew.is_somebody_coming());

        crew.search();
        assert!(!crew.wants_another(0) && !crew.wake(), "it will look");
        assert!(!crew.is_complete_and_awake(), "there may be one more");
        crew.hire();
        crew.arrive();
        crew.sleep();
        assert!(crew.is_complete_and_awake(), "one looks");
        crew.end_search();
        assert!(!crew.is_complete_and_awake(), "one must be woken");
    }

    #[test]
    fn a_complete_crew_hires_nobody_and_wakes_one_at_a_time() {
        let mut crew = Attendance::new(2);
        for _ in 0..2 {
            crew.hire();
            crew.arrive();
        }
        assert!(!crew.wants_another(5), "there may be no more");
        crew.sleep();
        crew.sleep();
        assert!(crew.wake() && !crew.wake(), "one is on its way");
        assert!(crew.is_somebody_coming());
        crew.get_up();
        crew.search();
        assert_eq!(crew.idle(), 2, "one sleeps, and one looks for a job");
    }
}
