//! Where a Mid block lies in its run of slabs: how far behind the beginning, and up to which page.

use super::Region;
use crate::class::SLAB;
use crate::os::PAGE;
use crate::prefetch::LINE;
use crate::sync::Ordering;

/// A Mid block in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes in front of it: a multiple of [`Extent::STEP`], less than a page.
    pub(crate) lead: usize,
    /// Pages of the run that it reaches into, those of the lead included; 512 at most.
    pub(crate) pages: usize,
}

impl Extent {
    /// What leads are multiples of, B.
    pub(crate) const STEP: usize = LINE;
    /// Bits for the pages; the others are for the lead.
    const PAGE_BITS: u32 = 10;

    /// Whether the block begins at `p`, which lies in the first slab of its run.
    pub(crate) fn begins(self, p: *const u8) -> bool {
        self.lead == p.addr() % SLAB
    }

    const fn to_bits(self) -> u16 {
        debug_assert!(self.pages < 1 << Self::PAGE_BITS);
        debug_assert!(self.lead < PAGE && self.lead.is_multiple_of(Self::STEP));
        #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
        let bits = (self.pages | (self.lead / Self::STEP) << Self::PAGE_BITS) as u16;
        bits
    }

    const fn from_bits(bits: u16) -> Self {
        Self {
            lead: (bits >> Self::PAGE_BITS) as usize * Self::STEP,
            pages: (bits & ((1 << Self::PAGE_BITS) - 1)) as usize,
        }
    }
}

impl Region {
    /// Of the Mid block whose run begins at `slab`, or of the last one whose did; without pages if
    /// there was none.
    pub(crate) fn extent(&self, slab: u32) -> Extent {
        Extent::from_bits(self.run_length(slab).load(Ordering::Relaxed))
    }

    /// Notes where the Mid block lies whose run begins at `slab`.
    pub(crate) fn set_extent(&self, slab: u32, extent: Extent) {
        self.run_length(slab).store(extent.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_what_they_were() {
        for pages in 0..=512 {
            for lead in (0..PAGE).step_by(Extent::STEP) {
                let extent = Extent { lead, pages };
                assert_eq!(Extent::from_bits(extent.to_bits()), extent);
            }
        }
    }
}
