//! Where jobs are left for workers who will look by themselves.

use std::collections::VecDeque;

use crate::Job;
use crate::sync::{Mutex, lock};

/// Jobs on their way to the queue of a [`Crew`](crate::crew::Crew), which opens and shuts it.
///
/// It is behind a lock of its own, which a worker takes when it has nothing left, and not for each job: a loop that
/// submits many short jobs would meet the workers at every one of them. And it is in lines of the cache of its own.
#[repr(align(64))]
pub(crate) struct Inbox(Mutex<Content>);

struct Content {
    open: bool,
    /// Empty while it is shut.
    jobs: VecDeque<Job>,
}

impl Inbox {
    /// Makes one that is shut.
    pub(crate) fn new() -> Self {
        Inbox(Mutex::new(Content {
            open: false,
            jobs: VecDeque::new(),
        }))
    }

    /// Leaves a job behind those that are there.
    ///
    /// # Errors
    /// The job, if it is shut.
    pub(crate) fn leave(&self, job: Job) -> Result<(), Job> {
        let mut content = lock(&self.0);
        if !content.open {
            return Err(job);
        }
        content.jobs.push_back(job);
        Ok(())
    }

    pub(crate) fn open(&self) {
        lock(&self.0).open = true;
    }

    /// Adds what is there to the queue.
    pub(crate) fn empty_into(&self, queue: &mut VecDeque<Job>) {
        lock(&self.0).empty_into(queue);
    }

    /// Adds what is there to the queue, and nothing comes after it.
    pub(crate) fn shut(&self, queue: &mut VecDeque<Job>) {
        let mut content = lock(&self.0);
        content.open = false;
        content.empty_into(queue);
    }
}

impl Content {
    fn empty_into(&mut self, queue: &mut VecDeque<Job>) {
        if queue.is_empty() {
            std::mem::swap(queue, &mut self.jobs);
        } else {
            queue.append(&mut self.jobs);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_come_behind_those_of_the_queue_and_none_once_it_is_shut() {
        let (begin, begun) = mpsc::channel();
        let job = |number| {
            let begin = begin.clone();
            Job::new(move || begin.send(number).unwrap(), None).0
        };
        let inbox = Inbox::new();
        let early = inbox.leave(job(0)).unwrap_err();
        let mut queue = VecDeque::from([early]);
        inbox.open();
        for number in 1..=2 {
            inbox.leave(job(number)).unwrap();
            inbox.empty_into(&mut queue);
        }
        inbox.leave(job(3)).unwrap();
        inbox.shut(&mut queue);
        assert!(inbox.leave(job(4)).is_err());
        for job in queue {
            job.run();
        }
        assert!(begun.try_iter().eq(0..=3));
    }
}
