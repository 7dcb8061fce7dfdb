//! Work that a loop has done elsewhere, for which nobody but that loop waits.
//!
//! What travels is one block of memory: the work on its way out, its outcome on its way back. It is made and freed on
//! the loop's thread. What stays is the future of the loop, under a number in a table of that loop.
//!
//! ```text
//!               run                      the loop
//!   Waiting ---------> Running --> Done ----------> Over
//!      |  \________________________/                 ^
//!      |        fail, dropped                        |
//!      | cancel                         run          |
//!      '-------------> Cancelled --------------------'
//! ```
//! The lock is held for these moves alone: no code of a caller runs under it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use loop_core::{EventLoop, External, Job, LoopHandle};
use loop_tasks::{AnyLoopFuture, LoopExt, LoopFuture};
use slab::Slab;

use crate::panicked::contain;
use crate::sync::Monitor;
use crate::wrap::fail_with;
use crate::{ConcurrentError, JobPanicked};

/// Work that a loop has done elsewhere, with the way back of its outcome.
///
/// It does what a closure with a [`Promise`](crate::Promise) does whose future is
/// [wrapped](crate::wrap_future), with one allocation: since nobody but the loop waits for it, there
/// is nothing to block on. One that is dropped abandons its future.
///
/// # asyncio
/// The `concurrent.futures.Future` inside of `loop.run_in_executor`, which nobody else ever sees.
///
/// # Examples
/// ```
/// use loop_bridge::Errand;
/// use loop_core::EventLoop;
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let Ok((errand, future)) = Errand::new(&event_loop, || "page".len()) else {
///     unreachable!("the loop is open");
/// };
/// std::thread::spawn(|| errand.run());
/// assert_eq!(event_loop.run_until_complete(future)?, 4);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an errand that is dropped abandons its future"]
pub struct Errand(Option<Arc<dyn Travels>>);

impl Errand {
    /// Makes an errand of a closure, and the future of its outcome.
    ///
    /// Cancelling the future cancels the errand, as a callback would, if that has not begun. While it is on its way,
    /// virtual time waits.
    ///
    /// # Errors
    /// The closure, if the loop is closed.
    ///
    /// # Ordering
    /// The outcome comes as one callback from another thread; awaiting tasks step in the iteration after.
    ///
    /// # Examples
    /// See [`Errand`].
    #[track_caller]
    pub fn new<F, T>(event_loop: &EventLoop, work: F) -> Result<(Errand, LoopFuture<T>), F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let Some(away) = Away::of(event_loop) else {
            return Err(work);
        };
        let handle = event_loop.handle();
        let external = handle.expect_external();
        let key = away.next_key();
        let parcel = away.parcel(key, Stage::Waiting(work, handle));
        let future = event_loop.create_bridged_future(move |event_loop| {
            let entry = Away::of(event_loop).and_then(|away| away.remove(key));
            if let Some(entry) = entry {
                entry.parcel.cancel();
            }
        });
        away.insert(Entry {
            serial: key.serial,
            future: future.erase_future(),
            parcel: Arc::clone(&parcel) as Arc<dyn Travels>,
            _external: external,
        });
        Ok((Errand(Some(parcel)), future))
    }

    /// Does the work in this thread and sends the loop what comes of it, a value or a panic; `false` if it was
    /// cancelled before, and is dropped undone.
    ///
    /// # Examples
    /// See [`Errand`].
    pub fn run(mut self) -> bool {
        let parcel = self.0.take();
        parcel.is_some_and(|parcel| parcel.run())
    }

    /// Drops the work undone, and sends the loop the error.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::{ConcurrentError, Errand};
    /// use loop_core::EventLoop;
    /// use loop_tasks::LoopExt;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let Ok((errand, future)) = Errand::new(&event_loop, || 1) else {
    ///     unreachable!("the loop is open");
    /// };
    /// errand.fail(ConcurrentError::Cancelled);
    /// assert!(event_loop.run_until_complete(&future).is_err());
    /// assert!(future.cancelled());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fail(mut self, error: ConcurrentError) {
        if let Some(parcel) = self.0.take() {
            parcel.fail(error);
        }
    }

    /// Whether its future was cancelled, so that there is no point in running it.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::Errand;
    /// use loop_core::EventLoop;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let Ok((errand, future)) = Errand::new(&event_loop, || 1) else {
    ///     unreachable!("the loop is open");
    /// };
    /// future.cancel();
    /// event_loop.run_once(None)?;
    /// assert!(errand.is_cancelled() && !errand.run());
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|parcel| parcel.is_cancelled())
    }

    /// Takes the work back, for one that was not accepted. Its future should be cancelled before: nobody settles it
    /// any more. `None` if the work is of another type; then the errand is dropped.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::Errand;
    /// use loop_core::EventLoop;
    ///
    /// fn work() -> u32 {
    ///     7
    /// }
    /// let event_loop = EventLoop::new()?;
    /// let Ok((errand, future)) = Errand::new(&event_loop, work as fn() -> u32) else {
    ///     unreachable!("the loop is open");
    /// };
    /// future.cancel();
    /// let work = errand.into_work::<fn() -> u32, u32>().unwrap();
    /// assert_eq!(work(), 7);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_work<F, T>(self) -> Option<F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let parcel: Arc<dyn Any + Send + Sync> = self.0.clone()?;
        let parcel = parcel.downcast::<Parcel<F, T>>().ok()?;
        let stage = mem::replace(&mut *parcel.stage.lock(), Stage::Over);
        match stage {
            Stage::Waiting(work, _) | Stage::Cancelled(work) => Some(work),
            _ => None,
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(parcel) = self.0.take() {
            parcel.fail(ConcurrentError::Abandoned);
        }
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Errand cancelled={}>", self.is_cancelled())
    }
}

