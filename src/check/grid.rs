//! Where the blocks of a class begin in their runs.

use crate::class::{self, Class, SLAB};
use crate::cut::{Cut, Layout};
use crate::ptr::distance;
use crate::region::Region;

/// Runs of one class.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    base: *const u8,
    /// Bytes of a run, a power of two, less one.
    within: usize,
    layout: Layout,
}

impl Grid {
    /// Of `class`, cut by `C`.
    pub(super) fn of<C: Cut>(region: &Region, class: Class) -> Self {
        Self {
            base: region.slab_address(0),
            within: class::run_slabs(class) as usize * SLAB - 1,
            layout: C::LAYOUTS[usize::from(class)],
        }
    }

    /// Whether a block begins at `p`, which lies in such a run.
    #[inline(always)]
    pub(super) fn begins(&self, p: *const u8) -> bool {
        self.layout.begins(distance(p, self.base) & self.within)
    }

    /// Where blocks begin in what one word of the bits is for, from `word` on, a bit each; for
    /// blocks of less than what a byte of them is for.
    #[inline]
    pub(super) fn beginnings(&self, word: *const u8) -> u64 {
        self.layout.beginnings(distance(word, self.base) & self.within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::Blocks;
    use crate::cut::header::InHeader;
    use crate::cut::map::InMap;
    use crate::region::{BYTES_PER_BYTE, BYTES_PER_WORD, SLABS};

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
            if stride >= BYTES_PER_BYTE {
                continue;
            }
            for offset in (0..bytes).step_by(BYTES_PER_WORD) {
                let word = run.wrapping_add(offset);
                let bits = (0..64).filter(|bit| grid.begins(word.wrapping_add(16 * bit)));
                let bits = bits.fold(0, |bits, bit| bits | 1 << bit);
                assert_eq!(grid.beginnings(word), bits, "{class}: {offset}");
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
