//! Level `mutex`: lists and slabs are touched under the pool's one lock, as in the seed.

use core::cell::UnsafeCell;

use super::stats::LockStats;
use super::{Gate, LISTS, Stage1, Stage2};
use crate::magazine::Index;
use crate::region::Region;
use crate::superslab::{self, Run, Start};
use crate::sync::{AtomicU32, Ordering};

/// Lists of magazines, linked through their `next`.
pub(crate) struct MutexLists {
    /// The top of each list plus one; 0 is empty. Touched only through an entered gate.
    tops: [UnsafeCell<u32>; LISTS],
    /// Written while the lock is held; read by anybody.
    lengths: [AtomicU32; LISTS],
}

impl MutexLists {
    fn resize(&self, list: usize, by: impl FnOnce(u32) -> u32) {
        let length = &self.lengths[list];
        length.store(by(length.load(Ordering::Relaxed)), Ordering::Relaxed);
    }
}

// SAFETY: every access is made while the gate's lock is held.
unsafe impl Sync for MutexLists {}

impl Stage1 for MutexLists {
    const NEW: Self = Self {
        tops: [const { UnsafeCell::new(0) }; LISTS],
        lengths: [const { AtomicU32::new(0) }; LISTS],
    };

    fn push<L: LockStats>(
        &self,
        region: &Region,
        list: usize,
        index: Index,
        gate: &mut Gate<'_, L>,
    ) {
        gate.enter();
        // SAFETY: the gate is entered, so no other reference to the top exists.
        let top = unsafe { &mut *self.tops[list].get() };
        region.magazine(index).next.store(*top, Ordering::Relaxed);
        *top = index + 1;
        self.resize(list, |length| length + 1);
    }

    fn pop<L: LockStats>(
        &self,
        region: &Region,
        list: usize,
        gate: &mut Gate<'_, L>,
    ) -> Option<Index> {
        gate.enter();
        // SAFETY: as in `push`.
        let top = unsafe { &mut *self.tops[list].get() };
        let index = top.checked_sub(1)?;
        *top = region.magazine(index).next.load(Ordering::Relaxed);
        self.resize(list, |length| length - 1);
        Some(index)
    }

    fn len(&self, list: usize) -> u32 {
        self.lengths[list].load(Ordering::Relaxed)
    }
}

/// Slabs are searched under the lock.
pub(crate) struct MutexScan;

impl Stage2 for MutexScan {
    const NEW: Self = Self;

    fn claim<L: LockStats>(
        &self,
        region: &Region,
        slabs: u32,
        start: Start,
        gate: &mut Gate<'_, L>,
    ) -> Option<Run> {
        gate.enter();
        superslab::claim(region, slabs, start)
    }

    fn claim_at<L: LockStats>(&self, region: &Region, run: Run, gate: &mut Gate<'_, L>) -> bool {
        gate.enter();
        superslab::claim_at(region, run)
    }

    fn release<L: LockStats>(&self, region: &Region, run: Run, gate: &mut Gate<'_, L>) {
        gate.enter();
        superslab::release(region, run);
    }
}
