//! A job: work and the promise of its outcome, as a pool sees them.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::time::Duration;

use loop_bridge::{
    BlockingGuard, ConcurrentError, ConcurrentFuture, Errand, JobPanicked, Promise, WouldDeadlock,
    concurrent_future, guarded_future,
};
use loop_core::{EventLoop, Wakeup, drop_quietly};
use loop_tasks::LoopFuture;

/// Work to be done once, somewhere else.
///
/// A job carries the promise of its [`ConcurrentFuture`], so that whatever becomes of the job, the
/// future hears of it: [`run`](Job::run) settles it with the value or the panic,
/// [`cancel`](Job::cancel) and [`fail`](Job::fail) with what their names say, and a job that is
/// dropped abandons it. None of these unwinds.
///
/// # Examples
/// ```
/// use loop_executor::Job;
///
/// let (job, future) = Job::new(|| 6 * 7, None);
/// std::thread::spawn(|| job.run());
/// assert_eq!(future.result(None).unwrap(), 42);
/// ```
#[must_use = "a job that is dropped abandons its future"]
pub struct Job {
    load: Load,
    place: &'static Location<'static>,
}

/// Who waits for the outcome.
enum Load {
    /// Whoever holds its concurrent future.
    Shared(Box<dyn Parts>),
    /// One loop, and nobody else.
    Errand(Errand),
}

impl Job {
    /// Makes a job of a closure, and the future of its outcome.
    ///
    /// `guard` refuses blocking waits for that future in threads where they could not end.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::{ConcurrentError, WouldDeadlock};
    /// use loop_executor::Job;
    ///
    /// let guard = std::thread::current().id();
    /// let (job, future) = Job::new(|| 1, Some(Box::new(guard)));
    /// assert!(matches!(future.result(None), Err(ConcurrentError::WouldDeadlock(_))));
    /// job.run();
    /// assert_eq!(future.result(None).unwrap(), 1);
    /// ```
    #[track_caller]
    pub fn new<F, T>(work: F, guard: Option<Box<dyn BlockingGuard>>) -> (Job, ConcurrentFuture<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Job::of(Closure(work), guard)
    }

    /// Makes a job whose call can be taken back out of it.
    #[track_caller]
    pub(crate) fn of<C: Call>(
        call: C,
        guard: Option<Box<dyn BlockingGuard>>,
    ) -> (Job, ConcurrentFuture<C::Output>) {
        let (promise, future) = match guard {
            Some(guard) => guarded_future(Boxed(guard)),
            None => concurrent_future(),
        };
        let job = Job {
            load: Load::Shared(Box::new(Pair { call, promise })),
            place: Location::caller(),
        };
        (job, future)
    }

