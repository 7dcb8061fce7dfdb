//! Futures in the order in which their tasks came, with removal from anywhere.
//!
//! A slab holds the links, so that coming, leaving and finding the next to wake take constant time however long the
//! line is, also when most of it is cancelled at once.

use loop_tasks::LoopFuture;
use slab::Slab;

struct Place {
    future: LoopFuture<()>,
    before: Option<usize>,
    behind: Option<usize>,
}

/// The futures, oldest first.
#[derive(Default)]
pub(crate) struct Line {
    places: Slab<Place>,
    first: Option<usize>,
    last: Option<usize>,
    /// Whoever stands before it is settled, or was given out to be.
    asleep: Option<usize>,
}

impl Line {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn push(&mut self, future: LoopFuture<()>) -> usize {
        let key = self.places.insert(Place {
            future,
            before: self.last,
            behind: None,
        });
        match self.last {
            Some(last) => self.places[last].behind = Some(key),
            None => self.first = Some(key),
        }
        self.last = Some(key);
        self.asleep.get_or_insert(key);
        key
    }

    pub(crate) fn remove(&mut self, key: usize) -> LoopFuture<()> {
        let place = self.places.remove(key);
        match place.before {
            Some(before) => self.places[before].behind = place.behind,
            None => self.first = place.behind,
        }
        match place.behind {
            Some(behind) => self.places[behind].before = place.before,
            None => self.last = place.before,
        }
        if self.asleep == Some(key) {
            self.asleep = place.behind;
        }
        place.future
    }

    pub(crate) fn first(&self) -> Option<&LoopFuture<()>> {
        self.first.map(|key| &self.places[key].future)
    }

    /// The oldest that is not settled. It is given out once: the caller settles it.
    pub(crate) fn next_asleep(&mut self) -> Option<LoopFuture<()>> {
        while let Some(key) = self.asleep {
            let place = &self.places[key];
            self.asleep = place.behind;
            if !place.future.done() {
                return Some(place.future.clone());
            }
        }
        None
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &LoopFuture<()>> {
        let mut next = self.first;
        std::iter::from_fn(move || {
            let place = &self.places[next?];
            next = place.behind;
            Some(&place.future)
        })
    }
}
