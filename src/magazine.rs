//! Magazines: arrays of free blocks of one class, the unit in which threads trade blocks.
//!
//! A thread holds two for each class and swaps them (J. Bonwick and J. Adams, "Magazines and
//! Vmem", USENIX 2001, §3.1), so that it reaches the shared pool once in a magazine's rounds at
//! most. Full ones are traded whole, by index: user memory is never touched on the way. Magazines
//! live in a table that is never unmapped, so a stale index reads a stale `next` and nothing worse.
//!
//! The file knows neither threads nor the pool.

use core::cell::UnsafeCell;

use crate::class::{self, Class};
use crate::sync::AtomicU32;

/// Rounds of the largest magazine.
pub(crate) const CAPACITY: usize = 64;

/// Index of a magazine in its table.
pub(crate) type Index = u32;

/// Bytes of blocks that one magazine may hold back from other threads.
const BYTES_MAX: usize = 512 * 1024;

/// An array of free blocks.
#[repr(C)]
pub(crate) struct Magazine {
    /// The next magazine of the list that this one is on.
    pub(crate) next: AtomicU32,
    /// Rounds in it; kept only while no thread holds it.
    len: UnsafeCell<u32>,
    rounds: [UnsafeCell<*mut u8>; CAPACITY],
}

// SAFETY: a magazine is on one list or with one thread; the list's push and pop hand it over.
unsafe impl Sync for Magazine {}

impl Magazine {
    /// Where the first round lies.
    #[inline]
    pub(crate) fn base(&self) -> *mut *mut u8 {
        // The array as a whole, so that the pointer may walk over every round.
        (&raw const self.rounds).cast_mut().cast()
    }

    /// Notes how many rounds it holds, before it is handed over.
    ///
    /// # Safety
    /// The caller holds the magazine.
    pub(crate) unsafe fn set_len(&self, len: usize) {
        debug_assert!(len <= CAPACITY);
        // SAFETY: nobody else looks at a magazine that the caller holds; len ≤ CAPACITY.
        #[expect(clippy::cast_possible_truncation, reason = "len ≤ CAPACITY")]
        unsafe {
            *self.len.get() = len as u32;
        }
    }

    /// Rounds in it, after it was handed over.
    ///
    /// # Safety
    /// The caller holds the magazine.
    pub(crate) unsafe fn len(&self) -> usize {
        // SAFETY: as in `set_len`.
        unsafe { *self.len.get() as usize }
    }
}

/// Rounds of a magazine of `class`: fewer of large blocks, since each holds memory back.
pub(crate) const fn rounds(class: Class) -> usize {
    let fitting = BYTES_MAX / class::size(class);
    if fitting > CAPACITY {
        CAPACITY
    } else if fitting < 8 {
        8
    } else {
        fitting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_fall_with_the_size() {
        assert_eq!(rounds(1), CAPACITY);
        let mut before = CAPACITY;
        #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
        for class in 1..class::COUNT as Class {
            assert!((8..=before).contains(&rounds(class)));
            before = rounds(class);
        }
    }
}
