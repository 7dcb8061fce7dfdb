//! Those who wait, in the order in which they came, with removal from anywhere.
//!
//! A slab holds the links, so that coming, leaving and finding the next to wake take constant time however long the
//! line is, also when most of it is cancelled at once.

use slab::Slab;

struct Place<W> {
    who: W,
    before: Option<usize>,
    behind: Option<usize>,
}

/// Those who wait, oldest first.
pub(crate) struct Line<W> {
    places: Slab<Place<W>>,
    first: Option<usize>,
    last: Option<usize>,
    /// Whoever stands before it was given out to be woken.
    asleep: Option<usize>,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Line {
            places: Slab::new(),
            first: None,
            last: None,
            asleep: None,
        }
    }
}

impl<W> Line<W> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, who: W) -> usize {
        let key = self.places.insert(Place {
            who,
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

    #[inline]
    pub(crate) fn remove(&mut self, key: usize) -> W {
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
        place.who
    }

    pub(crate) fn first(&self) -> Option<&W> {
        self.first.map(|key| &self.places[key].who)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &W> {
        let mut next = self.first;
        std::iter::from_fn(move || {
            let place = &self.places[next?];
            next = place.behind;
            Some(&place.who)
        })
    }
}

impl<W: Clone> Line<W> {
    /// The oldest that was not given out yet: the caller wakes it, if it is not awake already.
    #[inline]
    pub(crate) fn give_out(&mut self) -> Option<W> {
        let place = &self.places[self.asleep?];
        self.asleep = place.behind;
        Some(place.who.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::Line;

    /// Against a vector, with every operation in every situation that some thousand random steps come to.
    #[test]
    fn is_a_queue_with_removal() {
        let mut line = Line::default();
        // The key of who stands there, who that is, and whether it was given out.
        let mut model: Vec<(usize, Rc<u32>, bool)> = Vec::new();
        let mut seed = 1_u64;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for number in 0..20_000 {
            match random(8) {
                0..3 => {
                    let who = Rc::new(number);
                    model.push((line.push(Rc::clone(&who)), who, false));
                }
                3..5 if !model.is_empty() => {
                    let (key, who, _) = model.remove(random(model.len()));
                    assert_eq!(line.remove(key), who);
                }
                5..7 => {
                    let expected = model.iter_mut().find(|entry| !entry.2).map(|entry| {
                        entry.2 = true;
                        Rc::clone(&entry.1)
                    });
                    assert_eq!(line.give_out(), expected);
                }
                _ => {
                    assert_eq!(line.len(), model.len());
                    let same = line.iter().zip(&model).all(|(a, (_, b, _))| a == b);
                    assert!(same && line.iter().count() == model.len());
                    assert_eq!(line.first().is_some(), !model.is_empty());
                }
            }
        }
    }
}
