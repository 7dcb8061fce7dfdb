//! The errands of a loop that are away.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use loop_core::{EventLoop, External, Job};
use loop_tasks::{AnyLoopFuture, LoopExt, LoopFuture};

use crate::parcel::{Order, Parcel, Travels};

/// The table of one loop. What an errand that is over was made of stays in its place for the next one: of a burst of
/// blocks, an allocator takes a few the short way and sorts the others.
#[derive(Default)]
pub(crate) struct Away(RefCell<Places>);

#[derive(Default)]
struct Places {
    all: Vec<Place>,
    /// The numbers of those that are free, the one that was used last at the end.
    free: Vec<usize>,
}

#[derive(Default)]
struct Place {
    /// How many errands have left it: what comes for one of those finds nothing.
    serial: u64,
    sent: Option<Sent>,
    /// That of every errand from here, until one is cancelled.
    order: Option<Arc<Order>>,
    /// A parcel with this order that is over.
    parcel: Option<Box<dyn Travels>>,
}

/// What waits for an errand to come back.
pub(crate) struct Sent {
    pub(crate) future: AnyLoopFuture,
    _external: External,
}

/// Names an errand, from any thread. Never used again.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    place: usize,
    serial: u64,
}

/// How many parcels are kept.
const MOST_KEPT: usize = 1024;

impl Away {
    /// That of this loop; `None` if the loop is closed.
    pub(crate) fn of(event_loop: &EventLoop) -> Option<Rc<Away>> {
        event_loop.loop_ref().extension()
    }

    /// Packs an errand.
    #[track_caller]
    pub(crate) fn send<F, T>(
        &self,
        event_loop: &EventLoop,
        work: F,
    ) -> (Box<Parcel<F, T>>, LoopFuture<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let Places { all, free } = &mut *self.0.borrow_mut();
        let number = free.pop().unwrap_or_else(|| {
            all.push(Place::default());
            all.len() - 1
        });
        let place = &mut all[number];
        let key = Key {
            place: number,
            serial: place.serial,
        };
        let future = event_loop.create_bridged_future(move |event_loop| {
            if let Some(away) = Away::of(event_loop) {
                away.cancel(key);
            }
        });
        let order = place
            .order
            .get_or_insert_with(|| Order::new(event_loop.handle()));
        place.sent = Some(Sent {
            future: future.erase_future(),
            _external: order.expect_external(),
        });
        let parcel = match place.parcel.take().and_then(of_type::<Parcel<F, T>>) {
            Some(mut parcel) => {
                parcel.load(key, work);
                parcel
            }
            None => Parcel::new(order, key, work),
        };
        (parcel, future)
    }

    /// Forgets an errand. Whoever has it drops it.
    fn cancel(&self, key: Key) {
        let (order, sent) = {
            let Places { all, free } = &mut *self.0.borrow_mut();
            let place = &mut all[key.place];
            if place.serial != key.serial {
                return;
            }
            place.serial += 1;
            free.push(key.place);
            (place.order.take(), place.sent.take())
        };
        if let Some(order) = order {
            order.cancel();
        }
        drop(sent);
    }

    /// Takes an errand back, and keeps its block, if there is one, for the next. `None` if it was cancelled.
    pub(crate) fn receive(&self, key: Key, parcel: Option<Box<dyn Travels>>) -> Option<Sent> {
        let Places { all, free } = &mut *self.0.borrow_mut();
        let place = &mut all[key.place];
        if place.serial != key.serial {
            return None;
        }
        place.serial += 1;
        if key.place < MOST_KEPT {
            place.parcel = parcel;
        }
        free.push(key.place);
        place.sent.take()
    }
}

/// The parcel, if it is one for such work.
fn of_type<P: Travels>(parcel: Box<dyn Travels>) -> Option<Box<P>> {
    let parcel: Box<dyn Any> = parcel;
    parcel.downcast().ok()
}

/// A parcel that is back, as it is posted to the loop.
pub(crate) struct Arrival(pub(crate) Box<dyn Travels>);

impl Job for Arrival {
    fn run(self, event_loop: &EventLoop) {
        // Without a table, what the loop wanted went with it.
        if let Some(away) = Away::of(event_loop) {
            self.0.arrive(&away);
        }
    }

    fn name() -> &'static str {
        "outcome from another thread"
    }
}
