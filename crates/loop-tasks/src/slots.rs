//! The numbered places of the unfinished tasks of a loop: a place that is free is used again.
//!
//! A slab, of which a task's making and its end look at one entry each.

use crate::cell::TaskRef;

#[derive(Default)]
pub(crate) struct Slots {
    entries: Vec<Entry>,
    /// The first of the free places; the number of places if there is none.
    free: usize,
}

enum Entry {
    Taken(TaskRef),
    /// And the next that is free.
    Free(usize),
}

impl Slots {
    /// The place that the next task gets.
    #[inline]
    pub(crate) fn next(&self) -> usize {
        self.free
    }

    /// Puts a task into the [`next`](Slots::next) place.
    #[inline(always)]
    pub(crate) fn insert(&mut self, task: TaskRef) {
        match self.entries.get_mut(self.free) {
            Some(entry) => {
                if let Entry::Free(next) = *entry {
                    self.free = next;
                }
                *entry = Entry::Taken(task);
            }
            None => self.grow(task),
        }
    }

    #[cold]
    fn grow(&mut self, task: TaskRef) {
        self.entries.push(Entry::Taken(task));
        self.free = self.entries.len();
    }

    /// Takes a task out; the caller drops it when nothing is borrowed.
    #[inline(always)]
    pub(crate) fn remove(&mut self, slot: usize) -> Option<TaskRef> {
        let entry = self.entries.get_mut(slot)?;
        if let Entry::Free(_) = entry {
            return None;
        }
        let taken = std::mem::replace(entry, Entry::Free(self.free));
        self.free = slot;
        match taken {
            Entry::Taken(task) => Some(task),
            Entry::Free(_) => None,
        }
    }

    #[inline(always)]
    pub(crate) fn get(&self, slot: usize) -> Option<&TaskRef> {
        match self.entries.get(slot)? {
            Entry::Taken(task) => Some(task),
            Entry::Free(_) => None,
        }
    }

    /// How many places there are, taken or free.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TaskRef> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Taken(task) => Some(task),
            Entry::Free(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use loop_core::EventLoop;

    use crate::table::Tasks;
    use crate::{LoopExt, create_task, yield_now};

    #[test]
    fn a_place_that_is_free_is_used_again() {
        let event_loop = EventLoop::new().unwrap();
        event_loop
            .run_until_complete(async {
                for round in 0..100 {
                    let tasks: Vec<_> = (0..10).map(|_| create_task(yield_now())).collect();
                    // They end in another order in every round.
                    for at in 0..10 {
                        tasks[(at * 3 + round) % 10].cancel();
                        yield_now().await;
                    }
                }
            })
            .unwrap();
        let places = Tasks::of(&event_loop.loop_ref()).places();
        assert!(places <= 11, "{places}");
        event_loop.close().unwrap();
    }
}
