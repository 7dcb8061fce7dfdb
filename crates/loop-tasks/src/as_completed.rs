//! Futures in the order in which they are done.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use loop_core::{LoopRef, TimerHandle};

use crate::callbacks::{Callback, Listener};
use crate::cell::AnyFuture;
use crate::ensure::Waitable;
use crate::future::CallbackToken;
use crate::graph::Waiter;
use crate::timeout::Elapsed;
use crate::wait_one::Signal;

/// Gives futures in the order in which they are done, each once; what is done already, in the order given.
///
/// Coroutines become tasks. After `timeout`, [`next`](AsCompleted::next) gives [`Elapsed`] for each that is not
/// done; those go on. Dropping the iterator cancels nothing. Tasks of different types stand together by
/// [`erase`](crate::Task::erase); what comes is compared with them.
///
/// # Panics
/// If no loop is running in this thread and none is current.
///
/// # asyncio
/// `asyncio.as_completed(aws, timeout=)` as in 3.13, which gives the futures themselves.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, as_completed, sleep_result};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// event_loop.run_until_complete(async {
///     let mut jobs = as_completed([3, 1, 2].map(|n| sleep_result(Duration::from_secs(n), n)), None);
///     let mut order = Vec::new();
///     while let Some(job) = jobs.next().await {
///         order.push(job.unwrap().result().unwrap().unwrap());
///     }
///     assert_eq!(order, [1, 2, 3]);
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn as_completed<A: Waitable>(
    awaitables: impl IntoIterator<Item = A>,
    timeout: Option<Duration>,
) -> AsCompleted<A::Handle> {
    let event_loop = match loop_core::get_event_loop() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("{error} as_completed needs a loop that is running or current"),
    };
    let mut handles: Vec<A::Handle> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for awaitable in awaitables {
        let handle = awaitable.ensure_waitable(&event_loop);
        if seen.insert(A::future(&handle).address()) {
            handles.push(handle);
        }
    }
    let shared = Rc::new(Shared {
        task: Waiter::current(),
        owner: event_loop.loop_ref(),
        finished: RefCell::default(),
        waiter: RefCell::default(),
        todo: RefCell::default(),
        timer: RefCell::default(),
        stall: Cell::default(),
    });
    for (index, handle) in (0u32..).zip(&handles) {
        let future = A::future(handle).clone();
        let token = future.listen(Callback::Tell(
            Rc::clone(&shared) as Rc<dyn Listener>,
            index,
        ));
        shared.todo.borrow_mut().insert(index, (future, token));
    }
    if let Some(timeout) = timeout.filter(|_| !handles.is_empty()) {
        let late = Rc::downgrade(&shared);
        let timer = event_loop.call_later(timeout, move || {
            if let Some(shared) = late.upgrade() {
                shared.time_is_over();
            }
        });
        shared.timer.replace(timer.ok());
    }
    AsCompleted {
        left: handles.len(),
        handles,
        shared,
    }
}

/// The iterator of [`as_completed`].
pub struct AsCompleted<H> {
    handles: Vec<H>,
    left: usize,
    shared: Rc<Shared>,
}

struct Shared {
    /// Who made it, and will most likely wait.
    task: Waiter,
    owner: LoopRef,
    /// What is done and has not been given yet; `None` for one that was not done in time.
    finished: RefCell<VecDeque<Option<u32>>>,
    waiter: RefCell<Option<Signal>>,
    todo: RefCell<BTreeMap<u32, (AnyFuture, CallbackToken)>>,
    timer: RefCell<Option<TimerHandle>>,
    /// For how long the loop was blocked before the time was over.
    stall: Cell<Duration>,
}

impl Shared {
    fn put(&self, item: Option<u32>) {
        self.finished.borrow_mut().push_back(item);
        let waiter = self.waiter.take();
        if let Some(waiter) = waiter {
            waiter.set();
        }
    }

    fn time_is_over(&self) {
        self.stall.set(self.owner.event_loop().stall());
        let todo = self.todo.take();
        for (future, token) in todo.into_values() {
            future.unlisten(token);
            self.put(None);
        }
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }
}

impl Listener for Shared {
    fn awaiter(&self, _: &AnyFuture) -> Option<AnyFuture> {
        self.task.find(&self.owner)
    }

    fn done(&self, index: u32, _: &AnyFuture) {
        let known = self.todo.borrow_mut().remove(&index);
        if known.is_none() {
            return; // The time was over first.
        }
        self.put(Some(index));
        if self.todo.borrow().is_empty() {
            self.stop_timer();
        }
    }
}

impl<H: Clone> AsCompleted<H> {
    /// Waits for the next one; `None` when all have been given.
    ///
    /// # Errors
    /// [`Elapsed`] for one that was not done in time.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it counts as one that was given.
    ///
    /// # Examples
    /// See [`as_completed`].
    pub async fn next(&mut self) -> Option<Result<H, Elapsed>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        loop {
            let item = self.shared.finished.borrow_mut().pop_front();
            match item {
                Some(Some(index)) => return Some(Ok(self.handles[index as usize].clone())),
                Some(None) => return Some(Err(Elapsed::new(self.shared.stall.get()))),
                None => {}
            }
            let signal = Signal::new(&self.shared.owner);
            self.shared.waiter.replace(Some(signal.clone()));
            signal.wait().await;
        }
    }

    /// How many have not been given yet.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, as_completed};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     assert_eq!(as_completed([async {}], None).remaining(), 1);
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.left
    }
}

impl<H> Drop for AsCompleted<H> {
    fn drop(&mut self) {
        self.shared.stop_timer();
        let todo = self.shared.todo.take();
        for (future, token) in todo.into_values() {
            future.unlisten(token);
        }
    }
}

impl<H> fmt::Debug for AsCompleted<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
