//! Level `table`: sizes lie out of line. A small block's class is in the page map, a large block's
//! length beside its SuperSlab; nothing is ever read in front of a block.

use super::shelf::Shelves;
use super::{Absent, Ace, large};
use crate::check::{self, bits};
use crate::class::{self, Class, SMALL_MAX};
use crate::lock::ForkSafe;
use crate::mid::Slabs;
use crate::mincore::cache::PageCache;
use crate::region::{Kind, Region, kind};
use crate::superslab::Fit;
use crate::{text, tiny};

/// Out of line.
pub(crate) struct Table {
    shelves: Shelves,
}

/// Class of a block of up to 64 KiB on a multiple of `align`; 0 if none fits.
pub(super) fn class_of(size: usize, align: usize) -> Class {
    let size = size.max(tiny::MAX + 1);
    if size > SMALL_MAX { 0 } else { class::gapless(size, align) }
}

/// The class whose shelf `kind` names.
pub(crate) fn shelf_of(kind: Kind) -> Class {
    kind - kind::ACE
}

impl Ace for Table {
    const NEW: Self = Self { shelves: Shelves::NEW };

    fn alloc(&self, slabs: &impl Slabs, size: usize, align: usize) -> *mut u8 {
        let class = class_of(size, align);
        if class == 0 {
            return large::alloc(slabs, size, align);
        }
        let block = self.shelves.take(class, class::size(class), || {
            let run = slabs.acquire_run(class::run_slabs(class), Fit::Tight)?;
            bits::clear_slabs(slabs.region(), run.first, run.slabs);
            slabs.region().set_kind(run.first, run.slabs, kind::ACE + class);
            Some((slabs.region().slab_address(run.first), run.bytes()))
        });
        if !block.is_null() {
            check::hand_out(slabs.region(), block);
        }
        block
    }

    fn usable_size(&self, region: &Region, p: *const u8, kind: Kind) -> usize {
        if kind == kind::LARGE {
            large::usable_size(region, p)
        } else {
            class::size(shelf_of(kind))
        }
    }

    unsafe fn free(&self, slabs: &impl Slabs, p: *mut u8, kind: Kind) {
        if kind == kind::LARGE {
            // SAFETY: the caller's promise.
            unsafe { large::free(slabs, p) };
        } else {
            check::hand_back(slabs.region(), shelf_of(kind), p);
            // SAFETY: the page map says which class the block was taken for, which was handed out.
            unsafe { self.shelves.put(shelf_of(kind), p) };
        }
    }

    fn headered<const N: usize>(
        &self,
        _region: &Region,
        _p: *const u8,
        _cache: &mut PageCache<N>,
    ) -> Option<usize> {
        None
    }

    fn absent<const N: usize>(
        &self,
        _region: &Region,
        _p: *const u8,
        _cache: &mut PageCache<N>,
    ) -> Absent {
        Absent::Foreign
    }

    unsafe fn free_headered(&self, _region: &Region, p: *mut u8) {
        text::abort("free() of a headered block, but sizes are kept out of line", p);
    }
}

impl ForkSafe for Table {
    fn hold(&self) {
        self.shelves.hold();
    }

    unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.shelves.let_go() };
    }
}
