//! SuperSlabs: 2 MiB of the region, cut into 32 slabs of 64 KiB that are claimed in runs.
//!
//! A run that is cut into blocks starts on a multiple of its length rounded up to a power of two,
//! so a block of a size that is a multiple of an alignment is aligned; one that is a block may lie
//! `across` two SuperSlabs. Four levels of hints, for runs of at most 1, 4, 16 and 32 slabs, keep a
//! search from visiting full SuperSlabs.
//!
//! How memory goes back: a released run keeps its pages, for the next claim, and `pages` notes what
//! they hold; when the kernel gets them is for `retain` to say. A SuperSlab that becomes whole may
//! be retired to the region, where Large blocks can have it; a few whole ones are kept, and none
//! where memory is scarce. The files never grow the pool; see `shared_pool::grow`.

mod across;
pub(crate) mod bitmap;
pub(crate) mod pages;

pub(crate) use across::find;

use crate::class::SLAB;
use crate::region::{HINT_LEVELS, Region, SLABS, kind};
use crate::sync::Ordering;

/// Whole SuperSlabs that are kept for the next claims, and one more for every so many in use.
const WHOLE_KEPT: u32 = 4;
const WHOLE_KEPT_SHARE: u32 = 8;

/// A claimed run of slabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Number of its first slab in the region.
    pub(crate) first: u32,
    /// Slabs in it, 1 to 32.
    pub(crate) slabs: u32,
}

impl Run {
    /// Bytes in it.
    pub(crate) const fn bytes(self) -> usize {
        self.slabs as usize * SLAB
    }
}

/// Where a search for free slabs begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Spreads threads over the SuperSlabs.
    pub(crate) number: u32,
    /// The SuperSlab that is tried first, if any.
    pub(crate) bound: Option<u32>,
    /// Which place is looked for; where it is not [`Fit::Aligned`], the search begins at the first
    /// SuperSlab all the same.
    pub(crate) fit: Fit,
    /// Bytes of the blocks that the run is cut into; `None` if it is one. No place depends on it.
    pub(crate) cut: Option<usize>,
}

/// Which place is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// On a multiple of the run's length rounded up to a power of two, in one SuperSlab.
    Aligned,
    /// On any slab, and in two SuperSlabs if need be: where the shortest row of free slabs is.
    Tight,
    /// The same where a long row is that has been in use before, for what may grow.
    Roomy,
}

impl Start {
    /// At the first SuperSlab.
    pub(crate) const ANYWHERE: Self = Self { number: 0, bound: None, fit: Fit::Aligned, cut: None };
}

/// Shortest run of each level of hints. A hint may go only when not even that is left, or a miss
/// of a long run would hide a shorter one.
const SHORTEST: [u32; HINT_LEVELS] = [1, 2, 5, 17];

fn level(slabs: u32) -> usize {
    SHORTEST.iter().rposition(|&shortest| shortest <= slabs).unwrap_or(0)
}

/// Claims a run from the SuperSlabs that exist, from `start` on.
pub(crate) fn claim(region: &Region, slabs: u32, start: Start) -> Option<Run> {
    match start.fit {
        Fit::Aligned => {}
        Fit::Tight => return across::claim(region, slabs, false),
        Fit::Roomy => {
            let roomy = across::claim(region, slabs, true);
            return roomy.or_else(|| across::claim(region, slabs, false));
        }
    }
    if let Some(run) = start.bound.and_then(|index| claim_in(region, index, slabs)) {
        return Some(run);
    }
    let used = region.used();
    let words = used.div_ceil(64);
    let level = level(slabs);
    for step in 0..words {
        let word = (start.number + step) % words;
        let hints = region.hint(level, word);
        let mut bits = hints.load(Ordering::Acquire);
        while bits != 0 {
            let bit = bits.trailing_zeros();
            bits &= bits - 1;
            let index = word * 64 + bit;
            if let Some(run) = claim_in(region, index, slabs) {
                return Some(run);
            }
            bitmap::clear_hint(hints, bit, &region.superslab(index).free, SHORTEST[level]);
        }
    }
    None
}

