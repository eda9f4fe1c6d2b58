//! Blocks that get another size without a copy: what `realloc` tries first.
//!
//! A cached block stays where it is while its class holds the new size. Mid and Large blocks grow
//! and shrink within their layer by whole slabs and SuperSlabs. What would waste more than half of
//! itself, changes its layer, or lies in memory that nothing can be joined to (headers, ACE's
//! shelves) is copied by the caller.

use core::ptr;

use crate::ace::large_resize;
use crate::class::SLAB;
use crate::mid::{self, Slabs};
use crate::region::kind;

/// Resizes the block at `p`, which holds `held` B, to at least `size` B without a copy; its address
/// then, or null when it is as it was.
///
/// # Safety
/// `p` is an allocated block, of this allocator and on a multiple of `align`, and nobody uses what
/// lies beyond `size`.
pub(crate) unsafe fn without_copy(
    slabs: &impl Slabs,
    p: *mut u8,
    held: usize,
    size: usize,
    align: usize,
) -> *mut u8 {
    let enough = size <= held && size >= held / 2;
    let region = slabs.region();
    match region.kind(p) {
        kind::MID if enough || size > mid::ABOVE => {
            // SAFETY: the caller's promise. A Mid block is on a multiple of a slab only.
            let done = align <= SLAB && unsafe { mid::resize::in_place(slabs, p, size) };
            if done || enough { p } else { ptr::null_mut() }
        }
        kind::LARGE if enough || size > mid::COPIED_MAX => {
            // SAFETY: the caller's promise.
            unsafe { large_resize::without_copy(slabs, p, size, align) }
        }
        _ if enough => p,
        _ => ptr::null_mut(),
    }
}
