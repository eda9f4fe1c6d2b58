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
    /// As above: the rounds of its magazines.
    rounds: [AtomicU32; LISTS],
}

/// Changes a number that only the holder of the lock writes.
fn change(number: &AtomicU32, by: impl FnOnce(u32) -> u32) {
    number.store(by(number.load(Ordering::Relaxed)), Ordering::Relaxed);
}

/// Rounds of a magazine that the caller holds, at rest.
fn rounds_of(region: &Region, index: Index) -> u32 {
    // SAFETY: the callers of this file hold it.
    unsafe { region.magazine(index).rounds() }.into()
}

// SAFETY: every access is made while the gate's lock is held.
unsafe impl Sync for MutexLists {}

impl Stage1 for MutexLists {
    const NEW: Self = Self {
        tops: [const { UnsafeCell::new(0) }; LISTS],
        lengths: [const { AtomicU32::new(0) }; LISTS],
        rounds: [const { AtomicU32::new(0) }; LISTS],
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
        change(&self.lengths[list], |length| length + 1);
        change(&self.rounds[list], |rounds| rounds.wrapping_add(rounds_of(region, index)));
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
        change(&self.lengths[list], |length| length - 1);
        change(&self.rounds[list], |rounds| rounds.wrapping_sub(rounds_of(region, index)));
        Some(index)
    }

    fn len(&self, list: usize) -> u32 {
        self.lengths[list].load(Ordering::Relaxed)
    }

    fn rounds(&self, list: usize) -> u32 {
        self.rounds[list].load(Ordering::Relaxed)
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
