//! A meeting point.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::condition::Condition;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Tasks come and wait.
    Filling,
    /// All have come and are leaving; who comes now waits until they have left.
    Draining,
    /// It was reset while tasks waited, and these are leaving.
    Resetting,
    /// It was aborted.
    Broken,
}

/// A point where a number of tasks wait for each other: `asyncio.Barrier`.
///
/// A cheap reference: clones name the same barrier. It can be used again when all have left.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_sync::Barrier;
/// use loop_tasks::{LoopExt, create_task, gather};
///
/// let event_loop = EventLoop::new()?;
/// let places = event_loop.run_until_complete(async {
///     let barrier = Barrier::new(3);
///     gather((0..3).map(|_| create_task(barrier.wait()))).await
/// })??;
/// let places: Vec<usize> = places.into_iter().map(|place| place.unwrap().unwrap()).collect();
/// assert_eq!(places, [0, 1, 2]);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Barrier(Rc<Inner>);

struct Inner {
    condition: Condition,
    parties: usize,
    state: Cell<State>,
    /// Tasks that have come and not left.
    count: Cell<usize>,
}

impl Barrier {
    /// Makes a barrier for so many tasks.
    ///
    /// # Panics
    /// If `parties` is 0.
    ///
    /// # asyncio
    /// `asyncio.Barrier(parties)`.
    ///
    /// # Examples
    /// See [`Barrier`].
    #[must_use]
    #[track_caller]
    pub fn new(parties: usize) -> Barrier {
        assert!(parties > 0, "parties must be > 0");
        Barrier(Rc::new(Inner {
            condition: Condition::new(),
            parties,
            state: Cell::new(State::Filling),
            count: Cell::new(0),
        }))
    }

    /// Waits until as many tasks as the barrier is for have come.
    ///
    /// The result is the number of tasks that stood here before: each has another, if none was cancelled, so one of
    /// them may be the one that does what is to be done once.
    ///
    /// # Errors
    /// [`BrokenBarrier`] if the barrier is aborted, or reset while it waits.
    ///
    /// # Panics
    /// When it has to wait where no loop is running, or while tasks of another loop wait for it.
    ///
    /// # Ordering
    /// The last to come goes on without a hop; the others one hop later, in the order in which they came. Whoever comes
    /// before all of them have left waits until they have.
    ///
    /// # Cancel safety
    /// Cancelled or dropped, it leaves: the barrier waits for one more.
    ///
    /// # asyncio
    /// `await barrier.wait()`, `async with barrier as position:`.
    ///
    /// # Examples
    /// See [`Barrier`].
    pub fn wait(&self) -> impl Future<Output = Result<usize, BrokenBarrier>> + use<> {
        let barrier = self.clone();
        async move { barrier.0.wait().await }
    }

