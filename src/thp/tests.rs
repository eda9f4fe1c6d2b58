//! What `dense` marks and what it does not, and how marks go.

use super::dense::Dense;
use super::*;
use crate::os::{Moved, PAGE};
use crate::ptr::units;
use crate::region::{Kind, SLABS, SUPERSLAB, kind};
use crate::superslab::{self, pages};

/// A class of 16 KiB, as far as the page map is concerned.
const CUT: Kind = 48;

/// A region whose pool grows, under the level.
struct Growth {
    region: Region,
    level: Dense,
    cut: Option<usize>,
}

impl Growth {
    fn new() -> Self {
        Self::of(Some(16 << 10))
    }

    /// Of SuperSlabs that are opened for runs that are `cut` so.
    fn of(cut: Option<usize>) -> Self {
        Self { region: Region::new(), level: Dense::NEW, cut }
    }

    /// Opens a SuperSlab and hands it out whole, as `kind`; then writes a byte in pages that are a
    /// multiple of `step`. True when it was marked.
    fn by_one(&self, kind: Kind, step: usize) -> bool {
        let first = self.opened(kind);
        for offset in (0..SUPERSLAB).step_by(step * PAGE) {
            // SAFETY: the SuperSlab is the test's.
            unsafe { first.add(offset).write(1) };
        }
        self.region.is_huge(self.region.slab_of(first) / SLABS)
    }

    /// Opens a SuperSlab and hands it out whole, as `kind`; where it begins.
    fn opened(&self, kind: Kind) -> *mut u8 {
        let region = &self.region;
        let index = region.take_run(1, 1).unwrap();
        self.level.opens(region, index, self.cut);
        superslab::open(region, index);
        assert_eq!(superslab::claim_free(region, index, u32::MAX), u32::MAX);
        region.set_kind(index * SLABS, SLABS, kind);
        region.slab_address(index * SLABS)
    }

    /// Takes SuperSlabs for a Large block of `size` B, and writes as above. True when all of them
    /// were marked.
    fn by_block(&self, size: usize, step: usize) -> bool {
        let (region, count) = (&self.region, units(size, SUPERSLAB));
        let first = region.take_run(count, 1).unwrap();
        pages::reuse(region, first * SLABS, count * SLABS);
        self.level.fills(region, first, count, size);
        region.set_kind(first * SLABS, count * SLABS, kind::TAIL);
        for offset in (0..size).step_by(step * PAGE) {
            // SAFETY: the SuperSlabs are the test's.
            unsafe { region.slab_address(first * SLABS).add(offset).write(1) };
        }
        let marked = (first..first + count).filter(|&index| region.is_huge(index)).count();
        assert!(marked == 0 || marked == count as usize, "a part of a block");
        marked != 0
    }

    /// How many of so many were marked.
    fn by(&self, count: usize, kind: Kind, step: usize) -> usize {
        (0..count).filter(|_| self.by_one(kind, step)).count()
    }

    /// One with SuperSlabs that are marked, and the first of two in a row; `None` where the kernel
    /// marks nothing.
    fn marked(test: &str) -> Option<(Self, u32)> {
        let growth = Self::new();
        if growth.by(24, CUT, 1) == 0 {
            std::eprintln!("skipped {test}: this kernel has no huge pages");
            return None;
        }
        let both =
            |&index: &u32| [index, index + 1].iter().all(|&index| growth.region.is_huge(index));
        let first = (0..23).find(both).unwrap();
        Some((growth, first))
    }
}

#[test]
fn after_dense_ones_most_are_marked() {
    if Growth::marked("after_dense_ones_most_are_marked").is_none() {
        return;
    }
    // The first one of all, and a small program.
    let cuts = [(Some(16 << 10), 1), (Some(1152), 1), (Some(1024), 4), (Some(64), 4), (None, 6)];
    for (cut, first) in cuts {
        let growth = Growth::of(cut);
        assert_eq!(growth.by(first, CUT, 1), 0, "{cut:?}");
        let marked = growth.by(24, CUT, 1);
        assert!((20..24).contains(&marked), "{marked} of 24, and the rest are witnesses");
    }
}

/// The rest of a run has no holes, but those of each block count.
#[test]
fn what_is_not_cut_yet_says_nothing() {
    if Growth::marked("what_is_not_cut_yet_says_nothing").is_none() {
        return;
    }
    for (holes, marked) in [(false, true), (true, false)] {
        let growth = Growth::new();
        let first = growth.opened(CUT);
        // SAFETY: the SuperSlab is the test's.
        let touch = |page| unsafe { first.add(page * PAGE).write(1) };
        // The first ten blocks of each run of four slabs, whole or but for their last page.
        for run in 0..8 {
            let block = |page: &usize| holes && page % 4 == 3;
            (0..40).filter(|page| !block(page)).for_each(|page| touch(run * 64 + page));
        }
        assert_eq!(growth.by_one(CUT, 1), marked);
    }
}

