//! Gates: what one task waits at until somebody opens it.
//!
//! Sleeps and the primitives of synchronization make a wait for each wait of a task. A loop future would be an
//! allocation of its own, of which the outcome, the place and most callbacks are of no use. A gate is an entry among
//! the waits of its task, and its name is that task and a number.
//!
//! That works for an await with the task's own waker. One that is polled through a combinator's, or outside of a task,
//! stands at a future after all; so does one that moves from the task where it began.

use std::fmt;
use std::task::{Context, Poll, ready};

use loop_core::LoopRef;

use crate::cancel::{self, Cancelled};
use crate::cell::{AnyFuture, TaskRef};
use crate::current;
use crate::error::TaskError;
use crate::future::LoopFuture;
use crate::link::Tie;
use crate::sleep::running;
use crate::state::State;
use crate::step;
use crate::table::Tasks;
use crate::waits::Stage;

/// A place where one task waits until it is told to go on: what a [`LoopFuture<()>`](LoopFuture) is, without an
/// allocation, for whoever writes something to wait for.
///
/// It begins when it is first polled, and that is when its [`GateOpener`] is made. Whoever holds one of those opens it,
/// once and for all. Dropping the gate ends the wait.
///
/// # Ordering
/// Opening it schedules the step of the task that waits, as settling a future does. A request for cancellation goes to
/// the gate that a task waits at: it is cancelled, and cannot be opened any more.
///
/// # asyncio
/// The futures that `asyncio.sleep` and `asyncio.Lock` make for each wait.
///
/// # Examples
/// ```
/// use std::cell::Cell;
/// use std::future::poll_fn;
/// use loop_core::EventLoop;
/// use loop_tasks::{Gate, LoopExt, create_task};
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let mut gate = Gate::new();
///     let open_later = |opener: loop_tasks::GateOpener| {
///         create_task(async move {
///             assert!(opener.open());
///             assert!(!opener.open(), "once and for all");
///         });
///     };
///     let mut enter = Some(open_later);
///     let opened = poll_fn(|cx| gate.poll_with(cx, |opener| enter.take().unwrap()(opener))).await;
///     assert!(opened.is_ok());
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use = "nobody waits at a gate that is not polled"]
pub struct Gate(Place);

/// Where the wait stands.
#[derive(Default)]
enum Place {
    #[default]
    New,
    /// Among the waits of this task.
    Task(TaskRef, u32),
    Away(Box<Away>),
    Opened,
    /// In this task.
    Cancelled(TaskRef),
}

/// A wait that is not among those of the task where it began.
struct Away {
    future: LoopFuture<()>,
    tie: Tie,
    /// What openers take it for: it began there.
    began: Option<(TaskRef, u32)>,
}

impl Gate {
    /// Makes one, at which nobody waits yet.
    ///
    /// # Examples
    /// See [`Gate`].
    pub const fn new() -> Gate {
        Gate(Place::New)
    }