/// Claims a run from one SuperSlab.
fn claim_in(region: &Region, index: u32, slabs: u32) -> Option<Run> {
    let superslab = region.superslab(index);
    let claim = bitmap::claim(&superslab.free, slabs)?;
    if claim.was_whole {
        region.whole().fetch_sub(1, Ordering::Relaxed);
    }
    superslab.pages.reuse(bitmap::mask(slabs, claim.shift));
    Some(Run { first: index * SLABS + claim.shift, slabs })
}

/// Claims exactly this run; false when somebody has a part of it.
pub(crate) fn claim_at(region: &Region, run: Run) -> bool {
    let take = |part: Part| {
        let was_whole = bitmap::claim_all(&region.superslab(part.index).free, part.slabs);
        if was_whole == Some(true) {
            region.whole().fetch_sub(1, Ordering::Relaxed);
        }
        was_whole.is_some()
    };
    let reuse = |part: Part| region.superslab(part.index).pages.reuse(part.slabs);
    let [low, high] = parts(run);
    if !low.is_some_and(take) {
        return false;
    }
    if high.is_some_and(|high| !take(high)) {
        low.into_iter().for_each(|low| put_back(region, low.index, low.slabs));
        return false;
    }
    // Pages keep their age until all is claimed, and so what goes back at once.
    [low, high].into_iter().flatten().for_each(reuse);
    true
}

/// What a run has of one SuperSlab.
#[derive(Clone, Copy)]
struct Part {
    index: u32,
    slabs: u32,
}

/// The parts of a run, which lies in one SuperSlab or two.
fn parts(run: Run) -> [Option<Part>; 2] {
    let (index, shift) = (run.first / SLABS, run.first % SLABS);
    let low = run.slabs.min(SLABS - shift);
    let part = |index, slabs, shift| {
        (slabs != 0).then(|| Part { index, slabs: bitmap::mask(slabs, shift) })
    };
    [part(index, low, shift), part(index + 1, run.slabs - low, 0)]
}

/// Claims those slabs of `wanted` in one SuperSlab that are free, ages and all.
pub(crate) fn claim_free(region: &Region, index: u32, wanted: u32) -> u32 {
    let (claimed, was_whole) = bitmap::claim_free(&region.superslab(index).free, wanted);
    if was_whole && claimed != 0 {
        region.whole().fetch_sub(1, Ordering::Relaxed);
    }
    claimed
}

/// Gives a run back to its SuperSlab. What its pages hold has been noted.
pub(crate) fn release(region: &Region, run: Run) {
    region.set_kind(run.first, run.slabs, kind::NONE);
    for part in parts(run).into_iter().flatten() {
        put_back(region, part.index, part.slabs);
    }
}

/// Gives slabs back to their SuperSlab, and that to the region when enough whole ones are kept.
// Once, for its size: the kernel maps sixteen pages of a library's code at a time.
#[inline(never)]
pub(crate) fn put_back(region: &Region, index: u32, slabs: u32) {
    let free = &region.superslab(index).free;
    if bitmap::release(free, slabs) {
        let few = WHOLE_KEPT + region.used() / WHOLE_KEPT_SHARE;
        // Blocks would begin in kept ones, and leave gaps in front of them.
        let kept = if region.is_scarce() { 0 } else { few };
        if region.whole().fetch_add(1, Ordering::Relaxed) >= kept && retire(region, index) {
            return;
        }
    }
    hint_all(region, index);
}

/// Gives a SuperSlab to the region, if it is wholly free.
fn retire(region: &Region, index: u32) -> bool {
    let retired = bitmap::retire(&region.superslab(index).free);
    if retired {
        region.whole().fetch_sub(1, Ordering::Relaxed);
        // SAFETY: retiring claimed every slab, so nobody uses any of them.
        unsafe { region.give_run(index, 1) };
    }
    retired
}

