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

#[cfg(test)]
mod tests {
    use loop_core::EventLoop;
    use loop_tasks::{LoopExt, LoopFuture};

    use super::Line;

    /// Against a vector, with every operation in every situation that some thousand random steps come to.
    #[test]
    fn is_a_queue_with_removal() {
        let event_loop = EventLoop::new().unwrap();
        let mut line = Line::default();
        let mut model: Vec<(usize, LoopFuture<()>, bool)> = Vec::new();
        let mut seed = 1_u64;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for _ in 0..20_000 {
            match random(8) {
                0..3 => {
                    let future = event_loop.create_future();
                    model.push((line.push(future.clone()), future, false));
                }
                3..5 if !model.is_empty() => {
                    let (key, future, _) = model.remove(random(model.len()));
                    assert!(line.remove(key).same(&future));
                }
                5 if !model.is_empty() => {
                    model[random(model.len())].1.cancel();
                }
                6 => {
                    let given = line.next_asleep();
                    let asleep = |(_, future, given): &&mut (_, LoopFuture<()>, bool)| {
                        !*given && !future.done()
                    };
                    let expected = model.iter_mut().find(asleep).map(|entry| {
                        entry.2 = true;
                        entry.1.clone()
                    });
                    assert_eq!(given.is_some(), expected.is_some());
                    if let (Some(given), Some(expected)) = (given, expected) {
                        assert!(given.same(&expected));
                        given.set_result(()).unwrap();
                    }
                }
                _ => {
                    assert_eq!(line.len(), model.len());
                    let same = line.iter().zip(&model).all(|(a, (_, b, _))| a.same(b));
                    assert!(same && line.iter().count() == model.len());
                    assert_eq!(line.first().is_some(), !model.is_empty());
                }
            }
        }
        event_loop.close().unwrap();
    }
}
