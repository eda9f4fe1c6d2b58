//! A bit for each 16 B of the region, out of line. Who sets it says what it means: at level
//! `bitmap` and for ACE's small blocks that the program has the block, at level `top` that the
//! shared pool has it.
//!
//! Neighbours share a word, so every change is an atomic read-modify-write. It need not order
//! anything: what hands a block from one thread to another does.

use core::sync::atomic::AtomicU8;

use crate::class::{self, Class};
use crate::region::{BYTES_PER_WORD, Bytes, Marks, Region, WIDE};
use crate::sync::{AtomicU64, Ordering};

/// Whether `p` can have a bit of its own.
#[inline(always)]
pub(super) fn aligned(p: *const u8) -> bool {
    p.addr().is_multiple_of(16)
}

/// Sets the bit of `p`; whether it was set.
#[inline(always)]
pub(super) fn set(region: &Region, p: *const u8) -> bool {
    let (word, bit) = region.marks().bit(p);
    word.fetch_or(1 << bit, Ordering::Relaxed) & (1 << bit) != 0
}

/// Clears the bit of `p`; whether it was set.
#[inline(always)]
pub(super) fn clear(region: &Region, p: *const u8) -> bool {
    let (word, bit) = region.marks().bit(p);
    word.fetch_and(!(1 << bit), Ordering::Relaxed) & (1 << bit) != 0
}

/// Whether the bit of `p` is set.
pub(super) fn is_set(region: &Region, p: *const u8) -> bool {
    let (word, bit) = region.marks().bit(p);
    word.load(Ordering::Relaxed) & (1 << bit) != 0
}

/// What becomes of the bits of a [`Row`].
pub(super) trait Change {
    /// Sees the first block of each word, and every one that is misaligned.
    #[inline(always)]
    fn look(&self, _p: *const u8) {}

    /// A block is noted twice, before its bit is changed.
    #[inline(always)]
    fn twice(&self, _p: *const u8) {}

    /// Changes `byte`, which is that of `p` alone.
    fn byte(&mut self, byte: &AtomicU8, p: *const u8);

    /// Changes the bits of `mask` in `word`; it is that of the [`BYTES_PER_WORD`] from `start` on.
    fn word(&mut self, word: &AtomicU64, start: *const u8, mask: u64);
}

/// They are cleared.
pub(super) struct Clear;

impl Change for Clear {
    #[inline(always)]
    fn byte(&mut self, byte: &AtomicU8, _p: *const u8) {
        byte.store(0, Ordering::Relaxed);
    }

    #[inline(always)]
    fn word(&mut self, word: &AtomicU64, _start: *const u8, mask: u64) {
        word.fetch_and(!mask, Ordering::Relaxed);
    }
}

/// Changes bits of blocks of one class that come one by one. Those that lie in one word and come in
/// a row are changed at once, the last when the row is dropped.
///
/// Blocks that are large enough have a byte each, which is read and written without a lock on the
/// bus: most of what a look costs.
pub(super) struct Row<'a, C: Change> {
    marks: Marks<'a>,
    change: C,
    /// Where each block has a byte of its own, if it has.
    bytes: Option<Bytes<'a>>,
    /// What the word is for begins here; null before the first block.
    start: *const u8,
    mask: u64,
}

impl<'a, C: Change> Row<'a, C> {
    pub(super) fn new(region: &'a Region, class: Class, change: C) -> Self {
        let marks = region.marks();
        let bytes = marks.bytes(class::size(class));
        Self { marks, change, bytes, start: core::ptr::null(), mask: 0 }
    }

    /// Has the bit of `p` changed.
    #[inline(always)]
    pub(super) fn note(&mut self, p: *const u8) {
        if let Some(bytes) = &self.bytes {
            return self.change.byte(bytes.of(p), p);
        }
        // A multiple of 16 in the same word is turned into the number of its bit, and all else
        // into more. Regions begin on multiples of what a word has bits for.
        let mut number = (p.addr() ^ self.start.addr()).rotate_right(4);
        if number >= 64 {
            self.change.look(p);
            self.write();
            self.start = p.map_addr(|address| address & !(BYTES_PER_WORD - 1));
            number = p.addr() / 16 % 64;
        }
        let bit = 1 << number;
        if self.mask & bit != 0 {
            self.change.twice(p);
        }
        self.mask |= bit;
    }

    /// Changes what has been noted.
    #[inline(always)]
    fn write(&mut self) {
        if self.mask != 0 {
            let (word, _) = self.marks.bit(self.start);
            self.change.word(word, self.start, self.mask);
            self.mask = 0;
        }
    }
}

