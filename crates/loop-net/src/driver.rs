//! What goes on in the background without being a task of the program: flushing, accepting, reading for a protocol.
//!
//! asyncio's transports live on callbacks; a program that waits for all of its tasks must not meet them. A *driver* is
//! a future in a table of its loop; its waker schedules a callback that polls it. Like the callbacks there, it has the
//! context variables of whoever made it, and so has what it calls and makes: a server's clients, a protocol.

use std::any::type_name;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use loop_core::{EventLoop, Job, LoopHandle, LoopRef};
use loop_tasks::Context;
use slab::Slab;

struct Driver {
    future: Pin<Box<dyn Future<Output = ()>>>,
    context: Context,
}

/// The drivers of one loop.
#[derive(Default)]
struct Drivers {
    slots: RefCell<Slab<Slot>>,
}

struct Slot {
    name: Arc<Name>,
    /// Not there while it is polled.
    driver: Option<Driver>,
}

/// What a driver's wakers hold.
struct Name {
    /// What a report says of it: the type of its future.
    what: &'static str,
    handle: LoopHandle,
    slot: usize,
    /// A callback is on its way.
    scheduled: AtomicBool,
}

/// A driver to be stopped; dropping this stops nothing.
pub(crate) struct DriverHandle(Option<Arc<Name>>);

impl DriverHandle {
    /// Drops the driver's future: now, or at the end of the poll in which this is called.
    pub(crate) fn stop(&self) {
        let Some(name) = &self.0 else { return };
        let Some(drivers) = name.handle.if_running_here().and_then(|l| drivers(&l)) else {
            return;
        };
        let slot = drivers.remove(name);
        drop(slot);
    }
}

fn drivers(event_loop: &EventLoop) -> Option<Rc<Drivers>> {
    event_loop.loop_ref().extension()
}

impl Drivers {
    /// The slot, if it is still this driver's.
    fn get<'a>(slots: &'a mut Slab<Slot>, name: &Arc<Name>) -> Option<&'a mut Slot> {
        let slot = slots.get_mut(name.slot)?;
        Arc::ptr_eq(&slot.name, name).then_some(slot)
    }

    fn remove(&self, name: &Arc<Name>) -> Option<Slot> {
        let mut slots = self.slots.borrow_mut();
        Drivers::get(&mut slots, name)?;
        Some(slots.remove(name.slot))
    }
}

/// Has `future` polled by callbacks of the loop, from the next iteration on. It is dropped when the loop closes; on
/// a closed loop, now.
pub(crate) fn drive<F: Future<Output = ()> + 'static>(owner: &LoopRef, future: F) -> DriverHandle {
    let Some(drivers) = owner.extension::<Drivers>() else {
        return DriverHandle(None);
    };
    let mut slots = drivers.slots.borrow_mut();
    let entry = slots.vacant_entry();
    let name = Arc::new(Name {
        what: type_name::<F>(),
        handle: owner.event_loop().handle(),
        slot: entry.key(),
        scheduled: AtomicBool::new(false),
    });
    entry.insert(Slot {
        name: Arc::clone(&name),
        driver: Some(Driver {
            future: Box::pin(future),
            context: Context::current(),
        }),
    });
    drop(slots);
    name.wake_by_ref();
    DriverHandle(Some(name))
}

impl Wake for Name {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        let poll = Poll(Arc::clone(self));
        // A loop that is closed has dropped its drivers, and refuses both.
        match self.handle.if_running_here() {
            Some(event_loop) => event_loop.loop_ref().schedule(poll),
            None => drop(self.handle.post(poll)),
        }
    }
}

/// The callback that polls a driver.
struct Poll(Arc<Name>);

impl Job for Poll {
    fn run(self, event_loop: &EventLoop) {
        let Poll(name) = self;
        name.scheduled.store(false, Ordering::Release);
        let Some(drivers) = drivers(event_loop) else {
            return;
        };
        let driver =
            Drivers::get(&mut drivers.slots.borrow_mut(), &name).and_then(|s| s.driver.take());
        let mut polled = Polled {
            drivers: &drivers,
            name: &name,
            driver,
        };
        polled.poll(&Waker::from(Arc::clone(&name)));
    }

    fn name() -> &'static str {
        "background work"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "background work: {}", self.0.what)
    }
}

/// A driver that is being polled: it goes back to its place if it is pending, and is gone also if it panics.
struct Polled<'a> {
    drivers: &'a Drivers,
    name: &'a Arc<Name>,
    driver: Option<Driver>,
}

impl Polled<'_> {
    fn poll(&mut self, waker: &Waker) {
        let cx = &mut std::task::Context::from_waker(waker);
        if let Some(Driver { future, context }) = &mut self.driver
            && context.run(|| future.as_mut().poll(cx)).is_pending()
            && let Some(slot) = Drivers::get(&mut self.drivers.slots.borrow_mut(), self.name)
        {
            slot.driver = self.driver.take();
        }
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            drop(self.drivers.remove(self.name));
            drop(driver);
        }
    }
}