/// A parcel whose types are forgotten.
trait Travels: Any + Send + Sync {
    fn run(self: Arc<Self>) -> bool;
    fn fail(self: Arc<Self>, error: ConcurrentError);
    fn cancel(&self);
    fn is_cancelled(&self) -> bool;
    /// Hands the outcome over, on the loop's thread.
    fn arrive(self: Arc<Self>, event_loop: &EventLoop);
}

struct Parcel<F, T> {
    stage: Monitor<Stage<F, T>>,
    key: Key,
}

enum Stage<F, T> {
    Waiting(F, LoopHandle),
    /// Nobody wants it any more. Whoever comes across it drops the work.
    Cancelled(F),
    Running,
    /// On its way back.
    Done(Result<T, ConcurrentError>),
    Over,
}

impl<F: Send + 'static, T: Send + 'static> Parcel<F, T> {
    /// Takes the work, which is from here on neither cancelled nor taken by anybody else.
    fn begin(&self) -> Option<(F, LoopHandle)> {
        let stage = mem::replace(&mut *self.stage.lock(), Stage::Running);
        match stage {
            Stage::Waiting(work, handle) => Some((work, handle)),
            unwanted => {
                contain("the destructor of the work", || drop(unwanted));
                None
            }
        }
    }

    fn send_back(self: Arc<Self>, handle: &LoopHandle, outcome: Result<T, ConcurrentError>)
    where
        F: FnOnce() -> T,
    {
        *self.stage.lock() = Stage::Done(outcome);
        // A loop that is closed wants nothing any more.
        let _ = handle.post(Arrival(self));
    }
}

impl<F, T> Travels for Parcel<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Arc<Self>) -> bool {
        let Some((work, handle)) = self.begin() else {
            return false;
        };
        // Whether the work left something in an odd state is for those to judge who see that it panicked.
        let outcome = catch_unwind(AssertUnwindSafe(work));
        let outcome = outcome.map_err(|payload| JobPanicked::new(payload).into());
        self.send_back(&handle, outcome);
        true
    }

    fn fail(self: Arc<Self>, error: ConcurrentError) {
        if let Some((work, handle)) = self.begin() {
            // The work goes first: whoever sees the outcome may rely on what it held being free again.
            contain("the destructor of the work", || drop(work));
            self.send_back(&handle, Err(error));
        }
    }

    fn cancel(&self) {
        let mut stage = self.stage.lock();
        match mem::replace(&mut *stage, Stage::Over) {
            Stage::Waiting(work, handle) => {
                *stage = Stage::Cancelled(work);
                drop(stage);
                drop(handle);
            }
            other => *stage = other,
        }
    }

    fn is_cancelled(&self) -> bool {
        matches!(*self.stage.lock(), Stage::Cancelled(_))
    }

    fn arrive(self: Arc<Self>, event_loop: &EventLoop) {
        let Some(away) = Away::of(event_loop) else {
            return; // What the loop wanted went with it.
        };
        let Some(entry) = away.remove(self.key) else {
            return; // Cancelled while it ran.
        };
        let Some(future) = entry.future.downcast::<T>() else {
            return debug_assert!(false, "the type of an entry is that of its parcel");
        };
        let stage = mem::replace(&mut *self.stage.lock(), Stage::Over);
        drop(entry);
        if size_of::<Self>() <= LARGEST_KEPT {
            away.keep(self);
        }
        match stage {
            Stage::Done(_) if future.done() => {
                contain("the destructor of the outcome", || drop(stage));
            }
            Stage::Done(Ok(value)) => {
                let set = future.set_result(value);
                debug_assert!(set.is_ok(), "it was not done a moment ago");
            }
            Stage::Done(Err(error)) => fail_with(&future, error),
            _ => debug_assert!(false, "it is sent when it is done"),
        }
    }
}

