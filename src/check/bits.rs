//! A bit for each 16 B of the region, out of line. Who sets it says what it means: at level
//! `bitmap` and for ACE's small blocks that the program has the block, at level `top` that the
//! shared pool has it.
//!
//! Neighbours share a word, so every change is an atomic read-modify-write. It need not order
//! anything: what hands a block from one thread to another does.

use crate::class::SLAB;
use crate::region::{BYTES_PER_WORD, Region};
use crate::sync::Ordering;

/// Whether `p` can have a bit of its own.
#[inline(always)]
pub(super) fn aligned(p: *const u8) -> bool {
    p.addr().is_multiple_of(16)
}

/// Sets the bit of `p`; whether it was set.
#[inline(always)]
pub(super) fn set(region: &Region, p: *const u8) -> bool {
    let (word, bit) = region.bit(p);
    word.fetch_or(1 << bit, Ordering::Relaxed) & (1 << bit) != 0
}

/// Clears the bit of `p`; whether it was set.
#[inline(always)]
pub(super) fn clear(region: &Region, p: *const u8) -> bool {
    let (word, bit) = region.bit(p);
    word.fetch_and(!(1 << bit), Ordering::Relaxed) & (1 << bit) != 0
}

/// Whether the bit of `p` is set.
pub(super) fn is_set(region: &Region, p: *const u8) -> bool {
    let (word, bit) = region.bit(p);
    word.load(Ordering::Relaxed) & (1 << bit) != 0
}

/// Clears the bits of slabs that nobody uses. They are clear already, but for the child of a fork:
/// it may find slabs free whose bits it has from an earlier moment.
pub(crate) fn clear_slabs(region: &Region, first: u32, slabs: u32) {
    for slab in first..first + slabs {
        let start = region.slab_address(slab);
        for offset in (0..SLAB).step_by(BYTES_PER_WORD) {
            let (word, _) = region.bit(start.wrapping_add(offset));
            // Not written in vain, which would take memory for it.
            if word.load(Ordering::Relaxed) != 0 {
                word.store(0, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::SLABS;

    #[test]
    fn bits_are_apart_and_are_cleared_by_slabs() {
        let region = Region::new();
        let first = region.take_run(1, 1).unwrap() * SLABS;
        let p = |slab, offset| region.slab_address(first + slab).wrapping_add(offset).cast_const();
        let marked = [p(0, SLAB - 32), p(1, 0), p(1, 16 * 64), p(2, SLAB - 32), p(3, 0)];
        for p in marked {
            assert!(!set(&region, p) && set(&region, p) && is_set(&region, p));
            assert!(!is_set(&region, p.wrapping_add(16)) && !is_set(&region, p.wrapping_sub(16)));
        }
        clear_slabs(&region, first + 1, 2);
        assert_eq!(marked.map(|p| is_set(&region, p)), [true, false, false, false, true]);
        assert!(clear(&region, marked[0]) && !clear(&region, marked[0]));
    }
}
