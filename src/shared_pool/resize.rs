//! Runs that grow and move: exactly the slabs behind a run, exactly the SuperSlabs, and what they
//! hold from one run to another.
//!
//! None of it waits for a visit of the keeper or looks through lists: who can't grow is copied.

use super::stats::Path;
use super::{Config, SharedPool, Stage2};
use crate::os::Moved;
use crate::superslab::Run;
use crate::thp::Thp;

impl<C: Config> SharedPool<C> {
    /// Claims exactly `run`, which lies in one SuperSlab or two; false when somebody has a part of
    /// it. The caller marks it.
    pub(crate) fn acquire_run_at(&self, run: Run) -> bool {
        self.stage2.claim_at(&self.region, run, &mut self.gate(Path::Acquire))
    }

    /// Brings exactly the `count` SuperSlabs from `first` on; false when one is not to be had. The
    /// caller marks them.
    pub(crate) fn acquire_superslabs_at(&self, first: u32, count: u32) -> bool {
        let taken = self.region.take_run_at(first, count);
        if taken {
            self.reuse(first, count);
        }
        taken
    }

    /// Notes that SuperSlabs that were brought are for a block of `size` B.
    pub(crate) fn fill_superslabs(&self, first: u32, count: u32, size: usize) {
        self.thp.fills(&self.region, first, count, size);
    }

    /// Brings `count` SuperSlabs in a row, with room behind them where there is some; the caller
    /// marks them.
    pub(crate) fn acquire_roomy(&self, count: u32) -> Option<u32> {
        match self.region.take_roomy(count) {
            Some(first) => {
                self.reuse(first, count);
                Some(first)
            }
            None => self.acquire_superslabs(count, 1),
        }
    }

    /// Moves what SuperSlabs hold and takes those back that held it; false when nothing was moved,
    /// `None` when those from `to` on are lost.
    ///
    /// # Safety
    /// The caller holds both runs, and uses only what that from `from` on holds.
    pub(crate) unsafe fn move_superslabs(&self, from: u32, to: u32, count: u32) -> Option<bool> {
        // SAFETY: the caller's promise.
        match unsafe { self.region.move_pages(from, to, count) } {
            Moved::Yes => {}
            Moved::No | Moved::Never | Moved::Emptied => return Some(false),
            Moved::Lost => return None,
        }
        (from..from + count).for_each(|index| self.region.superslab(index).pages.clean(u32::MAX));
        // SAFETY: what they held lies elsewhere, and they read as zero.
        unsafe { self.region.give_run(from, count) };
        self.tick();
        Some(true)
    }
}
