//! Shelves: what ACE keeps of each class, for all threads together. A shelf is a lock, a chain of
//! free blocks and the rest of the chunk that blocks are cut from.

use core::ptr;

use crate::class::{self, Class};
use crate::lock::{ForkSafe, Lock};

/// One class's blocks.
struct Shelf {
    /// The first free block; a block's first word is the next.
    free: *mut u8,
    /// The uncut rest of the last chunk.
    next: *mut u8,
    left: usize,
}

// SAFETY: free blocks and the rest of a chunk belong to whoever holds the lock.
unsafe impl Send for Shelf {}

/// A shelf for each class.
pub(crate) struct Shelves([Lock<Shelf>; class::COUNT]);

impl Shelves {
    /// Empty shelves.
    #[expect(clippy::declare_interior_mutable_const, reason = "copied into one static")]
    pub(crate) const NEW: Self = Self(
        [const { Lock::new(Shelf { free: ptr::null_mut(), next: ptr::null_mut(), left: 0 }) };
            class::COUNT],
    );

    /// Takes a block of `class`; blocks lie `stride` bytes apart in a chunk. A new chunk comes from
    /// `more`, as address and length; null when it has none.
    pub(crate) fn take(
        &self,
        class: Class,
        stride: usize,
        more: impl FnOnce() -> Option<(*mut u8, usize)>,
    ) -> *mut u8 {
        let mut shelf = self.0[usize::from(class)].lock();
        if !shelf.free.is_null() {
            let block = shelf.free;
            // SAFETY: a chained block is free and begins with the pointer to the next.
            shelf.free = unsafe { block.cast::<*mut u8>().read() };
            return block;
        }
        if shelf.left < stride {
            let Some((chunk, len)) = more() else { return ptr::null_mut() };
            debug_assert!(len >= stride);
            (shelf.next, shelf.left) = (chunk, len);
        }
        let block = shelf.next;
        // SAFETY: at least `stride` bytes are left in the chunk.
        shelf.next = unsafe { block.add(stride) };
        shelf.left -= stride;
        block
    }

    /// Puts a block of `class` back.
    ///
    /// # Safety
    /// [`Shelves::take`] gave it for the same class, and nobody uses it any more.
    pub(crate) unsafe fn put(&self, class: Class, block: *mut u8) {
        let mut shelf = self.0[usize::from(class)].lock();
        // SAFETY: the block is free and holds a pointer.
        unsafe { block.cast::<*mut u8>().write(shelf.free) };
        shelf.free = block;
    }
}

impl ForkSafe for Shelves {
    fn hold(&self) {
        self.0.iter().for_each(ForkSafe::hold);
    }

    unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        self.0.iter().for_each(|shelf| unsafe { shelf.let_go() });
    }
}
