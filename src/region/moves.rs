//! SuperSlabs that are wanted at a certain place, and pages that move from one to another.
//!
//! The kernel keeps a mapping for each row of SuperSlabs that were moved together, and has room for
//! a limited number in a process. So it is noted how far each one was moved: neighbours that differ
//! in that or in their marks (`huge`) have a seam between them, and beyond a number of seams
//! nothing is moved or marked any more.

use super::{Region, SLABS, SUPERSLAB, SuperSlab};
use crate::os::{self, Moved};
use crate::ptr::units;
use crate::sync::Ordering;

/// Seams at most: a sixteenth of the mappings that Linux lets a process have, as shipped.
pub(super) const SEAMS_MAX: u32 = 4096;

impl Region {
    /// Takes exactly the `count` SuperSlabs from `first` on, where they are vacant or lie beyond
    /// what is used; false takes none.
    pub(crate) fn take_run_at(&self, first: u32, count: u32) -> bool {
        let mut runs = self.runs.lock();
        let used = self.used();
        let Some(end) = first.checked_add(count) else { return false };
        let inside = first..end.min(used);
        if first > used || !inside.clone().all(|index| self.is_vacant(&runs, index)) {
            return false;
        }
        if end > used && !self.use_up_to(&mut runs, end) {
            return false;
        }
        self.vacancies.fetch_sub(inside.end - first, Ordering::Relaxed);
        inside.for_each(|index| self.flip_vacant(&mut runs, index));
        true
    }

    /// Takes `count` SuperSlabs in a row that have as many vacant ones behind them, or only what
    /// was never used; `None` when there are none.
    pub(crate) fn take_roomy(&self, count: u32) -> Option<u32> {
        {
            let mut runs = self.runs.lock();
            if let Some(first) = self.take_vacant(&mut runs, count.checked_mul(2)?, 1, |_| true) {
                (first + count..first + 2 * count)
                    .for_each(|index| self.flip_vacant(&mut runs, index));
                self.vacancies.fetch_add(count, Ordering::Relaxed);
                return Some(first);
            }
        }
        let first = {
            let runs = self.runs.lock();
            let used = self.used();
            (0..used).rev().find(|&index| !self.is_vacant(&runs, index)).map_or(0, |last| last + 1)
        };
        self.take_run_at(first, count).then_some(first)
    }

    /// Whether pages may be moved from a run that ends before SuperSlab `end`: something of ours is
    /// mapped there, and the kernel has not refused before.
    pub(crate) fn may_move(&self, end: u32) -> bool {
        (end as usize) < self.len() / SUPERSLAB
            && !self.stays.load(Ordering::Relaxed)
            && self.seams.load(Ordering::Relaxed) < SEAMS_MAX
    }

    /// Moves the pages of `count` SuperSlabs from `from` to `to`.
    ///
    /// # Safety
    /// The caller holds both runs, has no use for what the second one holds, and
    /// [`Region::may_move`] said yes to the first.
    pub(crate) unsafe fn move_pages(&self, from: u32, to: u32, count: u32) -> Moved {
        let len = count as usize * SUPERSLAB;
        let [source, place] = [from, to].map(|index| self.slab_address(index * SLABS));
        // SAFETY: the runs are distinct, usable and in the region, and so is what lies behind.
        let moved = unsafe { os::move_pages(source, place, len) };
        match moved {
            Moved::Yes => {
                let by = self.superslab(from).moved_by.load(Ordering::Relaxed);
                let by = by.wrapping_add(to.wrapping_sub(from));
                self.note(to, count, |superslab| superslab.moved_by.store(by, Ordering::Relaxed));
            }
            Moved::No => {}
            Moved::Never | Moved::Emptied | Moved::Lost => {
                self.stays.store(true, Ordering::Relaxed);
                if moved == Moved::Emptied {
                    // SAFETY: the caller holds it.
                    unsafe { os::want_huge_pages(place, len, self.huge_pages) };
                }
            }
        }
        moved
    }

    /// Notes a `change` to the mapping of `count` SuperSlabs from `first` on.
    pub(super) fn note(&self, first: u32, count: u32, change: impl Fn(&SuperSlab)) {
        let _held = self.runs.lock();
        let mapping = |index: u32| {
            let superslab = self.superslab(index);
            let moved_by = superslab.moved_by.load(Ordering::Relaxed);
            (moved_by, superslab.huge.load(Ordering::Relaxed))
        };
        let seams = || {
            let edges = first.max(1)..=(first + count).min(units(self.len(), SUPERSLAB) - 1);
            edges.map(|index| u32::from(mapping(index) != mapping(index - 1))).sum::<u32>()
        };
        let before = seams();
        (first..first + count).for_each(|index| change(self.superslab(index)));
        let after = seams();
        // Every other change is made under this lock, too.
        let total = self.seams.load(Ordering::Relaxed) + after;
        self.seams.store(total - before, Ordering::Relaxed);
    }
}
