//! The factor `starter`: where the first small blocks of a process lie.
//!
//! In the region each class of blocks begins in a page of its own, behind tables that are touched
//! for it, and a process that takes a few blocks of a dozen classes pays for two dozen pages with a
//! fault each. A level may have memory of its own for such blocks, close together, until the
//! process turns out to need more than that: then its blocks come from a heap, whose fast paths
//! never knew of it.
//!
//! It is asked only when a heap has no block, and told what no page map explains.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod near;
pub(crate) mod off;

use core::ptr::NonNull;

use crate::class::Class;
use crate::lock::ForkSafe;

/// Counter names of [`Starter::counts`].
pub(crate) const COUNT_NAMES: [&str; 2] = ["starter_allocs", "starter_frees"];

/// A level of the factor `starter`: the memory, and what is known of it.
pub(crate) trait Starter: ForkSafe + Sync + 'static {
    /// No block was ever allocated.
    const NEW: Self;

    /// Allocates a block of `class` on a multiple of 16; `None` where it has to come from
    /// elsewhere.
    fn alloc(&self, class: Class) -> Option<NonNull<u8>>;

    /// Whether `p` lies where only these blocks do.
    fn holds(&self, p: *const u8) -> bool;

    /// Frees the block at `p`, or ends the process if there is none.
    ///
    /// # Safety
    /// `p` is held here, and nobody uses it any more.
    unsafe fn free(&self, p: *mut u8);

    /// Bytes of the block at `p`, which is held here; without a block the process ends, and `call`
    /// names the function that was given it.
    fn size(&self, call: &str, p: *const u8) -> usize;

    /// Allocates nothing any more, and gives back the pages that have no block.
    fn close(&self);

    /// Bytes of the pages that blocks lie in.
    fn held(&self) -> usize;

    /// Blocks allocated and freed, in the order of [`COUNT_NAMES`].
    fn counts(&self) -> [u64; COUNT_NAMES.len()];
}
