//! Where the region lies, as plain numbers that somebody keeps for himself: a heap, whose fast
//! paths then read one structure and wait for nobody.
//!
//! The numbers never change once there is a region. A view taken before knows no pointer.

use core::ptr;

use crate::class::{SLAB, Scaled};
use crate::ptr::distance;
use crate::sync::{AtomicU32, Ordering};

/// The range and its page map.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct View {
    base: *const u8,
    /// Length of the range, B; 0 knows no pointer.
    len: usize,
    kinds: *const AtomicU32,
}

impl View {
    /// Of no region.
    pub(crate) const NOWHERE: Self = Self { base: ptr::null(), len: 0, kinds: ptr::null() };

    /// Of `len` bytes from `base` on.
    ///
    /// # Safety
    /// `kinds` has an entry for each slab of them, for as long as the process lives.
    #[inline(always)]
    pub(super) const unsafe fn new(base: *const u8, len: usize, kinds: *const AtomicU32) -> Self {
        Self { base, len, kinds }
    }

    /// Whether it is of no region.
    pub(crate) const fn is_nowhere(&self) -> bool {
        self.len == 0
    }

    /// What lies at `p`, scaled as classes are; `None` for every pointer outside the range. Never
    /// faults.
    #[inline(always)]
    pub(crate) fn kind(&self, p: *const u8) -> Option<Scaled> {
        let offset = distance(p, self.base);
        if offset >= self.len {
            return None;
        }
        // SAFETY: `offset` is below the length; `new` was promised the rest.
        let entry = unsafe { (*self.kinds.add(offset / SLAB)).load(Ordering::Relaxed) };
        Some(Scaled::from_number(entry))
    }
}
