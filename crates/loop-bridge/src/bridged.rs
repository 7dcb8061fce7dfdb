//! What a loop owes to other threads, or they to it.
//!
//! Futures and tasks of a loop never leave its thread. What travels is a number, and this table, which lives on the
//! loop, says what it means.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use loop_core::EventLoop;

/// The table of one loop.
#[derive(Default)]
pub(crate) struct Bridged {
    entries: RefCell<HashMap<u64, Rc<dyn Any>>>,
    next: Cell<u64>,
}

impl Bridged {
    /// The table of this loop; `None` if the loop is closed.
    pub(crate) fn of(event_loop: &EventLoop) -> Option<Rc<Bridged>> {
        event_loop.loop_ref().extension()
    }

    pub(crate) fn next_id(&self) -> u64 {
        let id = self.next.get();
        self.next.set(id + 1);
        id
    }

    pub(crate) fn insert(&self, id: u64, entry: Rc<dyn Any>) {
        let old = self.entries.borrow_mut().insert(id, entry);
        drop(old);
    }

    pub(crate) fn get<T: 'static>(&self, id: u64) -> Option<Rc<T>> {
        let entry = self.entries.borrow().get(&id).cloned()?;
        entry.downcast().ok()
    }

    pub(crate) fn remove(&self, id: u64) {
        let entry = self.entries.borrow_mut().remove(&id);
        drop(entry);
    }
}
