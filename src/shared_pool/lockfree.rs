//! Levels `lockfree-stage1` and `lockfree-stage2`: threads trade magazines and claim slabs without
//! a lock.
//!
//! Stage 1 is a tagged stack for each class (`lifo`), stage 2 the free bits of SuperSlabs
//! (`superslab::bitmap`). Neither enters the gate; stage 3 does.

use super::lifo::{Lifo, Nodes};
use super::stats::LockStats;
use super::{Gate, LISTS, Stage1, Stage2};
use crate::magazine::Index;
use crate::region::Region;
use crate::superslab::{self, Run, Start};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

impl Nodes for Region {
    fn next(&self, index: u32) -> &AtomicU32 {
        &self.magazine(index).next
    }
}

/// A stack and how long it is, on cache lines of its own: x86 fetches lines in pairs.
#[repr(align(128))]
struct List {
    lifo: Lifo,
    /// Magazines in the low half, their rounds in the high one. May pass below 0 for a moment, when
    /// a pop is counted before its push.
    length: AtomicU64,
}

/// What a magazine adds to the length of the list that it goes to.
fn weight(region: &Region, index: Index) -> u64 {
    // SAFETY: the caller holds the magazine, at rest.
    1 | u64::from(unsafe { region.magazine(index).rounds() }) << 32
}

/// Half of a length.
#[expect(clippy::cast_possible_truncation, reason = "takes the low half on purpose")]
const fn half(length: u64) -> u32 {
    let half = length as u32;
    if half > u32::MAX / 2 { 0 } else { half }
}

/// A stack of magazines for each class. The lists of a small program are never used, and their
/// pages not touched.
#[repr(C)]
pub(crate) struct LifoLists {
    lists: [List; LISTS],
    /// A bit for each list that ever held a magazine.
    used: [AtomicU64; LISTS.div_ceil(64)],
}

impl LifoLists {
    /// The list, if it ever held a magazine.
    fn used(&self, list: usize) -> Option<&List> {
        let used = self.used[list / 64].load(Ordering::Relaxed) >> (list % 64) & 1 != 0;
        used.then(|| &self.lists[list])
    }
}

impl Stage1 for LifoLists {
    const NEW: Self = Self {
        lists: [const { List { lifo: Lifo::new(AtomicU64::new(0)), length: AtomicU64::new(0) } };
            LISTS],
        used: [const { AtomicU64::new(0) }; LISTS.div_ceil(64)],
    };

    fn push<L: LockStats>(
        &self,
        region: &Region,
        list: usize,
        index: Index,
        _gate: &mut Gate<'_, L>,
    ) {
        let weight = weight(region, index);
        self.lists[list].lifo.push(region, index);
        self.lists[list].length.fetch_add(weight, Ordering::Relaxed);
        if self.used(list).is_none() {
            self.used[list / 64].fetch_or(1 << (list % 64), Ordering::Relaxed);
        }
    }

    fn pop<L: LockStats>(
        &self,
        region: &Region,
        list: usize,
        _gate: &mut Gate<'_, L>,
    ) -> Option<Index> {
        let list = self.used(list)?;
        let index = list.lifo.pop(region)?;
        list.length.fetch_sub(weight(region, index), Ordering::Relaxed);
        Some(index)
    }

    fn len(&self, list: usize) -> u32 {
        self.used(list).map_or(0, |list| half(list.length.load(Ordering::Relaxed)))
    }

    fn rounds(&self, list: usize) -> u32 {
        self.used(list).map_or(0, |list| half(list.length.load(Ordering::Relaxed) >> 32))
    }

    fn forget_torn(&self) {
        // All of them, for the bits may be torn, too.
        for list in &self.lists {
            list.lifo.forget();
            list.length.store(0, Ordering::Relaxed);
        }
    }
}

/// Slabs are claimed bit by bit.
pub(crate) struct AtomicBitmap;

impl Stage2 for AtomicBitmap {
    const NEW: Self = Self;

    fn claim<L: LockStats>(
        &self,
        region: &Region,
        slabs: u32,
        start: Start,
        _gate: &mut Gate<'_, L>,
    ) -> Option<Run> {
        superslab::claim(region, slabs, start)
    }

    fn claim_at<L: LockStats>(&self, region: &Region, run: Run, _gate: &mut Gate<'_, L>) -> bool {
        superslab::claim_at(region, run)
    }

    fn release<L: LockStats>(&self, region: &Region, run: Run, _gate: &mut Gate<'_, L>) {
        superslab::release(region, run);
    }
}