/// Gives every wholly free SuperSlab to the region.
pub(crate) fn retire_all(region: &Region) {
    for index in 0..region.used() {
        retire(region, index);
    }
}

/// Makes hints and the number of whole SuperSlabs agree with the free bits, and forgets which pages
/// read as zero: others may have written to them unseen. Nobody else may run.
pub(crate) fn recount(region: &Region) {
    let mut whole = 0;
    for index in 0..region.used() {
        whole += u32::from(region.superslab(index).free.load(Ordering::Relaxed) == u32::MAX);
        region.superslab(index).pages.distrust();
        hint_all(region, index);
    }
    region.whole().store(whole, Ordering::Relaxed);
}

/// Opens a SuperSlab that was taken from the region for claims.
pub(crate) fn open(region: &Region, index: u32) {
    let whole = bitmap::release(&region.superslab(index).free, u32::MAX);
    debug_assert!(whole);
    region.whole().fetch_add(1, Ordering::Relaxed);
    hint_all(region, index);
}

fn hint_all(region: &Region, index: u32) {
    for level in 0..HINT_LEVELS {
        bitmap::set_hint(region.hint(level, index / 64), index % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_one() -> Region {
        let region = Region::new();
        open(&region, region.take_run(1, 1).unwrap());
        region
    }

    #[test]
    fn a_superslab_is_claimed_exactly_once() {
        for slabs in 1..=SLABS {
            let region = open_one();
            let mut taken = [false; SLABS as usize];
            let mut runs = 0;
            while let Some(run) = claim(&region, slabs, Start::ANYWHERE) {
                assert_eq!(run.first % slabs.next_power_of_two(), 0);
                for slab in run.first..run.first + slabs {
                    assert!(!core::mem::replace(&mut taken[slab as usize], true));
                }
                runs += 1;
            }
            assert_eq!(runs, SLABS / slabs.next_power_of_two());
        }
    }

    #[test]
    fn the_bound_superslab_is_tried_first() {
        let region = Region::new();
        (0..3).for_each(|_| open(&region, region.take_run(1, 1).unwrap()));
        let bound = Start { bound: Some(2), ..Start::ANYWHERE };
        for _ in 0..SLABS / 16 {
            assert_eq!(claim(&region, 16, bound).map(|run| run.first / SLABS), Some(2));
        }
        assert_eq!(claim(&region, 16, bound).map(|run| run.first / SLABS), Some(0));
    }

    #[test]
    fn whole_superslabs_beyond_the_kept_ones_go_back() {
        let region = Region::new();
        for _ in 0..16 {
            open(&region, region.take_run(1, 1).unwrap());
        }
        let runs: [_; 16] = core::array::from_fn(|_| claim(&region, 32, Start::ANYWHERE).unwrap());
        assert_eq!(region.whole().load(Ordering::Relaxed), 0);
        for run in runs {
            release(&region, run);
        }
        let kept = WHOLE_KEPT + 16 / WHOLE_KEPT_SHARE;
        assert_eq!(region.whole().load(Ordering::Relaxed), kept);
        let mut claimed = 0;
        while claim(&region, 32, Start::ANYWHERE).is_some() {
            claimed += 1;
        }
        assert_eq!(claimed, kept);
        assert!(region.take_run(16 - kept, 1).unwrap() < 16);
    }

    #[test]
    fn a_short_miss_does_not_hide_a_shorter_run() {
        let region = open_one();
        let long = claim(&region, 16, Start::ANYWHERE).unwrap();
        assert_eq!(claim(&region, 32, Start::ANYWHERE), None);
        let middle: [_; 4] = core::array::from_fn(|_| claim(&region, 4, Start::ANYWHERE).unwrap());
        assert_eq!(claim(&region, 3, Start::ANYWHERE), None);
        release(&region, middle[2]);
        assert_eq!(claim(&region, 3, Start::ANYWHERE).map(|run| run.first), Some(middle[2].first));
        release(&region, long);
        assert_eq!(claim(&region, 16, Start::ANYWHERE), Some(long));
    }
}
