//! The atomics of the mailbox: the standard ones, or loom's in a model.

#[cfg(not(loom))]
pub(crate) use {
    crossbeam_queue::SegQueue,
    std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering, fence},
    std::thread::yield_now,
};

#[cfg(loom)]
pub(crate) use {
    loom::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering, fence},
    loom::thread::yield_now,
    queue::SegQueue,
};

/// A stand-in for the segmented queue, which loom cannot look into.
///
/// It promises no more than the real one: a push takes its place in line first and becomes readable later; a pop
/// that does not know of a push yet finds nothing. A queue behind a lock would promise more, and hide from the
/// models that it is the signal and the gate that make a pop know.
#[cfg(loom)]
mod queue {
    use std::sync::Mutex;

    use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use loom::thread::yield_now;

    /// No model pushes more in one run.
    const PLACES: usize = 8;

    #[derive(Debug)]
    pub(crate) struct SegQueue<T> {
        places: Vec<Place<T>>,
        tail: AtomicUsize,
        head: AtomicUsize,
    }

    #[derive(Debug)]
    struct Place<T> {
        readable: AtomicBool,
        /// Not loom's: it guards nothing, `readable` does.
        value: Mutex<Option<T>>,
    }

    impl<T> SegQueue<T> {
        pub(crate) fn new() -> Self {
            let place = |_| Place {
                readable: AtomicBool::new(false),
                value: Mutex::new(None),
            };
            SegQueue {
                places: (0..PLACES).map(place).collect(),
                tail: AtomicUsize::new(0),
                head: AtomicUsize::new(0),
            }
        }

        pub(crate) fn push(&self, value: T) {
            let place = &self.places[self.tail.fetch_add(1, Ordering::AcqRel)];
            *place.value.lock().expect("nobody panics with it") = Some(value);
            place.readable.store(true, Ordering::Release);
        }

        pub(crate) fn pop(&self) -> Option<T> {
            let head = self.head.load(Ordering::Relaxed);
            if head == self.tail.load(Ordering::Acquire) {
                return None;
            }
            let place = &self.places[head];
            while !place.readable.load(Ordering::Acquire) {
                yield_now();
            }
            self.head.store(head + 1, Ordering::Relaxed);
            place.value.lock().expect("nobody panics with it").take()
        }

        pub(crate) fn len(&self) -> usize {
            self.tail.load(Ordering::Acquire) - self.head.load(Ordering::Relaxed)
        }
    }
}
