//! Runs of SuperSlabs: handed out from the vacant ones or from the end of what was used, and taken
//! back. One lock guards which are vacant; nobody holds it for longer than a look at their bits.
//!
//! Runs of slabs go on from one SuperSlab into the next, if that is not used from its beginning
//! yet. So a row of vacant ones that is opened in ascending order holds the most blocks, and each
//! one that is opened before what lies in front of it may cost a block. That matters where memory
//! is *scarce*: a further SuperSlab was refused, and none was made usable since. Then the first
//! vacant ones are handed out, whatever their pages hold, and the pool keeps none of its own.

use super::pages::Pages;
use super::{Region, SLABS, SUPERSLAB, kind};
use crate::os;
use crate::ptr::{align_up, units};
use crate::sync::Ordering;

/// SuperSlabs that one step of growth makes usable, at most.
const GROWTH_MAX: u32 = 16;

/// Which SuperSlabs are handed out, and what is usable.
pub(super) struct Runs {
    /// SuperSlabs that may be touched.
    pub(super) committed: u32,
    /// Offset from which on the metadata may be touched.
    pub(super) metadata: usize,
}

impl Runs {
    /// None.
    pub(super) const fn new() -> Self {
        Self { committed: 0, metadata: 0 }
    }
}

impl Region {
    /// Hands out `count` SuperSlabs in a row whose first one is a multiple of `align` SuperSlabs
    /// from address 0; `None` when the range or the kernel has no more.
    pub(crate) fn take_run(&self, count: u32, align: u32) -> Option<u32> {
        let mut runs = self.runs.lock();
        if !self.init(&mut runs) {
            return None;
        }
        // Where all of it is needed, rows of vacant ones are used up without gaps.
        let any = self.is_scarce();
        self.take_vacant(&mut runs, count, align, |pages| any || pages.aged() != 0)
            .or_else(|| self.take_vacant(&mut runs, count, align, |_| true))
            .or_else(|| self.take_new(&mut runs, count, align))
    }

    /// Takes as many SuperSlabs from number `first` on, up to `most`, as are vacant and whose pages
    /// are `wanted`.
    pub(crate) fn take_vacant_from(
        &self,
        first: u32,
        most: u32,
        wanted: impl Fn(&Pages) -> bool,
    ) -> u32 {
        let mut runs = self.runs.lock();
        let end = self.used().min(first + most);
        let mut next = first;
        while next < end && self.is_vacant(&runs, next) && wanted(&self.superslab(next).pages) {
            self.flip_vacant(&mut runs, next);
            next += 1;
        }
        self.vacancies.fetch_sub(next - first, Ordering::Relaxed);
        next - first
    }

    /// Takes back what [`Region::take_run`] handed out, its pages as they are.
    ///
    /// # Safety
    /// Nobody uses the run any more, and what it holds is noted.
    pub(crate) unsafe fn give_run(&self, first: u32, count: u32) {
        self.set_kind(first * SLABS, count * SLABS, kind::NONE);
        let mut runs = self.runs.lock();
        for index in first..first + count {
            self.flip_vacant(&mut runs, index);
        }
        self.vacancies.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn take_vacant(
        &self,
        runs: &mut Runs,
        count: u32,
        align: u32,
        wanted: impl Fn(&Pages) -> bool,
    ) -> Option<u32> {
        if self.vacancies.load(Ordering::Relaxed) < count {
            return None;
        }
        let end = self.used.load(Ordering::Relaxed);
        let mut first = self.first_aligned(0, align);
        while first + count <= end {
            let fits = |index| self.is_vacant(runs, index) && wanted(&self.superslab(index).pages);
            match (first..first + count).rev().find(|&index| !fits(index)) {
                Some(taken) => first = self.first_aligned(taken + 1, align),
                None => {
                    for index in first..first + count {
                        self.flip_vacant(runs, index);
                    }
                    self.vacancies.fetch_sub(count, Ordering::Relaxed);
                    return Some(first);
                }
            }
        }
        None
    }

    fn take_new(&self, runs: &mut Runs, count: u32, align: u32) -> Option<u32> {
        let used = self.used.load(Ordering::Relaxed);
        let first = self.first_aligned(used, align);
        let end = first.checked_add(count)?;
        if !self.use_up_to(runs, end) {
            if end == used + 1 {
                self.scarce.store(true, Ordering::Relaxed);
            }
            return None;
        }
        for skipped in used..first {
            self.flip_vacant(runs, skipped);
        }
        self.vacancies.fetch_add(first - used, Ordering::Relaxed);
        Some(first)
    }

    /// Whether a further SuperSlab was refused, and none was made usable since.
    pub(crate) fn is_scarce(&self) -> bool {
        self.scarce.load(Ordering::Relaxed)
    }

    /// Counts the SuperSlabs up to `end` as used, which fewer are so far; false when the range or
    /// the kernel has no more.
    pub(super) fn use_up_to(&self, runs: &mut Runs, end: u32) -> bool {
        let total = units(self.len.load(Ordering::Relaxed), SUPERSLAB);
        if end > total {
            return false;
        }
        if end > runs.committed {
            let ahead = (runs.committed / 8).clamp(1, GROWTH_MAX);
            let target = end.max(runs.committed + ahead).min(total);
            if !self.commit_to(runs, target) && !self.commit_to(runs, end) {
                return false;
            }
        }
        self.used.store(end, Ordering::Release);
        true
    }

    fn commit_to(&self, runs: &mut Runs, target: u32) -> bool {
        let from = self.slab_address(runs.committed * SLABS);
        let len = (target - runs.committed) as usize * SUPERSLAB;
        // SAFETY: the range lies in the reservation beyond what is used.
        let done = unsafe { os::commit(from, len) };
        if done {
            runs.committed = target;
            self.scarce.store(false, Ordering::Relaxed);
        }
        done
    }

    /// The first SuperSlab from `index` on whose address is a multiple of `align` SuperSlabs.
    #[expect(clippy::cast_possible_truncation, reason = "the difference is below align")]
    fn first_aligned(&self, index: u32, align: u32) -> u32 {
        let number = self.slab_address(index * SLABS).addr() / SUPERSLAB;
        index + (align_up(number, align as usize) - number) as u32
    }
}

impl Region {
    /// Whether SuperSlab `index` was handed out and came back.
    pub(super) fn is_vacant(&self, _held: &Runs, index: u32) -> bool {
        self.bits_of(index / 64).vacant.load(Ordering::Relaxed) & (1 << (index % 64)) != 0
    }

    /// Says that it did, or that it is in use again.
    pub(super) fn flip_vacant(&self, _held: &mut Runs, index: u32) {
        let vacant = &self.bits_of(index / 64).vacant;
        vacant.store(vacant.load(Ordering::Relaxed) ^ (1 << (index % 64)), Ordering::Relaxed);
    }
}
