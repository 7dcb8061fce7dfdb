//! Wakers that are numbers.
//!
//! The data word of such a [`Waker`] is no pointer but a name: 16 bits of loop, 20 of generation, 28 of slot. To
//! clone it is to copy it, to drop it is nothing, and a stale one points to nothing that could have been freed: it
//! is at worst a spurious wake, which the contract of `Waker` allows. On the loop's own thread a wake goes straight
//! to the layer that gave out the key; from any other thread it is a message.

#![expect(
    unsafe_code,
    reason = "a waker without a pointer has a table of functions of its own"
)]

use std::fmt;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::current;
use crate::shared::{Message, Shared};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("loop-core names a task in one 64-bit word: 32-bit targets are not supported");

const SLOT_BITS: u32 = 28;
const GENERATION_BITS: u32 = 20;

const KEY_BITS: u32 = SLOT_BITS + GENERATION_BITS;

/// The name of something that a [`Runtime`](crate::Runtime) can wake: a slot of its table, and which use of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WakeKey(u64);

impl WakeKey {
    /// The number of slots that can be named: 2^28.
    pub const MAX_SLOTS: usize = 1 << SLOT_BITS;

    /// Names a slot. Of the generation the lowest 20 bits count: a key that is a million uses old may be taken for
    /// the present one, which is a spurious wake.
    ///
    /// # Panics
    /// If `slot` is [`MAX_SLOTS`](Self::MAX_SLOTS) or more.
    ///
    /// # Examples
    /// ```
    /// let key = loop_core::WakeKey::new(7, 1 << 20 | 3);
    /// assert_eq!((key.slot(), key.generation()), (7, 3));
    /// ```
    #[must_use]
    #[inline]
    pub fn new(slot: usize, generation: u32) -> WakeKey {
        assert!(
            slot < Self::MAX_SLOTS,
            "more than 2^28 things to wake on one loop"
        );
        let generation = u64::from(generation) & ((1 << GENERATION_BITS) - 1);
        WakeKey(generation << SLOT_BITS | slot as u64)
    }

    /// The slot.
    ///
    /// # Examples
    /// See [`new`](WakeKey::new).
    #[must_use]
    #[inline]
    pub fn slot(self) -> usize {
        (self.0 & ((1 << SLOT_BITS) - 1)) as usize
    }

    /// Which use of the slot, modulo 2^20.
    ///
    /// # Examples
    /// See [`new`](WakeKey::new).
    #[must_use]
    #[inline]
    pub fn generation(self) -> u32 {
        (self.0 >> SLOT_BITS) as u32
    }

    /// The data of the waker that names this key on the loop with the given index.
    #[inline]
    fn data(self, index: u16) -> *const () {
        let word = u64::from(index) << KEY_BITS | self.0;
        ptr::without_provenance(word as usize)
    }

    /// Makes the waker that names this key on the loop with the given index.
    #[inline]
    pub(crate) fn waker(self, index: u16) -> Waker {
        // SAFETY: the functions of VTABLE read the word as a number and never as an address, so they are sound for
        // every word, on every thread, for ever.
        unsafe { Waker::from_raw(RawWaker::new(self.data(index), &VTABLE)) }
    }

    /// Whether a waker is the one that names this key on the loop with the given index.
    #[inline]
    pub(crate) fn is_named_by(self, waker: &Waker, index: u16) -> bool {
        waker.data() == self.data(index) && ptr::eq(waker.vtable(), &VTABLE)
    }

    #[inline]
    fn of(data: *const ()) -> (u16, WakeKey) {
        let word = data.addr() as u64;
        let key = WakeKey(word & ((1 << KEY_BITS) - 1));
        ((word >> KEY_BITS) as u16, key)
    }
}

impl fmt::Debug for WakeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeKey")
            .field("slot", &self.slot())
            .field("generation", &self.generation())
            .finish()
    }
}

static VTABLE: RawWakerVTable =
    RawWakerVTable::new(|data| RawWaker::new(data, &VTABLE), wake, wake, |_| {});

fn wake(data: *const ()) {
    let (index, key) = WakeKey::of(data);
    if current::wake_here(index, key) {
        return;
    }
    if let Some(shared) = Shared::find(index) {
        // A closed loop has nothing left to wake.
        shared.post(Message::Wake(key));
    }
}
