//! Those who wait, in the order in which they came, with removal from anywhere.
//!
//! Each has a number that is never used again. Nearly always there is one, and it is the first that leaves; whoever
//! leaves from behind it leaves a gap, and the gaps are closed when they are the larger part. So coming, leaving and
//! finding the next to wake take next to no time however long the line is, also when most of it is cancelled at once.

use std::collections::VecDeque;

/// Those who wait, oldest first.
pub(crate) struct Line<W> {
    first: Option<W>,
    first_id: u64,
    /// Those behind the first, by number, upwards; a gap is not the last.
    rest: VecDeque<(u64, Option<W>)>,
    gaps: usize,
    next: u64,
    /// Whoever has a lower number was given out to be woken.
    asleep: u64,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Line {
            first: None,
            first_id: 0,
            rest: VecDeque::new(),
            gaps: 0,
            next: 0,
            asleep: 0,
        }
    }
}

impl<W> Line<W> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len() - self.gaps
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Comes to the end of the line, under the number that this says.
    #[inline]
    pub(crate) fn push(&mut self, who: W) -> u64 {
        let id = self.next;
        self.next = id + 1;
        if self.first.is_none() {
            self.first_id = id;
            self.first = Some(who);
        } else {
            self.rest.push_back((id, Some(who)));
        }
        id
    }

    /// Leaves the line.
    #[inline]
    pub(crate) fn remove(&mut self, id: u64) -> Option<W> {
        if self.first_id != id {
            return self.leave_gap(id);
        }
        let who = self.first.take();
        if !self.rest.is_empty() {
            self.move_up();
        }
        who
    }

    fn move_up(&mut self) {
        while let Some((id, who)) = self.rest.pop_front() {
            if who.is_some() {
                (self.first_id, self.first) = (id, who);
                return;
            }
            self.gaps -= 1;
        }
    }

    fn leave_gap(&mut self, id: u64) -> Option<W> {
        let at = self.at_or_behind(id);
        let who = self.rest.get_mut(at)?.1.take();
        self.gaps += 1;
        while let Some((_, None)) = self.rest.back() {
            self.rest.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.rest.len() / 2 {
            self.rest.retain(|(_, who)| who.is_some());
            self.gaps = 0;
        }
        who
    }

    /// Where the first of the rest stands whose number is not lower.
    fn at_or_behind(&self, id: u64) -> usize {
        let front = self.rest.front().map_or(id, |&(front, _)| front);
        // Where it stands if no gap before it was ever closed.
        let guess = usize::try_from(id.saturating_sub(front)).unwrap_or(usize::MAX);
        match self.rest.get(guess) {
            Some(&(there, _)) if there == id => guess,
            _ => self.rest.partition_point(|&(other, _)| other < id),
        }
    }

    /// Whether everybody was given out.
    #[inline]
    pub(crate) fn is_awake(&self) -> bool {
        self.asleep == self.next
    }

    /// How many were not given out yet.
    pub(crate) fn len_asleep(&self) -> usize {
        let first = self.first.is_some() && self.first_id >= self.asleep;
        let rest = self.rest.iter().filter(|(_, who)| who.is_some());
        usize::from(first) + rest.filter(|(id, _)| *id >= self.asleep).count()
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<&W> {
        self.first.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &W> {
        let rest = self.rest.iter().filter_map(|(_, who)| who.as_ref());
        self.first.iter().chain(rest)
    }

    /// The oldest that was not given out yet: the caller wakes it, if it is not awake already.
    #[inline]
    pub(crate) fn give_out(&mut self) -> Option<&W> {
        if self.asleep > self.first_id || self.first.is_none() {
            return self.give_out_rest();
        }
        self.asleep = self.first_id + 1;
        self.first.as_ref()
    }

    fn give_out_rest(&mut self) -> Option<&W> {
        let from = self.at_or_behind(self.asleep);
        let mut left = self.rest.range(from..);
        match left.find_map(|(id, who)| Some((id, who.as_ref()?))) {
            Some((id, who)) => {
                self.asleep = id + 1;
                Some(who)
            }
            None => {
                self.asleep = self.next;
                None
            }
        }
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
        let mut model: Vec<(u64, Rc<u32>, bool)> = Vec::new();
        let mut seed = 1_u64;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for number in 0..40_000 {
            // It grows for a while, then shrinks until nobody is left.
            let pushes = if number / 500 % 2 == 0 { 4 } else { 1 };
            match random(9) {
                choice if choice < pushes => {
                    let who = Rc::new(number);
                    model.push((line.push(Rc::clone(&who)), who, false));
                }
                choice if choice < 6 && !model.is_empty() => {
                    let (key, who, _) = model.remove(random(model.len()));
                    assert_eq!(line.remove(key), Some(who));
                }
                6 => {
                    let expected = model.iter_mut().find(|entry| !entry.2).map(|entry| {
                        entry.2 = true;
                        Rc::clone(&entry.1)
                    });
                    assert_eq!(line.give_out(), expected.as_ref());
                    assert!(expected.is_some() || line.is_awake());
                }
                _ => {
                    assert_eq!(line.len(), model.len());
                    assert_eq!(line.is_empty(), model.is_empty());
                    let asleep = model.iter().filter(|entry| !entry.2).count();
                    assert_eq!(line.len_asleep(), asleep);
                    let same = line.iter().zip(&model).all(|(a, (_, b, _))| a == b);
                    assert!(same && line.iter().count() == model.len());
                    assert_eq!(line.first(), model.first().map(|entry| &entry.1));
                    assert!(!line.is_awake() || model.iter().all(|entry| entry.2));
                }
            }
        }
    }

    /// One waits for ever, and others come and go behind it: gaps must not stay.
    #[test]
    fn keeps_no_gaps() {
        let mut line = Line::default();
        line.push(0);
        let mut before = line.push(1);
        for number in 2..10_000 {
            let id = line.push(number);
            assert_eq!(line.remove(before), Some(number - 1));
            before = id;
        }
        assert_eq!(line.len(), 2);
        assert!(line.rest.len() <= 2, "{}", line.rest.len());
    }
}
