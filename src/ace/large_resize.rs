//! Large blocks that change their size without a copy: where they are, when the SuperSlabs behind
//! are vacant or the run is the last one; else by moving their pages to a longer run.
//!
//! A longer run is taken where as much room as it has itself lies behind it, or the end of the
//! range does: no memory is set aside, but a block that is doubled again and again finds its way
//! free unless others have settled there. A move costs an entry of the page tables for each
//! SuperSlab, not a fault for each page.

use core::ptr;

use super::large::usable_size;
use crate::mid::Slabs;
use crate::ptr::bounded_units;
use crate::region::{Region, SLABS, SUPERSLAB, kind};
use crate::sync::Ordering;

fn note(region: &Region, first: u32, count: u32) {
    region.superslab(first).run.store(count, Ordering::Relaxed);
}

/// Has the block at `p` hold `size` B and not a SuperSlab more, where it is or elsewhere; null
/// leaves it as it was. A block elsewhere is on a multiple of a SuperSlab.
///
/// # Safety
/// Its kind is [`kind::LARGE`], it is allocated, and nobody uses what lies beyond `size`.
pub(crate) unsafe fn without_copy(
    slabs: &impl Slabs,
    p: *mut u8,
    size: usize,
    align: usize,
) -> *mut u8 {
    let Some(wanted) = bounded_units(size.max(1), SUPERSLAB) else { return ptr::null_mut() };
    let region = slabs.region();
    let first = region.slab_of(p) / SLABS;
    let count = region.superslab(first).run.load(Ordering::Relaxed);
    if wanted > count {
        if slabs.acquire_superslabs_at(first + count, wanted - count) {
            region.set_kind((first + count) * SLABS, (wanted - count) * SLABS, kind::TAIL);
            // All of it is one mapping again, so that it can be moved.
            region.forgo_huge(first, wanted);
            note(region, first, wanted);
            return p;
        }
        if align > SUPERSLAB {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        return unsafe { elsewhere(slabs, first, count, wanted) };
    }
    if wanted < count {
        note(region, first, wanted);
        // SAFETY: the tail belongs to no block any more, and the caller has no use for it.
        unsafe { slabs.release_superslabs(first + wanted, count - wanted) };
    }
    debug_assert!(usable_size(region, p) >= size);
    p
}

/// Moves the pages of a run of `count` SuperSlabs to one of `wanted`; null changes nothing.
///
/// # Safety
/// The run is a block's, which the caller holds.
unsafe fn elsewhere(slabs: &impl Slabs, first: u32, count: u32, wanted: u32) -> *mut u8 {
    let region = slabs.region();
    if !region.may_move(first + count) {
        return ptr::null_mut();
    }
    let Some(to) = slabs.acquire_roomy(wanted) else { return ptr::null_mut() };
    region.forgo_huge(first, count);
    // The old run has no block from here on, as after a free.
    region.set_kind(first * SLABS, 1, kind::NONE);
    // SAFETY: both runs are the caller's.
    match unsafe { slabs.move_superslabs(first, to, count) } {
        Some(true) => {
            note(region, to, wanted);
            region.set_kind(to * SLABS + 1, wanted * SLABS - 1, kind::TAIL);
            region.set_kind(to * SLABS, 1, kind::LARGE);
            return region.slab_address(to * SLABS);
        }
        // SAFETY: nobody has seen the new run.
        Some(false) => unsafe { slabs.release_superslabs(to, wanted) },
        None => {
            // What lies behind the lost part is whole.
            if wanted > count {
                // SAFETY: as above.
                unsafe { slabs.release_superslabs(to + count, wanted - count) };
            }
        }
    }
    region.set_kind(first * SLABS, 1, kind::LARGE);
    ptr::null_mut()
}
