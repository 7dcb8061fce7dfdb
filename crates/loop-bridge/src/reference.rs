//! What lives on a loop, as other threads name it.

use std::any::{Any, type_name};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use loop_core::{EventLoop, Job, LoopClosed, LoopHandle};

use crate::ConcurrentFuture;
use crate::coroutine::{Coroutine, submit};

/// A value that stays on its loop, as other threads name it: they have the loop use it.
///
/// A queue, an event or a future of a loop is not `Send`, so no closure for
/// [`call_soon_threadsafe`](crate::call_soon_threadsafe) can hold one. It can hold this: a number, under which the
/// loop keeps the value. A cheap reference; the value is dropped on its loop's thread, when the last reference is or when
/// the loop closes.
///
/// # asyncio
/// `loop.call_soon_threadsafe(queue.put_nowait, item)`, where nothing keeps the thread from touching the queue itself.
///
/// # Examples
/// ```
/// use std::thread;
/// use loop_bridge::ThreadsafeRef;
/// use loop_core::EventLoop;
/// use loop_tasks::LoopExt;
///
/// let event_loop = EventLoop::new()?;
/// let answer = event_loop.create_future();
/// let there = ThreadsafeRef::new(&event_loop, answer.clone());
/// let thread = thread::spawn(move || {
///     let posted = there.call_soon_threadsafe(|answer| drop(answer.set_result(6 * 7)));
///     posted.is_ok()
/// });
/// assert_eq!(event_loop.run_until_complete(answer)?, 42);
/// assert!(thread.join().unwrap());
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ThreadsafeRef<T> {
    entry: Arc<Entry>,
    value: PhantomData<fn() -> T>,
}

impl<T: 'static> ThreadsafeRef<T> {
    /// Has the loop keep `value`. A closed loop drops it, and refuses all that is asked of it.
    ///
    /// # Examples
    /// See [`ThreadsafeRef`].
    #[must_use]
    pub fn new(event_loop: &EventLoop, value: T) -> ThreadsafeRef<T> {
        let kept = event_loop.loop_ref().extension::<Kept>();
        let entry = Entry {
            handle: event_loop.handle(),
            number: kept.map_or(0, |kept| kept.add(value)),
        };
        ThreadsafeRef {
            entry: Arc::new(entry),
            value: PhantomData,
        }
    }

    /// Calls `f` with the value, on the loop's thread.
    ///
    /// # Errors
    /// [`LoopClosed`] with `f`, if the loop is closed.
    ///
    /// # Ordering
    /// That of [`LoopHandle::call_soon_threadsafe`].
    ///
    /// # Examples
    /// See [`ThreadsafeRef`].
    #[track_caller]
    pub fn call_soon_threadsafe<F>(&self, f: F) -> Result<(), LoopClosed<F>>
    where
        F: FnOnce(&T) + Send + 'static,
    {
        let with = self.with(f);
        let posted = self.entry.handle.post(with);
        posted.map_err(|LoopClosed(with)| LoopClosed(with.f))
    }

    /// Runs a coroutine that `make` makes of a clone of the value, on the loop's thread; otherwise as
    /// [`run_coroutine_threadsafe`](crate::run_coroutine_threadsafe).
    ///
    /// # Errors
    /// [`LoopClosed`] with `make`, if the loop is closed.
    ///
    /// # asyncio
    /// `asyncio.run_coroutine_threadsafe(queue.put(item), loop)`.
    ///
    /// # Examples
    /// ```
    /// use loop_bridge::{LoopThread, ThreadsafeRef, run_coroutine_threadsafe};
    /// use loop_core::get_running_loop;
    /// use loop_tasks::{LoopExt, LoopFuture};
    ///
    /// let side = LoopThread::spawn("side")?;
    /// let made = run_coroutine_threadsafe(side.handle(), || async {
    ///     let event_loop = get_running_loop().unwrap();
    ///     let answer: LoopFuture<u32> = event_loop.create_future();
    ///     ThreadsafeRef::new(&event_loop, answer)
    /// })?;
    /// let answer = made.result(None)?;
    /// let waiting = answer.run_coroutine_threadsafe(|answer| async move { answer.await.unwrap() })?;
    /// answer.call_soon_threadsafe(|answer| drop(answer.set_result(42)))?;
    /// assert_eq!(waiting.result(None)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn run_coroutine_threadsafe<F, Fut>(
        &self,
        make: F,
    ) -> Result<ConcurrentFuture<Fut::Output>, LoopClosed<F>>
    where
        T: Clone,
        F: FnOnce(T) -> Fut + Send + 'static,
        Fut: Future<Output: Send + 'static> + 'static,
    {
        let with = self.with(make);
        let place = with.place;
        submit(&self.entry.handle, with, place).map_err(|LoopClosed(with)| LoopClosed(with.f))
    }

    #[track_caller]
    fn with<F>(&self, f: F) -> With<F, T> {
        With {
            f,
            reference: self.clone(),
            place: Location::caller(),
        }
    }

    /// The value. Whoever asks holds a reference, and runs on a loop that is not closed: it is there.
    fn get(&self, event_loop: &EventLoop) -> Rc<T> {
        let kept = event_loop.loop_ref().extension::<Kept>();
        let value = kept.and_then(|kept| kept.get(self.entry.number));
        let value = value.and_then(|value| value.downcast().ok());
        value.expect("a loop keeps what there are references to")
    }
}

