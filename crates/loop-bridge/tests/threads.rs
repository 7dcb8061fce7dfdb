//! Which types may cross threads.

use std::cell::Cell;
use std::rc::Rc;

use loop_bridge::*;

/// Asserts at compile time that a type does not implement a trait: if it did, both impls below
/// would apply and the call could not be resolved.
macro_rules! assert_not_impl {
    ($type:ty: $trait:path) => {{
        trait Ambiguous<Marker> {
            fn check() {}
        }
        impl<T: ?Sized> Ambiguous<()> for T {}
        struct Implemented;
        impl<T: ?Sized + $trait> Ambiguous<Implemented> for T {}
        <$type as Ambiguous<_>>::check()
    }};
}

fn assert_shared<T: Send + Sync>() {}

#[test]
fn both_sides_cross_threads_if_the_value_does() {
    assert_shared::<ConcurrentFuture<u32>>();
    // A value that is Send and not Sync is lent to one thread at a time.
    assert_shared::<ConcurrentFuture<Cell<u32>>>();
    assert_shared::<Promise<Cell<u32>>>();
    assert_shared::<Take<Cell<u32>>>();
    assert_shared::<AsCompleted<Cell<u32>>>();
    assert_shared::<DoneAndNotDone<Cell<u32>>>();
}

#[test]
fn a_value_that_stays_on_its_thread_keeps_its_future_there() {
    assert_not_impl!(ConcurrentFuture<Rc<u32>>: Send);
    assert_not_impl!(ConcurrentFuture<Rc<u32>>: Sync);
    assert_not_impl!(Promise<Rc<u32>>: Send);
    assert_not_impl!(Promise<Rc<u32>>: Sync);
    assert_not_impl!(Take<Rc<u32>>: Send);
    assert_not_impl!(AsCompleted<Rc<u32>>: Send);
    assert_not_impl!(InvalidState<Rc<u32>>: Send);
}

#[test]
fn a_promise_has_one_owner() {
    assert_not_impl!(Promise<u32>: Clone);
}

#[test]
fn errors_go_anywhere() {
    fn assert_error<T: std::error::Error + Send + Sync + 'static>() {}

    assert_error::<ConcurrentError>();
    assert_error::<WouldDeadlock>();
    assert_error::<WaitError>();
    assert_error::<JobPanicked>();
    assert_error::<InvalidState<u32>>();
    assert_shared::<FutureState>();
    assert_shared::<ReturnWhen>();
    assert_shared::<Box<dyn BlockingGuard>>();
}

#[test]
fn awaiting_needs_no_pin() {
    fn assert_unpin<T: Unpin>() {}

    assert_unpin::<ConcurrentFuture<std::marker::PhantomPinned>>();
    assert_unpin::<Take<std::marker::PhantomPinned>>();
}
