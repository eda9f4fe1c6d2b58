//! Claiming runs of slabs from a word of free bits, without a lock.
//!
//! A claim clears the bits of a run, a release sets them. One slab is claimed by `fetch_and`: a
//! single write, after which the loser of a race knows the other bits and tries the next. A run
//! of several is claimed by compare-and-swap, and what is free of any given slabs by `fetch_and`
//! again. Hints say which words are worth a look; they may be
//! stale in one direction only: a word with a free run always has its hint, or is about to.
//!
//! Edges: a release of bits (Release) happens before the claim that gets them (Acquire). A release
//! sets bits and then the hint; a searcher that finds nothing clears the hint and then looks again,
//! so that it can't clear away a hint whose bits it has not seen.
//!
//! The file knows neither addresses nor SuperSlabs; tests/loom.rs includes it.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Bits of a run of `slabs` slabs from `shift` on.
pub(crate) const fn mask(slabs: u32, shift: u32) -> u32 {
    (u32::MAX >> (32 - slabs)) << shift
}

/// Where a run of `slabs` slabs lies in `free`, on a multiple of the next power of two.
pub(crate) fn find(free: u32, slabs: u32) -> Option<u32> {
    let step = slabs.next_power_of_two();
    (0..32 / step).map(|place| place * step).find(|&shift| {
        let run = mask(slabs, shift);
        free & run == run
    })
}

/// Place and length of each row of ones.
pub(crate) fn rows(mut bits: u32) -> impl Iterator<Item = (u32, u32)> {
    core::iter::from_fn(move || {
        (bits != 0).then(|| {
            let shift = bits.trailing_zeros();
            let len = (bits >> shift).trailing_ones();
            bits &= !mask(len, shift);
            (shift, len)
        })
    })
}

/// A successful claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The first slab's number in the word.
    pub(crate) shift: u32,
    /// The whole word was free until then.
    pub(crate) was_whole: bool,
}

/// Claims a run of 1 to 32 slabs.
pub(crate) fn claim(word: &AtomicU32, slabs: u32) -> Option<Claim> {
    let mut seen = word.load(Ordering::Acquire);
    loop {
        let shift = find(seen, slabs)?;
        let run = mask(slabs, shift);
        if slabs == 1 {
            let before = word.fetch_and(!run, Ordering::Acquire);
            if before & run != 0 {
                return Some(Claim { shift, was_whole: before == u32::MAX });
            }
            seen = before;
        } else {
            let claimed =
                word.compare_exchange_weak(seen, seen & !run, Ordering::Acquire, Ordering::Acquire);
            match claimed {
                Ok(before) => {
                    return Some(Claim { shift, was_whole: before == u32::MAX });
                }
                Err(now) => seen = now,
            }
        }
    }
}

/// Claims those slabs of `wanted` that are free; with them, whether the whole word was until then.
pub(crate) fn claim_free(word: &AtomicU32, wanted: u32) -> (u32, bool) {
    let before = word.fetch_and(!wanted, Ordering::Acquire);
    (before & wanted, before == u32::MAX)
}

/// Claims exactly those slabs; whether the whole word was free until then, or `None` when one of
/// them is not free.
pub(crate) fn claim_all(word: &AtomicU32, wanted: u32) -> Option<bool> {
    let claim = |seen| (seen & wanted == wanted).then_some(seen & !wanted);
    let claimed = word.fetch_update(Ordering::Acquire, Ordering::Relaxed, claim);
    claimed.ok().map(|before| before == u32::MAX)
}

/// Gives claimed slabs back; true when the whole word is free now.
pub(crate) fn release(word: &AtomicU32, slabs: u32) -> bool {
    let before = word.fetch_or(slabs, Ordering::AcqRel);
    debug_assert!(before & slabs == 0, "released twice");
    before | slabs == u32::MAX
}

/// Claims all of a wholly free word, so that nobody else can; false when it is not free.
pub(crate) fn retire(word: &AtomicU32) -> bool {
    word.compare_exchange(u32::MAX, 0, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

/// Says that `bit`'s word has free bits.
pub(crate) fn set_hint(hints: &AtomicU64, bit: u32) {
    hints.fetch_or(1 << bit, Ordering::AcqRel);
}

/// Takes a hint back when `word` has no run of `slabs`.
pub(crate) fn clear_hint(hints: &AtomicU64, bit: u32, word: &AtomicU32, slabs: u32) {
    if find(word.load(Ordering::Relaxed), slabs).is_some() {
        return;
    }
    hints.fetch_and(!(1 << bit), Ordering::AcqRel);
    if find(word.load(Ordering::Acquire), slabs).is_some() {
        set_hint(hints, bit);
    }
}
