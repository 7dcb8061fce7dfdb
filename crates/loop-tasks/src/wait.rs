//! Waiting for many futures without taking their results.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use crate::callbacks::{Callback, Listener};
use crate::cell::AnyFuture;
use crate::ensure::EnsureFuture;
use crate::future::LoopFuture;
use crate::graph::Waiter;
use crate::sleep::running_loop;
use crate::state::State;
use crate::wait_one::Signal;

/// When [`wait`] returns.
///
/// # asyncio
/// `return_when=FIRST_COMPLETED`, `FIRST_EXCEPTION`, `ALL_COMPLETED`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReturnWhen {
    /// When any of them is done or cancelled.
    FirstCompleted,
    /// When any of them has failed: a panic, or an error of a task made with
    /// [`try_create_task`](crate::try_create_task). Cancelled ones do not count. If none fails, when all are done.
    FirstException,
    /// When all of them are done or cancelled.
    #[default]
    AllCompleted,
}

/// There is nothing to wait for.
///
/// # asyncio
/// `ValueError: Set of Tasks/Futures is empty.`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmptySet;

impl fmt::Display for EmptySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Set of Tasks/Futures is empty.")
    }
}

impl std::error::Error for EmptySet {}

/// What [`wait`] found: both lists in the order given, each future once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waited<H> {
    /// Done, failed or cancelled: their results are still in them.
    pub done: Vec<H>,
    /// Not done. They go on.
    pub pending: Vec<H>,
}

/// Waits until some or all are done, or the time is over. Raises nothing and cancels nothing.
///
/// Coroutines become tasks. Results stay in the tasks: ask them.
///
/// # Errors
/// [`EmptySet`] if there are none.
///
/// # Panics
/// When it is awaited where no loop is running.
///
/// # Ordering
/// It always waits for at least one done callback, also if all are done already.
///
/// # asyncio
/// `asyncio.wait(fs, timeout=, return_when=)`; the lists are sets there, and coroutines are forbidden since 3.11.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, ReturnWhen, sleep_result, wait};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// event_loop.run_until_complete(async {
///     let jobs = [3, 1].map(|n| sleep_result(Duration::from_secs(n), n));
///     let waited = wait(jobs, None, ReturnWhen::FirstCompleted).await.unwrap();
///     assert_eq!(waited.done[0].result().unwrap().unwrap(), 1);
///     assert_eq!(waited.pending.len(), 1);
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn wait<A: EnsureFuture>(
    awaitables: impl IntoIterator<Item = A>,
    timeout: Option<Duration>,
    return_when: ReturnWhen,
) -> Result<Waited<A::Handle>, EmptySet> {
    let event_loop = running_loop("wait");
    let handles: Vec<A::Handle> = awaitables
        .into_iter()
        .map(|awaitable| awaitable.ensure_future(&event_loop))
        .collect();
    if handles.is_empty() {
        return Err(EmptySet);
    }
    let signal = Signal::new(&event_loop.loop_ref());
    let timer = timeout.map(|timeout| {
        let signal = signal.clone();
        event_loop
            .call_later(timeout, move || signal.set())
            .expect("a running loop is not closed")
    });
    let waiting = Rc::new(Waiting {
        waiter: Waiter::current(),
        left: Cell::new(0),
        return_when,
        signal,
        timer,
    });
    // Also when this is cancelled or dropped: the callbacks and the timer go.
    let listening = Listening::to(handles, waiting);
    listening.waiting.signal.wait().await;
    Ok(listening.end())
}

fn any<T: 'static, H: AsRef<LoopFuture<T>>>(handle: &H) -> &AnyFuture {
    handle.as_ref().any()
}

struct Waiting {
    waiter: Waiter,
    left: Cell<usize>,
    return_when: ReturnWhen,
    signal: Signal,
    timer: Option<loop_core::TimerHandle>,
}

impl Waiting {
    fn stop_timer(&self) {
        if let Some(timer) = &self.timer {
            timer.cancel();
        }
    }
}

impl Listener for Waiting {
    fn awaiter(&self, future: &AnyFuture) -> Option<AnyFuture> {
        self.waiter.find(&future.header().owner)
    }

    fn done(&self, _: u32, future: &AnyFuture) {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        let enough = match self.return_when {
            ReturnWhen::FirstCompleted => true,
            ReturnWhen::FirstException => future.header().state.get().has(State::FAILED),
            ReturnWhen::AllCompleted => false,
        };
        if left == 0 || enough {
            self.stop_timer();
            self.signal.set();
        }
    }
}

/// What is waited for, each of which tells of itself. Dropping it makes them stop, and stops the timer.
struct Listening<T: 'static, H: AsRef<LoopFuture<T>>> {
    members: Vec<H>,
    waiting: Rc<Waiting>,
    outcome: PhantomData<fn() -> T>,
}

impl<T: 'static, H: AsRef<LoopFuture<T>>> Listening<T, H> {
    /// The first of equal ones stays.
    fn to(handles: Vec<H>, waiting: Rc<Waiting>) -> Listening<T, H> {
        let mut listening = Listening {
            members: handles,
            waiting,
            outcome: PhantomData,
        };
        let listener = listening.listener();
        let mut settled = Vec::new();
        // No code of anybody else's runs in here: whoever has this as its last callback was given before.
        listening.members.retain(|handle| {
            let future = any(handle);
            if future.is_settled() {
                settled.push(future.clone());
                tell_of_settled(future, &listener)
            } else {
                let mut callbacks = future.header().callbacks.borrow_mut();
                callbacks.tell_once(Rc::clone(&listener))
            }
        });
        settled.iter().for_each(AnyFuture::unmark);
        listening.waiting.left.set(listening.members.len());
        listening
    }

    /// Ends it, and says which of them are done.
    fn end(mut self) -> Waited<H> {
        let listener = self.listener();
        let (mut done, mut pending) = (Vec::new(), Vec::with_capacity(self.members.len()));
        // The last first: of a crowd, those that were looked at last are still at hand.
        while let Some(handle) = self.members.pop() {
            if forget(any(&handle), &listener) {
                pending.push(handle);
            } else {
                done.push(handle);
            }
        }
        done.reverse();
        pending.reverse();
        Waited { done, pending }
    }

    fn listener(&self) -> Rc<dyn Listener> {
        Rc::clone(&self.waiting) as Rc<dyn Listener>
    }
}

/// Tells a listener of a future that is settled already. `false`: it was told before.
fn tell_of_settled(future: &AnyFuture, listener: &Rc<dyn Listener>) -> bool {
    let first = future.mark();
    if first {
        future.listen(Callback::Tell(Rc::clone(listener), 0));
    }
    first
}

/// Makes a future forget a listener. `false`: it is settled, and its callbacks are scheduled.
#[inline(always)]
fn forget(future: &AnyFuture, listener: &Rc<dyn Listener>) -> bool {
    let header = future.header();
    let pending = !future.is_settled();
    if pending {
        header.callbacks.borrow_mut().forget(listener);
    }
    pending
}

impl<T: 'static, H: AsRef<LoopFuture<T>>> Drop for Listening<T, H> {
    fn drop(&mut self) {
        self.waiting.stop_timer();
        let listener = self.listener();
        for handle in &self.members {
            forget(any(handle), &listener);
        }
    }
}