    /// Makes those who wait fail with [`BrokenBarrier`], and the barrier as new: also one that was aborted.
    ///
    /// # Panics
    /// As [`wait`](Barrier::wait).
    ///
    /// # Cancel safety
    /// Cancelled or dropped while it waits for the barrier's lock, it has changed nothing.
    ///
    /// # asyncio
    /// `await barrier.reset()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_sync::Barrier;
    /// use loop_tasks::{LoopExt, create_task, yield_now};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let barrier = Barrier::new(2);
    ///     let alone = create_task(barrier.wait());
    ///     yield_now().await;
    ///     assert_eq!(barrier.n_waiting(), 1);
    ///     barrier.reset().await;
    ///     assert!(alone.await.unwrap().is_err());
    ///     assert!(!barrier.broken());
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&self) -> impl Future<Output = ()> + use<> {
        self.turn(|inner| match inner.count.get() {
            0 => State::Filling,
            _ => State::Resetting,
        })
    }

    /// Breaks the barrier: those who wait, and those who come, fail with [`BrokenBarrier`].
    ///
    /// # Panics
    /// As [`wait`](Barrier::wait).
    ///
    /// # Cancel safety
    /// Cancelled or dropped while it waits for the barrier's lock, it has changed nothing.
    ///
    /// # asyncio
    /// `await barrier.abort()`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_sync::Barrier;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let barrier = Barrier::new(2);
    ///     barrier.abort().await;
    ///     assert!(barrier.broken());
    ///     assert_eq!(barrier.wait().await.unwrap_err().to_string(), "Barrier aborted");
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) -> impl Future<Output = ()> + use<> {
        self.turn(|_| State::Broken)
    }

    /// Changes the state under the lock, and tells everybody.
    fn turn(&self, into: fn(&Inner) -> State) -> impl Future<Output = ()> + use<> {
        let barrier = self.clone();
        async move {
            let inner = &*barrier.0;
            let guard = inner.condition.acquire().await;
            inner.state.set(into(inner));
            inner.condition.notify_all(&guard);
        }
    }

    /// How many tasks it takes.
    ///
    /// # asyncio
    /// `Barrier.parties`.
    ///
    /// # Examples
    /// ```
    /// let barrier = loop_sync::Barrier::new(2);
    /// assert_eq!((barrier.parties(), barrier.n_waiting(), barrier.broken()), (2, 0, false));
    /// ```
    #[must_use]
    pub fn parties(&self) -> usize {
        self.0.parties
    }

    /// How many tasks wait for the others.
    ///
    /// # asyncio
    /// `Barrier.n_waiting`.
    ///
    /// # Examples
    /// See [`parties`](Barrier::parties).
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        match self.0.state.get() {
            State::Filling => self.0.count.get(),
            _ => 0,
        }
    }

    /// Whether it was aborted.
    ///
    /// # asyncio
    /// `Barrier.broken`.
    ///
    /// # Examples
    /// See [`parties`](Barrier::parties).
    #[must_use]
    pub fn broken(&self) -> bool {
        self.0.state.get() == State::Broken
    }
}

impl Inner {
    async fn wait(&self) -> Result<usize, BrokenBarrier> {
        let mut guard = self.condition.acquire().await;
        // Who comes while others leave waits until they have left.
        let leaving = || matches!(self.state.get(), State::Draining | State::Resetting);
        self.condition.wait_for(&mut guard, || !leaving()).await;
        if self.state.get() == State::Broken {
            return Err(BrokenBarrier { aborted: true });
        }
        let place = self.count.get();
        self.count.set(place + 1);
        // Declared after the guard: it leaves while the lock is still held.
        let _leave = Leave(self);
        if place + 1 == self.parties {
            self.state.set(State::Draining);
            self.condition.notify_all(&guard);
            return Ok(place);
        }
        let filling = || self.state.get() == State::Filling;
        self.condition.wait_for(&mut guard, || !filling()).await;
        match self.state.get() {
            State::Broken => Err(BrokenBarrier { aborted: true }),
            State::Resetting => Err(BrokenBarrier { aborted: false }),
            State::Draining | State::Filling => Ok(place),
        }
    }
}

/// A task that stands at the barrier; it leaves when this is dropped.
struct Leave<'a>(&'a Inner);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let inner = self.0;
        let left = inner.count.get() - 1;
        inner.count.set(left);
        if left == 0 {
            if matches!(inner.state.get(), State::Resetting | State::Draining) {
                inner.state.set(State::Filling);
            }
            inner.condition.wake_all();
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0.state.get() {
            State::Filling => "filling",
            State::Draining => "draining",
            State::Resetting => "resetting",
            State::Broken => return f.write_str("<Barrier [broken]>"),
        };
        let (waiting, parties) = (self.n_waiting(), self.parties());
        write!(f, "<Barrier [{state}, waiters:{waiting}/{parties}]>")
    }
}

/// The barrier was aborted, or reset while the task waited.
///
/// # asyncio
/// `BrokenBarrierError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenBarrier {
    /// It was aborted, and will not work again before it is reset.
    pub aborted: bool,
}

impl fmt::Display for BrokenBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.aborted {
            "Barrier aborted"
        } else {
            "Barrier reset"
        })
    }
}

impl Error for BrokenBarrier {}

impl From<BrokenBarrier> for io::Error {
    fn from(error: BrokenBarrier) -> io::Error {
        io::Error::other(error)
    }
}
