//! Level `range`: headered blocks lie in the region too, and the page map says so.

use core::ptr::NonNull;

use super::cache::PageCache;
use super::{GRANULE, HeaderSafety, header_of};
use crate::lock::ForkSafe;
use crate::ptr::{bounded_units, units};
use crate::region::{Region, SLABS, SUPERSLAB, kind};
use crate::superslab::pages;

const _: () = assert!(GRANULE == SUPERSLAB);

/// Asks the page map.
pub(crate) struct Range;

/// No locks.
impl ForkSafe for Range {
    fn hold(&self) {}

    unsafe fn let_go(&self) {}
}

impl HeaderSafety for Range {
    const NEW: Self = Self;

    fn map(&self, region: &Region, len: usize) -> Option<NonNull<u8>> {
        let count = bounded_units(len, SUPERSLAB)?;
        let first = region.take_run(count, 1)?;
        pages::reuse(region, first * SLABS, count * SLABS);
        region.set_kind(first * SLABS, count * SLABS, kind::HEADERED);
        NonNull::new(region.slab_address(first * SLABS))
    }

    unsafe fn unmap(&self, region: &Region, base: *mut u8, len: usize) {
        let (first, count) = (region.slab_of(base) / SLABS, units(len, SUPERSLAB));
        // SAFETY: the caller's promise. At once, as the other levels unmap.
        unsafe {
            pages::purge(region, first * SLABS, count * SLABS);
            region.give_run(first, count);
        }
    }

    fn holds(&self, region: &Region, p: *const u8) -> bool {
        region.kind(p) == kind::HEADERED
    }

    fn may_read<const N: usize>(
        &self,
        region: &Region,
        p: *const u8,
        _cache: &mut PageCache<N>,
    ) -> bool {
        region.kind(p) == kind::HEADERED && header_of(p).is_some()
    }
}
