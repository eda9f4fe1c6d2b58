//! Large blocks: whole SuperSlabs of the region. Their size lies out of line, beside the first
//! SuperSlab's other metadata.

use core::ptr;

use crate::check;
use crate::mid::Slabs;
use crate::ptr::bounded_units;
use crate::region::{Region, SLABS, SUPERSLAB, kind};
use crate::sync::Ordering;

/// A block of at least `size` B on a multiple of `align`, a power of two; null when there is no
/// memory.
pub(crate) fn alloc(slabs: &impl Slabs, size: usize, align: usize) -> *mut u8 {
    let count = bounded_units(size.max(1), SUPERSLAB);
    let align = bounded_units(align, SUPERSLAB);
    let Some((count, align)) = count.zip(align) else { return ptr::null_mut() };
    let Some(first) = slabs.acquire_superslabs(count, align) else { return ptr::null_mut() };
    slabs.fill_superslabs(first, count, size);
    let region = slabs.region();
    region.superslab(first).run.store(count, Ordering::Relaxed);
    region.set_kind(first * SLABS, 1, kind::LARGE);
    region.set_kind(first * SLABS + 1, count * SLABS - 1, kind::TAIL);
    region.slab_address(first * SLABS)
}

fn superslab_of(region: &Region, p: *const u8) -> u32 {
    region.slab_of(p) / SLABS
}

/// Bytes in the block at `p`, whose kind is [`kind::LARGE`].
pub(crate) fn usable_size(region: &Region, p: *const u8) -> usize {
    let run = region.superslab(superslab_of(region, p)).run.load(Ordering::Relaxed);
    run as usize * SUPERSLAB
}

/// Frees the block at `p`. Of several frees of one block, one wins and another ends the process.
///
/// # Safety
/// Its kind is [`kind::LARGE`], it is allocated, and nobody uses it any more.
pub(crate) unsafe fn free(slabs: &impl Slabs, p: *mut u8) {
    let region = slabs.region();
    let first = superslab_of(region, p);
    if !region.take_kind(first * SLABS, kind::LARGE) {
        check::double_free(p);
    }
    let count = region.superslab(first).run.load(Ordering::Relaxed);
    // SAFETY: the run was taken for this block, which nobody uses any more.
    unsafe { slabs.release_superslabs(first, count) };
}
