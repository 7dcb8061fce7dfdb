//! What on a loop other threads can reach, by number: a task or a future itself cannot be sent.
//!
//! Every loop keeps one table. An entry waits for one signal, which any thread may send, and is
//! gone once that has come or nobody needs it any more; a signal that comes after that finds
//! nothing. Numbers are never used again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use loop_core::{EventLoop, Job};
use slab::Slab;

/// What happens on the loop when the signal comes.
pub(crate) trait Bridge: 'static {
    fn signal(self: Box<Self>);
}

/// The table of one loop.
#[derive(Default)]
pub(crate) struct Bridges {
    entries: RefCell<Slab<(u64, Box<dyn Bridge>)>>,
    made: Cell<u64>,
}

/// Names an entry, from any thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BridgeKey {
    slot: usize,
    serial: u64,
}

impl Bridges {
    /// The table of this loop; `None` if the loop is closed.
    pub(crate) fn of(event_loop: &EventLoop) -> Option<Rc<Bridges>> {
        event_loop.loop_ref().extension()
    }

    pub(crate) fn add(&self, bridge: impl Bridge) -> BridgeKey {
        let serial = self.made.get() + 1;
        self.made.set(serial);
        let slot = self.entries.borrow_mut().insert((serial, Box::new(bridge)));
        BridgeKey { slot, serial }
    }

    /// Takes an entry out; the caller drops it when nothing is borrowed.
    pub(crate) fn remove(&self, key: BridgeKey) -> Option<Box<dyn Bridge>> {
        let mut entries = self.entries.borrow_mut();
        match entries.get(key.slot) {
            Some((serial, _)) if *serial == key.serial => Some(entries.remove(key.slot).1),
            _ => None,
        }
    }
}

/// The signal, as it is posted to the loop.
pub(crate) struct Signal(pub(crate) BridgeKey);

impl Job for Signal {
    fn run(self, event_loop: &EventLoop) {
        let bridge = Bridges::of(event_loop).and_then(|bridges| bridges.remove(self.0));
        if let Some(bridge) = bridge {
            bridge.signal();
        }
    }

    fn name() -> &'static str {
        "signal from another thread"
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{concurrent_future, run_future_threadsafe, wrap_future_on};

    #[test]
    fn what_is_over_leaves_no_entry_behind() {
        let event_loop = EventLoop::new().unwrap();
        let turn = || event_loop.run_once(Some(Duration::ZERO)).unwrap();
        let entries = || {
            let bridges = Bridges::of(&event_loop).unwrap();
            let entries = bridges.entries.borrow();
            entries.len()
        };
        let coroutine = run_future_threadsafe(&event_loop.handle(), async { 1 }).unwrap();
        let (_promise, future) = concurrent_future::<()>();
        let wrapped = wrap_future_on(&event_loop, &future);
        turn();
        assert_eq!(entries(), 2);
        wrapped.cancel();
        (0..3).for_each(|_| turn());
        assert_eq!(coroutine.result(None).unwrap(), 1);
        assert_eq!(entries(), 0);
    }
}
