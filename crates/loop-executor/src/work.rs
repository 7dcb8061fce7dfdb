//! What can be submitted, and which kind of job it becomes.

use loop_bridge::{BlockingGuard, ConcurrentFuture, wrap_future_on};
use loop_core::EventLoop;
use loop_tasks::LoopFuture;

use crate::Job;
use crate::job::Closure;

/// Something that can be submitted to an [`Executor`](crate::Executor) of the right kind.
///
/// A closure becomes a [`Job`], which any pool of this process can run. Work of another shape
/// becomes another kind of job, for executors that take that kind: so what a pool cannot do is
/// refused by the compiler.
///
/// # Examples
/// ```
/// use loop_executor::Work;
///
/// let (job, future) = (|| 6 * 7).into_job(None);
/// job.run();
/// assert_eq!(future.result(None).unwrap(), 42);
/// ```
pub trait Work: Sized {
    /// What comes of it.
    type Output: Send + 'static;

    /// The kind of job.
    type Job;

    /// Makes a job of it, and the future of its outcome.
    #[track_caller]
    fn into_job(
        self,
        guard: Option<Box<dyn BlockingGuard>>,
    ) -> (Self::Job, ConcurrentFuture<Self::Output>);

    /// Takes it back out of a job that [`into_job`](Work::into_job) made of it.
    ///
    /// # Panics
    /// May panic if the job was made of something else.
    fn from_job(job: Self::Job) -> Self;

    /// Makes a job of it that any pool of this process can run, and the future of its outcome.
    #[track_caller]
    fn into_local_job(
        self,
        guard: Option<Box<dyn BlockingGuard>>,
    ) -> (Job, ConcurrentFuture<Self::Output>);

    /// Takes it back out of a job that [`into_local_job`](Work::into_local_job) made of it.
    ///
    /// # Panics
    /// May panic if the job was made of something else.
    fn from_local_job(job: Job) -> Self;

    /// Makes a job of it whose outcome goes to a loop, and the future of that.
    ///
    /// By default, the [concurrent future](Work::into_job) of the job is wrapped. Who can do better does: a closure.
    #[track_caller]
    fn into_loop_job(self, event_loop: &EventLoop) -> (Self::Job, LoopFuture<Self::Output>) {
        let (job, future) = self.into_job(None);
        (job, wrap_future_on(event_loop, future))
    }

    /// Makes a job of it that any pool of this process can run, whose outcome goes to a loop, and the future of that.
    ///
    /// As [`into_loop_job`](Work::into_loop_job).
    #[track_caller]
    fn into_local_loop_job(self, event_loop: &EventLoop) -> (Job, LoopFuture<Self::Output>) {
        let (job, future) = self.into_local_job(None);
        (job, wrap_future_on(event_loop, future))
    }
}

impl<F, T> Work for F
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = T;
    type Job = Job;

    #[track_caller]
    fn into_job(self, guard: Option<Box<dyn BlockingGuard>>) -> (Job, ConcurrentFuture<T>) {
        Job::new(self, guard)
    }

    fn from_job(job: Job) -> Self {
        job.into_call::<Closure<F>>().0
    }

    #[track_caller]
    fn into_local_job(self, guard: Option<Box<dyn BlockingGuard>>) -> (Job, ConcurrentFuture<T>) {
        self.into_job(guard)
    }

    fn from_local_job(job: Job) -> Self {
        Self::from_job(job)
    }

    #[track_caller]
    fn into_loop_job(self, event_loop: &EventLoop) -> (Job, LoopFuture<T>) {
        match Job::for_loop(event_loop, self) {
            Ok(made) => made,
            Err(work) => {
                // Of a closed loop: the future says so.
                let (job, future) = Job::new(work, None);
                (job, wrap_future_on(event_loop, future))
            }
        }
    }

    #[track_caller]
    fn into_local_loop_job(self, event_loop: &EventLoop) -> (Job, LoopFuture<T>) {
        self.into_loop_job(event_loop)
    }
}