impl<F, T> Drop for Parcel<F, T> {
    fn drop(&mut self) {
        // Who goes last is a race: a value that panics in its destructor must not decide by it whose thread it takes
        // down.
        let stage = mem::replace(self.stage.get_mut(), Stage::Over);
        if !matches!(stage, Stage::Over) {
            contain("the destructor of what was left", || drop(stage));
        }
    }
}

/// The outcome, as it is posted to the loop.
struct Arrival(Arc<dyn Travels>);

impl Job for Arrival {
    fn run(self, event_loop: &EventLoop) {
        self.0.arrive(event_loop);
    }

    fn name() -> &'static str {
        "outcome from another thread"
    }
}

/// The futures of one loop whose errands are away.
#[derive(Default)]
struct Away {
    entries: RefCell<Slab<Entry>>,
    made: Cell<u64>,
    /// Parcels that are over, for the next ones: of a burst of blocks, an allocator takes a few the short way and
    /// sorts the others.
    kept: RefCell<Vec<Arc<dyn Travels>>>,
}

/// How many parcels are kept.
const MOST_KEPT: usize = 1024;

/// How large they may be, in bytes.
const LARGEST_KEPT: usize = 512;

struct Entry {
    serial: u64,
    future: AnyLoopFuture,
    parcel: Arc<dyn Travels>,
    _external: External,
}

/// Names an entry, from any thread. Never used again.
#[derive(Clone, Copy)]
struct Key {
    slot: usize,
    serial: u64,
}

impl Away {
    /// That of this loop; `None` if the loop is closed.
    fn of(event_loop: &EventLoop) -> Option<Rc<Away>> {
        event_loop.loop_ref().extension()
    }

    /// The key of the next entry.
    fn next_key(&self) -> Key {
        let serial = self.made.get() + 1;
        self.made.set(serial);
        let slot = self.entries.borrow().vacant_key();
        Key { slot, serial }
    }

    fn insert(&self, entry: Entry) {
        self.entries.borrow_mut().insert(entry);
    }

    /// A parcel, perhaps one that has been on its way before.
    fn parcel<F, T>(&self, key: Key, stage: Stage<F, T>) -> Arc<Parcel<F, T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let kept = self.kept.borrow_mut().pop();
        if let Some(kept) = kept {
            let kept: Arc<dyn Any + Send + Sync> = kept;
            // Of another type, it goes.
            if let Ok(mut parcel) = kept.downcast::<Parcel<F, T>>()
                && let Some(empty) = Arc::get_mut(&mut parcel)
            {
                empty.key = key;
                *empty.stage.get_mut() = stage;
                return parcel;
            }
        }
        Arc::new(Parcel {
            stage: Monitor::new(stage),
            key,
        })
    }

    /// Keeps a parcel that is over.
    fn keep(&self, parcel: Arc<dyn Travels>) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < MOST_KEPT {
            kept.push(parcel);
        }
    }

    /// Takes an entry out; the caller drops it when nothing is borrowed.
    fn remove(&self, key: Key) -> Option<Entry> {
        let mut entries = self.entries.borrow_mut();
        match entries.get(key.slot) {
            Some(entry) if entry.serial == key.serial => Some(entries.remove(key.slot)),
            _ => None,
        }
    }
}
