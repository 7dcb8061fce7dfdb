//! The atomics of the mailbox: the standard ones, or loom's in a model.

#[cfg(not(loom))]
pub(crate) use {
    crossbeam_queue::SegQueue,
    std::sync::atomic::{AtomicU8, AtomicUsize, Ordering},
    std::thread::yield_now,
};

#[cfg(loom)]
pub(crate) use {
    loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering},
    loom::thread::yield_now,
    queue::SegQueue,
};

/// A stand-in for the segmented queue, which loom cannot look into: what the protocol around it may assume of it,
/// that a push happens before the pop that sees it and that nothing is lost.
#[cfg(loom)]
mod queue {
    use std::collections::VecDeque;

    use loom::sync::Mutex;

    #[derive(Debug)]
    pub(crate) struct SegQueue<T>(Mutex<VecDeque<T>>);

    impl<T> SegQueue<T> {
        pub(crate) fn new() -> Self {
            SegQueue(Mutex::new(VecDeque::new()))
        }

        pub(crate) fn push(&self, value: T) {
            self.0
                .lock()
                .expect("no model panics while it holds this")
                .push_back(value);
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.0
                .lock()
                .expect("no model panics while it holds this")
                .pop_front()
        }

        pub(crate) fn len(&self) -> usize {
            self.0
                .lock()
                .expect("no model panics while it holds this")
                .len()
        }
    }
}
