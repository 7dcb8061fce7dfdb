//! The connections that a server has accepted.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};

use loop_core::LoopRef;
use slab::Slab;

use crate::channel::{Channel, Watcher};
use crate::line::Line;

#[derive(Default)]
pub(super) struct Clients {
    channels: RefCell<Slab<Weak<Channel>>>,
    /// The server is closed.
    complete: Cell<bool>,
    /// Who waits for the last one to go.
    waiting: Line,
}

impl Clients {
    /// Holds a connection until it is lost.
    pub(super) fn attach(self: &Rc<Self>, channel: &Rc<Channel>) {
        if !channel.is_lost() {
            let key = self.channels.borrow_mut().insert(Rc::downgrade(channel));
            let clients = Rc::clone(self);
            channel.add_watcher(Rc::new(Client { clients, key }));
        }
    }

    pub(super) fn channels(&self) -> Vec<Rc<Channel>> {
        let channels = self.channels.borrow();
        let channels = channels.iter();
        channels.filter_map(|(_, it)| it.upgrade()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.channels.borrow().len()
    }

    /// The server is closed: when the last one goes, all have.
    pub(super) fn no_more_come(&self) {
        self.complete.set(true);
        self.settle_if_gone();
    }

    /// Waits until no more come and the last one has gone.
    pub(super) async fn all_gone(&self, owner: &LoopRef) {
        if !self.are_gone() {
            self.waiting.wait(owner).await;
        }
    }

    fn are_gone(&self) -> bool {
        self.complete.get() && self.channels.borrow().is_empty()
    }

    fn settle_if_gone(&self) {
        if self.are_gone() {
            self.waiting.settle();
        }
    }
}

/// A connection of a server, which hears of its end.
struct Client {
    clients: Rc<Clients>,
    key: usize,
}

impl Watcher for Client {
    fn lost(&self, _: Option<&io::Error>) {
        let channel = self.clients.channels.borrow_mut().remove(self.key);
        drop(channel);
        self.clients.settle_if_gone();
    }
}
