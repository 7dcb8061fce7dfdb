//! The event loop: callbacks in a definite order, on one thread.
