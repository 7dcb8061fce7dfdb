//! Memory of cells that is kept for the next ones.
//!
//! A loop makes and drops tasks and futures of a few sizes all the time; handing their memory from one to the next is a
//! third of the cost of a task. Each thread keeps a list for each class of sizes, bounded, and gives the rest back.
//! In debug builds nothing is kept, so that sanitizers see every use of a cell that is gone.

#![expect(unsafe_code, reason = "memory is kept without the type that it had")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

/// The step from one class of sizes to the next, in bytes.
const STEP: usize = 16;
/// What the blocks of every class lack to a multiple of `STEP`: allocators keep a word of their own beside each block,
/// and the two together fill what they hand out.
const LACK: usize = 8;
/// The number of classes: what is larger than `STEP * CLASSES - LACK` is not kept.
const CLASSES: usize = 64;
/// How many blocks of a class are kept: a batch of tasks, not the memory of the largest crowd that ever was.
const MOST: usize = 16 * 1024;
/// The alignment of every kept block.
const ALIGN: usize = 16;

/// A block that nobody uses: the next of its class is named in it.
struct Block {
    next: Option<NonNull<Block>>,
}

/// The blocks of one class.
///
/// Invariant: `first` and every `next` is a block from `alloc` with the layout of the class, of which only the list knows.
struct List {
    first: Cell<Option<NonNull<Block>>>,
    len: Cell<usize>,
}

impl List {
    const fn new() -> List {
        List {
            first: Cell::new(None),
            len: Cell::new(0),
        }
    }

    #[inline(always)]
    fn take(&self) -> Option<NonNull<Block>> {
        let block = self.first.get()?;
        // SAFETY: the invariant; a block in a list is a `Block`.
        self.first.set(unsafe { block.read() }.next);
        self.len.set(self.len.get() - 1);
        Some(block)
    }

    /// `false`: there is no room.
    ///
    /// # Safety
    /// The block is one of this class, and nobody uses it.
    #[inline(always)]
    unsafe fn give(&self, block: NonNull<Block>) -> bool {
        let len = self.len.get();
        if len >= MOST {
            return false;
        }
        let next = self.first.replace(Some(block));
        self.len.set(len + 1);
        // SAFETY: the caller's promise; the smallest block has room for a pointer, and each is aligned for one.
        unsafe { block.write(Block { next }) }
        true
    }
}

struct Kept([List; CLASSES]);

thread_local! {
    static KEPT: Kept = const { Kept([const { List::new() }; CLASSES]) };
}

impl Drop for Kept {
    fn drop(&mut self) {
        for (class, list) in self.0.iter().enumerate() {
            while let Some(block) = list.take() {
                // SAFETY: the invariant of the list.
                unsafe { dealloc(block.as_ptr().cast(), class_layout(class)) }
            }
        }
    }
}

const fn class_layout(class: usize) -> Layout {
    match Layout::from_size_align((class + 1) * STEP - LACK, ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("the classes are small"),
    }
}

/// The class of a layout, if blocks of its size are kept.
const fn class_of(layout: Layout) -> Option<usize> {
    if cfg!(debug_assertions) || layout.size() == 0 || layout.align() > ALIGN {
        return None;
    }
    let class = (layout.size() + LACK - 1) / STEP;
    if class < CLASSES { Some(class) } else { None }
}

/// Memory for a `T`, not initialized.
#[inline(always)]
pub(crate) fn take<T>() -> NonNull<T> {
    let layout = const { Layout::new::<T>() };
    let layout = match const { class_of(Layout::new::<T>()) } {
        None => layout,
        Some(class) => {
            let kept = KEPT.try_with(|kept| kept.0[class].take());
            if let Ok(Some(block)) = kept {
                return block.cast();
            }
            const { class_layout_of(Layout::new::<T>()) }
        }
    };
    assert!(layout.size() > 0, "a cell is never empty");
    // SAFETY: the size is not zero.
    let block = unsafe { alloc(layout) };
    NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

const fn class_layout_of(layout: Layout) -> Layout {
    match class_of(layout) {
        Some(class) => class_layout(class),
        None => layout,
    }
}

/// Gives the memory of a `T` back.
///
/// # Safety
/// `block` came from [`take`] with the same `T`, what was in it has been dropped, and nobody uses it any more.
#[inline(always)]
pub(crate) unsafe fn give<T>(block: NonNull<T>) {
    if let Some(class) = const { class_of(Layout::new::<T>()) } {
        // SAFETY: the caller's promise.
        let kept = KEPT.try_with(|kept| unsafe { kept.0[class].give(block.cast()) });
        if kept == Ok(true) {
            return;
        }
    }
    // SAFETY: the caller's promise; `take` allocated it with this layout.
    unsafe {
        dealloc(
            block.as_ptr().cast(),
            const { class_layout_of(Layout::new::<T>()) },
        )
    }
}

/// The lists alone, which nothing else uses in a debug build.
#[cfg(test)]
mod tests {
    use super::*;

    /// A block of a class, which is to be given to a list of that.
    fn block(class: usize) -> NonNull<Block> {
        let layout = class_layout(class);
        // SAFETY: no class is of size zero.
        let block = unsafe { alloc(layout) };
        NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(layout))
    }

    fn free(class: usize, block: NonNull<Block>) {
        // SAFETY: these tests take every block from `block`, with its class.
        unsafe { dealloc(block.as_ptr().cast(), class_layout(class)) }
    }

    #[test]
    fn the_last_block_comes_first() {
        for class in [0, 1, CLASSES - 1] {
            let (list, blocks) = (List::new(), [block(class), block(class), block(class)]);
            assert!(list.take().is_none());
            for block in blocks {
                // SAFETY: it is one of the class, and nobody uses it.
                assert!(unsafe { list.give(block) });
            }
            for block in blocks.into_iter().rev() {
                assert_eq!(list.take(), Some(block));
                free(class, block);
            }
            assert!(list.take().is_none());
        }
    }

    #[test]
    fn a_full_list_takes_no_more() {
        let kept = Kept([const { List::new() }; CLASSES]);
        for _ in 0..MOST {
            // SAFETY: as above.
            assert!(unsafe { kept.0[1].give(block(1)) });
        }
        let one_more = block(1);
        // SAFETY: as above.
        assert!(!unsafe { kept.0[1].give(one_more) });
        free(1, one_more);
        drop(kept); // which frees the others: a sanitizer would see what is left
    }

    #[test]
    fn a_class_has_room_for_its_sizes() {
        for size in 1..=STEP * CLASSES - LACK {
            let class = (size + LACK - 1) / STEP;
            let room = class_layout(class).size();
            assert!((size..size + STEP).contains(&room), "{size} in {room}");
        }
    }
}