#[test]
fn after_sparse_ones_none_is_marked() {
    for (kind, step) in [(CUT, 2), (CUT, 4), (CUT, 64), (kind::TAIL, 2), (kind::TAIL, 128)] {
        assert_eq!(Growth::new().by(24, kind, step), 0, "every {step}th page of kind {kind}");
    }
}

/// Huge pages would tell for ever that all of them are used.
#[test]
fn a_program_that_grows_sparse_is_seen() {
    let growth = Growth::new();
    growth.by(24, CUT, 1);
    assert!(growth.by(12, CUT, 4) < 12);
    assert_eq!(growth.by(24, CUT, 4), 0);
}

#[test]
fn what_has_leftovers_is_neither_marked_nor_asked() {
    let growth = Growth::new();
    growth.by(6, CUT, 1);
    let index = growth.region.take_run(1, 1).unwrap();
    growth.region.superslab(index).pages.leave(1);
    growth.level.opens(&growth.region, index, growth.cut);
    assert!(!growth.region.is_huge(index));
}

#[test]
fn a_part_that_is_purged_takes_the_mark_along() {
    let test = "a_part_that_is_purged_takes_the_mark_along";
    let Some((Growth { region, .. }, first)) = Growth::marked(test) else { return };
    // SAFETY: the slabs are the test's.
    unsafe { pages::purge(&region, first * SLABS + 3, 2) };
    assert!(!region.is_huge(first) && region.is_huge(first + 1));
    // SAFETY: as above.
    unsafe { pages::offer(&region, first * SLABS + 3, SLABS) };
    assert!(!region.is_huge(first + 1));
}

/// What is marked as one moves as one, and so does what has lost its marks.
#[test]
fn a_large_block_moves_with_its_huge_pages() {
    let test = "a_large_block_moves_with_its_huge_pages";
    if Growth::marked(test).is_none() {
        return;
    }
    let region = Region::new();
    let first = region.take_run(12, 1).unwrap();
    let byte = |index: u32| region.slab_address(index * SLABS);
    assert!(region.want_huge(first + 1, 2));
    // SAFETY: all of it is the test's, and what lies behind is the region's.
    unsafe {
        byte(first + 2).write(7);
        if region.move_pages(first, first + 6, 2) != Moved::No {
            std::eprintln!("skipped {test}: this kernel moves no pages");
            return;
        }
        assert!(region.may_move(first + 3), "a refusal for once is none for ever");
        region.forgo_huge(first + 1, 2);
        assert_eq!(region.move_pages(first + 1, first + 6, 2), Moved::Yes);
        assert_eq!([byte(first + 2).read(), byte(first + 7).read()], [0, 7]);
    }
}

#[test]
fn large_blocks_are_marked_after_dense_ones_that_fill_their_superslabs() {
    let test = "large_blocks_are_marked_after_dense_ones_that_fill_their_superslabs";
    if Growth::marked(test).is_none() {
        return;
    }
    let blocks = |size, step| {
        let growth = Growth::new();
        growth.by(24, CUT, 2);
        (0..8).filter(|_| growth.by_block(size, step)).count()
    };
    assert_eq!([blocks(SUPERSLAB, 1), blocks(SUPERSLAB / 8 * 7, 1)], [7; 2]);
    assert_eq!([blocks(2 * SUPERSLAB, 1), blocks(2 * SUPERSLAB, 2)], [7, 0]);
    assert_eq!([blocks(SUPERSLAB / 8 * 5, 1), blocks(SUPERSLAB, 4)], [0; 2]);
    let growth = Growth::new();
    growth.by(24, CUT, 2);
    let marked = [1, 1, 4, 1].map(|count| growth.by_block(count * SUPERSLAB, 1));
    assert_eq!(marked, [false, true, false, true], "four are a large part of all");
}

#[test]
fn leftovers_are_not_marked_for_a_large_block() {
    let growth = Growth::new();
    growth.by(16, CUT, 2);
    for _ in 0..4 {
        growth.by_block(SUPERSLAB, 1);
    }
    let first = growth.region.take_run(1, 1).unwrap();
    growth.region.superslab(first).pages.leave(1);
    growth.level.fills(&growth.region, first, 1, SUPERSLAB);
    assert!(!growth.region.is_huge(first));
}

/// A row of marked ones and a row of others are a mapping each.
#[test]
fn marks_have_seams_and_are_limited() {
    let region = Region::new();
    region.take_run(8, 1).unwrap();
    if !region.want_huge(2, 1) {
        std::eprintln!("skipped marks_have_seams_and_are_limited: this kernel has no huge pages");
        return;
    }
    assert!(region.want_huge(3, 1) && region.is_huge(3));
    assert_eq!(region.seams(), 2);
    region.forgo_huge(0, 3);
    assert_eq!((region.seams(), region.is_huge(2), region.is_huge(3)), (2, false, true));
    region.forgo_huge(3, 1);
    assert_eq!(region.seams(), 0);
    for index in 0..8 {
        region.set_seams(if index < 4 { 0 } else { 1 << 16 });
        assert_eq!(region.want_huge(index, 1), index < 4);
    }
}
