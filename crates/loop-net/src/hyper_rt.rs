//! hyper's executor and timer: tasks of this loop, and its clock.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::rt::{Executor, Sleep, Timer};
use loop_core::{EventLoop, LoopHandle, TimerHandle, get_running_loop};
use loop_tasks::create_task;
use slab::Slab;

/// Runs hyper's futures as tasks of the running loop; they need not be `Send`.
///
/// # Examples
/// See `examples/hyper.rs` of this crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperExecutor;

impl<F> Executor<F> for HyperExecutor
where
    F: Future<Output: 'static> + 'static,
{
    fn execute(&self, future: F) {
        let _task = create_task(future);
    }
}

/// Gives hyper the clock of the running loop.
///
/// # Examples
/// See `examples/hyper.rs` of this crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperTimer;

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let far = Duration::from_secs(100 * 365 * 24 * 3600);
        self.sleep_until(self.now() + duration.min(far))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep {
            deadline,
            place: None,
        })
    }

    fn now(&self) -> Instant {
        running().time()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<HyperSleep>() {
            Some(ours) => {
                let ours = ours.get_mut();
                ours.leave();
                ours.deadline = deadline;
            }
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

fn running() -> EventLoop {
    match get_running_loop() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("{error}: hyper's timer needs one"),
    }
}

/// Timers under numbers: hyper wants sleeps that are `Send`, and a loop's timers are not.
#[derive(Default)]
struct Timers(Rc<RefCell<Slab<Entry>>>);

struct Entry {
    timer: TimerHandle,
    waker: Option<Waker>,
    due: bool,
}

/// A sleep: it begins when it is first polled.
struct HyperSleep {
    deadline: Instant,
    place: Option<(LoopHandle, usize)>,
}

impl Sleep for HyperSleep {}

impl Future for HyperSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let event_loop = running();
        let Some(timers) = event_loop.loop_ref().extension::<Timers>() else {
            return Poll::Pending; // a closed loop has no time
        };
        if let Some((_, key)) = &this.place {
            let mut entries = timers.0.borrow_mut();
            let entry = &mut entries[*key];
            if !entry.due {
                let old = entry.waker.replace(cx.waker().clone());
                drop(entries);
                drop(old);
                return Poll::Pending;
            }
            drop(entries);
            this.leave();
            return Poll::Ready(());
        }
        if this.deadline <= event_loop.time() {
            return Poll::Ready(());
        }
        let key = timers.0.borrow().vacant_key();
        let entries = Rc::clone(&timers.0);
        let timer = event_loop.call_at(this.deadline, move || {
            let waker = entries.borrow_mut().get_mut(key).and_then(|entry| {
                entry.due = true;
                entry.waker.take()
            });
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        let entry = Entry {
            timer: timer.expect("a running loop is not closed"),
            waker: Some(cx.waker().clone()),
            due: false,
        };
        let key = timers.0.borrow_mut().insert(entry);
        this.place = Some((event_loop.handle(), key));
        Poll::Pending
    }
}

impl HyperSleep {
    /// Gives the timer up.
    fn leave(&mut self) {
        if let Some((handle, key)) = self.place.take() {
            match handle.if_running_here() {
                Some(event_loop) => forget(&event_loop, key),
                None => {
                    // Dropped by another thread, or while nothing runs. A closed loop has no timers.
                    let forget = move || running_here(|event_loop| forget(event_loop, key));
                    let _ = handle.call_soon_threadsafe(forget);
                }
            }
        }
    }
}

fn running_here(f: impl FnOnce(&EventLoop)) {
    if let Ok(event_loop) = get_running_loop() {
        f(&event_loop);
    }
}

fn forget(event_loop: &EventLoop, key: usize) {
    if let Some(timers) = event_loop.loop_ref().extension::<Timers>() {
        let entry = timers.0.borrow_mut().try_remove(key);
        if let Some(entry) = entry {
            entry.timer.cancel();
        }
    }
}

impl Drop for HyperSleep {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for HyperSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<HyperSleep until {:?}>", self.deadline)
    }
}
