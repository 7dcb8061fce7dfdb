//! What goes on in the background without being a task of the program: flushing, accepting, reading for a protocol.
//!
//! asyncio's transports live on callbacks; a program that waits for all of its tasks must not meet them. A *driver* is
//! a future in a table of its loop; its waker schedules a callback that polls it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use loop_core::{EventLoop, LoopHandle, LoopRef, get_running_loop};
use slab::Slab;

type Driver = Pin<Box<dyn Future<Output = ()>>>;

/// The drivers of one loop.
#[derive(Default)]
struct Drivers {
    slots: RefCell<Slab<Slot>>,
}

struct Slot {
    name: Arc<Name>,
    /// Not there while it is polled.
    future: Option<Driver>,
}

/// What a driver's wakers hold.
struct Name {
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
pub(crate) fn drive(owner: &LoopRef, future: impl Future<Output = ()> + 'static) -> DriverHandle {
    let Some(drivers) = owner.extension::<Drivers>() else {
        return DriverHandle(None);
    };
    let mut slots = drivers.slots.borrow_mut();
    let entry = slots.vacant_entry();
    let name = Arc::new(Name {
        handle: owner.event_loop().handle(),
        slot: entry.key(),
        scheduled: AtomicBool::new(false),
    });
    entry.insert(Slot {
        name: Arc::clone(&name),
        future: Some(Box::pin(future)),
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
        let name = Arc::clone(self);
        // A loop that is closed has dropped its drivers, and refuses both.
        match self.handle.if_running_here() {
            Some(event_loop) => drop(event_loop.call_soon(move || poll(&name))),
            None => drop(self.handle.call_soon_threadsafe(move || poll(&name))),
        }
    }
}

fn poll(name: &Arc<Name>) {
    name.scheduled.store(false, Ordering::Release);
    let Some(drivers) = get_running_loop().ok().and_then(|l| drivers(&l)) else {
        return;
    };
    let future = Drivers::get(&mut drivers.slots.borrow_mut(), name).and_then(|s| s.future.take());
    let mut polled = Polled {
        drivers: &drivers,
        name,
        future,
    };
    let waker = Waker::from(Arc::clone(name));
    polled.poll(&mut Context::from_waker(&waker));
}

/// A driver that is being polled: it goes back to its place if it is pending, and is gone also if it panics.
struct Polled<'a> {
    drivers: &'a Drivers,
    name: &'a Arc<Name>,
    future: Option<Driver>,
}

impl Polled<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(future) = &mut self.future
            && future.as_mut().poll(cx).is_pending()
            && let Some(slot) = Drivers::get(&mut self.drivers.slots.borrow_mut(), self.name)
        {
            slot.future = self.future.take();
        }
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            drop(self.drivers.remove(self.name));
            drop(future);
        }
    }
}
