//! Where the blocks of a class begin in their runs.

use crate::class::{self, Class, SLAB};
use crate::cut::Cut;
use crate::ptr::distance;
use crate::region::Region;

/// Runs of one class. Made once for many pointers: a look at one divides nothing.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    base: *const u8,
    /// Bytes of a run, a power of two, less one.
    within: usize,
    lead: usize,
    stride: u64,
    /// Bytes that the blocks of a run take.
    end: u64,
    /// 2⁴⁰ divided by the stride, rounded up.
    reciprocal: u64,
}

const SHIFT: u32 = 40;

impl Grid {
    /// Of `class`, cut by `C`.
    pub(super) fn of<C: Cut>(region: &Region, class: Class) -> Self {
        let stride = C::stride(class) as u64;
        Self {
            base: region.slab_address(0),
            within: class::run_slabs(class) as usize * SLAB - 1,
            lead: C::lead(class),
            stride,
            end: stride * u64::from(C::blocks(class)),
            reciprocal: (1 << SHIFT) / stride + 1,
        }
    }

    /// Whether a block begins at `p`, which lies in such a run.
    #[inline(always)]
    pub(super) fn begins(&self, p: *const u8) -> bool {
        // A pointer into the lead of the first block becomes far too large.
        let offset = ((distance(p, self.base) & self.within).wrapping_sub(self.lead)) as u64;
        if offset >= self.end {
            return false;
        }
        // Below 2²¹ and for strides below 2¹⁹ the rounded quotient is off by less than a stride's
        // part, so its floor is exact.
        let block = (offset * self.reciprocal) >> SHIFT;
        block * self.stride == offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::Blocks;
    use crate::cut::header::InHeader;
    use crate::cut::map::InMap;
    use crate::region::SLABS;

    fn blocks_begin_where_they_are_cut<C: Cut>() {
        let region = Region::new();
        let run = region.slab_address(region.take_run(1, 1).unwrap() * SLABS);
        #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
        for class in 1..class::COUNT as Class {
            let grid = Grid::of::<C>(&region, class);
            let (lead, stride) = (C::lead(class), C::stride(class));
            let bytes = class::run_slabs(class) as usize * SLAB;
            for offset in (0..bytes).step_by(8) {
                let block = offset.wrapping_sub(lead);
                let begins = block < bytes
                    && block.is_multiple_of(stride)
                    && block / stride < C::blocks(class) as usize;
                assert_eq!(grid.begins(run.wrapping_add(offset)), begins, "{class}: {offset}");
            }
        }
    }

    #[test]
    fn of_every_cut() {
        blocks_begin_where_they_are_cut::<Blocks<InMap, 0>>();
        blocks_begin_where_they_are_cut::<Blocks<InMap, 64>>();
        blocks_begin_where_they_are_cut::<Blocks<InHeader, 0>>();
        blocks_begin_where_they_are_cut::<Blocks<InHeader, 64>>();
    }
}
