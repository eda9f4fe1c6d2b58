//! Runs that lie anywhere, also in two SuperSlabs: those of one block each, which nobody looks for
//! by their alignment.
//!
//! A row of free slabs goes on where the next SuperSlab begins with free ones. A run takes the
//! beginning of the shortest row that holds it, of those around the first SuperSlab that has one:
//! blocks lie close together, and long rows stay for long runs. Where memory is scarce it takes the
//! end instead, if the row may go on in front later. What has grown takes a longer row,
//! so that it need not be copied each time, but of slabs that were in use before: it makes the
//! program no larger. Whoever frees slabs hints at their SuperSlab, and a row is seen from both, so
//! a hint on either side finds it; a search for aligned runs may take a hint away that only a row
//! across had, until slabs are freed there again.

use super::bitmap::{rows, set_hint};
use super::{Run, SHORTEST, claim_at, level};
use crate::region::{Region, SLABS};
use crate::sync::{AtomicU64, Ordering};

/// SuperSlabs with long rows that are compared for a run that has to grow. For others the first one
/// is as good: a comparison of sixteen took a twentieth more CPU time in large-churn, and as much
/// memory or more.
const LOOKS: u32 = 16;

/// A row that is longer than so many times the run is roomy enough: the run can grow twice by half.
/// The first of them is taken, so that what lies behind all others stays free.
const ROOM: u32 = 2;

/// Claims a run from the SuperSlabs that exist: in the shortest row that holds it, or if `roomy` in
/// a long one that was in use before.
pub(super) fn claim(region: &Region, slabs: u32, roomy: bool) -> Option<Run> {
    loop {
        let mut search = Search::new(region, slabs, roomy);
        let row = search.run()?;
        let run = Run { first: search.place(row), slabs };
        if claim_at(region, run) {
            return Some(run);
        }
        // Somebody else has a part of it; whoever looks again finds another, or none.
    }
}

/// The shortest row that holds a run, whatever hints say: they may hide rows in two SuperSlabs.
pub(crate) fn find(region: &Region, slabs: u32) -> Option<Run> {
    let mut search = Search::new(region, slabs, false);
    (0..region.used()).for_each(|index| search.look(index));
    search.best.map(|best| Run { first: search.place(best), slabs })
}

/// A search for a row.
struct Search<'region> {
    region: &'region Region,
    /// Slabs that it has to have.
    slabs: u32,
    /// Whether long rows are better that were in use before.
    roomy: bool,
    /// The best row so far.
    best: Option<Run>,
    /// The longest row at the SuperSlab that was looked at last.
    longest: u32,
}

impl<'region> Search<'region> {
    fn new(region: &'region Region, slabs: u32, roomy: bool) -> Self {
        Self { region, slabs, roomy, best: None, longest: 0 }
    }

    /// The best row around the first SuperSlab that has one, or of the first few if it is to be
    /// roomy.
    fn run(&mut self) -> Option<Run> {
        let level = level(self.slabs);
        let mut looks = if self.roomy { LOOKS } else { 1 };
        for word in 0..self.region.used().div_ceil(64) {
            let hints = self.region.hint(level, word);
            let mut bits = hints.load(Ordering::Acquire);
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                self.look(word * 64 + bit);
                if self.longest < self.slabs {
                    if self.roomy || self.longest < SHORTEST[level] {
                        self.forget(hints, word, bit, SHORTEST[level]);
                    }
                    continue;
                }
                looks -= 1;
                if looks == 0 || self.is_good() {
                    return self.best;
                }
            }
        }
        self.best
    }

    /// Where in a row the run lies: at its beginning. Where memory is scarce, no gap may be left to
    /// the SuperSlab in front: if its last slabs are free, the run begins there, and if not, it
    /// lies at the end of the row, since a vacant SuperSlab may be opened in front.
    fn place(&self, row: Run) -> u32 {
        let first = row.first;
        if self.roomy || !first.is_multiple_of(SLABS) || first == 0 || !self.region.is_scarce() {
            return first;
        }
        let end = first + row.slabs;
        match self.free(first / SLABS - 1).leading_ones() {
            0 if !end.is_multiple_of(SLABS) => end - self.slabs,
            before => first - before,
        }
    }

    /// Whether a run can grow so far in the best row that no look at others is worth it.
    fn is_good(&self) -> bool {
        self.best.is_some_and(|best| best.slabs > ROOM * self.slabs)
    }

    /// Slabs of SuperSlab `index` that are free and may be taken.
    #[inline(always)]
    fn free(&self, index: u32) -> u32 {
        let superslab = self.region.superslab(index);
        let wanted = if self.roomy { superslab.pages.touched() } else { u32::MAX };
        superslab.free.load(Ordering::Relaxed) & wanted
    }

    /// Compares the rows that have a part in SuperSlab `index` with the best.
    #[inline(always)]
    fn look(&mut self, index: u32) {
        self.longest = 0;
        let (free, first) = (self.free(index), index * SLABS);
        // The rows at its edges go on beside it.
        let (low, high) = (free.trailing_ones(), free.leading_ones());
        let joins = [low != 0 && index != 0, high != 0 && index + 1 < self.region.used()];
        let before = if joins[0] { self.free(index - 1).leading_ones() } else { 0 };
        let behind = if joins[1] { self.free(index + 1).trailing_ones() } else { 0 };
        if low == SLABS {
            return self.compare(first - before, before + SLABS + behind);
        }
        if low != 0 {
            self.compare(first - before, before + low);
        }
        if high != 0 {
            self.compare(first + SLABS - high, high + behind);
        }
        let edges = u32::MAX.checked_shl(SLABS - high).unwrap_or(0);
        for (start, slabs) in rows(free & free.wrapping_add(1) & !edges) {
            self.compare(first + start, slabs);
        }
    }

    #[inline(always)]
    fn compare(&mut self, first: u32, slabs: u32) {
        self.longest = self.longest.max(slabs);
        let better = |best: Run| if self.roomy { slabs > best.slabs } else { slabs < best.slabs };
        if slabs >= self.slabs && self.best.is_none_or(better) {
            self.best = Some(Run { first, slabs });
        }
    }

    /// Takes a hint back where not even a row of `shortest` is.
    #[cold]
    fn forget(&self, hints: &AtomicU64, word: u32, bit: u32, shortest: u32) {
        let mut search = Search::new(self.region, shortest, false);
        let mut gone = || {
            search.look(word * 64 + bit);
            search.longest < shortest
        };
        if gone() {
            hints.fetch_and(!(1 << bit), Ordering::AcqRel);
            if !gone() {
                set_hint(hints, bit);
            }
        }
    }
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
    fn a_row_without_a_hint_is_found_at_last() {
        let region = open_two();
        let runs: Vec<_> = [30, 4, 30].map(|slabs| across(&region, slabs).unwrap()).into();
        release(&region, runs[1]);
        // Neither SuperSlab has three slabs on a multiple of four.
        assert_eq!(claim(&region, 3, Start::ANYWHERE), None);
        assert_eq!(find(&region, 3), Some(Run { slabs: 3, ..runs[1] }));
        assert_eq!(find(&region, 5), None);
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