impl<T> Clone for ThreadsafeRef<T> {
    fn clone(&self) -> Self {
        ThreadsafeRef {
            entry: Arc::clone(&self.entry),
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for ThreadsafeRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<ThreadsafeRef of {}>", type_name::<T>())
    }
}

/// Where a value is: its loop, and its number there.
struct Entry {
    handle: LoopHandle,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        // A loop that is closed has dropped the value.
        let _ = self.handle.post(Forget(self.number));
    }
}

/// What a loop keeps for other threads, by number. A number is never used again.
#[derive(Default)]
struct Kept {
    values: RefCell<BTreeMap<u64, Rc<dyn Any>>>,
    last: Cell<u64>,
}

impl Kept {
    fn add(&self, value: impl Any) -> u64 {
        let number = self.last.get() + 1;
        self.last.set(number);
        self.values.borrow_mut().insert(number, Rc::new(value));
        number
    }

    fn get(&self, number: u64) -> Option<Rc<dyn Any>> {
        self.values.borrow().get(&number).cloned()
    }

    /// Takes a value out; the caller drops it when nothing is borrowed.
    fn remove(&self, number: u64) -> Option<Rc<dyn Any>> {
        self.values.borrow_mut().remove(&number)
    }
}

/// What is to be done with a value.
struct With<F, T> {
    f: F,
    reference: ThreadsafeRef<T>,
    place: &'static Location<'static>,
}

impl<F: FnOnce(&T) + Send + 'static, T: 'static> Job for With<F, T> {
    fn run(self, event_loop: &EventLoop) {
        let value = self.reference.get(event_loop);
        (self.f)(&value);
    }

    fn name() -> &'static str {
        type_name::<F>()
    }

    fn place(&self) -> Option<&'static Location<'static>> {
        Some(self.place)
    }
}

impl<F, Fut, T> Coroutine for With<F, T>
where
    F: FnOnce(T) -> Fut + Send + 'static,
    Fut: Future<Output: Send + 'static> + 'static,
    T: Clone + 'static,
{
    type Future = Fut;

    fn future(self, event_loop: &EventLoop) -> Fut {
        let value = self.reference.get(event_loop);
        (self.f)(T::clone(&value))
    }
}

/// The last reference to a value is gone.
struct Forget(u64);

impl Job for Forget {
    fn run(self, event_loop: &EventLoop) {
        let kept = event_loop.loop_ref().extension::<Kept>();
        let value = kept.and_then(|kept| kept.remove(self.0));
        drop(value);
    }

    fn name() -> &'static str {
        "end of a value for other threads"
    }
}