    /// Makes a job of a closure whose outcome goes to a loop, and to nobody else: with one allocation, where a
    /// concurrent future that is wrapped takes many.
    ///
    /// # Errors
    /// The closure, if the loop is closed.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_executor::Job;
    /// use loop_tasks::LoopExt;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let Ok((job, future)) = Job::for_loop(&event_loop, || 6 * 7) else {
    ///     unreachable!("the loop is open");
    /// };
    /// std::thread::spawn(|| job.run());
    /// assert_eq!(event_loop.run_until_complete(future)?, 42);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn for_loop<F, T>(event_loop: &EventLoop, work: F) -> Result<(Job, LoopFuture<T>), F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (errand, future) = Errand::new(event_loop, work)?;
        let job = Job {
            load: Load::Errand(errand),
            place: Location::caller(),
        };
        Ok((job, future))
    }

    /// Does the work in this thread; `false` if it was cancelled before, and is dropped undone.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::Job;
    ///
    /// let (job, future) = Job::new(|| unreachable!("it was cancelled"), None);
    /// future.cancel();
    /// assert!(!job.run());
    /// # let _: loop_bridge::ConcurrentFuture<()> = future;
    /// ```
    pub fn run(self) -> bool {
        self.run_and_leave().is_some()
    }

    /// Does the work; if a loop waits for it that sleeps, that is woken when the [`Wakeup`] is dropped. `None` if it was
    /// cancelled before.
    pub(crate) fn run_and_leave(self) -> Option<Wakeup> {
        match self.load {
            Load::Shared(parts) => contain(|| parts.run())?.then(Wakeup::default),
            Load::Errand(errand) => errand.run_and_leave(),
        }
    }

    /// Drops the work undone; its future is cancelled.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::Job;
    ///
    /// let (job, future) = Job::new(|| (), None);
    /// job.cancel();
    /// assert!(future.cancelled());
    /// ```
    pub fn cancel(self) {
        self.fail(ConcurrentError::Cancelled);
    }

    /// Drops the work undone; its future gets the error.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::ConcurrentError;
    /// use loop_executor::Job;
    ///
    /// let (job, future) = Job::new(|| (), None);
    /// job.fail(ConcurrentError::failed(std::io::Error::other("the pool burned down")));
    /// assert_eq!(future.result(None).unwrap_err().to_string(), "the pool burned down");
    /// ```
    pub fn fail(self, error: ConcurrentError) {
        match self.load {
            Load::Shared(parts) => drop(contain(|| parts.fail(error))),
            Load::Errand(errand) => errand.fail(error),
        }
    }

    /// Whether the job's future was cancelled, so that there is no point in running it.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::Job;
    ///
    /// let (job, future) = Job::new(|| (), None);
    /// future.cancel();
    /// assert!(job.is_cancelled());
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match &self.load {
            Load::Shared(parts) => parts.is_cancelled(),
            Load::Errand(errand) => errand.is_cancelled(),
        }
    }

    /// The place in the program that submitted the job.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::Job;
    ///
    /// let (job, _future) = Job::new(|| (), None);
    /// assert!(job.place().line() > 0);
    /// ```
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// The same job, submitted at another place.
    pub(crate) fn at(self, place: &'static Location<'static>) -> Job {
        Job { place, ..self }
    }

    /// Takes the call back out.
    ///
    /// # Panics
    /// Panics if the job was made of something else: an executor must give back the job that it
    /// refuses, not another.
    pub(crate) fn into_call<C: Call>(self) -> C {
        let call = match self.load {
            Load::Shared(parts) => {
                let parts: Box<dyn Any> = parts;
                parts.downcast().ok().map(|pair: Box<Pair<C>>| pair.call)
            }
            Load::Errand(errand) => C::from_errand(errand),
        };
        call.expect("an executor gives back the job that it refuses")
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Job submitted at {}>", self.place)
    }
}

/// What a job does with its call and promise, whose types are forgotten.
trait Parts: Any + Send {
    fn run(self: Box<Self>) -> bool;
    fn fail(self: Box<Self>, error: ConcurrentError);
    fn is_cancelled(&self) -> bool;
}

struct Pair<C: Call> {
    call: C,
    promise: Promise<C::Output>,
}

impl<C: Call> Parts for Pair<C> {
    fn run(self: Box<Self>) -> bool {
        let Pair { call, promise } = *self;
        promise.run(|| call.call())
    }

    fn fail(self: Box<Self>, error: ConcurrentError) {
        let Pair { call, promise } = *self;
        // The call goes first: whoever sees the outcome may rely on what it held being free again.
        contain(|| drop(call));
        // One that was cancelled meanwhile has its outcome.
        let _ = promise.set_error(error);
    }

    fn is_cancelled(&self) -> bool {
        self.promise.is_cancelled()
    }
}

/// What a job does: a closure, with a type that can be named.
pub(crate) trait Call: Send + 'static {
    type Output: Send + 'static;
    fn call(self) -> Self::Output;

    /// Takes it back out of an errand that was made of it.
    fn from_errand(_: Errand) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// Any closure.
pub(crate) struct Closure<F>(pub(crate) F);

impl<F, T> Call for Closure<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = T;

    fn call(self) -> T {
        self.0()
    }

    fn from_errand(errand: Errand) -> Option<Self> {
        errand.into_work().map(Closure)
    }
}

/// A guard in a box is a guard.
pub(crate) struct Boxed(pub(crate) Box<dyn BlockingGuard>);

impl BlockingGuard for Boxed {
    fn check(&self, timeout: Option<Duration>) -> Result<(), WouldDeadlock> {
        self.0.check(timeout)
    }
}

/// Runs what may end in a destructor of the caller's; a panic goes to the log.
///
/// The panics of the work itself are outcomes, and do not get here.
pub(crate) fn contain<R>(code: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(value) => Some(value),
        Err(payload) => {
            let panic = JobPanicked::new(payload);
            tracing::error!(panic = panic.message(), "panic in the destructor of a job");
            // The payload may panic in turn when it goes.
            if let Some(payload) = panic.take_payload() {
                drop_quietly(payload);
            }
            None
        }
    }
}
