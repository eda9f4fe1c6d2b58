//! ACE: every block that Tiny, Pool TLS and Mid do not serve: large ones, and those that Pool TLS
//! leaves out. All threads share it.
//!
//! The factor `ace` says where a block's size is kept: in a header in front of it (the seed), or
//! out of line.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod header;
pub(crate) mod large;
pub(crate) mod large_resize;
mod shelf;
pub(crate) mod table;

use crate::lock::ForkSafe;
use crate::mid::Slabs;
use crate::mincore::cache::PageCache;
use crate::region::{Kind, Region};

/// Why there is no headered block at a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// A block was freed there.
    Freed,
    /// Only headered blocks lie in that memory, and none begins there.
    NoBlock,
    /// For all that is known it is foreign.
    Foreign,
}

/// A level of the factor `ace`.
pub(crate) trait Ace: ForkSafe + Sync + 'static {
    /// A level that holds nothing.
    const NEW: Self;

    /// A block of at least `size` B on a multiple of `align`, a power of two; null when there is no
    /// memory.
    fn alloc(&self, slabs: &impl Slabs, size: usize, align: usize) -> *mut u8;

    /// Bytes in the block at `p`, whose kind is ACE's or LARGE.
    fn usable_size(&self, region: &Region, p: *const u8, kind: Kind) -> usize;

    /// Frees the block at `p`, whose kind is ACE's or LARGE.
    ///
    /// # Safety
    /// It is allocated, and nobody uses it any more.
    unsafe fn free(&self, slabs: &impl Slabs, p: *mut u8, kind: Kind);

    /// Bytes in the block at `p` if it has a header of ours in front, for pointers that the page
    /// map does not explain.
    fn headered<const N: usize>(
        &self,
        region: &Region,
        p: *const u8,
        cache: &mut PageCache<N>,
    ) -> Option<usize>;

    /// Why there is no headered block at `p`, for pointers at which [`Ace::headered`] found none.
    fn absent<const N: usize>(
        &self,
        region: &Region,
        p: *const u8,
        cache: &mut PageCache<N>,
    ) -> Absent;

    /// Frees the block at `p`. Of several frees of one block, one wins and others end the process.
    ///
    /// # Safety
    /// [`Ace::headered`] has just found its header, and nobody uses it any more.
    unsafe fn free_headered(&self, region: &Region, p: *mut u8);
}
