//! Memory of cells that is kept for the next ones.
//!
//! A loop makes and drops tasks and futures of a few sizes all the time; handing their memory from one to the next is a
//! third of the cost of a task. Each thread keeps a list for each class of sizes, bounded, and gives the rest back.
//! In debug builds nothing is kept, so that sanitizers see every use of a cell that is gone.

#![expect(unsafe_code, reason = "memory is kept without the type that it had")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
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

/// Invariant: every pointer in `blocks[class]` is a block from `alloc` with `layout(class)` that nobody uses.
struct Kept {
    blocks: [Vec<NonNull<u8>>; CLASSES],
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { blocks: [const { Vec::new() }; CLASSES] }) };
}

impl Drop for Kept {
    fn drop(&mut self) {
        for (class, blocks) in self.blocks.iter_mut().enumerate() {
            for block in blocks.drain(..) {
                // SAFETY: the invariant of Kept.
                unsafe { dealloc(block.as_ptr(), class_layout(class)) }
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
#[inline]
pub(crate) fn take<T>() -> NonNull<T> {
    let layout = const { Layout::new::<T>() };
    let layout = match const { class_of(Layout::new::<T>()) } {
        None => layout,
        Some(class) => {
            let kept = KEPT
                .try_with(|kept| kept.borrow_mut().blocks[class].pop())
                .ok()
                .flatten();
            if let Some(block) = kept {
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
#[inline]
pub(crate) unsafe fn give<T>(block: NonNull<T>) {
    if let Some(class) = const { class_of(Layout::new::<T>()) } {
        let kept = KEPT.try_with(|kept| {
            let blocks = &mut kept.borrow_mut().blocks[class];
            let room = blocks.len() < MOST;
            if room {
                blocks.push(block.cast());
            }
            room
        });
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
