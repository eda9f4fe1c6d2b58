//! Pages of slabs that the caller holds: what they hold is noted, or they go back to the kernel.
//!
//! A run may lie in a part of a SuperSlab or in many; its neighbours go back in one call. When is
//! not for this file to say.

use super::bitmap::mask;
use crate::class::SLAB;
use crate::os;
use crate::region::pages::Pages;
use crate::region::{Region, SLABS};

/// The parts of `slabs` slabs from number `first` on, by SuperSlab: its pages and a bit for each.
fn parts(region: &Region, first: u32, slabs: u32) -> impl Iterator<Item = (&Pages, u32)> {
    let end = first + slabs;
    let mut next = first;
    core::iter::from_fn(move || {
        let slab = next;
        let part = (SLABS - slab % SLABS).min(end - slab);
        next += part;
        (part != 0).then(|| (&region.superslab(slab / SLABS).pages, mask(part, slab % SLABS)))
    })
}

/// Whether slabs read as zero: just claimed, and not written to since.
pub(crate) fn read_as_zero(region: &Region, first: u32, slabs: u32) -> bool {
    parts(region, first, slabs).all(|(pages, bits)| pages.touched() & bits == 0)
}

/// Takes marks for huge pages back from the SuperSlabs that slabs lie in.
fn forgo_huge(region: &Region, first: u32, slabs: u32) {
    let index = first / SLABS;
    region.forgo_huge(index, (first + slabs).div_ceil(SLABS) - index);
}

/// Notes that whole SuperSlabs are in use again, by others than the pool.
pub(crate) fn reuse(region: &Region, first: u32, slabs: u32) {
    forgo_huge(region, first, slabs);
    parts(region, first, slabs).for_each(|(pages, bits)| pages.reuse(bits));
}

/// Notes that slabs hold leftovers, before they become free.
pub(crate) fn leave(region: &Region, first: u32, slabs: u32) {
    parts(region, first, slabs).for_each(|(pages, bits)| pages.leave(bits));
}

/// Gives the pages of slabs back to the kernel, before they become free. They read as zero then,
/// unless the kernel refuses.
///
/// # Safety
/// The caller holds the slabs and has no use for what is in them.
pub(crate) unsafe fn purge(region: &Region, first: u32, slabs: u32) {
    forgo_huge(region, first, slabs);
    // SAFETY: the caller's promise.
    let purged = unsafe { os::purge(region.slab_address(first), slabs as usize * SLAB) };
    for (pages, bits) in parts(region, first, slabs) {
        if purged {
            pages.clean(bits);
        } else {
            // Not asked again before they are used again. They may hold anything.
            pages.leave(bits);
            pages.offer(bits);
        }
    }
}

/// Offers the pages of slabs to the kernel, or gives them back where it does not know of offers.
///
/// # Safety
/// As [`purge`].
pub(crate) unsafe fn offer(region: &Region, first: u32, slabs: u32) {
    forgo_huge(region, first, slabs);
    // SAFETY: the caller's promise.
    if unsafe { os::offer(region.slab_address(first), slabs as usize * SLAB) } {
        parts(region, first, slabs).for_each(|(pages, bits)| pages.offer(bits));
    } else {
        // SAFETY: the caller's promise.
        unsafe { purge(region, first, slabs) };
    }
}
