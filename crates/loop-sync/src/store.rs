//! In which order a queue gives back what was put into it.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

/// What a queue keeps its items in.
pub(crate) enum Items<T> {
    /// First in, first out: nearly always.
    Fifo(VecDeque<T>),
    Ordered(Box<dyn Store<T>>),
}

impl<T> Items<T> {
    #[inline]
    pub(crate) fn put(&mut self, item: T) {
        match self {
            Items::Fifo(items) => items.push_back(item),
            Items::Ordered(store) => store.put(item),
        }
    }

    #[inline]
    pub(crate) fn get(&mut self) -> Option<T> {
        match self {
            Items::Fifo(items) => items.pop_front(),
            Items::Ordered(store) => store.get(),
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Items::Fifo(items) => items.len(),
            Items::Ordered(store) => store.len(),
        }
    }
}

/// Keeps items and gives them back in an order of its own.
pub(crate) trait Store<T> {
    fn put(&mut self, item: T);
    fn get(&mut self) -> Option<T>;
    fn len(&self) -> usize;
}

/// Last in, first out.
impl<T> Store<T> for Vec<T> {
    fn put(&mut self, item: T) {
        self.push(item);
    }

    fn get(&mut self) -> Option<T> {
        self.pop()
    }

    fn len(&self) -> usize {
        Vec::len(self)
    }
}

/// The least first; of equals, the oldest.
pub(crate) struct Heap<T> {
    entries: BinaryHeap<Entry<T>>,
    /// How many were ever put.
    count: u64,
}

impl<T: Ord> Heap<T> {
    pub(crate) fn new() -> Heap<T> {
        Heap {
            entries: BinaryHeap::new(),
            count: 0,
        }
    }
}

impl<T: Ord> Store<T> for Heap<T> {
    fn put(&mut self, item: T) {
        self.count += 1;
        self.entries.push(Entry {
            item,
            age: self.count,
        });
    }

    fn get(&mut self) -> Option<T> {
        self.entries.pop().map(|entry| entry.item)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }
}

struct Entry<T> {
    item: T,
    age: u64,
}

/// Reversed: the heap has the greatest on top.
impl<T: Ord> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_item = other.item.cmp(&self.item);
        by_item.then_with(|| other.age.cmp(&self.age))
    }
}

impl<T: Ord> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: Ord> Eq for Entry<T> {}