    /// Waits until it is opened. The first time, `enter` is called with what opens it.
    ///
    /// # Errors
    /// [`TaskError::Cancelled`] if it was cancelled by a request for another task, which had waited here before;
    /// [`TaskError::WrongLoop`] if it is polled on another loop than where it began.
    ///
    /// # Panics
    /// When it begins where no loop is running.
    ///
    /// # Examples
    /// See [`Gate`].
    #[inline(always)]
    pub fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        enter: impl FnOnce(GateOpener),
    ) -> Poll<Result<(), TaskError>> {
        if let Place::New = self.0 {
            let (gate, opener) = Gate::begin(cx, "to wait");
            *self = gate;
            enter(opener);
            if let Place::Task(task, wait) = &self.0
                && task.core().waits.borrow().stage(*wait) == Some(Stage::Closed)
            {
                return Poll::Pending;
            }
        }
        self.poll(cx)
    }

    /// Begins to wait in the current task: the gate, to be [polled](Gate::poll) when the task is woken, and what opens
    /// it.
    ///
    /// # Panics
    /// Where no loop is running; the message says that it was needed for `what`.
    ///
    /// # Examples
    /// ```
    /// use std::future::poll_fn;
    /// use std::task::Poll;
    /// use loop_core::EventLoop;
    /// use loop_tasks::{Gate, LoopExt};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (mut gate, opener) = poll_fn(|cx| Poll::Ready(Gate::begin(cx, "to wait"))).await;
    ///     opener.open();
    ///     assert!(poll_fn(|cx| gate.poll(cx)).await.is_ok());
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn begin(cx: &mut Context<'_>, what: &str) -> (Gate, GateOpener) {
        if let Some(task) = current::current()
            && task.wakes(cx.waker())
        {
            let wait = task.core().waits.borrow_mut().add(None);
            let gate = Gate(Place::Task(task.clone(), wait));
            let at = task.into();
            return (gate, GateOpener { at, wait });
        }
        let away = Away::begin(cx, what);
        let at = away.future.any().clone();
        (Gate(Place::Away(away)), GateOpener { at, wait: 0 })
    }

    /// Waits on, once it has begun.
    ///
    /// # Errors
    /// As [`poll_with`](Gate::poll_with).
    ///
    /// # Panics
    /// If it has not begun.
    ///
    /// # Examples
    /// See [`begin`](Gate::begin).
    #[inline(always)]
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        if let Place::Task(task, wait) = &self.0
            && task.core().waits.borrow_mut().take_open(*wait)
        {
            match std::mem::replace(&mut self.0, Place::Opened) {
                Place::Task(task, _) => drop(task),
                other => std::mem::forget(other), // there is none
            }
            return Poll::Ready(Ok(()));
        }
        self.poll_slowly(cx)
    }

    #[inline(never)]
    fn poll_slowly(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        if let Place::Task(task, wait) = &self.0 {
            let stage = task.core().waits.borrow_mut().settle(*wait);
            match stage {
                Some(Stage::Open) => {
                    self.0 = Place::Opened;
                    return Poll::Ready(Ok(()));
                }
                Some(Stage::Closed) if current::is_current(task) && task.wakes(cx.waker()) => {
                    return Poll::Pending;
                }
                Some(Stage::Closed) => self.move_away(),
                Some(Stage::Cancelled) | None => return self.cancelled(),
            }
        }
        self.poll_away(cx)
    }

    #[cold]
    fn poll_away(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        match &mut self.0 {
            Place::New => panic!("a gate is polled before it has begun"),
            Place::Task(..) => unreachable!("it was looked at"),
            Place::Opened => Poll::Ready(Ok(())),
            Place::Cancelled(_) => Poll::Ready(Err(TaskError::Cancelled(Cancelled::new()))),
            Place::Away(away) => {
                let polled = away.poll(cx);
                if let Poll::Ready(Ok(())) = polled {
                    self.0 = Place::Opened;
                }
                polled
            }
        }
    }

    /// The request for cancellation that came to it interrupts the task that it was for.
    #[cold]
    fn cancelled(&mut self) -> Poll<Result<(), TaskError>> {
        if let Place::Task(task, _) = std::mem::take(&mut self.0) {
            self.0 = Place::Cancelled(task.clone());
            if current::is_current(&task) {
                cancel::raise();
                return Poll::Pending;
            }
            // The wait has moved on; the request was that task's.
            cancel::give_back(&task);
        }
        Poll::Ready(Err(TaskError::Cancelled(Cancelled::new())))
    }

    /// It has moved to another task, or into a combinator: a future takes its place.
    #[cold]
    fn move_away(&mut self) {
        if let Place::Task(task, wait) = std::mem::take(&mut self.0) {
            task.core().waits.borrow_mut().leave(wait);
            let owner = &task.header().owner;
            let future = LoopFuture::new(owner.clone());
            Tasks::of(owner).keep_moved((task.core().key, wait), future.any().clone());
            self.0 = Place::Away(Box::new(Away {
                future,
                tie: Tie::None,
                began: Some((task, wait)),
            }));
        }
    }

    /// Whether it was opened.
    ///
    /// # Examples
    /// ```
    /// assert!(!loop_tasks::Gate::new().is_open());
    /// ```
    #[must_use]
    pub fn is_open(&self) -> bool {
        match &self.0 {
            Place::New | Place::Cancelled(_) => false,
            Place::Opened => true,
            Place::Task(task, wait) => task.core().waits.borrow().stage(*wait) == Some(Stage::Open),
            Place::Away(away) => away.future.done() && !away.future.cancelled(),
        }
    }
}

impl Gate {
    /// The loop of one that has begun and was not opened yet, so far as that was seen.
    #[inline]
    pub(crate) fn owner(&self) -> Option<&LoopRef> {
        match &self.0 {
            Place::New | Place::Opened => None,
            Place::Task(task, _) | Place::Cancelled(task) => Some(&task.header().owner),
            Place::Away(away) => Some(&away.future.any().header().owner),
        }
    }
}

impl Drop for Gate {
    #[inline]
    fn drop(&mut self) {
        if let Place::Task(task, wait) = &self.0 {
            let (passed, _) = task.core().waits.borrow_mut().leave(*wait);
            if passed {
                cancel::give_back(task);
            }
        }
    }
}

