//! What nearly always holds nothing when it is dropped.

#![expect(
    unsafe_code,
    reason = "a cell drops what it does not hold with functions of its own: a tenth of the cost of a task"
)]

use std::cell::{OnceCell, RefCell};
use std::mem::ManuallyDrop;
use std::ops::Deref;

/// A value of which a look tells whether there is anything in it to drop.
pub(crate) trait Hollow {
    /// Whether dropping it would do nothing.
    fn is_hollow(&mut self) -> bool;
}

impl<T: Hollow> Hollow for RefCell<T> {
    #[inline(always)]
    fn is_hollow(&mut self) -> bool {
        self.get_mut().is_hollow()
    }
}

impl<T> Hollow for OnceCell<Box<T>> {
    #[inline(always)]
    fn is_hollow(&mut self) -> bool {
        self.get().is_none()
    }
}

/// A value that is looked at before it is dropped: of one that holds nothing, that is all.
#[derive(Default)]
pub(crate) struct Seldom<T: Hollow>(ManuallyDrop<T>);

impl<T: Hollow> Deref for Seldom<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Hollow> Drop for Seldom<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.0.is_hollow() {
            // SAFETY: this drop is the last use of the value.
            unsafe { drop_full(&mut self.0) }
        }
    }
}

/// # Safety
/// As `ManuallyDrop::drop`.
#[cold]
unsafe fn drop_full<T>(value: &mut ManuallyDrop<T>) {
    // SAFETY: the caller's promise.
    unsafe { ManuallyDrop::drop(value) }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    impl<T> Hollow for Option<T> {
        fn is_hollow(&mut self) -> bool {
            self.is_none()
        }
    }

    #[test]
    fn what_it_holds_is_dropped() {
        let held = Rc::new(());
        drop(Seldom(ManuallyDrop::new(Some(Rc::clone(&held)))));
        drop(Seldom::<Option<Rc<()>>>::default());
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