impl<C: Change> Drop for Row<'_, C> {
    fn drop(&mut self) {
        self.write();
    }
}

/// The block of the lowest bit of `mask`, which lies in the word from `start` on.
pub(super) fn lowest(start: *const u8, mask: u64) -> *const u8 {
    start.wrapping_add(16 * mask.trailing_zeros() as usize)
}

/// Clears the marks of slabs that nobody uses. They are clear already, but for the child of a
/// process with several threads: it may find slabs free whose marks are of an earlier moment.
pub(crate) fn clear_slabs(region: &Region, first: u32, slabs: u32) {
    if region.is_torn() {
        let marks = region.marks();
        for slab in first..first + slabs {
            clear_words(marks.of_slab(slab));
            clear_words(marks.wide_of_slab(slab));
        }
    }
}

/// Clears the marks of the run of `class` from slab `first` on, which nobody uses, whatever they
/// are.
pub(super) fn clear_run(region: &Region, class: Class, first: u32) {
    let marks = region.marks();
    for slab in first..first + class::run_slabs(class) {
        if class::size(class) < WIDE {
            clear_words(marks.of_slab(slab));
        } else {
            clear_words(marks.wide_of_slab(slab));
        }
    }
}

fn clear_words(words: &[AtomicU64]) {
    for word in words {
        // Not written in vain, which would take memory for it.
        if word.load(Ordering::Relaxed) != 0 {
            word.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::SLAB;
    use crate::region::SLABS;

    /// They are set.
    struct Set;

    impl Change for Set {
        fn byte(&mut self, byte: &AtomicU8, _p: *const u8) {
            byte.store(1, Ordering::Relaxed);
        }

        fn word(&mut self, word: &AtomicU64, _start: *const u8, mask: u64) {
            word.fetch_or(mask, Ordering::Relaxed);
        }
    }

    /// Blocks of `class` are shown to rows that set and clear, but for one that is set before.
    fn a_row_changes_what_it_is_shown_and_nothing_else(class: Class) {
        let region = Region::new();
        let start = region.slab_address(region.take_run(4, 1).unwrap() * SLABS).cast_const();
        let at = |index: usize| start.wrapping_add(class::size(class) * index);
        let shown = [0, 1, 63, 64, 130, 65, 2, 129];
        fn change(mut row: Row<impl Change>, shown: impl Iterator<Item = *const u8>) {
            shown.for_each(|p| row.note(p));
        }
        change(Row::new(&region, class, Set), [at(3)].into_iter());
        change(Row::new(&region, class, Set), shown.into_iter().map(at));
        for index in 0..256 {
            let wanted = index == 3 || shown.contains(&index);
            assert_eq!(is_marked(&region, class, at(index)), wanted, "{index}");
        }
        change(Row::new(&region, class, Clear), shown.into_iter().map(at));
        assert!((0..256).all(|index| is_marked(&region, class, at(index)) == (index == 3)));
        clear_slabs(&region, region.slab_of(start), SLABS);
        assert!(is_marked(&region, class, at(3)), "nothing is torn yet");
        region.note_torn();
        clear_slabs(&region, region.slab_of(start), SLABS);
        assert!(!is_marked(&region, class, at(3)));
        change(Row::new(&region, class, Set), [at(3)].into_iter());
        clear_run(&region, class, region.slab_of(start));
        assert!(!is_marked(&region, class, at(3)));
    }

    /// Whether the bit or the byte of a block of `class` is set.
    fn is_marked(region: &Region, class: Class, p: *const u8) -> bool {
        match region.marks().bytes(class::size(class)) {
            Some(bytes) => bytes.of(p).load(Ordering::Relaxed) != 0,
            None => is_set(region, p),
        }
    }

    #[test]
    fn a_row_of_neighbours() {
        a_row_changes_what_it_is_shown_and_nothing_else(1);
        a_row_changes_what_it_is_shown_and_nothing_else(7);
    }

    #[test]
    fn a_row_of_blocks_apart() {
        #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
        for size in [128, 160, 896, 1024, 2048, 14336] {
            let class = class::SIZES.iter().position(|&each| each == size).unwrap() as Class;
            a_row_changes_what_it_is_shown_and_nothing_else(class);
        }
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
        region.note_torn();
        clear_slabs(&region, first + 1, 2);
        assert_eq!(marked.map(|p| is_set(&region, p)), [true, false, false, false, true]);
        assert!(clear(&region, marked[0]) && !clear(&region, marked[0]));
    }
}
