//! What `dense` marks and what it does not, and how marks go.

use super::dense::Dense;
use super::*;
use crate::os::PAGE;
use crate::region::{Kind, SLABS, SUPERSLAB, kind};
use crate::superslab::{self, pages};

/// A class of 16 KiB, as far as the page map is concerned.
const CUT: Kind = 33;

/// A region whose pool grows, under the level.
struct Growth {
    region: Region,
    level: Dense,
}

impl Growth {
    fn new() -> Self {
        Self { region: Region::new(), level: Dense::NEW }
    }

    /// Opens a SuperSlab and hands it out whole, as `kind`; then writes a byte in pages that are a
    /// multiple of `step`. True when it was marked.
    fn by_one(&self, kind: Kind, step: usize) -> bool {
        let region = &self.region;
        let index = region.take_run(1, 1).unwrap();
        self.level.opens(region, index);
        superslab::open(region, index);
        assert_eq!(superslab::claim_free(region, index, u32::MAX), u32::MAX);
        region.set_kind(index * SLABS, SLABS, kind);
        for offset in (0..SUPERSLAB).step_by(step * PAGE) {
            // SAFETY: the SuperSlab is the test's.
            unsafe { region.slab_address(index * SLABS).add(offset).write(1) };
        }
        region.is_huge(index)
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
    let growth = Growth::new();
    assert_eq!(growth.by(4, CUT, 1), 0, "a small program");
    let marked = growth.by(20, CUT, 1);
    assert!((15..20).contains(&marked), "{marked} of 20, and the rest are witnesses");
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
    growth.level.opens(&growth.region, index);
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

#[test]
fn a_large_block_takes_no_marks_and_moves() {
    let test = "a_large_block_takes_no_marks_and_moves";
    let Some((Growth { region, .. }, first)) = Growth::marked(test) else { return };
    let to = region.take_run(2, 1).unwrap();
    // The first has small pages: the mapping behind a mark ends here.
    let from = first - 1;
    pages::reuse(&region, from * SLABS, 2 * SLABS);
    assert!(!region.is_huge(first) && region.is_huge(first + 1));
    let byte = |index: u32| region.slab_address(index * SLABS);
    // SAFETY: all of it is the test's, and what lies behind is the region's.
    unsafe {
        byte(from + 1).write(7);
        let moved = region.move_pages(from, to, 2);
        assert!(moved == crate::os::Moved::Yes || !region.may_move(from + 2) || cfg!(not(miri)));
        if moved == crate::os::Moved::Yes {
            assert_eq!([byte(from + 1).read(), byte(to + 1).read()], [0, 7]);
        } else {
            assert_eq!(byte(from + 1).read(), 7);
        }
    }
}

/// A row of marked ones and a row of others are a mapping each.
#[test]
fn marks_have_seams_and_are_limited() {
    let region = Region::new();
    region.take_run(8, 1).unwrap();
    if !region.want_huge(2) {
        std::eprintln!("skipped marks_have_seams_and_are_limited: this kernel has no huge pages");
        return;
    }
    assert!(region.want_huge(3) && region.is_huge(3));
    assert_eq!(region.seams(), 2);
    region.forgo_huge(0, 3);
    assert_eq!((region.seams(), region.is_huge(2), region.is_huge(3)), (2, false, true));
    region.forgo_huge(3, 1);
    assert_eq!(region.seams(), 0);
    for index in 0..8 {
        region.set_seams(if index < 4 { 0 } else { 1 << 16 });
        assert_eq!(region.want_huge(index), index < 4);
    }
}
