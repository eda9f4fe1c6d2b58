//! What is done with the blocks of a magazine that a thread gives or gets: the check looks at them.
//!
//! A thread that frees what others allocate has read most of it, and so its core's cache has a copy
//! of each line. Whoever gets the block writes to it first, and waits until that copy is gone:
//! asking ahead for a line that is there, though shared, does nothing on some processors. There the
//! first line of small blocks is written to here, where nobody waits for it, and comes over whole
//! later. Further lines may never have been here, and cost more than they bring.
//!
//! Those that a thread gets it may never reach, so they are looked at a few at a time; and another
//! core may have them, so the next few are asked for ahead, where that brings more than it takes.

use super::{Config, SharedPool};
use crate::check::Check;
use crate::class::{self, Class};
use crate::magazine::{Index, Rounds};
use crate::prefetch;

/// Rounds of the first magazine from the pool that are brought within reach, then twice as many: a
/// short-lived thread uses few, and what it leaves untouched need not be looked at.
pub(crate) const REACH: u16 = 4;
/// Rounds that are brought within reach at a time, at most, where the next ones are asked for
/// ahead: as many as can be on their way from another core's cache at once.
const ASKED_MAX: u16 = 16;
/// And where they are not. All of a magazine would be the same for small blocks, and take 8 % more
/// time with 8 to 34 KiB.
const REACH_MAX: u16 = 64;

impl<C: Config> SharedPool<C> {
    /// Whether those who give small blocks for good write to them; then nobody asks for them ahead.
    fn writes() -> bool {
        C::Rounds::BESIDE
            && C::WRITTEN_MAX != 0
            && (!C::WRITTEN_IF_NEEDED || !prefetch::takes_shared())
    }

    /// Has the blocks of a magazine checked that a thread gives, as far as they are not marked.
    ///
    /// # Safety
    /// As [`SharedPool::exchange`].
    pub(super) unsafe fn comes(&self, class: Class, index: Index) {
        let magazine = self.region.magazine(index);
        // SAFETY: the caller holds the magazine, whose rounds lie in the region.
        unsafe {
            let look = C::Check::pooling::<C::Cut>(&self.region, class);
            C::Rounds::each(magazine, magazine.marked()..magazine.len(), look);
            magazine.set_marked(magazine.len());
        }
    }

    /// Writes to the blocks of a magazine that others will use, if they are small and nothing has
    /// been written to them for the magazine's sake.
    ///
    /// # Safety
    /// As [`SharedPool::exchange`]; [`SharedPool::comes`] has seen its rounds.
    pub(super) unsafe fn leaves_for_good(&self, class: Class, index: Index) {
        if class::size(class) > C::WRITTEN_MAX || !Self::writes() {
            return;
        }
        let magazine = self.region.magazine(index);
        let write = |blocks: &[*mut u8]| {
            for &block in blocks {
                // SAFETY: the block is free, and aligned to 16 B.
                unsafe { block.cast::<u64>().write(0) };
            }
        };
        // SAFETY: the caller holds the magazine.
        unsafe { C::Rounds::each(magazine, 0..magazine.len(), write) };
    }

    /// Has the check forget the newest `reach` blocks of a magazine that is loaded or about to be,
    /// all if the levels can't leave any; `len` are its rounds, of which the oldest `marked` are
    /// marked. Returns how many still are. The next that are to be forgotten are on their way here
    /// then, where they are asked for. A `reach` of 0 stands for [`REACH`]; it is doubled for the
    /// next time.
    ///
    /// # Safety
    /// The caller holds the magazine, its rounds are blocks of `class`, and [`SharedPool::comes`]
    /// has seen those that are marked.
    pub(crate) unsafe fn unmark(
        &self,
        class: Class,
        index: Index,
        [len, marked]: [usize; 2],
        reach: &mut u16,
    ) -> usize {
        let writes = Self::writes();
        let now = (*reach).max(REACH);
        *reach = (2 * now).min(if writes { REACH_MAX } else { ASKED_MAX });
        let reach = usize::from(now);
        let partly = C::Check::TRADED && C::Rounds::BESIDE;
        let stay = if partly { len.saturating_sub(reach).min(marked) } else { 0 };
        let magazine = self.region.magazine(index);
        // SAFETY: the caller's promise.
        unsafe {
            let look = C::Check::unpooling(&self.region, class);
            C::Rounds::each(magazine, stay..marked, look);
            if !writes {
                let expect = |blocks: &[*mut u8]| {
                    blocks.iter().for_each(|&p| prefetch::to_write(p));
                };
                C::Rounds::each(magazine, stay.saturating_sub(reach)..stay, expect);
            }
        }
        stay
    }
}
