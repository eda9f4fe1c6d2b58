//! Runs that lie anywhere, also in two SuperSlabs: those of one block each, which nobody looks for
//! by their alignment.
//!
//! A row of free slabs goes on where the next SuperSlab begins with free ones. A run takes the
//! beginning of the shortest row that holds it, of those around the first few SuperSlabs that have
//! one: blocks lie close together, and long rows stay for long runs. What has grown takes a
//! longer row, so that it need not be copied each time, but of slabs that were in use before: it
//! makes the program no larger. Whoever frees slabs hints at
//! their SuperSlab, and a row is seen from both, so a hint on either side finds it; a search for
//! aligned runs may take a hint away that only a row across had, until slabs are freed there again.

use super::bitmap::{rows, set_hint};
use super::{Run, SHORTEST, claim_at, level};
use crate::region::{Region, SLABS};
use crate::sync::Ordering;

/// SuperSlabs with such rows that are compared for a run.
const LOOKS: u32 = 16;

/// A row that is longer than so many times the run is roomy enough: the run can grow twice by half.
/// The first of them is taken, so that what lies behind all others stays free.
const ROOMY: u32 = 2;

/// Claims a run from the SuperSlabs that exist: in the shortest row that holds it, or if `roomy` in
/// a long one that was in use before.
pub(super) fn claim(region: &Region, slabs: u32, roomy: bool) -> Option<Run> {
    loop {
        let run = Run { slabs, ..best_row(region, slabs, roomy)? };
        if claim_at(region, run) {
            return Some(run);
        }
        // Somebody else has a part of it; whoever looks again finds another, or none.
    }
}

/// The better one of two rows.
fn better(row: Run, than: Option<Run>, roomy: bool) -> bool {
    than.is_none_or(|than| if roomy { row.slabs > than.slabs } else { row.slabs < than.slabs })
}

/// The best row for a run, of the first few that hold it.
fn best_row(region: &Region, slabs: u32, roomy: bool) -> Option<Run> {
    let level = level(slabs);
    let mut best = None;
    let mut looks = LOOKS;
    for word in 0..region.used().div_ceil(64) {
        let hints = region.hint(level, word);
        let mut bits = hints.load(Ordering::Acquire);
        while bits != 0 {
            let bit = bits.trailing_zeros();
            bits &= bits - 1;
            let index = word * 64 + bit;
            let Some(row) = row_at(region, index, slabs, roomy) else {
                let gone = || row_at(region, index, SHORTEST[level], false).is_none();
                if gone() {
                    hints.fetch_and(!(1 << bit), Ordering::AcqRel);
                    if !gone() {
                        set_hint(hints, bit);
                    }
                }
                continue;
            };
            if better(row, best, roomy) {
                best = Some(row);
            }
            looks -= 1;
            let good = if roomy { row.slabs > ROOMY * slabs } else { row.slabs == slabs };
            if looks == 0 || good {
                return best;
            }
        }
    }
    best
}

/// The best row of free slabs that has a part in SuperSlab `index` and holds a run.
fn row_at(region: &Region, index: u32, slabs: u32, roomy: bool) -> Option<Run> {
    let free = |index| {
        let superslab = region.superslab(index);
        let used = if roomy { superslab.pages.touched() } else { u32::MAX };
        superslab.free.load(Ordering::Acquire) & used
    };
    let mut best = None;
    for (start, len) in rows(free(index)) {
        let mut row = Run { first: index * SLABS + start, slabs: len };
        if start == 0 && index != 0 {
            let before = free(index - 1).leading_ones();
            row = Run { first: row.first - before, slabs: row.slabs + before };
        }
        if start + len == SLABS && index + 1 < region.used() {
            row.slabs += free(index + 1).trailing_ones();
        }
        if row.slabs >= slabs && better(row, best, roomy) {
            best = Some(row);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::{Fit, Start, claim, open, release};
    use super::*;
    use std::vec::Vec;

    fn open_two() -> Region {
        let region = Region::new();
        (0..2).for_each(|_| open(&region, region.take_run(1, 1).unwrap()));
        region
    }

    fn across(region: &Region, slabs: u32) -> Option<Run> {
        claim(region, slabs, Start { fit: Fit::Tight, ..Start::ANYWHERE })
    }

    fn free_bits(region: &Region) -> Vec<u32> {
        (0..2).map(|index| region.superslab(index).free.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn runs_lie_without_gaps_over_the_edge() {
        let region = open_two();
        let runs: Vec<_> = (0..3).map(|_| across(&region, 20).unwrap()).collect();
        assert_eq!(runs.iter().map(|run| run.first).collect::<Vec<_>>(), [0, 20, 40]);
        assert_eq!(region.whole().load(Ordering::Relaxed), 0);
        assert_eq!(across(&region, 5), None);
        release(&region, runs[1]);
        assert_eq!(across(&region, 21), None);
        assert_eq!(across(&region, 20), Some(runs[1]));
        for run in runs {
            release(&region, run);
        }
        assert_eq!(free_bits(&region), [u32::MAX; 2]);
        assert_eq!(region.whole().load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_shortest_row_is_taken() {
        let region = open_two();
        let runs: Vec<_> = [8, 2, 6, 2, 20].map(|slabs| across(&region, slabs).unwrap()).into();
        release(&region, runs[0]);
        release(&region, runs[2]);
        assert_eq!(across(&region, 5).map(|run| run.first), Some(runs[2].first));
        assert_eq!(across(&region, 1).map(|run| run.first), Some(runs[2].first + 5));
        assert_eq!(across(&region, 9).map(|run| run.first), Some(38));
    }

    #[test]
    fn what_is_not_had_whole_is_left_alone() {
        let region = open_two();
        let row = across(&region, 20).unwrap();
        let taken = Run { first: SLABS + 3, slabs: 1 };
        assert!(claim_at(&region, taken));
        let before = free_bits(&region);
        assert!(!claim_at(&region, Run { first: 20, slabs: 16 }));
        assert_eq!(free_bits(&region), before);
        assert!(claim_at(&region, Run { first: 20, slabs: 15 }));
        assert_eq!(row.first, 0);
    }
}
