//! The ready queue: what runs in the next step 4, first in, first out.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::Location;

use crate::raw::RawJob;

/// The place in the program that scheduled a callback.
pub(crate) type Place = &'static Location<'static>;

/// A loop that has nothing to do keeps room for so many jobs: what a larger crowd took up is given back.
const KEPT: usize = 4096;

/// A queue in which every job has a position that is never used again, so that a position is a name for the job:
/// cancelling needs no entry of its own in any table.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    jobs: VecDeque<RawJob>,
    /// The position of the job at the front.
    head: u64,
    /// The positions that came from other threads: those run before the loop closes.
    remote: Vec<Range<u64>>,
}

impl ReadyQueue {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Adds a job at the end and says its position.
    #[inline]
    pub(crate) fn push(&mut self, job: RawJob) -> u64 {
        let position = self.head + self.jobs.len() as u64;
        self.jobs.push_back(job);
        position
    }

    /// Adds what other threads sent.
    pub(crate) fn push_remote(&mut self, job: RawJob) {
        let position = self.push(job);
        match self.remote.last_mut() {
            Some(range) if range.end == position => range.end += 1,
            _ => self.remote.push(position..position + 1),
        }
    }

    /// Says how many jobs stand here now, of which the next step 4 consists.
    #[inline]
    pub(crate) fn begin_batch(&mut self) -> usize {
        if !self.remote.is_empty() {
            let head = self.head;
            self.remote.retain(|range| range.end > head);
        }
        self.jobs.len()
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<RawJob> {
        let job = self.jobs.pop_front()?;
        self.head += 1;
        Some(job)
    }

    /// Nothing is ready: gives back what a crowd took up.
    #[inline]
    pub(crate) fn rest(&mut self) {
        if self.jobs.capacity() > KEPT {
            self.jobs.shrink_to(KEPT);
        }
    }

    /// Takes the job at `position` out and leaves one that does nothing. `None` if it has been popped.
    ///
    /// The caller drops what comes back when it no longer borrows the queue: the drop may schedule.
    pub(crate) fn cancel(&mut self, position: u64) -> Option<RawJob> {
        let index = usize::try_from(position.checked_sub(self.head)?).ok()?;
        let job = self.jobs.get_mut(index)?;
        Some(std::mem::replace(job, RawJob::nothing()))
    }

    /// Empties the queue: what came from other threads, and the rest.
    pub(crate) fn take_all(&mut self) -> (Vec<RawJob>, Vec<RawJob>) {
        let (mut remote, mut local) = (Vec::new(), Vec::new());
        while let Some(job) = self.jobs.pop_front() {
            let is_remote = self.remote.iter().any(|range| range.contains(&self.head));
            self.head += 1;
            if is_remote {
                remote.push(job)
            } else {
                local.push(job)
            }
        }
        self.remote.clear();
        (remote, local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_leaves_no_memory_behind_once_it_has_gone() {
        let mut queue = ReadyQueue::default();
        for _ in 0..100_000 {
            queue.push(RawJob::nothing());
        }
        queue.rest();
        assert_eq!(queue.len(), 100_000);
        while queue.pop().is_some() {}
        queue.rest();
        assert!(queue.jobs.capacity() <= 2 * KEPT);
        assert_eq!(queue.push(RawJob::nothing()), 100_000);
    }

    #[test]
    fn what_came_from_other_threads_is_told_from_the_rest_until_it_has_run() {
        let mut queue = ReadyQueue::default();
        queue.push(RawJob::nothing());
        for _ in 0..3 {
            queue.push_remote(RawJob::nothing());
        }
        assert_eq!((queue.remote.len(), &queue.remote[0]), (1, &(1..4)));
        queue.push(RawJob::nothing());
        queue.push_remote(RawJob::nothing());
        queue.pop();
        queue.pop();
        queue.begin_batch();
        assert_eq!(queue.remote, [1..4, 5..6], "some of the first have not run");
        queue.pop();
        queue.pop();
        queue.begin_batch();
        assert_eq!((queue.remote.len(), &queue.remote[0]), (1, &(5..6)));
        let (remote, local) = queue.take_all();
        assert_eq!((remote.len(), local.len()), (1, 1));
        assert!(queue.remote.is_empty());
    }
}