impl Away {
    /// It begins in a combinator, or outside of a task.
    #[cold]
    fn begin(cx: &mut Context<'_>, what: &str) -> Box<Away> {
        let mut away = Box::new(Away {
            future: LoopFuture::new(running(what)),
            tie: Tie::None,
            began: None,
        });
        let begun = away.poll(cx);
        debug_assert!(begun.is_pending(), "nobody can open it yet");
        away
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        ready!(self.tie.poll(self.future.any(), cx))?;
        if self.future.cancelled() {
            return Poll::Ready(Err(TaskError::Cancelled(Cancelled::new())));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if self.tie.is_tied() {
            self.tie.untie(self.future.any());
        }
        if let Some((task, wait)) = &self.began {
            Tasks::of(&task.header().owner).forget_moved((task.core().key, *wait));
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("open", &self.is_open())
            .finish()
    }
}

/// What opens a [`Gate`]. Clones open the same one; when that is gone, they open nothing.
#[derive(Clone)]
pub struct GateOpener {
    /// The task that waits, or the future at which it does.
    at: AnyFuture,
    /// The number of the wait among those of the task.
    wait: u32,
}

impl GateOpener {
    /// Opens the gate. `false`: it was open, cancelled or gone.
    ///
    /// # Examples
    /// See [`Gate`].
    #[allow(clippy::must_use_candidate, reason = "most who open it do not care")]
    #[inline(always)]
    pub fn open(&self) -> bool {
        let Some(task) = self.at.as_task() else {
            return open_future(&self.at);
        };
        let opened = task.core().waits.borrow_mut().open(self.wait);
        match opened {
            Some(true) => step::schedule(task),
            Some(false) => return false,
            None => return moved(task, self.wait).is_some_and(|future| open_future(&future)),
        }
        true
    }

    /// Whether somebody still waits for it to be opened.
    ///
    /// # Examples
    /// ```
    /// use std::future::poll_fn;
    /// use loop_core::EventLoop;
    /// use loop_tasks::{Gate, LoopExt};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let mut gate = Gate::new();
    ///     let enter = |opener: loop_tasks::GateOpener| {
    ///         assert!(opener.is_closed());
    ///         opener.open();
    ///         assert!(!opener.is_closed() && !opener.is_over());
    ///     };
    ///     poll_fn(|cx| gate.poll_with(cx, enter)).await.unwrap();
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.stage() == Some(Stage::Closed)
    }

    /// Whether nobody will go through: a request for cancellation came to the gate, or the wait is over.
    ///
    /// # Examples
    /// See [`is_closed`](GateOpener::is_closed).
    #[must_use]
    #[inline]
    pub fn is_over(&self) -> bool {
        !matches!(self.stage(), Some(Stage::Closed | Stage::Open))
    }

    /// The number of the loop on which it is waited for.
    ///
    /// # Examples
    /// ```
    /// use std::future::poll_fn;
    /// use loop_core::EventLoop;
    /// use loop_tasks::{Gate, LoopExt};
    /// let event_loop = EventLoop::new()?;
    /// let id = event_loop.id();
    /// event_loop.run_until_complete(async move {
    ///     let mut gate = Gate::new();
    ///     let enter = |opener: loop_tasks::GateOpener| {
    ///         assert_eq!(opener.loop_id(), id);
    ///         opener.open();
    ///     };
    ///     poll_fn(|cx| gate.poll_with(cx, enter)).await.unwrap();
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn loop_id(&self) -> u64 {
        self.at.header().owner.id()
    }

    #[inline]
    fn stage(&self) -> Option<Stage> {
        let Some(task) = self.at.as_task() else {
            return Some(stage_of(&self.at));
        };
        let stage = task.core().waits.borrow().stage(self.wait);
        stage.or_else(|| moved(task, self.wait).map(|future| stage_of(&future)))
    }
}

#[cold]
fn moved(task: &TaskRef, wait: u32) -> Option<AnyFuture> {
    Tasks::of(&task.header().owner).find_moved((task.core().key, wait))
}

#[cold]
fn open_future(future: &AnyFuture) -> bool {
    let future = LoopFuture::from_typed(future.typed::<()>());
    !future.done() && future.set_result(()).is_ok()
}

fn stage_of(future: &AnyFuture) -> Stage {
    let state = future.header().state.get();
    if !state.has(State::SETTLED) {
        Stage::Closed
    } else if state.has(State::CANCELLED) {
        Stage::Cancelled
    } else {
        Stage::Open
    }
}

impl fmt::Debug for GateOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stage() {
            Some(Stage::Closed) => "<GateOpener closed>",
            Some(Stage::Open) => "<GateOpener open>",
            Some(Stage::Cancelled) => "<GateOpener cancelled>",
            None => "<GateOpener gone>",
        })
    }
}
