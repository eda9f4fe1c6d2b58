//! SuperSlabs that are marked for huge pages one by one, in a range that is not.
//!
//! A mark goes where a part of the SuperSlab is purged, for the kernel would make a huge page of
//! the rest again. Of a Large block, whose pages move only as one mapping, all SuperSlabs are
//! marked or none: those that it takes lose their marks first. Huge pages that are there stay until
//! they are purged.
//!
//! The kernel keeps a mapping for each row of marked ones, so marks make seams (see `moves`).

use super::moves::SEAMS_MAX;
use super::{Region, SLABS, SUPERSLAB};
use crate::os;
use crate::sync::Ordering;

impl Region {
    /// Whether SuperSlab `index` is marked for huge pages.
    pub(crate) fn is_huge(&self, index: u32) -> bool {
        self.superslab(index).huge.load(Ordering::Relaxed)
    }

    /// Marks `count` SuperSlabs from `first` on, which the caller holds, for huge pages; false
    /// where the kernel refuses or there are too many seams.
    pub(crate) fn want_huge(&self, first: u32, count: u32) -> bool {
        self.advise(first, count, true)
    }

    /// Takes the marks of `count` SuperSlabs from `first` on back; the caller holds slabs in each.
    pub(crate) fn forgo_huge(&self, first: u32, count: u32) {
        if (first..first + count).any(|index| self.is_huge(index)) {
            self.advise(first, count, false);
        }
    }

    /// Whether slabs of SuperSlab `index` may have pages although they were never used: it was
    /// marked, and nobody has asked since.
    pub(crate) fn take_filled(&self, index: u32) -> bool {
        self.superslab(index).filled.swap(false, Ordering::Relaxed)
    }

    #[cold]
    fn advise(&self, first: u32, count: u32, huge: bool) -> bool {
        if self.seams.load(Ordering::Relaxed) >= SEAMS_MAX {
            return false;
        }
        let (start, len) = (self.slab_address(first * SLABS), count as usize * SUPERSLAB);
        // SAFETY: the SuperSlabs are usable and lie in the reservation.
        let advised = unsafe { os::want_huge_pages(start, len, huge) };
        if advised {
            self.note(first, count, |superslab| {
                superslab.huge.store(huge, Ordering::Relaxed);
                if huge {
                    superslab.filled.store(true, Ordering::Relaxed);
                }
            });
        }
        advised
    }

    /// Which pages of SuperSlab `index` have memory, by their lowest bits; see [`os::residence`].
    pub(crate) fn residence(&self, index: u32) -> [u8; PAGES] {
        os::residence(self.slab_address(index * SLABS))
    }
}

/// Pages of a SuperSlab.
pub(crate) const PAGES: usize = SUPERSLAB / os::PAGE;

#[cfg(test)]
impl Region {
    /// Neighbours that differ in their mapping.
    pub(crate) fn seams(&self) -> u32 {
        self.seams.load(Ordering::Relaxed)
    }

    /// Has it be taken for that many.
    pub(crate) fn set_seams(&self, seams: u32) {
        self.seams.store(seams, Ordering::Relaxed);
    }
}
