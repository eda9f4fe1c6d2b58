//! A bit for each 16 B of the region, out of line. Who sets it says what it means: at level
//! `bitmap` and for ACE's small blocks that the program has the block, at level `top` that the
//! shared pool has it.
//!
//! Neighbours share a word, so every change is an atomic read-modify-write. It need not order
//! anything: what hands a block from one thread to another does.

use super::double_free;
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

/// What becomes of the bits of a [`Row`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// They are set. One that is set already is a double free, which ends the process.
    Set,
    Clear,
}

/// Changes bits of blocks that come one by one. Those that lie in one word and come in a row are
/// changed at once, the last when the row is dropped.
pub(super) struct Row<'a> {
    region: &'a Region,
    change: Change,
    /// Any block of the word.
    last: *const u8,
    mask: u64,
}

impl<'a> Row<'a> {
    pub(super) const fn new(region: &'a Region, change: Change) -> Self {
        Self { region, change, last: core::ptr::null(), mask: 0 }
    }

    /// Has the bit of `p` changed.
    #[inline(always)]
    pub(super) fn note(&mut self, p: *const u8) {
        // Regions begin on multiples of what a word has bits for.
        if p.addr() / BYTES_PER_WORD != self.last.addr() / BYTES_PER_WORD {
            self.write();
        }
        let bit = 1 << (p.addr() / 16 % 64);
        if self.change == Change::Set && self.mask & bit != 0 {
            double_free(p);
        }
        self.mask |= bit;
        self.last = p;
    }

    /// Changes what has been noted.
    #[inline(always)]
    fn write(&mut self) {
        if self.mask == 0 {
            return;
        }
        let (word, _) = self.region.bit(self.last);
        match self.change {
            Change::Set => {
                let twice = word.fetch_or(self.mask, Ordering::Relaxed) & self.mask;
                if twice != 0 {
                    let start = self.last.addr() / BYTES_PER_WORD * BYTES_PER_WORD;
                    let block = start + 16 * twice.trailing_zeros() as usize;
                    double_free(self.last.with_addr(block));
                }
            }
            Change::Clear => {
                word.fetch_and(!self.mask, Ordering::Relaxed);
            }
        }
        self.mask = 0;
    }
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        self.write();
    }
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
    fn a_row_changes_what_it_is_shown_and_nothing_else() {
        let region = Region::new();
        let start = region.slab_address(region.take_run(1, 1).unwrap() * SLABS).cast_const();
        let at = |index: usize| start.wrapping_add(16 * index);
        let shown = [0, 1, 63, 64, 130, 65, 2, 129];
        assert!(!set(&region, at(3)));
        let change = |change| {
            let mut row = Row::new(&region, change);
            shown.into_iter().for_each(|index| row.note(at(index)));
        };
        change(Change::Set);
        for index in 0..256 {
            let wanted = index == 3 || shown.contains(&index);
            assert_eq!(is_set(&region, at(index)), wanted, "{index}");
        }
        change(Change::Clear);
        assert!((0..256).all(|index| is_set(&region, at(index)) == (index == 3)));
    }

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
